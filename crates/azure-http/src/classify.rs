//! What a call that got no answer died of.

use std::error::Error;
use std::io;
use std::time::Duration;

use rustls::CertificateError;

use crate::dns::NotResolved;
use crate::retry::Outcome;
use crate::{CertificateProblem, Dialect, HttpError};

/// What is known about a call besides its error.
pub(crate) struct Circumstances {
    /// Who was called.
    pub(crate) host: String,
    /// How long it was given.
    pub(crate) limit: Duration,
    /// Whether any certificate authority is trusted here.
    pub(crate) has_roots: bool,
}

/// Which error it is. The reasons lie at the bottom of reqwest's, hyper's and rustls' errors; each level is asked.
pub(crate) fn classify(error: &reqwest::Error, circumstances: Circumstances) -> HttpError {
    let Circumstances { host, limit, has_roots } = circumstances;
    for cause in causes(error) {
        if let Some(NotResolved(detail)) = cause.downcast_ref() {
            return HttpError::NotResolved { host, detail: detail.clone() };
        }
        if let Some(rustls::Error::InvalidCertificate(problem)) = cause.downcast_ref() {
            return HttpError::NotTrusted { host, problem: certificate_problem(problem, has_roots) };
        }
        // Not a public type; its text is all there is.
        let text = cause.to_string();
        if let Some(detail) = text.strip_prefix("tunnel error: ") {
            return HttpError::Proxy { host, detail: proxys_answer(detail).to_owned() };
        }
    }
    if error.is_timeout() {
        return HttpError::TimedOut { host, after: limit, sent: !error.is_connect() };
    }
    let detail = causes(error).last().map_or_else(String::new, |cause| in_words(&cause.to_string()));
    if error.is_connect() {
        return HttpError::Refused { host, detail };
    }
    HttpError::Interrupted { host, detail }
}

/// A server that hangs up says no goodbye in TLS either; that, and where rustls explains it, helps nobody.
fn in_words(detail: &str) -> String {
    if detail.starts_with("peer closed connection without sending TLS close_notify") {
        "the other side closed it".to_owned()
    } else {
        detail.to_owned()
    }
}

/// The tunnel's words are for programmers.
fn proxys_answer(detail: &str) -> &str {
    match detail {
        "proxy authorization required" => "it asks for a user and a password",
        "unsuccessful" => "it refused",
        other => other,
    }
}

fn certificate_problem(error: &CertificateError, has_roots: bool) -> CertificateProblem {
    match error {
        CertificateError::UnknownIssuer if !has_roots => CertificateProblem::NoRoots,
        CertificateError::UnknownIssuer | CertificateError::BadSignature => CertificateProblem::UnknownIssuer,
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => CertificateProblem::Expired,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            CertificateProblem::WrongName
        }
        other => CertificateProblem::Other(other.to_string()),
    }
}

/// The error and everything under it. An `io::Error` hides what it wraps from `source()`.
fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| beneath(*error))
}

fn beneath<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

/// What `error` is for the decision to send again.
pub(crate) fn outcome(dialect: Dialect, error: &HttpError) -> Outcome {
    match error {
        // The endpoint comes up after the container does, and says these until it knows the identity.
        HttpError::Service(error)
            if dialect == Dialect::InstanceMetadata && matches!(error.status, 404 | 410) =>
        {
            Outcome::NotReady
        }
        HttpError::NotResolved { .. }
        | HttpError::Refused { .. }
        | HttpError::Proxy { .. }
        | HttpError::TimedOut { sent: false, .. } => Outcome::NotSent,
        HttpError::TimedOut { .. } | HttpError::Interrupted { .. } => Outcome::Lost,
        HttpError::Service(error) => Outcome::Answered(error.status),
        _ => Outcome::Hopeless,
    }
}
