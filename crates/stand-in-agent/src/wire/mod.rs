//! The wire: what the official agent says to Azure DevOps, and how.

pub(crate) mod models;
pub(crate) mod oauth;
pub(crate) mod plans;
pub(crate) mod pools;
pub(crate) mod resolve;
pub(crate) mod service;
pub(crate) mod session;
pub(crate) mod transport;
pub(crate) mod trust;
