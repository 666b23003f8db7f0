//! The services, as far as one agent needs them: packages, its registration, its container group.

use std::{io, time::Duration};

use azure_core::http::HttpClient as _;
use azure_http::{
    Auth, Cloud, Credential, Dialect, HttpError, Method, Pipeline, PipelineOptions, Request,
    identity::{self, DEVOPS_SCOPE, IdentityId, METADATA_ENDPOINT, ServicePrincipal},
};
use redact::Secret;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use url::Url;

use crate::{
    assertion::TokenRequest,
    machine::Answer,
    settings::{AgentKey, ContainerGroup, Identity, IdentityEndpoint, Proof, Settings},
};

/// Version of the Azure DevOps API.
const DEVOPS_VERSION: &str = "7.1";

/// Version of the container group API.
const GROUPS_VERSION: &str = "2025-09-01";

/// How long one call of the taking down may take. The machine decides whether there will be another.
const CALL: Duration = Duration::from_secs(20);

/// How often the pipeline sends such a call by itself.
const CALL_ATTEMPTS: u32 = 2;

/// How long a step of the taking down waits for a managed identity's token before it says that there is none. The
/// machine tries again, so this is no limit to patience.
const TOKEN: Duration = Duration::from_secs(20);

/// An agent package has a few hundred megabytes.
const DOWNLOAD: Duration = Duration::from_mins(30);

/// The services.
pub struct Azure {
    pipeline: Pipeline,
    organization: String,
    token: Option<Secret>,
    cloud: String,
    identity: Option<Identity>,
    identity_endpoint: IdentityEndpoint,
    group: Option<ContainerGroup>,
    resolved: OnceCell<(Cloud, Credential)>,
}

impl Azure {
    /// Nothing is asked yet.
    pub fn new(settings: &Settings) -> Result<Self, HttpError> {
        let mut options = PipelineOptions::new(concat!("agent-supervisor/", env!("CARGO_PKG_VERSION")));
        options.extra_ca_pem.extend(settings.ca_pem.clone());
        Ok(Self {
            pipeline: Pipeline::new(options)?,
            organization: settings.organization.clone(),
            token: settings.token.clone(),
            cloud: settings.cloud.clone(),
            identity: settings.identity.clone(),
            identity_endpoint: settings.identity_endpoint.clone(),
            group: settings.group.clone(),
            resolved: OnceCell::new(),
        })
    }

    /// The packages of the official agent for a platform, as the organization lists them.
    pub async fn packages(
        &self,
        platform: &str,
        agents_own: Option<TokenRequest>,
    ) -> Result<Value, HttpError> {
        // An identity that is here to delete the container group need not be a member of the organization.
        let auth = match (&self.token, agents_own) {
            (None, Some(request)) => Auth::Bearer(self.agents_token(request).await?),
            _ => self.devops_auth().await?,
        };
        let request = self
            .devops(Method::Get, "packages/agent")?
            .query("platform", platform)
            .query("api-version", DEVOPS_VERSION)
            .auth(auth);
        self.pipeline.send(request).await?.json()
    }

    /// Downloads a package, piece by piece.
    pub async fn download(
        &self,
        url: &str,
        take: &mut (dyn FnMut(&[u8]) -> io::Result<()> + Send),
    ) -> Result<u64, HttpError> {
        let request = Request::new(Method::Get, address(url)?, Dialect::Plain).budget(DOWNLOAD);
        self.pipeline.download(request, take).await
    }

    /// Gets the tokens that the taking down needs. What fails now will be tried, and told, again.
    pub async fn fetch_tokens(&self) {
        if self.token.is_none() && self.identity.is_some() {
            let _ = self.entra_token(Some(DEVOPS_SCOPE)).await;
        }
        if self.group.is_some() && self.identity.is_some() {
            let _ = self.entra_token(None).await;
        }
    }

    /// Takes the agent out of rotation. It finishes the job it has.
    pub async fn disable(&self, key: AgentKey) -> Answer {
        let body = json!({"id": key.agent, "enabled": false});
        match self.agent(Method::Patch, key).and_then(|request| request.json(&body)) {
            Ok(request) => answer(self.send_devops(request).await.map(drop), false),
            Err(error) => Answer::Refused(error.to_string()),
        }
    }

    /// Removes the agent from its pool, unless a job is assigned to it: removing it then would lose that job.
    pub async fn unregister(&self, key: AgentKey) -> Answer {
        match self.is_assigned(key).await {
            Ok(true) => return Answer::TryAgain("the service still counts a job as its own".to_owned()),
            Ok(false) => {}
            Err(error) => return self.not_unregistered(error),
        }
        let removed = match self.agent(Method::Delete, key) {
            Ok(request) => self.send_devops(request).await.map(drop),
            Err(error) => Err(error),
        };
        removed.map_or_else(|error| self.not_unregistered(error), |()| Answer::Done)
    }

