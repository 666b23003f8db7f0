//! Which pool a name means, and which queue of a project leads to it.

use azure_http::{HttpError, Method};
use serde_json::json;

use crate::Organization;
use crate::organization::if_there;
use crate::wire::{TaskAgentPool, TaskAgentQueue};

/// An agent pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its id in the organization.
    pub id: u64,
    /// Its name, as it is written there.
    pub name: String,
    /// Whether Microsoft supplies its agents: nobody can register one in it.
    pub hosted: bool,
    /// Whether the service may update its agents, where it says so.
    pub auto_update: Option<bool>,
}

/// A queue: what a project calls a pool. `pool: name` in a pipeline is the name of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Its id in the project, which is not the pool's.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// The pool it leads to, where one may see it.
    pub pool_id: Option<u64>,
}

/// What one wants to do with a pool; the service leaves out pools where one may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolRight {
    /// See it.
    View,
    /// Send jobs to it.
    Use,
    /// Register and remove agents: the role Administrator.
    Manage,
}

impl PoolRight {
    fn action_filter(self) -> &'static str {
        match self {
            Self::View => "none",
            Self::Use => "use",
            Self::Manage => "manage",
        }
    }
}

impl From<TaskAgentPool> for Pool {
    fn from(pool: TaskAgentPool) -> Self {
        Self { id: pool.id, name: pool.name, hosted: pool.is_hosted, auto_update: pool.auto_update }
    }
}

impl Organization {
    /// The pool of exactly that name (case does not count). `None`: there is no such pool, or the credential lacks the
    /// right; the service does not tell the two apart, and asking again with [`PoolRight::View`] may.
    pub async fn pool(&self, name: &str, right: PoolRight) -> Result<Option<Pool>, HttpError> {
        let request = self
            .distributed_task(Method::Get, &["pools"])
            .query("poolName", name)
            .query("poolType", "automation")
            .query("actionFilter", right.action_filter());
        let pools: Vec<TaskAgentPool> = self.list(request).await?;
        // Servers that do not know a filter ignore it and list everything.
        let found = pools.into_iter().find(|pool| pool.name.eq_ignore_ascii_case(name));
        Ok(found.map(Into::into))
    }

    /// Makes a pool of that name, with a queue in every project. Its agents are not updated: one that lives for one
    /// job is as new as its image.
    pub async fn create_pool(&self, name: &str) -> Result<Pool, HttpError> {
        let body =
            json!({ "name": name, "poolType": "automation", "autoProvision": true, "autoUpdate": false });
        let request = self.distributed_task(Method::Post, &["pools"]).json(&body)?;
        let pool: TaskAgentPool = self.send(request).await?.json()?;
        Ok(pool.into())
    }

    /// Removes a pool. One that is not there counts as removed.
    pub async fn delete_pool(&self, id: u64) -> Result<(), HttpError> {
        let request = self.distributed_task(Method::Delete, &["pools", &id.to_string()]);
        if_there(self.send(request).await).map(drop)
    }

    /// The queue of exactly that name in `project`.
    pub async fn queue(&self, project: &str, name: &str) -> Result<Option<Queue>, HttpError> {
        let request = self
            .request(Method::Get, &[project, "_apis", "distributedtask", "queues"])
            .query("queueName", name);
        let queues: Vec<TaskAgentQueue> = self.list(request).await?;
        let found = queues.into_iter().find(|queue| queue.name.eq_ignore_ascii_case(name));
        Ok(found.map(|queue| Queue {
            id: queue.id,
            name: queue.name,
            pool_id: queue.pool.map(|pool| pool.id),
        }))
    }
}
