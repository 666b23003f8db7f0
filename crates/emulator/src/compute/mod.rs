//! Runs container groups.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

use crate::Emulator;
use crate::options::Options;

/// Something to do for what runs container groups.
#[derive(Debug)]
pub enum Command {}

/// What runs container groups.
#[derive(Debug)]
pub struct Runtime {}

impl Runtime {
    /// The one that the options and the machine allow. `Err` says what is missing.
    pub(crate) async fn choose(_options: &Options, _data: &Path) -> Result<Self, String> {
        Ok(Self {})
    }

    /// Where to listen so that containers reach us.
    pub(crate) fn listen_address(&self) -> IpAddr {
        Ipv4Addr::LOCALHOST.into()
    }

    /// The host name or address that both clients and containers reach.
    pub(crate) fn advertised_host(&self) -> String {
        "localhost".to_owned()
    }

    /// More addresses that the server's certificate must hold.
    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        Vec::new()
    }

    /// How container groups run, for the reader of the start message.
    pub fn describe(&self) -> &str {
        "as processes"
    }

    /// Ends all that runs.
    pub(crate) async fn end_everything(&self) {}
}

/// Starts doing it; what comes of it arrives as changes of the state.
pub(crate) fn carry_out(_emulator: &Arc<Emulator>, command: Command) {
    match command {}
}

/// After a start with kept state: takes up what still runs, and reports what does not.
pub(crate) async fn resume(_emulator: &Arc<Emulator>) {}
