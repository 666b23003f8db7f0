//! Queues: the pools that the project may use.

use std::collections::BTreeMap;

use hyper::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::pipeline_permissions::PipelinePermissions;
use super::pools::{Pool, first_pools};
use super::wire::{Refusal, collection};
use super::{Call, Caller, endpoint};
use crate::http::{Query, Reply, Router};

/// A queue of the project.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Queue {
    /// Its id, which is not the pool's.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// The pool behind it.
    pub pool_id: u64,
    /// Which pipelines may use it.
    #[serde(default)]
    pub permissions: PipelinePermissions,
}

/// Queue ids are this far from the ids of their pools, so that whoever mixes them up finds out.
const OFFSET: u64 = 15;

/// A queue for each of the first pools.
pub(super) fn first_queues() -> BTreeMap<u64, Queue> {
    let queues = first_pools().into_values().map(|pool| for_pool(&pool));
    queues.map(|queue| (queue.id, queue)).collect()
}

fn for_pool(pool: &Pool) -> Queue {
    Queue {
        id: pool.id + OFFSET,
        name: pool.name.clone(),
        pool_id: pool.id,
        permissions: PipelinePermissions::default(),
    }
}

/// Adds a queue for a new pool.
pub(super) fn add_for_pool(state: &mut crate::State, pool: &Pool) {
    let queue = for_pool(pool);
    state.devops.queues.insert(queue.id, queue);
}

/// The queue that a pipeline's `pool: name` stands for, without regard to case.
pub fn queue_by_pool_name<'a>(state: &'a crate::State, name: &str) -> Option<&'a Queue> {
    state.devops.queues.values().find(|queue| queue.name.eq_ignore_ascii_case(name))
}

/// Adds the routes.
pub(super) fn routes(router: &mut Router) {
    endpoint(router, Method::GET, "{project}/_apis/distributedtask/queues", list);
    endpoint(router, Method::GET, "{project}/_apis/distributedtask/queues/{queue}", get);
    // Without a project the list is that of the only one there is.
    endpoint(router, Method::GET, "_apis/distributedtask/queues", list);
}

fn shown(state: &crate::State, queue: &Queue) -> Value {
    let pool = state.devops.pools.get(&queue.pool_id).map(|pool| super::pools::reference(state, pool));
    json!({"id": queue.id, "projectId": state.devops.project_id, "name": queue.name, "pool": pool})
}

/// Which queues a list is about.
struct Filter {
    names: Option<Vec<String>>,
    ids: Option<Vec<u64>>,
    pools: Option<Vec<u64>>,
    action: String,
}

impl Filter {
    fn of(query: &Query) -> Self {
        let numbers =
            |text: &str| -> Vec<u64> { text.split(',').filter_map(|id| id.trim().parse().ok()).collect() };
        let several = |text: &str| text.split(',').map(|name| name.trim().to_owned()).collect();
        let one = query.get("queueName").filter(|name| !name.is_empty()).map(|name| vec![name.to_owned()]);
        Self {
            names: one.or_else(|| query.get("queueNames").map(several)),
            ids: query.get("queueIds").map(numbers),
            pools: query.get("poolIds").map(numbers),
            action: query.get("actionFilter").unwrap_or("none").to_ascii_lowercase(),
        }
    }

    fn takes(&self, queue: &Queue, caller: &Caller) -> bool {
        let may = match self.action.as_str() {
            "manage" | "2" => caller.require_manage(&queue.name).is_ok(),
            "use" | "16" => caller.require_use(&queue.name).is_ok(),
            _ => true,
        };
        let named = |names: &Vec<String>| names.iter().any(|name| queue.name.eq_ignore_ascii_case(name));
        may && self.names.as_ref().is_none_or(named)
            && self.ids.as_ref().is_none_or(|ids| ids.contains(&queue.id))
            && self.pools.as_ref().is_none_or(|pools| pools.contains(&queue.pool_id))
    }
}

async fn list(call: Call) -> Result<Reply, Reply> {
    super::projects::check(&call)?;
    let filter = Filter::of(&call.request.query);
    let queues: Vec<Value> = call.emulator.read(|state| {
        let queues = state.devops.queues.values().filter(|queue| filter.takes(queue, &call.caller));
        queues.map(|queue| shown(state, queue)).collect()
    });
    Ok(Reply::json(200, &collection(&queues)))
}

/// The queue that the path names.
pub(super) fn of_path(call: &Call) -> Result<Queue, Refusal> {
    super::projects::check(call)?;
    let text = call.request.param("queue");
    let found = call.emulator.read(|state| state.devops.queues.get(&text.parse().ok()?).cloned());
    found.ok_or_else(|| {
        Refusal::new(404, "TaskAgentQueueNotFoundException", format!("Agent queue {text} not found."))
    })
}

async fn get(call: Call) -> Result<Reply, Reply> {
    let queue = of_path(&call)?;
    Ok(Reply::json(200, &call.emulator.read(|state| shown(state, &queue))))
}
