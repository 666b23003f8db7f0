//! The token of a service connection with workload identity federation, which Azure DevOps gives to a running job.
//!
//! `POST {System.OidcRequestUri}?api-version=7.1&serviceConnectionId={id}` with the job's own token (Azure DevOps REST,
//! Oidctoken - Create). What comes back is good for minutes, so it is asked for each time Entra ID wants to see it.

use std::fmt;

use async_trait::async_trait;
use azure_core::error::ErrorKind;
use azure_core::http::ClientMethodOptions;
use azure_identity::ClientAssertion;
use redact::Secret;
use serde::Deserialize;
use url::Url;

use crate::{Auth, Dialect, HttpError, Method, Pipeline, Request};

/// Where a job asks for the token of a service connection, and as whom.
#[derive(Clone)]
pub struct ServiceConnection {
    /// `System.OidcRequestUri`.
    pub request_uri: Url,
    /// Id of the connection.
    pub id: String,
    /// The job's own token.
    pub job_token: Secret,
}

/// Asks through the pipeline.
#[derive(Clone)]
pub(crate) struct ConnectionToken {
    pub(crate) pipeline: Pipeline,
    pub(crate) connection: ServiceConnection,
}

impl fmt::Debug for ConnectionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectionToken({})", self.connection.id)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OidcToken {
    oidc_token: String,
}

impl ConnectionToken {
    async fn ask(&self) -> Result<String, HttpError> {
        let ServiceConnection { request_uri, id, job_token } = &self.connection;
        let request = Request::new(Method::Post, request_uri.clone(), Dialect::DevOps)
            .auth(Auth::Bearer(job_token.clone()))
            .query("api-version", "7.1")
            .query("serviceConnectionId", id)
            .json(&serde_json::json!({}))?
            .repeatable();
        let answer: OidcToken = self.pipeline.send(request).await?.json()?;
        Ok(answer.oidc_token)
    }
}

#[async_trait]
impl ClientAssertion for ConnectionToken {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        self.ask().await.map_err(|error| azure_core::Error::new(ErrorKind::Credential, error))
    }
}
