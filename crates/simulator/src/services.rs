//! The two ports, as one reaper sees them: each call is a turn of its own, may fail, and is judged by what is really so
//! at the moment at which it takes effect.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use lifecycle::{
    Agent, AgentName, AgentPool, AgentStatus, ComputeBackend, ComputeError, ComputePhase, ContainerGroup,
    JobRequest, OwnershipTags, PoolError, Removal, Timestamp,
};

use crate::bug::Bug;
use crate::faults::Fault;
use crate::promise::Promise;
use crate::world::{Group, SKEW, World};

/// The world, which everybody shares.
pub(crate) type Shared = Arc<Mutex<World>>;

/// For as long as nothing waits.
pub(crate) fn lock(world: &Shared) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Container groups, as one reaper sees them.
pub(crate) struct Groups {
    pub(crate) world: Shared,
    pub(crate) who: usize,
}

/// The agent pool, as one reaper sees it.
pub(crate) struct Pool {
    pub(crate) world: Shared,
    pub(crate) who: usize,
}

/// What a call meets.
enum Refusal {
    Throttled(Duration),
    Unauthorized,
    Unavailable,
    Lost,
}

impl From<Refusal> for ComputeError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Throttled(retry_after) => Self::Throttled { retry_after },
            Refusal::Unauthorized => Self::Unauthorized("the token is not valid".to_owned()),
            Refusal::Unavailable => Self::Unavailable("the service does not work".to_owned()),
            Refusal::Lost => Self::Indeterminate("no answer".to_owned()),
        }
    }
}

impl From<Refusal> for PoolError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Throttled(retry_after) => Self::Throttled { retry_after },
            Refusal::Unauthorized => Self::Unauthorized("the token is not valid".to_owned()),
            Refusal::Unavailable => Self::Unavailable("the service does not work".to_owned()),
            Refusal::Lost => Self::Indeterminate("no answer".to_owned()),
        }
    }
}

