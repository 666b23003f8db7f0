//! Which pipelines may use a queue.
//!
//! `GET` and `PATCH {project}/_apis/pipelines/pipelinePermissions/queue/{id}`, a preview for ever (learn.microsoft.com,
//! Approvals and checks, Pipeline permissions). Assumed: a queue is open to every pipeline until somebody says
//! otherwise, as one is that was added with "Grant access permission to all pipelines". Runs are not held up for a
//! permission here, as the service would hold them: it is kept and shown.

use std::collections::BTreeSet;

use hyper::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::wire::Refusal;
use super::{Call, endpoint};
use crate::http::{Reply, Router};

/// Which pipelines may use a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipelinePermissions {
    /// Every pipeline of the project.
    pub all: bool,
    /// Those that may, one by one.
    pub pipelines: BTreeSet<u64>,
}

impl Default for PipelinePermissions {
    fn default() -> Self {
        Self { all: true, pipelines: BTreeSet::new() }
    }
}

/// What is to be changed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change {
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

/// Adds the routes.
pub(super) fn routes(router: &mut Router) {
    let one = "{project}/_apis/pipelines/pipelinePermissions/queue/{queue}";
    endpoint(router, Method::GET, one, get);
    endpoint(router, Method::PATCH, one, change);
}

async fn get(call: Call) -> Result<Reply, Reply> {
    answer(&call, |_| {})
}

async fn change(call: Call) -> Result<Reply, Reply> {
    let unreadable = |error: serde_json::Error| Refusal::bad_request(error.to_string());
    let Change { all_pipelines, pipelines } =
        serde_json::from_value(super::body(&call.request)?).map_err(unreadable)?;
    answer(&call, |permissions| {
        if let Some(all) = &all_pipelines {
            permissions.all = all.authorized;
        }
        for pipeline in &pipelines {
            if pipeline.authorized {
                permissions.pipelines.insert(pipeline.id);
            } else {
                permissions.pipelines.remove(&pipeline.id);
            }
        }
    })
}

fn answer(call: &Call, change: impl FnOnce(&mut PipelinePermissions)) -> Result<Reply, Reply> {
    super::projects::check(call)?;
    let text = call.request.param("queue");
    let shown = call.emulator.change(|state| {
        let queue = state.devops.queues.get_mut(&text.parse().ok()?)?;
        change(&mut queue.permissions);
        Some(shown(queue.id, &queue.permissions))
    });
    let missing =
        || Refusal::new(404, "TaskAgentQueueNotFoundException", format!("Agent queue {text} not found."));
    Ok(Reply::json(200, &shown.ok_or_else(missing)?))
}

/// Only what is permitted is listed.
fn shown(queue: u64, permissions: &PipelinePermissions) -> Value {
    let pipelines: Vec<_> =
        permissions.pipelines.iter().map(|id| json!({"id": id, "authorized": true})).collect();
    let mut shown = json!({
        "resource": {"type": "queue", "id": queue.to_string()}, "pipelines": pipelines,
    });
    if permissions.all {
        shown["allPipelines"] = json!({"authorized": true});
    }
    shown
}
