//! Agent pools.

use std::collections::BTreeMap;

use hyper::Method;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::projects::owner;
use super::wire::{Refusal, collection, time};
use super::{Call, Caller, endpoint};
use crate::http::{Reply, Request, Router};
use crate::world::POOL;

/// An agent pool.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pool {
    /// Its id.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Whether the service itself runs its agents.
    pub is_hosted: bool,
    /// Whether its agents update themselves when the service says so.
    pub auto_update: bool,
    /// When it was made.
    pub created_on: Timestamp,
    /// Its scope.
    pub scope: Uuid,
}

/// The pools that every organization has, and the sample's own.
pub(super) fn first_pools() -> BTreeMap<u64, Pool> {
    let pool = |(id, name, is_hosted): (u64, &str, bool)| {
        let scope = Uuid::new_v4();
        let created_on = Timestamp::now();
        (id, Pool { id, name: name.to_owned(), is_hosted, auto_update: true, created_on, scope })
    };
    [(1, "Default", false), (2, "Azure Pipelines", true), (3, POOL, false)].map(pool).into()
}

/// The pool of this name, without regard to case.
pub fn pool_by_name<'a>(state: &'a crate::State, name: &str) -> Option<&'a Pool> {
    state.devops.pools.values().find(|pool| pool.name.eq_ignore_ascii_case(name))
}

/// Adds the routes.
pub(super) fn routes(router: &mut Router) {
    endpoint(router, Method::GET, "_apis/distributedtask/pools", list);
    endpoint(router, Method::POST, "_apis/distributedtask/pools", add);
    endpoint(router, Method::GET, "_apis/distributedtask/pools/{pool}", get);
    endpoint(router, Method::PATCH, "_apis/distributedtask/pools/{pool}", update);
    endpoint(router, Method::DELETE, "_apis/distributedtask/pools/{pool}", delete);
}

/// A pool as clients see it.
fn shown(state: &crate::State, pool: &Pool, base: &str) -> Value {
    let size = state.devops.agents.values().filter(|agent| agent.pool_id == pool.id).count();
    let owner = owner(base);
    json!({
        "id": pool.id, "name": pool.name, "isHosted": pool.is_hosted, "isLegacy": false, "poolType": "automation",
        "size": size, "scope": pool.scope, "options": "none", "createdOn": time(pool.created_on),
        "createdBy": owner, "owner": owner, "autoProvision": true, "autoSize": true, "autoUpdate": pool.auto_update,
        "targetSize": null, "agentCloudId": if pool.is_hosted { json!(1) } else { Value::Null }, "properties": {},
    })
}

/// A pool as other things refer to it.
pub(super) fn reference(state: &crate::State, pool: &Pool) -> Value {
    let size = state.devops.agents.values().filter(|agent| agent.pool_id == pool.id).count();
    json!({
        "id": pool.id, "scope": pool.scope, "name": pool.name, "isHosted": pool.is_hosted, "poolType": "automation",
        "size": size, "isLegacy": false, "options": "none",
    })
}

/// The pool that the path names, if the caller may see it.
pub(super) fn of_path(state: &crate::State, request: &Request) -> Result<Pool, Refusal> {
    let text = request.param("pool");
    let id = text.parse::<u64>().map_err(|_| {
        Refusal::new(
            400,
            "VssPropertyValidationException",
            format!("The value '{text}' is not valid for PoolId."),
        )
    })?;
    state.devops.pools.get(&id).cloned().ok_or_else(|| {
        Refusal::new(404, "TaskAgentPoolNotFoundException", format!("Agent pool {id} not found."))
    })
}

/// The pool that the path names, which the caller may see.
pub(super) fn visible(call: &Call) -> Result<Pool, Refusal> {
    let pool = call.emulator.read(|state| of_path(state, &call.request))?;
    call.caller.require_view(pool.id, &pool.name)?;
    Ok(pool)
}

/// The pool that the path names, which the caller may manage.
pub(super) fn managed(call: &Call) -> Result<Pool, Refusal> {
    let pool = visible(call)?;
    call.caller.require_manage(&pool.name)?;
    Ok(pool)
}

