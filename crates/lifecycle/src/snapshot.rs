//! What both services say, read once and whole.

use std::fmt;

use crate::{
    Agent, AgentName, AgentPool, AgentStatus, ComputeBackend, ComputeError, ComputePhase, ContainerGroup,
    JobRequest, Policy, PoolError, Timestamp,
};

/// A container group, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedGroup {
    /// Position of its backend among those that were listed.
    pub place: usize,
    /// The group.
    pub group: ContainerGroup,
}

/// An agent, and which pool it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PooledAgent {
    /// Position of its pool among [`Policy::pools`].
    pub pool: usize,
    /// The agent.
    pub agent: Agent,
}

/// A job request, and which pool it waits in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PooledRequest {
    /// Position of its pool among [`Policy::pools`].
    pub pool: usize,
    /// The request.
    pub request: JobRequest,
}

/// Everything that a plan is made from. There is none where a list did not arrive whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The moment at which reading it began.
    pub now: Timestamp,
    /// Every container group, ours and others'.
    pub groups: Vec<PlacedGroup>,
    /// Every agent of the pools, ours and others'.
    pub agents: Vec<PooledAgent>,
    /// Every job request that is not finished, where they were asked for.
    pub requests: Option<Vec<PooledRequest>>,
}

impl Snapshot {
    /// The agent of that name in a pool. The service takes names without regard to case.
    pub fn agent(&self, pool: usize, name: &str) -> Option<&Agent> {
        let found = self
            .agents
            .iter()
            .find(|known| known.pool == pool && known.agent.name.eq_ignore_ascii_case(name));
        found.map(|known| &known.agent)
    }

    /// Whether no more than one container group and one agent have that name. We never give one twice, so that of two
    /// at least one is somebody else's.
    pub fn is_alone(&self, name: &AgentName) -> bool {
        let has_it = |known: &str| known.eq_ignore_ascii_case(name.as_str());
        let groups = self.groups.iter().filter(|placed| has_it(&placed.group.name)).count();
        let agents = self.agents.iter().filter(|known| has_it(&known.agent.name)).count();
        groups <= 1 && agents <= 1
    }
}

/// What was being read when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The container groups of the backend in that position.
    Groups(usize),
    /// One container group of the backend in that position.
    Group(usize),
    /// The agents of the pool in that position.
    Agents(usize),
    /// The job requests of the pool in that position.
    Requests(usize),
}

/// Why there is no snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObserveError {
    /// The compute backend did not answer.
    Compute(Reading, ComputeError),
    /// The pool did not answer.
    Pool(Reading, PoolError),
}

impl fmt::Display for ObserveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compute(_, error) => error.fmt(f),
            Self::Pool(_, error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ObserveError {}

/// Reads both services: compute first, agents second, job requests last. So what comes into being in between shows up
/// as a job too many, which is cheap, and never as an agent without a container group, which is not.
///
/// `pools` are those of the policy, in its order; job requests are read where the policy offers agents for them.
///
/// # Errors
/// The first list that did not arrive whole.
pub async fn observe<B: ComputeBackend, P: AgentPool>(
    places: &[B],
    pools: &[P],
    policy: &Policy,
    now: Timestamp,
) -> Result<Snapshot, ObserveError> {
    let mut snapshot = Snapshot { now, groups: Vec::new(), agents: Vec::new(), requests: None };
    for (place, backend) in places.iter().enumerate() {
        let listed = backend.list().await;
        let listed = listed.map_err(|error| ObserveError::Compute(Reading::Groups(place), error))?;
        snapshot.groups.extend(listed.into_iter().map(|group| PlacedGroup { place, group }));
    }
    for (pool, port) in pools.iter().enumerate() {
        let listed = port.agents().await.map_err(|error| ObserveError::Pool(Reading::Agents(pool), error))?;
        snapshot.agents.extend(listed.into_iter().map(|agent| PooledAgent { pool, agent }));
    }
    if policy.offer.is_some() {
        let mut requests = Vec::new();
        for (pool, port) in pools.iter().enumerate() {
            let listed = port.job_requests().await;
            let listed = listed.map_err(|error| ObserveError::Pool(Reading::Requests(pool), error))?;
            requests.extend(listed.into_iter().map(|request| PooledRequest { pool, request }));
        }
        snapshot.requests = Some(requests);
    }
    look_closer(places, policy, &mut snapshot).await?;
    Ok(snapshot)
}

/// A list may show a container that has ended as one that runs. That matters where its agent is not at work.
async fn look_closer<B: ComputeBackend>(
    places: &[B],
    policy: &Policy,
    snapshot: &mut Snapshot,
) -> Result<(), ObserveError> {
    let mut groups = Vec::with_capacity(snapshot.groups.len());
    for placed in std::mem::take(&mut snapshot.groups) {
        let Some(name) = worth_a_look(&placed.group, policy, snapshot) else {
            groups.push(placed);
            continue;
        };
        let place = placed.place;
        let seen = places[place].look(&name).await;
        let seen = seen.map_err(|error| ObserveError::Compute(Reading::Group(place), error))?;
        groups.extend(seen.map(|group| PlacedGroup { place, group }));
    }
    snapshot.groups = groups;
    Ok(())
}

fn worth_a_look(group: &ContainerGroup, policy: &Policy, snapshot: &Snapshot) -> Option<AgentName> {
    let pool = policy.pool_of(&group.ownership()?)?;
    let agent = snapshot.agent(pool, &group.name);
    let at_work =
        agent.is_some_and(|agent| agent.status == AgentStatus::Online || agent.assigned_request.is_some());
    let leaves_anyway = group.retiring_since().is_some();
    let open = group.phase == ComputePhase::Running && !at_work && !leaves_anyway;
    open.then(|| AgentName::new(group.name.as_str()).ok()).flatten()
}