    /// What a failure to unregister means, with what the credential needs if it is refused.
    fn not_unregistered(&self, error: HttpError) -> Answer {
        let by_credential = matches!(error, HttpError::AuthenticationFailed { .. })
            || error.service().is_some_and(|refusal| refusal.status == 403);
        let need = match (&self.token, by_credential) {
            (_, false) => "",
            (Some(_), true) => "; its token must live as long as the agent and may manage the pool",
            (None, true) => "; its identity must be a member of the organization and may manage the pool",
        };
        match answer(Err(error), false) {
            Answer::Refused(why) => Answer::Refused(format!("{}{need}", why.trim_end_matches('.'))),
            other => other,
        }
    }

    /// Deletes the container group this runs in.
    pub async fn delete_group(&self) -> Answer {
        answer(self.try_delete_group().await, true)
    }

    async fn is_assigned(&self, key: AgentKey) -> Result<bool, HttpError> {
        let request = self.agent(Method::Get, key)?.query("includeAssignedRequest", "true");
        let agent: Value = self.send_devops(request).await?.json()?;
        let assigned = &agent["assignedRequest"];
        Ok(assigned.is_object() && assigned["finishTime"].is_null() && assigned["result"].is_null())
    }

    async fn try_delete_group(&self) -> Result<(), HttpError> {
        let Some(ContainerGroup { subscription, resource_group, name }) = &self.group else { return Ok(()) };
        let (cloud, credential) = self.resolved().await?;
        self.token_in_time(credential, &cloud.scope()).await?;
        let mut url = cloud.resource_manager.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend([
                "subscriptions",
                subscription,
                "resourceGroups",
                resource_group,
                "providers",
                "Microsoft.ContainerInstance",
                "containerGroups",
                name,
            ]);
        }
        let request = Request::new(Method::Delete, url, Dialect::ResourceManager)
            .query("api-version", GROUPS_VERSION)
            .auth(Auth::Entra { credential: credential.clone(), scope: cloud.scope() })
            .budget(CALL)
            .attempts(CALL_ATTEMPTS);
        self.pipeline.send(request).await.map(drop)
    }

    fn agent(&self, method: Method, key: AgentKey) -> Result<Request, HttpError> {
        let request = self.devops(method, &format!("pools/{}/agents/{}", key.pool, key.agent))?;
        Ok(request.query("api-version", DEVOPS_VERSION).budget(CALL).attempts(CALL_ATTEMPTS))
    }

    fn devops(&self, method: Method, path: &str) -> Result<Request, HttpError> {
        let url = address(&format!("{}/_apis/distributedtask/{path}", self.organization))?;
        Ok(Request::new(method, url, Dialect::DevOps))
    }

    async fn send_devops(&self, request: Request) -> Result<azure_http::Response, HttpError> {
        self.pipeline.send(request.auth(self.devops_auth().await?)).await
    }

    /// A token goes first: it was handed over for this. An identity may also be a member of the organization.
    async fn devops_auth(&self) -> Result<Auth, HttpError> {
        match &self.token {
            Some(token) => Ok(Auth::Basic(token.clone())),
            None if self.identity.is_some() => {
                let (_, credential) = self.resolved().await?;
                self.token_in_time(credential, DEVOPS_SCOPE).await?;
                Ok(Auth::Entra { credential: credential.clone(), scope: DEVOPS_SCOPE.to_owned() })
            }
            None => Ok(Auth::None),
        }
    }

    /// Sees to it that there is a token of a managed identity. Its endpoint may come up late, or never, and by itself
    /// waits long enough to use up all the time of a step: then nobody would know what was waited for.
    async fn token_in_time(&self, credential: &Credential, scope: &str) -> Result<(), HttpError> {
        let Some(Identity::Managed(_)) = &self.identity else { return Ok(()) };
        if let Ok(token) = tokio::time::timeout(TOKEN, credential.token(scope)).await {
            return token.map(drop);
        }
        let host = self.identity_address()?.host_str().unwrap_or_default().to_owned();
        let detail = format!("no token within {} s", TOKEN.as_secs());
        Err(HttpError::Refused { host: format!("the managed identity endpoint ({host})"), detail })
    }

    fn identity_address(&self) -> Result<Url, HttpError> {
        address(match &self.identity_endpoint {
            IdentityEndpoint::Metadata(given) => given.as_deref().unwrap_or(METADATA_ENDPOINT),
            IdentityEndpoint::WindowsContainer { address, .. } => address,
        })
    }

    /// A token for `scope`, or for Resource Manager.
    async fn entra_token(&self, scope: Option<&str>) -> Result<Secret, HttpError> {
        let (cloud, credential) = self.resolved().await?;
        credential.token(scope.unwrap_or(&cloud.scope())).await
    }

    /// The cloud and the credential, found out once.
    async fn resolved(&self) -> Result<&(Cloud, Credential), HttpError> {
        let resolve = || async {
            let cloud = Cloud::discover(&self.pipeline, &self.cloud).await?;
            let credential = self.credential(&cloud)?;
            Ok((cloud, credential))
        };
        self.resolved.get_or_try_init(resolve).await
    }

    fn credential(&self, cloud: &Cloud) -> Result<Credential, HttpError> {
        match &self.identity {
            Some(Identity::ServicePrincipal { tenant, client, proof }) => {
                let principal = ServicePrincipal { tenant: tenant.clone(), client: client.clone() };
                match proof {
                    Proof::Key(key) => identity::client_secret(&self.pipeline, cloud, principal, key.clone()),
                    Proof::Certificate(pem) => {
                        identity::client_certificate(&self.pipeline, cloud, principal, pem)
                    }
                }
            }
            Some(Identity::Managed(id)) => {
                let (id, endpoint) = (IdentityId::parse(id), self.identity_address()?);
                Ok(match &self.identity_endpoint {
                    IdentityEndpoint::Metadata(_) => identity::managed_identity(&self.pipeline, id, endpoint),
                    IdentityEndpoint::WindowsContainer { header, .. } => {
                        identity::windows_container_identity(&self.pipeline, id, endpoint, header.clone())
                    }
                })
            }
            None => Err(HttpError::Settings {
                what: "the identity to take down with".to_owned(),
                detail: "none was handed over".to_owned(),
            }),
        }
    }

    /// Exchanges the agent's assertion for a token.
    async fn agents_token(&self, request: TokenRequest) -> Result<Secret, HttpError> {
        let url = address(&request.url)?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let unreadable = |detail: String| HttpError::Unreadable { host: host.clone(), detail };
        let mut post = azure_core::http::Request::new(url, azure_core::http::Method::Post);
        post.set_body(request.form.expose().to_owned());
        let answer = self.pipeline.execute_request(&post).await;
        let answer =
            answer.map_err(|error| cause(&error).unwrap_or_else(|| unreadable(error.to_string())))?;
        let body = answer.try_into_raw_response().await.map_err(|error| unreadable(error.to_string()))?;
        let body: Value =
            serde_json::from_slice(body.body()).map_err(|error| unreadable(error.to_string()))?;
        match (body["access_token"].as_str(), body["error_description"].as_str()) {
            (Some(token), _) => Ok(Secret::new(token)),
            (None, Some(reason)) => {
                Err(HttpError::AuthenticationFailed { host, reason: reason.to_owned(), entra: None })
            }
            (None, None) => Err(unreadable("it holds no access_token".into())),
        }
    }
}

