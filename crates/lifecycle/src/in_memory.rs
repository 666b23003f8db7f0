//! Both ports in memory: for tests of what works over them, and for simulations. It has no clock and no will of its
//! own: what happens in it, somebody does to it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{
    Agent, AgentName, AgentPool, AgentStatus, ComputeBackend, ComputeError, ComputePhase, ContainerGroup,
    JobRequest, OwnershipTags, PoolError, Removal, Timestamp,
};

/// Calls that are counted, and that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// [`ComputeBackend::list`] or [`AgentPool::agents`].
    List,
    /// [`ComputeBackend::look`].
    Look,
    /// [`ComputeBackend::create`] or [`AgentPool::register`].
    Create,
    /// [`ComputeBackend::mark`] or [`AgentPool::disable`].
    Mark,
    /// [`ComputeBackend::delete`], [`ComputeBackend::delete_listed`] or [`AgentPool::remove`].
    Delete,
    /// [`ComputeBackend::logs`].
    Logs,
    /// [`AgentPool::job_requests`].
    Requests,
}

/// A failure that is to happen, and whether the call takes effect all the same: a reply that is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault<E> {
    call: Call,
    error: E,
    takes_effect: bool,
}

#[derive(Debug)]
struct Service<T, E> {
    things: T,
    faults: VecDeque<Fault<E>>,
    calls: Vec<Call>,
}

impl<T, E: Clone> Service<T, E> {
    fn new(things: T) -> Self {
        Self { things, faults: VecDeque::new(), calls: Vec::new() }
    }

    fn call<R>(&mut self, call: Call, happens: impl FnOnce(&mut T) -> Result<R, E>) -> Result<R, E> {
        self.calls.push(call);
        let Some(position) = self.faults.iter().position(|fault| fault.call == call) else {
            return happens(&mut self.things);
        };
        match self.faults.remove(position) {
            Some(fault) if fault.takes_effect => happens(&mut self.things).and(Err(fault.error)),
            Some(fault) => Err(fault.error),
            None => happens(&mut self.things),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A container group with what its container printed, and what it really does.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    group: ContainerGroup,
    log: Option<String>,
    has_ended: bool,
}

/// Container groups in memory.
#[derive(Debug)]
pub struct Groups(Mutex<Service<BTreeMap<String, Held>, ComputeError>>);

impl Default for Groups {
    fn default() -> Self {
        Self(Mutex::new(Service::new(BTreeMap::new())))
    }
}

impl Groups {
    /// Puts a group there, or another in its place.
    pub fn put(&self, group: ContainerGroup) {
        let held = Held { group: group.clone(), log: None, has_ended: false };
        lock(&self.0).things.insert(group.name, held);
    }

    /// Its container prints this.
    pub fn prints(&self, name: &str, text: &str) {
        if let Some(held) = lock(&self.0).things.get_mut(name) {
            held.log = Some(text.to_owned());
        }
    }

    /// Its container ends; lists go on showing it as one that runs.
    pub fn ends(&self, name: &str) {
        if let Some(held) = lock(&self.0).things.get_mut(name) {
            held.has_ended = true;
        }
    }

    /// The next such call fails; it takes effect all the same if its reply is only lost.
    pub fn fail(&self, call: Call, error: ComputeError, takes_effect: bool) {
        lock(&self.0).faults.push_back(Fault { call, error, takes_effect });
    }

    /// The groups there are.
    pub fn all(&self) -> Vec<ContainerGroup> {
        lock(&self.0).things.values().map(|held| held.group.clone()).collect()
    }

    /// The calls that were made.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.0).calls.clone()
    }

    fn call<R>(
        &self,
        call: Call,
        happens: impl FnOnce(&mut BTreeMap<String, Held>) -> Result<R, ComputeError>,
    ) -> Result<R, ComputeError> {
        lock(&self.0).call(call, happens)
    }

    fn remove_ours(&self, name: &str) -> Result<(), ComputeError> {
        self.call(Call::Delete, |groups| match groups.get(name) {
            Some(held) if held.group.ownership().is_none() => Err(foreign(name)),
            _ => {
                groups.remove(name);
                Ok(())
            }
        })
    }
}

fn foreign(name: &str) -> ComputeError {
    ComputeError::Foreign(format!("{name} does not carry our tags"))
}

impl ComputeBackend for Groups {
    type Spec = ();

    async fn list(&self) -> Result<Vec<ContainerGroup>, ComputeError> {
        self.call(Call::List, |groups| Ok(groups.values().map(|held| held.group.clone()).collect()))
    }

    async fn look(&self, name: &AgentName) -> Result<Option<ContainerGroup>, ComputeError> {
        self.call(Call::Look, |groups| {
            let Some(held) = groups.get(name.as_str()) else { return Ok(None) };
            let phase = if held.has_ended { ComputePhase::Exited } else { held.group.phase.clone() };
            Ok(Some(ContainerGroup { phase, ..held.group.clone() }))
        })
    }

    async fn create(&self, name: &AgentName, tags: &OwnershipTags, (): &()) -> Result<(), ComputeError> {
        self.call(Call::Create, |groups| match groups.get(name.as_str()) {
            Some(held) if held.group.ownership().as_ref() != Some(tags) => Err(foreign(name.as_str())),
            Some(_) => Ok(()),
            None => {
                let group = ContainerGroup {
                    name: name.to_string(),
                    phase: ComputePhase::Creating,
                    tags: tags.to_map(),
                };
                groups.insert(name.to_string(), Held { group, log: None, has_ended: false });
                Ok(())
            }
        })
    }

