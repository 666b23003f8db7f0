//! What `reap` works on, by the client crates: their own implementations of `lifecycle`'s ports.

use azure_devops::PoolClient;
use azure_http::Pipeline;
use azure_resources::{ContainerGroups, ResourceManager, Subscription};
use lifecycle::{Reading, Timestamp};

use super::Connection;
use super::failures::{from_devops, from_resource_manager};
use crate::errors::Finding;
use crate::errors::{Blame, Failure};
use crate::reap::Estate;
use crate::services::{Pool, Pools as _, ServiceError};
use crate::settings::environment::Environment;
use crate::settings::{DevOpsCredential, ReapSettings};

/// The resource groups and pools of the settings.
pub(crate) struct LiveEstate {
    pipeline: Pipeline,
    places: Vec<ContainerGroups>,
    pools: Vec<PoolClient>,
    credential: DevOpsCredential,
}

impl LiveEstate {
    /// Makes the clients, and looks for the pools.
    ///
    /// # Errors
    /// A pool that is not there, or whose agents may not be removed.
    pub(crate) async fn connect(settings: &ReapSettings, environment: &Environment) -> Result<Self, Failure> {
        let connection = Connection::open(&settings.azure, environment).await?;
        let manager = ResourceManager::new(
            connection.pipeline.clone(),
            &connection.cloud,
            connection.credential.clone(),
        );
        let subscription = Subscription::new(manager, settings.azure.subscription.clone());
        let devops = connection.pools(&settings.devops)?;
        let (mut pools, mut findings) = (Vec::new(), Vec::new());
        for name in &settings.pools {
            let found = devops.pool(name).await;
            let found = found.map_err(|error| Failure::Service { doing: doing(name), error })?;
            findings.extend(finding(name, found.as_ref(), settings));
            pools.extend(found.map(|pool| devops.client(pool.id)));
        }
        if !findings.is_empty() {
            return Err(Failure::NothingDeleted(findings));
        }
        let place = |name: &String| subscription.container_groups(name.clone());
        Ok(Self {
            pipeline: connection.pipeline,
            places: settings.resource_groups.iter().map(place).collect(),
            pools,
            credential: settings.devops.credential.clone(),
        })
    }
}

fn doing(pool: &str) -> String {
    format!("look for the agent pool {pool}")
}

/// What keeps the agents of a pool from being removed.
fn finding(name: &str, pool: Option<&Pool>, settings: &ReapSettings) -> Option<Finding> {
    let (what, remedy) = match pool {
        None => (
            format!("{} has no agent pool `{name}` that you may see.", settings.devops.organization),
            "correct --agent-pool, or have whoever holds the token made an administrator of it.",
        ),
        Some(pool) if pool.manageable == Some(false) && !settings.dry_run => (
            format!("You may see the agent pool `{name}`, and may not remove agents from it."),
            "have whoever holds the token made an administrator of the pool (Agent pools, Security).",
        ),
        Some(_) => return None,
    };
    Some(Finding { what, remedy: remedy.to_owned(), blame: Blame::User })
}

impl Estate for LiveEstate {
    type Compute = ContainerGroups;
    type Pool = PoolClient;

    fn places(&self) -> &[ContainerGroups] {
        &self.places
    }

    fn pools(&self) -> &[PoolClient] {
        &self.pools
    }

    fn now(&self) -> Timestamp {
        super::now()
    }

    fn requests_sent(&self) -> u64 {
        self.pipeline.requests_sent()
    }

    fn take_ids_of_changes(&self) -> Vec<String> {
        self.pipeline.take_ids_of_changes()
    }

    async fn explain(&self, reading: Reading) -> Option<ServiceError> {
        match reading {
            Reading::Groups(place) | Reading::Group(place) => {
                let again = self.places[place].list_groups().await;
                let mut answer = again.err().map(|error| from_resource_manager(&error))?;
                answer.remedy = answer.remedy.replace("whoever provisions", "whoever reaps");
                Some(answer)
            }
            Reading::Agents(pool) | Reading::Requests(pool) => {
                let again = self.pools[pool].list_agents().await;
                again.err().map(|error| from_devops(&error, &self.credential))
            }
        }
    }
}
