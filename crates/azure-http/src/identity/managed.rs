//! Managed identities: a token from the endpoint inside the container or machine, without any secret.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use redact::Secret;
use serde::Deserialize;
use url::Url;

use super::{Credential, Token, TokenSource};
use crate::{Auth, Dialect, HttpError, Method, Pipeline, Request};

/// Where the endpoint is, unless `AZURE_POD_IDENTITY_AUTHORITY_HOST` says otherwise.
pub const METADATA_ENDPOINT: &str = "http://169.254.169.254";

/// The endpoint comes up seconds after the container does, and after an identity was added it takes up to a minute
/// (azure-docs#61891); 410 means "updating" for up to 70 s.
const PATIENCE: Duration = Duration::from_secs(100);

/// Which identity, since a container group may have several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityId {
    /// The one that lives and dies with the container group.
    SystemAssigned,
    /// A user-assigned one by its client id.
    Client(String),
    /// A user-assigned one by its resource id.
    Resource(String),
}

impl IdentityId {
    /// As people write it in a setting: `system`, a resource id (it begins with a slash), or a client id.
    pub fn parse(text: &str) -> Self {
        match text.trim() {
            system if system.eq_ignore_ascii_case("system") => Self::SystemAssigned,
            resource if resource.starts_with('/') => Self::Resource(resource.to_owned()),
            client => Self::Client(client.to_owned()),
        }
    }
}

/// The managed identity `id`, asked for at `endpoint` (see [`METADATA_ENDPOINT`]). Never through a proxy.
pub fn managed_identity(pipeline: &Pipeline, id: IdentityId, endpoint: Url) -> Credential {
    Credential::new("managed identity", Managed { pipeline: pipeline.clone(), id, endpoint, header: None })
}

/// The same in a Windows container of Azure Container Instances, where the platform names the whole address in
/// `IDENTITY_ENDPOINT`, and a secret that has to come along in `IDENTITY_HEADER`.
pub fn windows_container_identity(
    pipeline: &Pipeline,
    id: IdentityId,
    endpoint: Url,
    header: Secret,
) -> Credential {
    let header = Some(header);
    Credential::new("managed identity", Managed { pipeline: pipeline.clone(), id, endpoint, header })
}

struct Managed {
    pipeline: Pipeline,
    id: IdentityId,
    endpoint: Url,
    /// The secret of a Windows container.
    header: Option<Secret>,
}

impl Managed {
    fn request(&self, scope: &str) -> Request {
        match &self.header {
            None => self.metadata_request(scope),
            Some(header) => self.windows_request(scope, header),
        }
    }

    /// As Microsoft's page on managed identities in Azure Container Instances has it. It names an identity by its
    /// principal id only. Assumed: without one it is the group's only identity.
    fn windows_request(&self, scope: &str, header: &Secret) -> Request {
        let request = Request::new(Method::Get, self.endpoint.clone(), Dialect::InstanceMetadata)
            .auth(Auth::ContainerHeader(header.clone()))
            .query("resource", scope.strip_suffix("/.default").unwrap_or(scope))
            .budget(PATIENCE)
            .attempts(u32::MAX);
        match &self.id {
            IdentityId::SystemAssigned | IdentityId::Resource(_) => request,
            IdentityId::Client(id) => request.query("principalId", id),
        }
    }

    fn metadata_request(&self, scope: &str) -> Request {
        let mut url = self.endpoint.clone();
        // The variable that names the endpoint is one to put this behind, whatever path it has.
        url.set_path(&format!("{}/metadata/identity/oauth2/token", url.path().trim_end_matches('/')));
        let request = Request::new(Method::Get, url, Dialect::InstanceMetadata)
            .header("metadata", "true")
            .query("api-version", "2018-02-01")
            .query("resource", scope.strip_suffix("/.default").unwrap_or(scope))
            .budget(PATIENCE)
            .attempts(u32::MAX);
        match &self.id {
            IdentityId::SystemAssigned => request,
            IdentityId::Client(id) => request.query("client_id", id),
            IdentityId::Resource(id) => request.query("msi_res_id", id),
        }
    }
}

/// Numbers come as texts.
#[derive(Deserialize)]
struct Answer {
    access_token: String,
    expires_on: String,
}

#[async_trait]
impl TokenSource for Managed {
    async fn fetch(&self, scope: &str) -> Result<Token, HttpError> {
        let answer: Answer = match self.pipeline.send(self.request(scope)).await {
            Ok(response) => response.json()?,
            Err(HttpError::Service(error)) if error.status == 400 => {
                return Err(HttpError::AuthenticationFailed {
                    host: error.host,
                    reason: format!("the identity is not assigned here ({})", error.message),
                    entra: None,
                });
            }
            Err(error) => return Err(error),
        };
        let seconds = answer.expires_on.parse().map_err(|_| HttpError::Unreadable {
            host: self.endpoint.host_str().unwrap_or_default().to_owned(),
            detail: "expires_on is no number".to_owned(),
        })?;
        Ok(Token {
            secret: Secret::new(answer.access_token),
            expires: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::IdentityId;

    #[test]
    fn reads_an_identity_as_people_write_it() {
        let known = [
            ("System", IdentityId::SystemAssigned),
            (" 11-22 ", IdentityId::Client("11-22".to_owned())),
            ("/subscriptions/s/x", IdentityId::Resource("/subscriptions/s/x".to_owned())),
        ];
        for (text, id) in known {
            assert_eq!(IdentityId::parse(text), id);
        }
    }
}
