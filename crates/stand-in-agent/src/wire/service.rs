//! Calls to one Azure DevOps server: versions, JSON, errors, retries, and the 401 challenge.
//!
//! The official client sends the first request without credentials, and adds them only when a 401 offers the scheme
//! it has. From then on it sends them along.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, USER_AGENT, WWW_AUTHENTICATE};
use hyper::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::oauth::{AgentIdentity, OAuthRefused};
use super::transport::{Request, Response, Transport};

/// How long an ordinary call may take (`VSTS_HTTP_TIMEOUT`'s default).
const CALL_TIMEOUT: Duration = Duration::from_secs(100);

/// Attempts for what may pass by itself: no connection, 429, 502, 503, 504.
const ATTEMPTS: u32 = 5;

/// Pause after the first failed attempt, doubled each time. The official client begins with 10 s; a stand-in that
/// talks to an emulator need not wait for a data centre to come back.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// How the program proves who it is.
#[derive(Debug)]
pub(crate) enum Credential {
    /// A personal access token, sent as Basic with the user name `VstsAgent`.
    AccessToken(String),
    /// A ready token, such as the job's.
    Bearer(String),
    /// The registered agent's key, exchanged for short-lived tokens.
    Agent(Box<AgentIdentity>),
}

/// A call that did not work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// No usable answer came.
    #[error("{0:#}")]
    Unreachable(anyhow::Error),
    /// The server answered with an error.
    #[error("{message}")]
    Refused {
        /// HTTP status.
        status: StatusCode,
        /// Short type name of the server's exception; empty when the answer was not its error envelope.
        type_key: String,
        /// The server's text.
        message: String,
    },
    /// The server does not accept our credentials.
    #[error("VS30063: You are not authorized to access {0}.")]
    Unauthorized(String),
    /// The token server does not accept our key.
    #[error(transparent)]
    OAuth(OAuthRefused),
    /// The answer is not what the protocol says.
    #[error("The answer of {0} cannot be understood: {1}")]
    Unreadable(String, serde_json::Error),
}

impl CallError {
    /// The server's exception type, if it named one.
    pub(crate) fn type_key(&self) -> &str {
        match self {
            Self::Refused { type_key, .. } => type_key,
            _ => "",
        }
    }

    /// Whether the server's exception is this one.
    pub(crate) fn is(&self, type_key: &str) -> bool {
        self.type_key() == type_key
    }
}

/// One call, before it is sent.
pub(crate) struct Call {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    version: &'static str,
    accept: &'static str,
    content_type: &'static str,
    body: Bytes,
    timeout: Duration,
}

