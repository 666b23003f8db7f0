//! What goes over the wire, as far as the agent reads or writes it. Unknown members are ignored.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A wrapped collection.
#[derive(Deserialize)]
pub(crate) struct Wrapped<T> {
    #[serde(default = "Vec::new")]
    pub(crate) value: Vec<T>,
}

/// Collection as sent.
#[derive(Serialize)]
pub(crate) struct WrappedRef<'a, T> {
    pub(crate) count: usize,
    pub(crate) value: &'a [T],
}

impl<'a, T> WrappedRef<'a, T> {
    /// Wraps a collection.
    pub(crate) fn new(value: &'a [T]) -> Self {
        Self { count: value.len(), value }
    }
}

/// `connectionData`: who the server is.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ConnectionData {
    /// `hosted` or `onPremises`.
    pub(crate) deployment_type: String,
}

/// An agent pool.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pool {
    pub(crate) id: i64,
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) is_hosted: bool,
}

/// The registration of an agent.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Agent {
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) os_description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_parallelism: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) provisioning_state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) authorization: Option<Authorization>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) system_capabilities: BTreeMap<String, String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(id: &i64) -> bool {
    *id == 0
}

/// How an agent proves itself: the key it sends, the client id and address it gets.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::struct_field_names, reason = "the names are the protocol's")]
pub(crate) struct Authorization {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) authorization_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) public_key: Option<PublicKey>,
}

/// The public half of the agent's key, base64.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct PublicKey {
    pub(crate) exponent: String,
    pub(crate) modulus: String,
}

/// A new session, as sent.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewSession<'a> {
    pub(crate) session_id: uuid::Uuid,
    pub(crate) owner_name: &'a str,
    pub(crate) agent: &'a Agent,
    pub(crate) system_capabilities: BTreeMap<String, String>,
}

/// A session, as answered.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Session {
    pub(crate) session_id: uuid::Uuid,
    #[serde(default)]
    pub(crate) encryption_key: Option<SessionKey>,
}

/// The session's AES key, encrypted to the agent or not.
#[derive(Deserialize)]
pub(crate) struct SessionKey {
    #[serde(default)]
    pub(crate) encrypted: bool,
    /// Base64.
    #[serde(default)]
    pub(crate) value: String,
}

/// A message of the session.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AgentMessage {
    pub(crate) message_id: i64,
    pub(crate) message_type: String,
    #[serde(default)]
    pub(crate) iv: Option<String>,
    #[serde(default)]
    pub(crate) body: String,
}

/// `JobCancellation`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobCancellation {
    pub(crate) job_id: String,
    /// `hh:mm:ss`: how long the job may take to end.
    #[serde(default)]
    pub(crate) timeout: String,
}

/// `AgentRefresh`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AgentRefresh {
    pub(crate) target_version: Option<String>,
}

/// An agent package.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Package {
    pub(crate) version: PackageVersion,
    pub(crate) download_url: String,
    #[serde(default)]
    pub(crate) hash_value: String,
}

/// The version of a package; versions compare by number.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PackageVersion {
    pub(crate) major: u32,
    pub(crate) minor: u32,
    pub(crate) patch: u32,
}

impl std::fmt::Display for PackageVersion {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// A job request, as far as the lock goes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobRequest {
    /// Until when the job is ours without another renewal.
    pub(crate) locked_until: Option<String>,
}

/// How a job or a step ended. The numbers are those of the worker's exit code, less 100.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum TaskResult {
    Succeeded = 0,
    SucceededWithIssues = 1,
    Failed = 2,
    Canceled = 3,
    Skipped = 4,
    Abandoned = 5,
}

impl TaskResult {
    /// All of them, in the order of their numbers.
    const ALL: [Self; 6] = [
        Self::Succeeded,
        Self::SucceededWithIssues,
        Self::Failed,
        Self::Canceled,
        Self::Skipped,
        Self::Abandoned,
    ];

    /// The exit code of a worker whose job ended so.
    pub(crate) fn exit_code(self) -> u8 {
        100 + self as u8
    }

    /// What a worker's exit code says; nothing when the worker crashed.
    pub(crate) fn from_exit_code(code: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|result| i32::from(result.exit_code()) == code)
    }

    /// What `##vso[task.complete result=…]` says.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|result| format!("{result:?}").eq_ignore_ascii_case(name))
    }
}

/// A value with a secrecy.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct VariableValue {
    pub(crate) value: Option<String>,
    pub(crate) is_secret: bool,
    #[serde(skip_serializing)]
    pub(crate) is_read_only: bool,
}

/// An error or a warning of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Issue {
    /// `error` or `warning`.
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) category: &'static str,
    pub(crate) message: String,
    pub(crate) data: BTreeMap<String, String>,
}

/// A reference by number to a log.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct LogReference {
    pub(crate) id: i64,
}

/// The task of a timeline record.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TaskOfRecord {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
}

/// A row of the timeline: the job or one of its steps. Absent members leave the server's as they are.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TimelineRecord {
    pub(crate) id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parent_id: Option<String>,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ref_name: Option<String>,
    pub(crate) state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) finish_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) current_operation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) percent_complete: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) result: Option<TaskResult>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) result_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) worker_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) order: Option<usize>,
    pub(crate) error_count: usize,
    pub(crate) warning_count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) log: Option<LogReference>,
    pub(crate) issues: Vec<Issue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) task: Option<TaskOfRecord>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) variables: BTreeMap<String, VariableValue>,
}

/// The last thing a job says.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JobCompleted<'a> {
    pub(crate) name: &'static str,
    pub(crate) job_id: &'a str,
    pub(crate) request_id: i64,
    pub(crate) result: TaskResult,
    pub(crate) outputs: &'a BTreeMap<String, VariableValue>,
    /// The agent runs once: assign it nothing more.
    pub(crate) agent_shutting_down: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worker_exit_codes_go_both_ways() {
        assert_eq!(TaskResult::Canceled.exit_code(), 103);
        assert_eq!(TaskResult::from_exit_code(101), Some(TaskResult::SucceededWithIssues));
        assert_eq!(TaskResult::from_exit_code(1), None);
        assert_eq!(TaskResult::from_name("succeededwithissues"), Some(TaskResult::SucceededWithIssues));
    }

    #[test]
    fn packages_compare_by_number() {
        let version = |major, minor, patch| PackageVersion { major, minor, patch };
        assert!(version(4, 99, 0) < version(4, 275, 0));
        assert_eq!(version(4, 275, 1).to_string(), "4.275.1");
    }
}
