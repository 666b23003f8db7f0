//! `.certificates`: the TLS choices made at configuration, used by every later start.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustls::ClientConfig;
use serde::{Deserialize, Serialize};

use super::files;
use crate::arguments::Arguments;
use crate::installation::Installation;
use crate::wire::trust::{TrustSettings, client_config};

/// Name of the file.
pub(crate) const FILE: &str = ".certificates";

/// What was chosen.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Certificates {
    /// `--sslcacert`.
    #[serde(rename = "CACert", skip_serializing_if = "Option::is_none")]
    ca_cert: Option<PathBuf>,
    /// `--sslskipcertvalidation`.
    skip_cert_validation: bool,
}

impl Certificates {
    /// What the command line chooses; without a choice, what an earlier one chose.
    fn of(arguments: &Arguments, root: &Path) -> Self {
        let chosen = Self {
            ca_cert: arguments.option("sslcacert").map(PathBuf::from),
            skip_cert_validation: arguments.flag("sslskipcertvalidation"),
        };
        if chosen != Self::default() {
            return chosen;
        }
        let stored = std::fs::read_to_string(root.join(FILE)).unwrap_or_default();
        serde_json::from_str(&stored).unwrap_or_default()
    }
}

/// Writes the file if there is something to keep.
///
/// # Errors
/// The root is not writable.
pub(crate) fn save(arguments: &Arguments, root: &Path) -> anyhow::Result<()> {
    let chosen = Certificates::of(arguments, root);
    if chosen == Certificates::default() {
        return Ok(());
    }
    let text = serde_json::to_string_pretty(&chosen).context("the TLS choices cannot be written down")?;
    files::write_private(root, FILE, &text)
}

/// The client side of TLS for this installation.
///
/// # Errors
/// The chosen certificate file cannot be read.
pub(crate) fn tls(installation: &Installation, arguments: &Arguments) -> anyhow::Result<ClientConfig> {
    let chosen = Certificates::of(arguments, &installation.root);
    let settings =
        TrustSettings { ca_file: chosen.ca_cert.as_deref(), skip_validation: chosen.skip_cert_validation };
    client_config(&installation.environment, settings)
}
