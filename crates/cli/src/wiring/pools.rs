//! Agent pools, by `azure-devops`.

use std::collections::BTreeMap;

use azure_devops::registration::{AgentKey, AgentRegistration, JustInTimeConfiguration, KeyError};
use azure_devops::{Organization, PoolClient, PoolRight};
use azure_http::{Auth, HttpError, Pipeline};
use lifecycle::{Agent, AgentName, Removal};
use serde_json::json;

use super::failures::from_devops;
use crate::services::{Answer, ErrorKind, NewAgent, Pool, Pools, Registered, ServiceError};
use crate::settings::{DevOps, DevOpsCredential, Os};

/// Version an agent is registered with until its container runs and says its own.
const AGENT_VERSION: &str = "4.275.0";

/// Where the agent works, below its root.
const WORK_FOLDER: &str = "_work";

/// The pools of an organization.
pub(crate) struct DevOpsPools {
    organization: Organization,
    credential: DevOpsCredential,
}

impl DevOpsPools {
    pub(super) fn new(pipeline: Pipeline, devops: &DevOps, auth: Auth) -> Result<Self, HttpError> {
        let organization = Organization::new(pipeline, &devops.organization, auth)?;
        Ok(Self { organization, credential: devops.credential.clone() })
    }

    pub(super) fn organization(&self) -> &Organization {
        &self.organization
    }

    pub(super) fn failed(&self, error: &HttpError) -> ServiceError {
        from_devops(error, &self.credential)
    }

    /// A client for a pool of which the id is known; its name does not matter to the calls.
    pub(super) fn client(&self, pool_id: u64) -> PoolClient {
        let pool = azure_devops::Pool { id: pool_id, name: String::new(), hosted: false, auto_update: None };
        PoolClient::new(self.organization.clone(), pool)
    }
}

fn no_key(error: &KeyError) -> ServiceError {
    ServiceError {
        kind: ErrorKind::Unavailable,
        what: format!("the agent's key could not be made: {error}"),
        remedy: "try again, or use --registration token.".to_owned(),
    }
}

impl Pools for DevOpsPools {
    async fn pool(&self, name: &str) -> Answer<Option<Pool>> {
        let find =
            async |right| self.organization.pool(name, right).await.map_err(|error| self.failed(&error));
        let (found, manageable) = match find(PoolRight::Manage).await? {
            Some(pool) => (Some(pool), true),
            // The service does not tell "no such pool" from "not yours to manage".
            None => (find(PoolRight::View).await?, false),
        };
        Ok(found.map(|pool| Pool {
            id: pool.id,
            name: pool.name,
            hosted: pool.hosted,
            manageable: Some(manageable),
        }))
    }

    async fn create_pool(&self, name: &str) -> Answer<Pool> {
        let pool = self.organization.create_pool(name).await.map_err(|error| self.failed(&error))?;
        Ok(Pool { id: pool.id, name: pool.name, hosted: pool.hosted, manageable: Some(true) })
    }

    async fn delete_pool(&self, pool_id: u64) -> Answer<()> {
        self.organization.delete_pool(pool_id).await.map_err(|error| self.failed(&error))
    }

    async fn register(&self, pool: &Pool, name: &AgentName, agent: &NewAgent) -> Answer<Registered> {
        let key = AgentKey::generate().map_err(|error| no_key(&error))?;
        let (os, os_description) = words_for(agent.os);
        let registration = AgentRegistration {
            key,
            version: AGENT_VERSION.to_owned(),
            os_description: os_description.to_owned(),
            os: os.to_owned(),
            extra_capabilities: BTreeMap::new(),
        };
        let known = azure_devops::Pool {
            id: pool.id,
            name: pool.name.clone(),
            hosted: pool.hosted,
            auto_update: None,
        };
        let registered = PoolClient::new(self.organization.clone(), known)
            .register_agent(name, &registration)
            .await
            .map_err(|error| self.failed(&error))?;
        let agent_id = registered.id;
        let configuration =
            JustInTimeConfiguration::new(registered, &registration.key, &agent.url, WORK_FOLDER)
                .map_err(|error| no_key(&error))?;
        Ok(Registered { agent_id, configuration: configuration.to_environment() })
    }

    async fn agent(&self, pool_id: u64, name: &AgentName) -> Answer<Option<Agent>> {
        self.client(pool_id).agent_by_name(name.as_str()).await.map_err(|error| self.failed(&error))
    }

    async fn agents(&self, pool_id: u64) -> Answer<Vec<Agent>> {
        self.client(pool_id).list_agents().await.map_err(|error| self.failed(&error))
    }

    async fn disable(&self, pool_id: u64, agent_id: u64) -> Answer<()> {
        self.client(pool_id).disable_agent(agent_id).await.map_err(|error| self.failed(&error))
    }

    async fn remove(&self, pool_id: u64, agent_id: u64) -> Answer<Removal> {
        self.client(pool_id).remove_agent(agent_id).await.map_err(|error| self.failed(&error))
    }

    fn registration_preview(&self, name: &AgentName, agent: &NewAgent) -> serde_json::Value {
        let (os, os_description) = words_for(agent.os);
        json!({
            "name": name.as_str(),
            "version": AGENT_VERSION,
            "osDescription": os_description,
            "maxParallelism": 1,
            "provisioningState": "Provisioned",
            "enabled": true,
            "authorization": { "publicKey": { "exponent": "AQAB", "modulus": "made when it is registered" } },
            "systemCapabilities": {
                "Agent.Name": name.as_str(),
                "Agent.Version": AGENT_VERSION,
                "Agent.ComputerName": name.as_str(),
                "Agent.OS": os,
            },
        })
    }
}

/// `Agent.OS`, and the operating system in words.
fn words_for(os: Os) -> (&'static str, &'static str) {
    match os {
        Os::Linux => ("Linux", "Linux, in Azure Container Instances"),
        Os::Windows => ("Windows_NT", "Windows, in Azure Container Instances"),
    }
}
