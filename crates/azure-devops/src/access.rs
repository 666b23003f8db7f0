//! Who one is in an organization, and which pipelines may use a queue.

use azure_http::{HttpError, Method};
use serde::Deserialize;

use crate::Organization;

/// Versions of what is a preview for ever.
const CONNECTION_DATA: &str = "7.1-preview.1";
/// `GET {project}/_apis/pipelines/pipelinePermissions/{type}/{id}` (learn.microsoft.com, Approvals and checks,
/// Pipeline permissions).
const PIPELINE_PERMISSIONS: &str = "7.1-preview.1";

/// Which pipelines may use a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PipelinePermissions {
    /// Every pipeline of the project.
    pub all: bool,
    /// Ids of those that may, one by one.
    pub pipelines: Vec<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConnectionData {
    authenticated_user: Identity,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    #[serde(default)]
    provider_display_name: Option<String>,
    #[serde(default)]
    custom_display_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Permissions {
    #[serde(default)]
    all_pipelines: Option<Permission>,
    #[serde(default)]
    pipelines: Vec<Permission>,
}

#[derive(Deserialize)]
struct Permission {
    #[serde(default)]
    id: u64,
    authorized: bool,
}

impl Organization {
    /// The name of whoever asks, as the organization knows it.
    pub async fn who_am_i(&self) -> Result<String, HttpError> {
        let request = self.preview(Method::Get, &["_apis", "connectionData"], CONNECTION_DATA);
        let ConnectionData { authenticated_user } = self.send(request).await?.json()?;
        let Identity { provider_display_name, custom_display_name } = authenticated_user;
        Ok(custom_display_name.or(provider_display_name).unwrap_or_default())
    }

    /// Which pipelines of `project` may use the queue with that id.
    pub async fn pipelines_of_queue(
        &self,
        project: &str,
        queue: u64,
    ) -> Result<PipelinePermissions, HttpError> {
        let queue = queue.to_string();
        let segments = [project, "_apis", "pipelines", "pipelinePermissions", "queue", &queue];
        let request = self.preview(Method::Get, &segments, PIPELINE_PERMISSIONS);
        let Permissions { all_pipelines, pipelines } = self.send(request).await?.json()?;
        let may = pipelines.into_iter().filter(|pipeline| pipeline.authorized);
        Ok(PipelinePermissions {
            all: all_pipelines.is_some_and(|all| all.authorized),
            pipelines: may.map(|pipeline| pipeline.id).collect(),
        })
    }
}