/// Our own error within one of the library's.
fn cause(error: &azure_core::Error) -> Option<HttpError> {
    let first: &(dyn std::error::Error + 'static) = error;
    let mut causes = std::iter::successors(Some(first), |error| error.source());
    causes.find_map(|cause| cause.downcast_ref::<HttpError>()).cloned()
}

fn address(text: &str) -> Result<Url, HttpError> {
    text.parse().map_err(|error: url::ParseError| HttpError::Settings {
        what: format!("the address {text}"),
        detail: error.to_string(),
    })
}

/// What an answer means for the taking down. `patient`: a missing right may be one that was given a moment ago, as role
/// assignments in Azure take minutes to act.
fn answer(result: Result<(), HttpError>, patient: bool) -> Answer {
    let Err(error) = result else { return Answer::Done };
    if error.is_not_found() {
        return Answer::Done;
    }
    let again = match &error {
        HttpError::Service(refusal) => {
            let job_runs = refusal.code.as_deref() == Some("TaskAgentJobStillRunningException");
            job_runs
                || matches!(refusal.status, 408 | 409 | 429 | 500..)
                || (patient && refusal.status == 403)
        }
        HttpError::AuthenticationFailed { .. }
        | HttpError::ClockSkew { .. }
        | HttpError::Settings { .. }
        | HttpError::NotTrusted { .. } => false,
        _ => true,
    };
    let why = error.to_string();
    if again { Answer::TryAgain(why) } else { Answer::Refused(why) }
}

#[cfg(test)]
mod tests {
    use azure_http::ServiceError;

    use super::*;

    fn service(status: u16, code: &str) -> HttpError {
        HttpError::Service(ServiceError {
            host: "h".into(),
            status,
            code: Some(code.into()),
            message: "m".into(),
            request_id: None,
            retry_after: None,
        })
    }

    #[test]
    fn what_answers_mean() {
        let word = |result, patient| match answer(result, patient) {
            Answer::Done => "done",
            Answer::TryAgain(_) => "again",
            Answer::Refused(_) => "refused",
        };
        assert_eq!(word(Ok(()), false), "done");
        let cases = [
            (service(404, "TaskAgentNotFoundException"), "done", "done"),
            (service(400, "TaskAgentJobStillRunningException"), "again", "again"),
            (service(400, "Other"), "refused", "refused"),
            (service(403, "AuthorizationFailed"), "refused", "again"),
            (service(409, "ContainerGroupTransitioning"), "again", "again"),
            (service(503, ""), "again", "again"),
            (HttpError::Throttled { host: "h".into(), retry_after: CALL }, "again", "again"),
            (HttpError::NotResolved { host: "h".into(), detail: String::new() }, "again", "again"),
            (
                HttpError::AuthenticationFailed { host: "h".into(), reason: String::new(), entra: None },
                "refused",
                "refused",
            ),
        ];
        for (error, impatient, patient) in cases {
            assert_eq!(word(Err(error.clone()), false), impatient, "{error}");
            assert_eq!(word(Err(error.clone()), true), patient, "{error}");
        }
    }
}