async fn list(call: Call) -> Result<Reply, Reply> {
    let query = &call.request.query;
    let name = query.get("poolName").filter(|name| !name.is_empty());
    let ids: Option<Vec<u64>> =
        query.get("poolIds").map(|ids| ids.split(',').filter_map(|id| id.trim().parse().ok()).collect());
    let deployment =
        query.get("poolType").is_some_and(|kind| kind.eq_ignore_ascii_case("deployment") || kind == "2");
    let action = query.get("actionFilter").unwrap_or("none").to_ascii_lowercase();
    let may = |pool: &Pool| match action.as_str() {
        "manage" | "2" => call.caller.require_manage(&pool.name).is_ok(),
        "use" | "16" => call.caller.require_use(&pool.name).is_ok(),
        _ => call.caller.require_view(pool.id, &pool.name).is_ok(),
    };
    let pools: Vec<Value> = call.emulator.read(|state| {
        let pools = state.devops.pools.values();
        pools
            .filter(|pool| !deployment && may(pool))
            .filter(|pool| name.is_none_or(|name| pool.name.eq_ignore_ascii_case(name)))
            .filter(|pool| ids.as_ref().is_none_or(|ids| ids.contains(&pool.id)))
            .map(|pool| shown(state, pool, &call.request.base_url))
            .collect()
    });
    Ok(Reply::json(200, &collection(&pools)))
}

async fn get(call: Call) -> Result<Reply, Reply> {
    let pool = visible(&call)?;
    Ok(Reply::json(200, &call.emulator.read(|state| shown(state, &pool, &call.request.base_url))))
}

/// The member of a body that names a pool.
fn new_name(body: &Value) -> Result<String, Refusal> {
    let name = body["name"].as_str().map(str::trim).filter(|name| !name.is_empty());
    name.map(str::to_owned)
        .ok_or_else(|| Refusal::bad_request("Value cannot be null. Parameter name: pool.Name"))
}

async fn add(call: Call) -> Result<Reply, Reply> {
    let body = super::body(&call.request)?;
    let name = new_name(&body)?;
    if !matches!(call.caller, Caller::Member { .. }) {
        call.caller.require_manage(&name)?;
    }
    let auto_update = body["autoUpdate"].as_bool().unwrap_or(true);
    let pool = call.emulator.change(|state| {
        if pool_by_name(state, &name).is_some() {
            let message = format!("Agent pool {name} already exists.");
            return Err(Refusal::new(409, "TaskAgentPoolExistsException", message));
        }
        let id = state.devops.pools.last_key_value().map_or(1, |(id, _)| id + 1);
        let pool =
            Pool { id, name, is_hosted: false, auto_update, created_on: state.now, scope: Uuid::new_v4() };
        state.devops.pools.insert(id, pool.clone());
        super::queues::add_for_pool(state, &pool);
        Ok(pool)
    })?;
    Ok(Reply::json(200, &call.emulator.read(|state| shown(state, &pool, &call.request.base_url))))
}

async fn update(call: Call) -> Result<Reply, Reply> {
    let pool = managed(&call)?;
    let body = super::body(&call.request)?;
    let changed = call.emulator.change(|state| {
        let pool = state.devops.pools.get_mut(&pool.id)?;
        if let Some(auto_update) = body["autoUpdate"].as_bool() {
            pool.auto_update = auto_update;
        }
        if let Some(name) = body["name"].as_str() {
            name.clone_into(&mut pool.name);
        }
        let pool = pool.clone();
        Some(shown(state, &pool, &call.request.base_url))
    });
    Ok(Reply::json(200, &changed))
}

async fn delete(call: Call) -> Result<Reply, Reply> {
    let pool = managed(&call)?;
    call.emulator.change(|state| {
        if state.devops.agents.values().any(|agent| agent.pool_id == pool.id) {
            // Assumed: the service removes such a pool's agents with it; we refuse, so that no test loses agents
            // unseen.
            let message = format!("Agent pool {} still has agents.", pool.name);
            return Err(Refusal::new(400, "TaskAgentPoolReferencesDifferentAgentsException", message));
        }
        state.devops.pools.remove(&pool.id);
        state.devops.queues.retain(|_, queue| queue.pool_id != pool.id);
        Ok(())
    })?;
    Ok(Reply::status(204))
}
