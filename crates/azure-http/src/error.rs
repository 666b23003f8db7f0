//! Why a call did not succeed, in words a person can act on.

use std::fmt;
use std::time::Duration;

use crate::EntraError;

/// What is wrong with a server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateProblem {
    /// Nobody we trust has signed it.
    UnknownIssuer,
    /// Nobody is trusted here at all: no system roots and no bundle of the user's.
    NoRoots,
    /// Out of its time.
    Expired,
    /// For another name.
    WrongName,
    /// Something else, in the words of the TLS library.
    Other(String),
}

/// A service's refusal, read from its error envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceError {
    /// Who answered.
    pub host: String,
    /// The status code.
    pub status: u16,
    /// The service's word for it: Resource Manager's `code`, Azure DevOps' `typeKey`.
    pub code: Option<String>,
    /// The service's sentence, without secrets of the request.
    pub message: String,
    /// The service's id of the request, which its support asks for.
    pub request_id: Option<String>,
    /// The service's wait.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} answered {}", self.host, self.status)?;
        if let Some(code) = &self.code {
            write!(f, " ({code})")?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

/// Why a call did not succeed. `Display` says what happened and what it means, [`HttpError::remedy`] what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpError {
    /// The host's name has no address.
    NotResolved {
        /// The host.
        host: String,
        /// The resolver's words.
        detail: String,
    },
    /// The server's certificate is not trusted.
    NotTrusted {
        /// The host.
        host: String,
        /// Why not.
        problem: CertificateProblem,
    },
    /// The proxy did not let us through.
    Proxy {
        /// The host that was to be reached.
        host: String,
        /// The proxy's words.
        detail: String,
    },
    /// No connection: refused, unreachable, or closed before anything was sent.
    Refused {
        /// The host.
        host: String,
        /// The system's words.
        detail: String,
    },
    /// No answer in time.
    TimedOut {
        /// The host.
        host: String,
        /// How long it was waited for.
        after: Duration,
        /// Whether the request had gone out: then it may have been carried out.
        sent: bool,
    },
    /// The connection broke after the request had gone out: it may have been carried out.
    Interrupted {
        /// The host.
        host: String,
        /// The system's words.
        detail: String,
    },
    /// The service does not accept who asks.
    AuthenticationFailed {
        /// Who refused.
        host: String,
        /// In its words.
        reason: String,
        /// Entra ID's reason, where no token could be had.
        entra: Option<EntraError>,
    },
    /// Nobody is signed in to the Azure CLI, or there is none.
    NotSignedIn {
        /// In its words.
        detail: String,
    },
    /// The service does not accept who asks, and this machine's clock is off, which explains it.
    ClockSkew {
        /// Who refused.
        host: String,
        /// How far this clock is ahead, in seconds; negative where it is behind.
        ahead: i64,
    },
    /// Too many calls, and the wait is longer than the call may take.
    Throttled {
        /// Who refused.
        host: String,
        /// The service's wait.
        retry_after: Duration,
    },
    /// Any other refusal of a service.
    Service(ServiceError),
    /// An answer of something that is not the service: a proxy's or portal's page.
    NotJson {
        /// The host that was asked.
        host: String,
        /// The status code.
        status: u16,
        /// What came instead.
        content_type: String,
    },
    /// More than we are prepared to read.
    TooLarge {
        /// The host.
        host: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// JSON, but not what the service documents.
    Unreadable {
        /// The host.
        host: String,
        /// What did not fit.
        detail: String,
    },
    /// Something in our own settings cannot work.
    Settings {
        /// Which setting.
        what: String,
        /// Why not.
        detail: String,
    },
}

impl HttpError {
    /// Whether the service says that the thing is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Service(error) if error.status == 404)
    }

    /// The service's refusal, where it is one.
    pub fn service(&self) -> Option<&ServiceError> {
        match self {
            Self::Service(error) => Some(error),
            _ => None,
        }
    }

    /// Whether the request may have been carried out although this error came back. Who sent something that must not
    /// happen twice has to look before sending it again.
    pub fn outcome_unknown(&self) -> bool {
        match self {
            Self::TimedOut { sent, .. } => *sent,
            Self::Interrupted { .. } | Self::TooLarge { .. } | Self::Unreadable { .. } => true,
            Self::Service(error) => matches!(error.status, 408 | 500 | 502 | 504),
            _ => false,
        }
    }

    /// What to do about it: one sentence, or two.
    pub fn remedy(&self) -> String {
        match self {
            Self::NotResolved { host, .. } => format!(
                "Check the name {host} for a typing error, and that this machine's DNS can resolve it. Inside a \
                 virtual network that has DNS servers of its own, name them."
            ),
            Self::NotTrusted { problem, .. } => problem.remedy().to_owned(),
            Self::Proxy { .. } => "Check HTTPS_PROXY (address, user and password), or name hosts that need no proxy in \
                                   NO_PROXY."
                .to_owned(),
            Self::Refused { .. } | Self::TimedOut { .. } | Self::Interrupted { .. } => {
                "Check that this machine may reach the host (firewall, NAT gateway, HTTPS_PROXY), then try again."
                    .to_owned()
            }
            Self::AuthenticationFailed { entra: Some(entra), .. } => capitalized(entra.remedy()),
            Self::AuthenticationFailed { .. } => "Check that the token is complete, has not expired, and has the \
                                                  scopes or roles that this needs."
                .to_owned(),
            Self::NotSignedIn { .. } => "Set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET of a service \
                                         principal; or install the Azure CLI and sign in to it (`az login`)."
                .to_owned(),
            Self::ClockSkew { .. } => "Set this machine's clock (NTP), then try again.".to_owned(),
            Self::Throttled { retry_after, .. } => format!("Try again in {} s.", retry_after.as_secs().max(1)),
            Self::Service(error) => error.remedy(),
            Self::NotJson { .. } => "Check the address; something between here and the service (a proxy, a captive \
                                     portal, a firewall) may have answered instead."
                .to_owned(),
            Self::TooLarge { .. } | Self::Unreadable { .. } => {
                "Check that the address is the service's own. If it is, this is a defect of ours: please report it."
                    .to_owned()
            }
            Self::Settings { what, .. } => format!("Correct {what}."),
        }
    }
}

