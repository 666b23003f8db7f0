//! Just-in-time registration: whoever provisions makes the agent's key and registers it; the container gets only the
//! three files with which the agent runs.
//!
//! The files are the official agent's own formats, read in its source and not documented by Microsoft: the token mode
//! remains as the documented way.

mod files;
mod key;

use std::collections::BTreeMap;

pub use files::JustInTimeConfiguration;
pub use key::{AgentKey, KeyError};

/// What an agent is registered with.
#[derive(Clone, Debug)]
pub struct AgentRegistration {
    /// The agent's key; the service gets the public half.
    pub key: AgentKey,
    /// Version of the agent, as far as it is known before the container runs; the agent corrects it when it opens its
    /// session.
    pub version: String,
    /// The operating system in words.
    pub os_description: String,
    /// `Linux` or `Windows_NT`: the value of the capability `Agent.OS`, which pipelines demand.
    pub os: String,
    /// Capabilities besides those every agent has. Anybody who may see the pool can read them: no secrets.
    pub extra_capabilities: BTreeMap<String, String>,
}

impl AgentRegistration {
    /// What the agent can do, as demands are matched against it.
    pub(crate) fn capabilities(&self, name: &str) -> BTreeMap<String, String> {
        let own = [
            ("Agent.Name", name),
            ("Agent.Version", self.version.as_str()),
            ("Agent.ComputerName", name),
            ("Agent.OS", self.os.as_str()),
        ];
        let own = own.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
        self.extra_capabilities.clone().into_iter().chain(own).collect()
    }
}

/// What the service said to a registration: who the agent is from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredAgent {
    /// The agent's id in the pool.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// The pool's id.
    pub pool_id: u64,
    /// The pool's name.
    pub pool_name: String,
    /// The agent's own client id.
    pub client_id: String,
    /// Where the agent exchanges a token signed with its key for one of the service.
    pub authorization_url: String,
}
