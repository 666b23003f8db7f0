//! The job message, as far as the agent reads it.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::Value;

use crate::configuration::files::AgentSettings;
use crate::wire::models::VariableValue;
use crate::wire::plans::{PlanAddress, PlanClient};
use crate::wire::service::{Credential, Service};
use crate::wire::transport::Transport;

/// Name of the endpoint that is the server itself.
pub(crate) const SYSTEM_CONNECTION: &str = "SystemVssConnection";

/// `AgentJobRequestMessage`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobMessage {
    pub(crate) request_id: i64,
    pub(crate) job_id: String,
    #[serde(default)]
    pub(crate) job_name: String,
    #[serde(default)]
    pub(crate) job_display_name: String,
    pub(crate) plan: Plan,
    pub(crate) timeline: Timeline,
    #[serde(default)]
    pub(crate) mask: Vec<MaskHint>,
    #[serde(default)]
    pub(crate) variables: BTreeMap<String, VariableValue>,
    #[serde(default)]
    pub(crate) steps: Vec<Step>,
    #[serde(default)]
    pub(crate) resources: Resources,
}

/// The plan a job belongs to.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the names are the protocol's")]
pub(crate) struct Plan {
    pub(crate) scope_identifier: String,
    pub(crate) plan_type: String,
    #[serde(default)]
    pub(crate) version: i64,
    pub(crate) plan_id: String,
}

/// The timeline a job writes to.
#[derive(Deserialize)]
pub(crate) struct Timeline {
    pub(crate) id: String,
}

/// What must not be shown: `regex` with an (escaped) value, or `variable` with a name.
#[derive(Deserialize)]
pub(crate) struct MaskHint {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) value: String,
}

/// One step.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Step {
    pub(crate) id: String,
    /// The name other steps refer to.
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) display_name: Option<String>,
    #[serde(default)]
    pub(crate) reference: Option<TaskReference>,
    #[serde(default)]
    pub(crate) inputs: BTreeMap<String, Option<String>>,
    #[serde(default)]
    pub(crate) condition: Option<String>,
    #[serde(default = "yes")]
    pub(crate) enabled: bool,
    #[serde(default)]
    pub(crate) continue_on_error: bool,
    #[serde(default)]
    pub(crate) timeout_in_minutes: f64,
    #[serde(default)]
    pub(crate) retry_count_on_task_failure: u32,
    #[serde(default)]
    pub(crate) environment: BTreeMap<String, Option<String>>,
}

fn yes() -> bool {
    true
}

impl Step {
    /// What a person calls it.
    pub(crate) fn title(&self) -> String {
        self.display_name.clone().filter(|name| !name.is_empty()).unwrap_or_else(|| self.name.clone())
    }
}

/// Which task a step runs.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct TaskReference {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
}

/// What a job may use.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Resources {
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) repositories: Vec<Repository>,
    pub(crate) secure_files: Vec<SecureFile>,
}

/// A file that the server keeps; the ticket is good for one download.
#[derive(Clone, Deserialize)]
pub(crate) struct SecureFile {
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) ticket: String,
}

/// A service connection.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Endpoint {
    pub(crate) id: Option<String>,
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) authorization: Option<EndpointAuthorization>,
    pub(crate) data: BTreeMap<String, Option<String>>,
}

/// How a service connection authenticates.
#[derive(Clone, Default, Deserialize, serde::Serialize)]
#[serde(default)]
pub(crate) struct EndpointAuthorization {
    pub(crate) parameters: BTreeMap<String, Option<String>>,
    pub(crate) scheme: String,
}

impl Endpoint {
    /// The token of an endpoint that has one.
    pub(crate) fn access_token(&self) -> Option<&str> {
        let parameters = &self.authorization.as_ref()?.parameters;
        let found = parameters.iter().find(|(name, _)| name.eq_ignore_ascii_case("AccessToken"))?;
        found.1.as_deref()
    }
}

/// A repository.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Repository {
    pub(crate) alias: String,
    pub(crate) version: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) properties: BTreeMap<String, Value>,
}

impl Repository {
    /// Where it is.
    pub(crate) fn location(&self) -> Option<&str> {
        self.url.as_deref().or_else(|| self.properties.get("url")?.as_str())
    }
}

impl JobMessage {
    /// The server as the job sees it.
    ///
    /// # Errors
    /// The message names none.
    pub(crate) fn system_connection(&self) -> anyhow::Result<&Endpoint> {
        let endpoints = &self.resources.endpoints;
        endpoints
            .iter()
            .find(|endpoint| endpoint.name.eq_ignore_ascii_case(SYSTEM_CONNECTION))
            .context("the job message has no SystemVssConnection endpoint")
    }

    /// A client for the job's plan, authenticated with the job's token.
    ///
    /// # Errors
    /// The message names no server, or no token for it.
    pub(crate) fn plan_client(
        &self,
        settings: &AgentSettings,
        transport: Arc<Transport>,
    ) -> anyhow::Result<PlanClient> {
        let connection = self.system_connection()?;
        let token = connection.access_token().context("SystemVssConnection has no access token")?;
        let server = settings.reachable(&connection.url)?;
        let address = PlanAddress {
            scope: self.plan.scope_identifier.clone(),
            hub: self.plan.plan_type.clone(),
            plan: self.plan.plan_id.clone(),
            timeline: self.timeline.id.clone(),
        };
        let service = Service::new(transport, server, Credential::Bearer(token.to_owned()));
        Ok(PlanClient::new(service, address))
    }
}