    async fn mark(&self, group: &ContainerGroup, at: Timestamp) -> Result<(), ComputeError> {
        if group.ownership().is_none() {
            return Err(foreign(&group.name));
        }
        self.call(Call::Mark, |groups| {
            if let Some(held) = groups.get_mut(&group.name) {
                held.group.tags = group.tags_marked(at);
            }
            Ok(())
        })
    }

    async fn delete(&self, name: &AgentName) -> Result<(), ComputeError> {
        self.remove_ours(name.as_str())
    }

    async fn delete_listed(&self, group: &ContainerGroup) -> Result<(), ComputeError> {
        if group.ownership().is_none() {
            return Err(foreign(&group.name));
        }
        self.remove_ours(&group.name)
    }

    async fn logs(&self, name: &AgentName) -> Result<Option<String>, ComputeError> {
        self.call(Call::Logs, |groups| Ok(groups.get(name.as_str()).and_then(|held| held.log.clone())))
    }
}

#[derive(Debug, Default)]
struct Members {
    agents: Vec<Agent>,
    requests: Vec<JobRequest>,
    /// Ids of agents that got a job which lists do not show yet.
    busy: Vec<u64>,
    last: u64,
}

/// An agent pool in memory.
#[derive(Debug)]
pub struct Pool(Mutex<Service<Members, PoolError>>);

impl Default for Pool {
    fn default() -> Self {
        Self(Mutex::new(Service::new(Members::default())))
    }
}

impl Pool {
    /// Puts an agent there, under a new id.
    pub fn put(&self, agent: Agent) -> u64 {
        let mut service = lock(&self.0);
        service.things.last += 1;
        let id = service.things.last;
        service.things.agents.push(Agent { id, ..agent });
        id
    }

    /// Puts a job request there.
    pub fn queue(&self, request: JobRequest) {
        lock(&self.0).things.requests.push(request);
    }

    /// The agent gets a job that no list shows yet.
    pub fn gets_a_job(&self, id: u64) {
        lock(&self.0).things.busy.push(id);
    }

    /// The next such call fails; it takes effect all the same if its reply is only lost.
    pub fn fail(&self, call: Call, error: PoolError, takes_effect: bool) {
        lock(&self.0).faults.push_back(Fault { call, error, takes_effect });
    }

    /// The agents there are.
    pub fn all(&self) -> Vec<Agent> {
        lock(&self.0).things.agents.clone()
    }

    /// The calls that were made.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.0).calls.clone()
    }

    fn call<R>(
        &self,
        call: Call,
        happens: impl FnOnce(&mut Members) -> Result<R, PoolError>,
    ) -> Result<R, PoolError> {
        lock(&self.0).call(call, happens)
    }
}

impl AgentPool for Pool {
    type Registration = ();
    type Registered = u64;

    async fn agents(&self) -> Result<Vec<Agent>, PoolError> {
        self.call(Call::List, |members| Ok(members.agents.clone()))
    }

    async fn job_requests(&self) -> Result<Vec<JobRequest>, PoolError> {
        self.call(Call::Requests, |members| {
            Ok(members.requests.iter().filter(|request| request.result.is_none()).cloned().collect())
        })
    }

    async fn register(&self, name: &AgentName, (): &()) -> Result<u64, PoolError> {
        self.call(Call::Create, |members| {
            if members.agents.iter().any(|agent| agent.name.eq_ignore_ascii_case(name.as_str())) {
                return Err(PoolError::NameTaken(name.clone()));
            }
            members.last += 1;
            members.agents.push(Agent {
                id: members.last,
                name: name.to_string(),
                enabled: true,
                status: AgentStatus::Offline,
                assigned_request: None,
                status_since: name.minted_at(),
            });
            Ok(members.last)
        })
    }

    async fn disable(&self, agent_id: u64) -> Result<(), PoolError> {
        self.call(Call::Mark, |members| {
            if let Some(agent) = members.agents.iter_mut().find(|agent| agent.id == agent_id) {
                agent.enabled = false;
            }
            Ok(())
        })
    }

    async fn remove(&self, agent_id: u64) -> Result<Removal, PoolError> {
        self.call(Call::Delete, |members| {
            let Some(position) = members.agents.iter().position(|agent| agent.id == agent_id) else {
                return Ok(Removal::AlreadyGone);
            };
            if members.busy.contains(&agent_id) || members.agents[position].assigned_request.is_some() {
                return Ok(Removal::JobRunning);
            }
            members.agents.remove(position);
            Ok(Removal::Removed)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Groups, Pool};
    use crate::conformance::{ComputeSubject, PoolSubject, agent_pool, compute_backend};
    use crate::worlds::{self, at_once};
    use crate::{AgentName, ComputePhase, ContainerGroup};

    #[test]
    fn both_ports_conform() {
        let groups = Groups::default();
        let name = |letters| AgentName::new(format!("a-20261124000000-{letters}")).expect("valid");
        let foreign = ContainerGroup {
            name: name("zzzzzz").to_string(),
            phase: ComputePhase::Running,
            tags: [("managed-by".to_owned(), "somebody-else".to_owned())].into(),
        };
        groups.put(foreign);
        let subject = ComputeSubject {
            backend: &groups,
            name: name("aaaaaa"),
            tags: worlds::tags(worlds::NOW),
            spec: &(),
            foreign: name("zzzzzz"),
        };
        at_once(compute_backend(subject, || std::future::ready(())));
        let pool = Pool::default();
        at_once(agent_pool(PoolSubject { pool: &pool, name: name("bbbbbb"), registration: &() }));
    }
}
