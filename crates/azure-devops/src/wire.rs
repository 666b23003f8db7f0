//! The shapes on the wire, as far as we read and write them.
//!
//! Written here and not taken from `azure_devops_rust_api`: that crate turns on `azure_core`'s own HTTP client and
//! its TLS library, and its models do not fit what the service sends (a public key is two texts, a demand is a text).

use serde::{Deserialize, Serialize};

/// Every list comes wrapped.
#[derive(Deserialize)]
pub(crate) struct Collection<T> {
    pub(crate) value: Vec<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TaskAgentPool {
    pub(crate) id: u64,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) is_hosted: bool,
    #[serde(default)]
    pub(crate) auto_update: Option<bool>,
}

#[derive(Deserialize)]
pub(crate) struct TaskAgentQueue {
    pub(crate) id: u64,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) pool: Option<PoolReference>,
}

#[derive(Deserialize)]
pub(crate) struct PoolReference {
    pub(crate) id: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TaskAgent {
    pub(crate) id: u64,
    pub(crate) name: String,
    /// An agent that the service does not call disabled is enabled.
    #[serde(default)]
    pub(crate) enabled: Option<bool>,
    #[serde(default)]
    pub(crate) status: Option<String>,
    #[serde(default)]
    pub(crate) status_changed_on: Option<String>,
    #[serde(default)]
    pub(crate) assigned_request: Option<AssignedRequest>,
    #[serde(default)]
    pub(crate) authorization: Option<Authorization>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AssignedRequest {
    pub(crate) request_id: u64,
}

#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Authorization {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<String>,
    #[serde(default, rename = "authorizationUrl", skip_serializing_if = "Option::is_none")]
    pub(crate) token_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) public_key: Option<PublicKey>,
}

/// Big-endian numbers in base64.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct PublicKey {
    pub(crate) exponent: String,
    pub(crate) modulus: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewTaskAgent<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
    pub(crate) os_description: &'a str,
    pub(crate) max_parallelism: u32,
    pub(crate) provisioning_state: &'static str,
    pub(crate) enabled: bool,
    pub(crate) authorization: Authorization,
    pub(crate) system_capabilities: serde_json::Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TaskAgentJobRequest {
    pub(crate) request_id: u64,
    #[serde(default)]
    pub(crate) demands: Vec<String>,
    #[serde(default)]
    pub(crate) reserved_agent: Option<AgentReference>,
    #[serde(default)]
    pub(crate) result: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct AgentReference {
    pub(crate) id: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PackageMetadata {
    pub(crate) version: PackageVersion,
    pub(crate) download_url: String,
    #[serde(default)]
    pub(crate) hash_value: Option<String>,
    #[serde(default)]
    pub(crate) filename: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
pub(crate) struct PackageVersion {
    pub(crate) major: u32,
    pub(crate) minor: u32,
    pub(crate) patch: u32,
}
