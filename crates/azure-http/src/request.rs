//! What is to be sent.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use redact::Secret;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;
use url::Url;

use crate::{Auth, Dialect, HttpError};

/// How long a call may take, all retries and waits included, unless it says otherwise.
const DEFAULT_BUDGET: Duration = Duration::from_secs(100);

/// How often a call is tried, unless it says otherwise: the official clients' number.
const DEFAULT_ATTEMPTS: u32 = 5;

/// The verbs the services use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Creates or replaces by name.
    Put,
    /// Changes parts.
    Patch,
    /// Anything that is not repeatable.
    Post,
    /// Removes by name.
    Delete,
    /// Asks whether it is there.
    Head,
}

impl Method {
    /// Whether sending it twice leaves the service as sending it once does. `PATCH` counts: ours set values.
    pub fn is_repeatable(self) -> bool {
        self != Self::Post
    }

    /// As it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Post => "POST",
            Self::Delete => "DELETE",
            Self::Head => "HEAD",
        }
    }
}

/// One call: what to send, to whom, as whom, and how hard to try.
///
/// ```
/// use azure_http::{Auth, Dialect, Method, Request};
/// use redact::Secret;
///
/// let url = "https://dev.azure.com/contoso/_apis/distributedtask/pools".parse().expect("an address");
/// let request = Request::new(Method::Get, url, Dialect::DevOps)
///     .auth(Auth::Basic(Secret::new("a token")))
///     .query("poolName", "private")
///     .query("api-version", "7.1");
/// assert_eq!(request.url().query(), Some("poolName=private&api-version=7.1"));
/// assert!(!format!("{request:?}").contains("a token"));
/// ```
#[derive(Clone)]
pub struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) dialect: Dialect,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Bytes>,
    pub(crate) auth: Auth,
    pub(crate) repeatable: bool,
    pub(crate) budget: Duration,
    pub(crate) attempts: u32,
    pub(crate) hidden: Vec<Secret>,
    pub(crate) takes_challenge: bool,
}

impl Request {
    /// A request without body and without credentials.
    pub fn new(method: Method, url: Url, dialect: Dialect) -> Self {
        Self {
            method,
            url,
            dialect,
            headers: HeaderMap::new(),
            body: None,
            auth: Auth::None,
            repeatable: method.is_repeatable(),
            budget: DEFAULT_BUDGET,
            attempts: DEFAULT_ATTEMPTS,
            hidden: Vec::new(),
            takes_challenge: false,
        }
    }

    /// Where it goes.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// As whom.
    #[must_use]
    pub fn auth(mut self, auth: Auth) -> Self {
        self.auth = auth;
        self
    }

    /// Adds a pair to the query.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.url.query_pairs_mut().append_pair(name, value);
        self
    }

    /// Sets a header that the services define (never a credential: that is what [`Request::auth`] is for).
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        self
    }

    /// Sends `body` as JSON.
    pub fn json(mut self, body: &impl Serialize) -> Result<Self, HttpError> {
        let bytes = serde_json::to_vec(body).map_err(|error| HttpError::Settings {
            what: "the request's body".to_owned(),
            detail: error.to_string(),
        })?;
        self.body = Some(Bytes::from(bytes));
        Ok(self.header("content-type", "application/json"))
    }

    /// Sends `fields` as a form, as token endpoints take them.
    #[must_use]
    pub fn form(mut self, fields: &[(&str, &str)]) -> Self {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        self.body = Some(Bytes::from(form.finish()));
        self.header("content-type", "application/x-www-form-urlencoded")
    }

    /// Says that sending it twice does no harm, where the method alone does not.
    #[must_use]
    pub fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// How long the call may take, retries, waits and tokens included.
    #[must_use]
    pub fn budget(mut self, budget: Duration) -> Self {
        self.budget = budget;
        self
    }

    /// How often it may be sent.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Takes 401 for an answer: its `WWW-Authenticate` says where a token is to be had.
    #[must_use]
    pub fn takes_challenge(mut self) -> Self {
        self.takes_challenge = true;
        self
    }

    /// A secret in the body: masked in whatever the service says about it.
    #[must_use]
    pub fn hide(mut self, secret: &Secret) -> Self {
        self.hidden.push(secret.clone());
        self
    }

    /// The host and port that it goes to, as people write them.
    pub(crate) fn host(&self) -> String {
        host_of(&self.url)
    }
}

/// `host` or `host:port` where the port is not the scheme's own.
pub(crate) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or("?");
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} {})", self.method.as_str(), crate::sanitize::url(&self.url))
    }
}