/// Lets everybody else go first.
pub(crate) async fn turn() {
    let mut waited = false;
    poll_fn(|_| if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// From the last call to this one, at most, in seconds.
const LAST_CALL: u64 = 2;

const COMPUTE: usize = 0;
const POOL: usize = 1;

/// A call that only reads.
fn reads<T>(
    world: &Shared,
    (who, service): (usize, usize),
    read: impl FnOnce(&mut World) -> T,
) -> Result<T, Refusal> {
    let mut world = lock(world);
    world.meets(who, service)?;
    Ok(read(&mut world))
}

/// A call that changes something: it may be done and its reply lost, or not be done and nobody says so.
fn changes<T, E: From<Refusal>>(
    world: &Shared,
    (who, service): (usize, usize),
    taken_for_done: Option<T>,
    change: impl FnOnce(&mut World) -> Result<T, E>,
) -> Result<T, E> {
    let mut world = lock(world);
    world.meets(who, service)?;
    if world.faults.strikes(Fault::LostRequest) {
        world.tell(|| format!("reaper {who}: the request is lost"));
        let wrong = taken_for_done.filter(|_| world.has(Bug::UnclearIsDone));
        return wrong.ok_or_else(|| Refusal::Lost.into());
    }
    let done = change(&mut world);
    if world.faults.strikes(Fault::LostReply) {
        world.tell(|| format!("reaper {who}: the reply is lost"));
        return Err(Refusal::Lost.into());
    }
    done
}

impl World {
    fn meets(&mut self, who: usize, service: usize) -> Result<(), Refusal> {
        let now = self.now;
        if now < self.callers[who].not_before[service] {
            self.broken(Promise::RetryAfter, || format!("reaper {who} calls a service that wants no calls"));
        }
        if now < self.callers[who].refused_until || self.faults.strikes(Fault::TokenExpired) {
            let caller = &mut self.callers[who];
            caller.was_refused = true;
            if caller.refused_until <= now {
                caller.refused_until = now + 300;
            }
            return Err(Refusal::Unauthorized);
        }
        if self.faults.strikes(Fault::Throttled) {
            let wait = self.between(5, 300);
            self.callers[who].not_before[service] = now + wait;
            self.tell(|| format!("reaper {who} is to wait {wait} s"));
            return Err(Refusal::Throttled(Duration::from_secs(wait)));
        }
        if self.faults.strikes(Fault::Unavailable) {
            return Err(Refusal::Unavailable);
        }
        Ok(())
    }

    fn listed_groups(&mut self, who: usize) -> Vec<ContainerGroup> {
        let now = self.now;
        self.callers[who].groups_read = now;
        self.ghosts.retain(|(until, _)| *until > now);
        let there = self.groups.iter().filter(|(_, group)| group.listed_from <= now);
        let mut listed: Vec<_> = there
            .map(|(name, group)| {
                let mut listed = group.listed(name);
                // Lists of the service do not say that a container has ended.
                if listed.phase == ComputePhase::Exited {
                    listed.phase = ComputePhase::Running;
                }
                listed
            })
            .collect();
        listed.extend(self.ghosts.iter().map(|(_, ghost)| ghost.clone()));
        listed
    }

    /// What has to hold whenever a reaper does something to a container group.
    fn judge_group(&mut self, who: usize, name: &str, deletes: bool) {
        let Some(group) = self.groups.get(name).cloned() else { return };
        self.tell(|| format!("reaper {who} {} {name}", if deletes { "deletes" } else { "marks" }));
        if group.ours.is_none() {
            return self.broken(Promise::OnlyOurs, || format!("the container group {name} is not ours"));
        }
        self.judge_pair(who, name);
        let now = self.now;
        let own = group.ours.as_ref().and_then(|ours| ours.agent_id).or_else(|| self.agent_of(name));
        // Who registered itself since the last call could not be seen.
        let agent =
            own.and_then(|id| self.agents.get(&id)).filter(|agent| agent.born + LAST_CALL < now).cloned();
        if let (true, Some(agent)) = (deletes, agent) {
            if agent.job.is_some() {
                self.broken(Promise::LeavesJobsAlone, || format!("{name} is deleted under its job"));
            }
            self.broken(Promise::Order, || format!("{name} is deleted while its agent is registered"));
        }
    }

    /// What has to hold whenever a reaper does something to an agent.
    fn judge_agent(&mut self, who: usize, id: u64, removes: bool) {
        let Some(agent) = self.agents.get(&id).cloned() else { return };
        let name = agent.name.as_str();
        self.tell(|| format!("reaper {who} {} {name}", if removes { "removes" } else { "disables" }));
        if !agent.ours {
            return self.broken(Promise::OnlyOurs, || format!("the agent {name} is not ours"));
        }
        if agent.job.is_some() && agent.job_since < self.callers[who].agents_read {
            self.broken(Promise::LeavesJobsAlone, || format!("{name} was seen with a job"));
        }
        self.judge_pair(who, name);
        let unmarked = self.groups.get(name).is_some_and(|group| {
            group.is_up() && !group.is_marked() && group.runs_since.max(group.since) < self.callers[who].began
        });
        if removes && unmarked {
            self.broken(Promise::Order, || {
                format!("{name} is unregistered before its container group is marked")
            });
        }
    }

    /// Whether there was a reason, in words that are not the plan's.
    fn judge_pair(&mut self, who: usize, name: &str) {
        let began = self.callers[who].began;
        let agents_read = self.callers[who].agents_read;
        let policy = &self.policy;
        let agent = self.agent_of(name).and_then(|id| self.agents.get(&id));
        let Some(group) = self.groups.get(name) else {
            let is_new = agent
                .is_some_and(|agent| !agent.had_group && agent.born + policy.grace.as_secs() > began + SKEW);
            if is_new {
                self.broken(Promise::LeavesTheLivingAlone, || {
                    format!("the agent {name} was just registered")
                });
            }
            return;
        };
        let expires = group.ours.as_ref().map_or(0, |ours| ours.expires_at.0);
        // What came back in between was seen as one that goes.
        if group.is_marked() || group.phase == ComputePhase::Deleting || began <= group.since {
            return;
        }
        if self.is_kept(group, began) {
            return self.broken(Promise::KeepsWhatIsKept, || format!("{name} is kept for a look"));
        }
        if expires <= began + SKEW {
            return;
        }
        let limit = if group.is_up() { policy.start_deadline } else { policy.grace };
        let is_young = group.born + limit.as_secs() > began + SKEW;
        let at_work = agent.is_some_and(|agent| agent.online && agent.since < agents_read) && group.is_up();
        if is_young || at_work {
            let how = if is_young { "young" } else { "at work" };
            self.broken(Promise::LeavesTheLivingAlone, || format!("{name} is {how}"));
        }
    }

    fn judge_budget(&mut self, who: usize) {
        let (now, budget) = (self.now, self.policy.deletes_an_hour);
        let deletes = &mut self.callers[who].deletes;
        deletes.push_back(now);
        deletes.retain(|at| now - at < 3_600);
        let count = deletes.len();
        if count > budget {
            self.broken(Promise::Budget, || {
                format!("reaper {who} asked for {count} deletions within an hour")
            });
        }
    }

    fn judge_capacity(&mut self, who: usize, name: &str) {
        let caller = &self.callers[who];
        let counts = |(known, group): &(&String, &Group)| {
            // Without an agent, nothing tells a controller that began anew what lists do not show yet.
            let is_hidden = group.registers_itself && caller.groups_read < group.listed_from;
            let is_known = group.since <= caller.groups_read && !is_hidden;
            group.ours.is_some() && (is_known || caller.created.contains(known))
        };
        let there = self.groups.iter().filter(counts).count();
        if there >= self.policy.capacity {
            let capacity = self.policy.capacity;
            self.broken(Promise::Capacity, || format!("{name} is one more than {capacity}"));
        }
    }
}

impl ComputeBackend for Groups {
    type Spec = ();

    async fn list(&self) -> Result<Vec<ContainerGroup>, ComputeError> {
        turn().await;
        let listed = reads(&self.world, (self.who, COMPUTE), |world| {
            let mut listed = world.listed_groups(self.who);
            if world.has(Bug::FirstPageOnly) {
                listed.truncate(5);
            }
            let breaks_off = world.faults.strikes(Fault::PartialList);
            if breaks_off && world.has(Bug::HalfAList) {
                listed.truncate(listed.len() / 2);
                return Ok(listed);
            }
            if breaks_off {
                Err(ComputeError::Unavailable("the list breaks off".to_owned()))
            } else {
                Ok(listed)
            }
        });
        let listed = listed.map_err(ComputeError::from).flatten();
        let world = lock(&self.world);
        if listed.is_err() && world.has(Bug::NoListIsEmpty) {
            return Ok(Vec::new());
        }
        let mut listed = listed?;
        for group in &mut listed {
            tampered(&world, group);
        }
        Ok(listed)
    }

    async fn look(&self, name: &AgentName) -> Result<Option<ContainerGroup>, ComputeError> {
        turn().await;
        let seen = reads(&self.world, (self.who, COMPUTE), |world| {
            let mut seen = world.groups.get(name.as_str()).map(|group| group.listed(name.as_str()));
            if let Some(group) = &mut seen {
                tampered(world, group);
            }
            seen
        });
        Ok(seen?)
    }

    async fn create(&self, name: &AgentName, tags: &OwnershipTags, (): &()) -> Result<(), ComputeError> {
        turn().await;
        changes(&self.world, (self.who, COMPUTE), Some(()), |world| {
            world.judge_capacity(self.who, name.as_str());
            world.tell(|| format!("reaper {} creates {name}", self.who));
            world.create(name.as_str(), tags.to_map());
            world.callers[self.who].created.push(name.to_string());
            Ok(())
        })
    }

    async fn mark(&self, group: &ContainerGroup, at: Timestamp) -> Result<(), ComputeError> {
        turn().await;
        changes(&self.world, (self.who, COMPUTE), Some(()), |world| {
            if world.has(Bug::LeavesOutTheMark) {
                return Ok(());
            }
            world.judge_group(self.who, &group.name, false);
            let tags = group.tags_marked(at);
            if let Some(held) = world.groups.get_mut(&group.name) {
                held.tags = tags;
            }
            Ok(())
        })
    }

    async fn delete(&self, name: &AgentName) -> Result<(), ComputeError> {
        self.delete_named(name.as_str()).await
    }

    async fn delete_listed(&self, group: &ContainerGroup) -> Result<(), ComputeError> {
        self.delete_named(&group.name).await
    }

    async fn logs(&self, _name: &AgentName) -> Result<Option<String>, ComputeError> {
        turn().await;
        Ok(reads(&self.world, (self.who, COMPUTE), |_| None)?)
    }
}

impl Groups {
    async fn delete_named(&self, name: &str) -> Result<(), ComputeError> {
        turn().await;
        changes(&self.world, (self.who, COMPUTE), Some(()), |world| {
            world.judge_budget(self.who);
            if !world.groups.contains_key(name) && world.has(Bug::GoneIsFailure) {
                return Err(ComputeError::Rejected("it is not there".to_owned()));
            }
            world.judge_group(self.who, name, true);
            world.delete(name);
            Ok(())
        })
    }
}

/// What a mistake makes of a group that is read.
fn tampered(world: &World, group: &mut ContainerGroup) {
    if world.has(Bug::TakesUntagged) && group.tags.is_empty() {
        group.tags = OwnershipTags { expires_at: Timestamp(0), ..world.tags(None) }.to_map();
    }
    if world.has(Bug::TakesOtherPools)
        && let Some(ownership) = OwnershipTags::from_map(&group.tags)
        && ownership.is_of(&world.policy.organization)
    {
        let pool = world.policy.pools[0].clone();
        group.tags.extend(OwnershipTags { pool, ..ownership }.to_map());
    }
    if world.has(Bug::IgnoresKept) {
        group.tags.remove(lifecycle::KEPT_UNTIL);
    }
    if world.has(Bug::NeverExpires) && group.tags.contains_key("expires-at") {
        group.tags.insert("expires-at".to_owned(), Timestamp(world.now + 86_400).to_string());
    }
}

impl AgentPool for Pool {
    type Registration = ();
    type Registered = u64;

    async fn agents(&self) -> Result<Vec<Agent>, PoolError> {
        turn().await;
        let listed = reads(&self.world, (self.who, POOL), |world| {
            let (now, caller) = (world.now, &mut world.callers[self.who]);
            // What a look decides, it decides by what it read first.
            if caller.agents_read < caller.began {
                caller.agents_read = now;
            }
            let listed = world.agents.iter().map(|(id, agent)| Agent {
                id: *id,
                name: agent.name.clone(),
                enabled: agent.enabled,
                status: if agent.online { AgentStatus::Online } else { AgentStatus::Offline },
                assigned_request: agent.job.filter(|_| !world.has(Bug::IgnoresAssigned)),
                status_since: Some(Timestamp(agent.since)),
            });
            let listed: Vec<_> = listed.collect();
            listed
                .into_iter()
                .filter_map(|mut agent| {
                    if world.has(Bug::TakesOnline) && !world.groups.contains_key(&agent.name) {
                        agent.status = AgentStatus::Offline;
                    }
                    let orphan = world.has(Bug::IgnoresOrphans) && !world.groups.contains_key(&agent.name);
                    (!orphan).then_some(agent)
                })
                .collect()
        });
        Ok(listed?)
    }

    async fn job_requests(&self) -> Result<Vec<JobRequest>, PoolError> {
        turn().await;
        let listed = reads(&self.world, (self.who, POOL), |world| {
            let open = world.jobs.iter().filter(|(_, job)| !job.over);
            open.map(|(id, job)| JobRequest {
                id: *id,
                demands: job.wants.iter().map(|name| format!("Agent.Name -equals {name}")).collect(),
                reserved_agent: job.agent,
                result: None,
            })
            .collect()
        });
        Ok(listed?)
    }

    async fn register(&self, name: &AgentName, (): &()) -> Result<u64, PoolError> {
        turn().await;
        changes(&self.world, (self.who, POOL), None, |world| {
            world.register(name.as_str(), true).ok_or_else(|| PoolError::NameTaken(name.clone()))
        })
    }

    async fn disable(&self, agent_id: u64) -> Result<(), PoolError> {
        turn().await;
        changes(&self.world, (self.who, POOL), Some(()), |world| {
            world.judge_agent(self.who, agent_id, false);
            if let Some(agent) = world.agents.get_mut(&agent_id) {
                agent.enabled = false;
            }
            Ok(())
        })
    }

    async fn remove(&self, agent_id: u64) -> Result<Removal, PoolError> {
        turn().await;
        changes(&self.world, (self.who, POOL), Some(Removal::Removed), |world| {
            if !world.agents.contains_key(&agent_id) {
                let wrong = world.has(Bug::GoneIsFailure);
                let refused = PoolError::Rejected("it is not there".to_owned());
                return if wrong { Err(refused) } else { Ok(Removal::AlreadyGone) };
            }
            if world.agents[&agent_id].job.is_some() {
                let wrong = world.has(Bug::IgnoresJobRunning);
                return Ok(if wrong { Removal::Removed } else { Removal::JobRunning });
            }
            world.judge_agent(self.who, agent_id, true);
            world.remove(agent_id);
            Ok(Removal::Removed)
        })
    }
}