impl ServiceError {
    fn remedy(&self) -> String {
        let id = self.request_id.as_ref();
        match self.status {
            403 => "Give the identity the role or permission that the message names.".to_owned(),
            404 => "Check the names, and that the identity may see what they name.".to_owned(),
            500.. => {
                let id =
                    id.map(|id| format!(" Its support asks for the request id {id}.")).unwrap_or_default();
                format!("The service has a problem of its own: try again later.{id}")
            }
            _ => "Change what the message names.".to_owned(),
        }
    }
}

impl CertificateProblem {
    fn remedy(&self) -> &'static str {
        match self {
            Self::UnknownIssuer | Self::NoRoots => {
                "If a proxy inspects TLS here, or the server has a certificate authority of its own, name its \
                 certificate in a PEM file."
            }
            Self::Expired => "Renew the server's certificate, or set this machine's clock.",
            Self::WrongName => "Use the name that the certificate is for.",
            Self::Other(_) => "Check the server's certificate.",
        }
    }
}

impl fmt::Display for CertificateProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownIssuer => f.write_str("nobody trusted here has signed it"),
            Self::NoRoots => f.write_str("this machine has no trusted certificate authorities at all"),
            Self::Expired => f.write_str("it has expired or is not valid yet"),
            Self::WrongName => f.write_str("it is for another name"),
            Self::Other(detail) => f.write_str(detail),
        }
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotResolved { host, detail } => write!(f, "the name {host} has no address: {detail}"),
            Self::NotTrusted { host, problem } => {
                write!(f, "the certificate of {host} is not trusted: {problem}")
            }
            Self::Proxy { host, detail } => write!(f, "the proxy did not let us through to {host}: {detail}"),
            Self::Refused { host, detail } => write!(f, "no connection to {host}: {detail}"),
            Self::TimedOut { host, after, sent: true } => {
                write!(f, "{host} did not answer within {} s", after.as_secs())
            }
            Self::TimedOut { host, after, sent: false } => {
                write!(f, "no connection to {host} within {} s", after.as_secs())
            }
            Self::Interrupted { host, detail } => {
                write!(f, "the connection to {host} broke before the answer was complete: {detail}")
            }
            Self::AuthenticationFailed { host, entra: Some(entra), .. } => {
                write!(f, "{host} gave no token: {entra}")
            }
            Self::AuthenticationFailed { host, reason, entra: None } => {
                write!(f, "{host} does not accept the credential: {reason}")
            }
            Self::NotSignedIn { detail } => write!(f, "the Azure CLI gave no token: {detail}"),
            Self::ClockSkew { host, ahead } => {
                let (seconds, way) = (ahead.unsigned_abs(), if *ahead < 0 { "behind" } else { "ahead" });
                write!(
                    f,
                    "{host} does not accept the credential, and this machine's clock is {seconds} s {way}: tokens \
                     count as expired or not yet valid"
                )
            }
            Self::Throttled { host, retry_after } => {
                write!(
                    f,
                    "{host} takes no more calls for {} s: too many were made",
                    retry_after.as_secs().max(1)
                )
            }
            Self::Service(error) => error.fmt(f),
            Self::NotJson { host, status, content_type } => {
                write!(
                    f,
                    "{host} answered {status} with {content_type} where JSON was expected: not the service itself"
                )
            }
            Self::TooLarge { host, limit } => write!(f, "{host} answered with more than {limit} bytes"),
            Self::Unreadable { host, detail } => {
                write!(f, "the answer of {host} is not what the service documents: {detail}")
            }
            Self::Settings { what, detail } => write!(f, "{what} cannot be used: {detail}"),
        }
    }
}

impl std::error::Error for HttpError {}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}
