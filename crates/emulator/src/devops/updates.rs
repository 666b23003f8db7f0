//! How far an agent's update of itself is.

use hyper::Method;

use super::sessions::listened;
use super::{Call, endpoint};
use crate::http::{Reply, Router};

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
