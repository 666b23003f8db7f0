//! The one HTTP pipeline to Azure and Azure DevOps.
//!
//! Every call of every program goes through a [`Pipeline`]: request id, retries by class within one budget, the
//! service's own waits, authentication on each try, a log line without secrets, and the transport with our TLS, DNS
//! and proxy settings. The credentials of `azure_identity` send through the same pipeline. What comes back is a
//! [`Response`] or an [`HttpError`] that says what happened, what it means and what to do about it.
//!
//! The judgement is in functions from data to data: [`retry::decide`] (whether and when to send again), `interpret`
//! (what an answer means in the dialect of the service), `classify` (what a broken connection means). The rest is
//! plumbing.
//!
//! Nothing else in the workspace makes an HTTP client.

pub mod cloud;
pub mod identity;
pub mod retry;

mod authentication;
mod classify;
mod dialect;
mod dns;
mod entra;
mod error;
mod interpret;
mod pipeline;
mod request;
mod response;
mod sanitize;
mod throttle;
mod tls;
mod transport;

pub use authentication::Auth;
pub use cloud::Cloud;
pub use dialect::Dialect;
pub use entra::EntraError;
pub use error::{CertificateProblem, HttpError, ServiceError};
pub use identity::Credential;
pub use pipeline::{Pipeline, PipelineOptions};
pub use request::{Method, Request};
pub use response::Response;
