//! What the commands need of Azure and Azure DevOps, as traits of the program's own.
//!
//! The flows are written against these, so that they can be tested without a network; `wiring` implements them with
//! the client crates, and `fake` (tests) in memory. They are wider than the ports of `lifecycle`: before anything is
//! created we look at networks and quotas, and afterwards people want to see events.

use std::collections::BTreeMap;
use std::fmt;

use lifecycle::{Agent, AgentName, ComputePhase, ContainerGroup, OwnershipTags, Removal, Timestamp};
use redact::Secret;

use crate::provision::plan::GroupPlan;
use crate::settings::{Network, Os};

/// What sort of failure a service answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// Refused for what was asked, or for who asked.
    Refused,
    /// The image cannot be had. The service says so of registries that stumble too.
    Image,
    /// Refused as things are at this moment: something is in transition, a registry stumbles.
    Transient,
    /// Something of that name exists, and is not ours.
    Taken,
    /// The subscription may not have that many.
    Quota,
    /// No way to the service from here: name, certificate, proxy, network.
    Unreachable,
    /// Too many calls.
    Throttled,
    /// The region has no room for it now.
    Capacity,
    /// The service does not work right now.
    Unavailable,
    /// Sent, no answer: it may or may not have happened.
    Indeterminate,
}

/// Why a service did not do as it was asked, in words for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServiceError {
    /// What sort of failure it is.
    pub(crate) kind: ErrorKind,
    /// What happened, with the service's own words.
    pub(crate) what: String,
    /// What to do about it.
    pub(crate) remedy: String,
}

/// Shorthand.
pub(crate) type Answer<T> = Result<T, ServiceError>;

/// An agent pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pool {
    /// Its id.
    pub(crate) id: u64,
    /// Its name, as the organization writes it.
    pub(crate) name: String,
    /// Whether Microsoft hosts its agents.
    pub(crate) hosted: bool,
    /// Whether who asks may register agents in it; `None` where the service did not say.
    pub(crate) manageable: Option<bool>,
}

/// A resource group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResourceGroup {
    /// Its region.
    pub(crate) location: String,
}

/// What was found of a subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SubnetLookup {
    /// It is there.
    Found(Subnet),
    /// There is no such network, or no such subnet in it.
    Missing,
}

/// A subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subnet {
    /// Region of its network.
    pub(crate) location: String,
    /// The services it is delegated to.
    pub(crate) delegations: Vec<String>,
    /// Whether it has a NAT gateway, or routes that may lead out.
    pub(crate) has_way_out: bool,
    /// Id of its security group.
    pub(crate) security_group: Option<String>,
    /// Ids of what has an address in it.
    pub(crate) others: Vec<String>,
    /// How many of its addresses are free; `None` where the network does not say.
    pub(crate) free: Option<u64>,
}

/// How much of something a subscription has in a region, and may have.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Usage {
    /// The service's name for it: `ContainerGroups`, `StandardCores`.
    pub(crate) name: String,
    /// How much is used.
    pub(crate) used: f64,
    /// How much may be.
    pub(crate) limit: f64,
}

/// What an agent is to be, besides its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewAgent {
    /// The organization's URL as the agent will see it.
    pub(crate) url: String,
    /// What it will run on.
    pub(crate) os: Os,
}

/// What registering an agent gives.
pub(crate) struct Registered {
    /// Its id in the pool.
    pub(crate) agent_id: u64,
    /// What the container needs to be that agent (`AZP_JIT_CONFIG`).
    pub(crate) configuration: Secret,
}

/// What happened to a container group or its container, once or several times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// When it happened last.
    pub(crate) at: Option<Timestamp>,
    /// `Pulling`, `Started`, `Failed` ...
    pub(crate) name: String,
    /// The service's words.
    pub(crate) message: String,
    /// How often.
    pub(crate) count: u64,
}

/// What the container of a group does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ContainerState {
    /// `Waiting`, `Running`, `Terminated`.
    pub(crate) state: String,
    /// With what it ended.
    pub(crate) exit_code: Option<i64>,
    /// The service's words about it.
    pub(crate) detail: String,
}

