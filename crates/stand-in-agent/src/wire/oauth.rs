//! The registered agent's tokens: a JWT signed with its key, exchanged at the authorization URL (RFC 7523).

use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http_body_util::Full;
use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use url::Url;
use url::form_urlencoded::Serializer;
use uuid::Uuid;

use super::service::CallError;
use super::transport::{Request, Transport};
use crate::clock;
use crate::configuration::key::AgentKey;

/// Validity of an assertion.
const LIFETIME_SECONDS: i64 = 300;

/// What a registered agent proves itself with.
#[derive(Debug)]
pub(crate) struct AgentIdentity {
    /// The client id the server gave at registration.
    pub(crate) client_id: String,
    /// Where the token is asked for, and the audience of the assertion.
    pub(crate) authorization_url: Url,
    /// The private key.
    pub(crate) key: AgentKey,
}

/// The token server said no.
#[derive(Debug, thiserror::Error)]
#[error("{error}: {description}")]
pub(crate) struct OAuthRefused {
    /// The OAuth error code, such as `invalid_client`.
    pub(crate) error: String,
    /// The server's text. Contains "Current server time is" when our clock is wrong.
    pub(crate) description: String,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
}

#[derive(Default, Deserialize)]
struct ErrorAnswer {
    error: String,
    #[serde(default)]
    error_description: String,
}

impl AgentIdentity {
    /// Asks for a token.
    ///
    /// # Errors
    /// The server cannot be reached, or does not know this agent (any more).
    pub(crate) async fn token(&self, transport: &Transport) -> Result<String, CallError> {
        let request = self.request().map_err(CallError::Unreachable)?;
        let url = &self.authorization_url;
        let answer =
            transport.send(url, request, Duration::from_secs(100)).await.map_err(CallError::Unreachable)?;
        if answer.status() == StatusCode::OK {
            let token: TokenAnswer = serde_json::from_slice(answer.body())
                .map_err(|error| CallError::Unreadable(url.to_string(), error))?;
            return Ok(token.access_token);
        }
        let refused: ErrorAnswer = serde_json::from_slice(answer.body()).unwrap_or_default();
        if refused.error.is_empty() {
            let text = format!("The token request was answered with {}", answer.status());
            return Err(CallError::Unreachable(anyhow::anyhow!(text)));
        }
        Err(CallError::OAuth(OAuthRefused { error: refused.error, description: refused.error_description }))
    }

    fn request(&self) -> anyhow::Result<Request> {
        let body = Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
            .append_pair("client_assertion", &self.assertion(clock::unix_seconds())?)
            .finish();
        hyper::Request::builder()
            .method(Method::POST)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(Full::new(body.into()))
            .context("the token request cannot be made")
    }

    /// The signed assertion, valid from `now` (seconds since 1970).
    fn assertion(&self, now: i64) -> anyhow::Result<String> {
        let header = json!({"typ": "JWT", "alg": "RS256"});
        let claims = json!({
            "sub": self.client_id,
            "iss": self.client_id,
            "aud": self.authorization_url.as_str(),
            "jti": Uuid::new_v4().to_string(),
            "nbf": now,
            "exp": now + LIFETIME_SECONDS,
        });
        let part = |value: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = BASE64_URL_SAFE_NO_PAD.encode(self.key.sign(signed.as_bytes())?);
        Ok(format!("{signed}.{signature}"))
    }
}
