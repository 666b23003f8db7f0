//! Microsoft.Storage: storage accounts with blobs, and who gets to them.
//!
//! | module | part |
//! |---|---|
//! | `accounts` | the calls on accounts |
//! | `containers` | the calls on blob containers |
//! | `rules` | network rules: which are valid, and whom they let through |
//! | `door` | the account's own host, where blobs are |
//!
//! Behind each account stands an Azurite, which checks keys and signatures as it does. Deviation from Azure: blobs are
//! at `https://host:port/account`, not at a host of their own.

mod accounts;
mod containers;
pub(crate) mod door;
mod rules;

pub use accounts::AccountKeys;
pub(super) use accounts::{KIND, environment, opened};

use crate::http::Router;

pub(super) fn routes(router: &mut Router) {
    accounts::routes(router);
    containers::routes(router);
}