/// A container group, looked at closely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupView {
    /// Its resource id.
    pub(crate) id: String,
    /// What it is doing.
    pub(crate) phase: ComputePhase,
    /// `properties.provisioningState`.
    pub(crate) provisioning_state: String,
    /// Its container, once there is one.
    pub(crate) container: Option<ContainerState>,
    /// What happened to the group and its container, in no order.
    pub(crate) events: Vec<Event>,
    /// Every tag.
    pub(crate) tags: BTreeMap<String, String>,
}

impl GroupView {
    /// Its tags, where it is ours.
    pub(crate) fn ownership(&self) -> Option<OwnershipTags> {
        OwnershipTags::from_map(&self.tags)
    }
}

/// The agent pools of an organization.
pub(crate) trait Pools {
    /// The pool of that name; `None` where there is none, or none that may be seen.
    async fn pool(&self, name: &str) -> Answer<Option<Pool>>;
    /// Makes a pool. One of that name that exists is never replaced: [`ErrorKind::Taken`].
    async fn create_pool(&self, name: &str) -> Answer<Pool>;
    /// Removes a pool.
    async fn delete_pool(&self, pool_id: u64) -> Answer<()>;
    /// Registers an agent. An agent of that name that exists is never replaced: [`ErrorKind::Taken`].
    async fn register(&self, pool: &Pool, name: &AgentName, agent: &NewAgent) -> Answer<Registered>;
    /// The agent of that name.
    async fn agent(&self, pool_id: u64, name: &AgentName) -> Answer<Option<Agent>>;
    /// Every agent of the pool.
    async fn agents(&self, pool_id: u64) -> Answer<Vec<Agent>>;
    /// Takes an agent out of rotation.
    async fn disable(&self, pool_id: u64, agent_id: u64) -> Answer<()>;
    /// Removes an agent from its pool.
    async fn remove(&self, pool_id: u64, agent_id: u64) -> Answer<Removal>;
    /// What would be sent to register an agent, for a person to read.
    fn registration_preview(&self, name: &AgentName, agent: &NewAgent) -> serde_json::Value;
}

/// The container groups of a resource group, and what is around them.
pub(crate) trait Groups {
    /// The resource group of the settings; `None` where there is none.
    async fn resource_group(&self) -> Answer<Option<ResourceGroup>>;
    /// The subnet of the settings.
    async fn subnet(&self, network: &Network) -> Answer<SubnetLookup>;
    /// What the subscription uses and may use of container groups in a region.
    async fn usages(&self, location: &str) -> Answer<Vec<Usage>>;
    /// Asks for a container group: accepted, not awaited.
    async fn create(&self, plan: &GroupPlan) -> Answer<()>;
    /// A container group of the resource group, with what happens in it.
    async fn group(&self, name: &AgentName) -> Answer<Option<GroupView>>;
    /// Every container group of the resource group.
    async fn list(&self) -> Answer<Vec<ContainerGroup>>;
    /// Asks to delete a container group. Absent counts as deleted; what is not ours is refused.
    async fn delete(&self, name: &AgentName) -> Answer<()>;
    /// Writes the tags of a container group that is ours anew.
    async fn retag(&self, name: &AgentName, tags: &BTreeMap<String, String>) -> Answer<()>;
    /// The last lines its container printed.
    async fn logs(&self, name: &AgentName, tail: Option<u32>) -> Answer<Option<String>>;
    /// What would be sent to create a container group, secrets masked.
    fn group_preview(&self, plan: &GroupPlan) -> serde_json::Value;
}

/// Azure, Azure DevOps, a clock and randomness.
pub(crate) trait Services {
    /// Azure DevOps.
    type Pools: Pools;
    /// Azure.
    type Groups: Groups;

    /// Azure DevOps.
    fn pools(&self) -> &Self::Pools;
    /// Azure.
    fn groups(&self) -> &Self::Groups;
    /// Now.
    fn now(&self) -> Timestamp;
    /// A number that nobody can guess.
    fn random(&self) -> u64;
    /// How many requests were sent so far.
    fn requests_sent(&self) -> u64;
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}
