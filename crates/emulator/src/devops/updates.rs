//! Updates of the agent itself: who is told to, and how far it is.

use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};

use super::agents::AgentMessage;
use super::sessions::listened;
use super::wire::time_span;
use super::{Call, endpoint};
use crate::http::{Reply, Router};

/// How long an agent has for it; the service's own value.
const UPDATE_TIME: Duration = Duration::from_mins(10);

/// When agents are told to update themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// They opened a session.
    Online,
    /// Their job begins.
    JobBegins,
}

/// Tells an agent to update itself if the fault says so for this moment, and lets the newer package come out.
pub(super) fn tell_to_update(state: &mut crate::State, agent_id: u64, moment: Moment) {
    let Some(fault) = state.faults.get("devops.agent-refresh") else { return };
    let asked = if fault["during-job"] == true { Moment::JobBegins } else { Moment::Online };
    let Some(version) = fault.as_str().or_else(|| fault["version"].as_str()).map(str::to_owned) else {
        return;
    };
    let devops = &mut state.devops;
    let Some(agent) = devops.agents.get_mut(&agent_id) else { return };
    let auto_update = devops.pools.get(&agent.pool_id).is_some_and(|pool| pool.auto_update);
    if asked != moment || !auto_update || version == agent.version {
        return;
    }
    let body: Value =
        json!({"agentId": agent_id, "timeout": time_span(UPDATE_TIME), "targetVersion": version});
    agent.put_message(AgentMessage::Plain { kind: "AgentRefresh".to_owned(), body });
    devops.newer_agent = Some(version);
}

/// Adds the route.
pub(super) fn routes(router: &mut Router) {
    endpoint(router, Method::PUT, "_apis/distributedtask/pools/{pool}/agents/{agent}/updates", put);
}

async fn put(call: Call) -> Result<Reply, Reply> {
    let pool = listened(&call)?;
    let current = call.request.query.get("currentState").unwrap_or_default().to_owned();
    let shown = call.emulator.change(|state| {
        let agent = super::agents::of_path(state, &call.request, pool.id)?;
        if let Some(agent) = state.devops.agents.get_mut(&agent.id) {
            agent.update_state = Some(current);
        }
        super::agents::of_path(state, &call.request, pool.id)
            .map(|agent| super::agents::shown_with_capabilities(state, &agent, &call.request.base_url))
    })?;
    Ok(Reply::json(200, &shown))
}