impl Call {
    /// A call to `path`, relative to the server's address.
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            version: "7.2-preview.1",
            accept: "application/json",
            content_type: "application/json; charset=utf-8",
            body: Bytes::new(),
            timeout: CALL_TIMEOUT,
        }
    }

    /// Adds a query parameter.
    pub(crate) fn query(mut self, name: &'static str, value: impl std::fmt::Display) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    /// Asks for the second version of a resource (packages, plans, timelines, records have one).
    pub(crate) fn second_version(mut self) -> Self {
        self.version = "7.2-preview.2";
        self
    }

    /// Asks for another form of answer.
    pub(crate) fn accept(mut self, media_type: &'static str) -> Self {
        self.accept = media_type;
        self
    }

    /// Sends JSON.
    pub(crate) fn json(mut self, body: &impl Serialize) -> Self {
        // Our own message types have string keys and no failing serializers.
        self.body = serde_json::to_vec(body).unwrap_or_default().into();
        self
    }

    /// Sends bytes.
    pub(crate) fn bytes(mut self, body: impl Into<Bytes>) -> Self {
        self.content_type = "application/octet-stream";
        self.body = body.into();
        self
    }

    /// Gives up after another time than 100 s.
    pub(crate) fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

/// One server, and who we are to it.
pub(crate) struct Service {
    transport: Arc<Transport>,
    base: Url,
    credential: Credential,
    user_agent: String,
    /// The header that worked last.
    header: Mutex<Option<String>>,
}

impl Service {
    /// A server at `base`, the address of an organization or a collection.
    pub(crate) fn new(transport: Arc<Transport>, base: Url, credential: Credential) -> Self {
        let user_agent = format!(
            "VSServices/{0} (NetStandard; Linux) VstsAgentCore-linux-x64/{0}",
            crate::version::PROTOCOL
        );
        Self { transport, base, credential, user_agent, header: Mutex::default() }
    }

    /// Sends a call and reads its answer.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(crate) async fn fetch<T: DeserializeOwned>(&self, call: Call) -> Result<T, CallError> {
        let path = call.path.clone();
        let answer = self.send(call).await?;
        serde_json::from_slice(answer.body()).map_err(|error| CallError::Unreadable(path, error))
    }

    /// Sends a call; any success will do.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(crate) async fn send(&self, call: Call) -> Result<Response, CallError> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..ATTEMPTS {
            let wait = match self.attempt(&call).await {
                Ok(answer) if may_pass(answer.status()) => retry_after(&answer).unwrap_or(pause),
                Ok(answer) => return accept(&call, answer),
                Err(CallError::Unreachable(_)) => pause,
                Err(error) => return Err(error),
            };
            tokio::time::sleep(wait).await;
            pause *= 2;
        }
        accept(&call, self.attempt(&call).await?)
    }

    /// Sends a call once, answering up to two challenges.
    async fn attempt(&self, call: &Call) -> Result<Response, CallError> {
        let unreachable = CallError::Unreachable;
        let url = self.address(call);
        let mut header = self.known_header();
        for _ in 0..3 {
            let request = self.request(call, header.as_deref()).map_err(unreachable)?;
            let answer = self.transport.send(&url, request, call.timeout).await.map_err(unreachable)?;
            // A 401 that asks for nothing is an answer: its body says what is wrong, such as an agent that is gone.
            let challenged = answer.headers().contains_key(WWW_AUTHENTICATE);
            if !(challenged && answer.status() == StatusCode::UNAUTHORIZED
                || answer.status().is_redirection())
            {
                return Ok(answer);
            }
            let next = self.answer_challenge(&url, &answer).await?;
            if next == header {
                break;
            }
            header = next;
            self.header.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&header);
        }
        Err(CallError::Unauthorized(url.to_string()))
    }

    /// The header that answers a 401, if the server offers what we have.
    async fn answer_challenge(&self, url: &Url, answer: &Response) -> Result<Option<String>, CallError> {
        let offers = |scheme: &str| {
            answer.headers().get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()).any(
                |value| value.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)),
            )
        };
        let refused = || CallError::Unauthorized(url.to_string());
        if answer.headers().contains_key("x-vss-authenticateerror") {
            return Err(refused());
        }
        match &self.credential {
            Credential::AccessToken(_) if offers("Basic") && url.scheme() != "https" => {
                let text = "Basic authentication requires a secure connection to the server.";
                Err(CallError::Unreachable(anyhow::anyhow!(text)))
            }
            Credential::AccessToken(token) if offers("Basic") => {
                Ok(Some(format!("Basic {}", BASE64_STANDARD.encode(format!("VstsAgent:{token}")))))
            }
            Credential::Bearer(token) if offers("Bearer") => Ok(Some(format!("Bearer {token}"))),
            Credential::Agent(identity) if offers("Bearer") => {
                Ok(Some(format!("Bearer {}", identity.token(&self.transport).await?)))
            }
            _ => Err(refused()),
        }
    }

    fn address(&self, call: &Call) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{}", self.base.path().trim_end_matches('/'), call.path));
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&call.query);
        }
        url
    }

    fn request(&self, call: &Call, authorization: Option<&str>) -> anyhow::Result<Request> {
        let mut request = hyper::Request::builder()
            .method(call.method.clone())
            .header(ACCEPT, format!("{};api-version={}", call.accept, call.version))
            .header(USER_AGENT, &self.user_agent)
            .header("X-TFS-FedAuthRedirect", "Suppress");
        if !call.body.is_empty() {
            request =
                request.header(CONTENT_TYPE, format!("{};api-version={}", call.content_type, call.version));
        }
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        request.body(Full::new(call.body.clone())).context("the request cannot be made")
    }

    fn known_header(&self) -> Option<String> {
        self.header.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn may_pass(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}

fn retry_after(answer: &Response) -> Option<Duration> {
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Turns an error answer into an error. A success that is a sign-in page is one too.
fn accept(call: &Call, answer: Response) -> Result<Response, CallError> {
    let is_html = answer
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("text/html"));
    if answer.status().is_success() && is_html {
        return Err(CallError::Unauthorized(call.path.clone()));
    }
    if answer.status().is_success() {
        return Ok(answer);
    }
    let envelope: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let text = |name: &str| envelope[name].as_str().unwrap_or_default().to_owned();
    let message = match text("message") {
        empty if empty.is_empty() => {
            format!("{} {} was answered with {}", call.method, call.path, answer.status())
        }
        message => message,
    };
    Err(CallError::Refused { status: answer.status(), type_key: text("typeKey"), message })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, content_type: &str, body: &'static str) -> Response {
        hyper::Response::builder()
            .status(status)
            .header(CONTENT_TYPE, content_type)
            .body(body.into())
            .unwrap()
    }

    #[test]
    fn error_envelope_is_read() {
        let call = Call::new(Method::GET, "_apis/x");
        let body = r#"{"message":"Agent is busy","typeKey":"TaskAgentJobStillRunningException"}"#;
        let error = accept(&call, answer(400, "application/json", body)).unwrap_err();
        assert!(error.is("TaskAgentJobStillRunningException"));
        assert_eq!(error.to_string(), "Agent is busy");
    }

    #[test]
    fn error_without_envelope_says_what_was_asked() {
        let error =
            accept(&Call::new(Method::GET, "_apis/x"), answer(500, "text/plain", "oops")).unwrap_err();
        assert_eq!(error.to_string(), "GET _apis/x was answered with 500 Internal Server Error");
        assert_eq!(error.type_key(), "");
    }

    #[test]
    fn sign_in_page_is_not_a_success() {
        let page = answer(203, "text/html; charset=utf-8", "<html>");
        assert!(matches!(accept(&Call::new(Method::GET, "p"), page), Err(CallError::Unauthorized(_))));
    }
}
