//! What is really so: container groups, agents and jobs, as the two services keep them, and what has to hold of them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::Duration;

use lifecycle::{
    AgentName, ComputePhase, ContainerGroup, KEPT_UNTIL, Offer, OwnershipTags, Policy, RETIRING, Timestamp,
};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt as _, SeedableRng as _};

use crate::bug::Bug;
use crate::faults::{Fault, Faults};
use crate::promise::{Promise, Violation};
use crate::run::{Options, TROUBLE};

/// When every world begins.
pub(crate) const BEGIN: u64 = 1_795_478_400;
/// How far a clock of a reaper may be off, either way.
pub(crate) const SKEW: u64 = 120;
/// From then on the last fault is too long ago to be an excuse: the hour of a budget, and of whatever life it cut.
const CALM: u64 = BEGIN + TROUBLE + 3_600;
/// How long a job may wait while there is room and nobody comes, in seconds. A controller looks once a minute, and may
/// each time see an agent that registered itself between unregistering and deletion, and take it for one that starts.
const PATIENCE: u64 = 360;
/// Lines of the trace that are kept.
const TRACE: usize = 40;
const ORGANIZATION: &str = "https://dev.azure.com/contoso";
const POOL: &str = "private";

/// What is going to happen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    /// A reaper comes to its next call, or begins to look.
    Reaper(usize),
    /// Who provisions comes to its next step.
    Provision(AgentName, Step),
    /// A container group comes to be what it becomes.
    Group(String, Becomes),
    /// The supervisor of a container comes to its next step.
    Supervisor(String, Does),
    /// A job arrives.
    JobArrives,
    /// The service gives up a job, or it is over.
    JobEnds(u64),
    /// A person does something.
    Human,
    /// Nothing goes wrong any more.
    FaultsEnd,
}

/// Steps of who provisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Register,
    Create,
    Watch,
    Unregister,
    Delete,
}

/// What becomes of a container group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Becomes {
    Running,
    Gone,
    Back,
}

/// Steps of a supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Does {
    Start,
    Online,
    IdleOver,
    Finish,
    Disable,
    Unregister,
    Delete,
}

/// A container group as it is.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) phase: ComputePhase,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) ours: Option<OwnershipTags>,
    pub(crate) born: u64,
    /// Since when it has been there, or there again.
    pub(crate) since: u64,
    pub(crate) runs_since: u64,
    pub(crate) listed_from: u64,
    /// A person keeps it since then.
    pub(crate) kept_since: Option<u64>,
    /// Its agent is registered by its supervisor, and not before.
    pub(crate) registers_itself: bool,
    /// The supervisor's mark: it ran once.
    pub(crate) used: bool,
}

impl Group {
    pub(crate) fn listed(&self, name: &str) -> ContainerGroup {
        ContainerGroup { name: name.to_owned(), phase: self.phase.clone(), tags: self.tags.clone() }
    }

    pub(crate) fn is_up(&self) -> bool {
        matches!(self.phase, ComputePhase::Creating | ComputePhase::Running)
    }

    pub(crate) fn is_marked(&self) -> bool {
        self.tags.contains_key(RETIRING)
    }
}

/// An agent as it is.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is true or not without regard to the others")]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) enabled: bool,
    pub(crate) online: bool,
    pub(crate) since: u64,
    pub(crate) job: Option<u64>,
    pub(crate) job_since: u64,
    pub(crate) jobs: u32,
    pub(crate) ours: bool,
    pub(crate) born: u64,
    /// Its container group was created, whatever became of it.
    pub(crate) had_group: bool,
}

/// A job.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) wants: Option<String>,
    pub(crate) agent: Option<u64>,
    pub(crate) over: bool,
}

/// What the services know of a reaper, and what it holds to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller {
    pub(crate) clock: i64,
    /// When its last look began, and when it read container groups and agents.
    pub(crate) began: u64,
    pub(crate) groups_read: u64,
    pub(crate) agents_read: u64,
    pub(crate) not_before: [u64; 2],
    pub(crate) refused_until: u64,
    pub(crate) was_refused: bool,
    pub(crate) deletes: VecDeque<u64>,
    pub(crate) created: Vec<String>,
}

/// All of it.
pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) random: Xoshiro256PlusPlus,
    pub(crate) faults: Faults,
    pub(crate) serving: bool,
    /// Agents are registered in their containers (with a token), and not by who provisions them (just in time).
    pub(crate) registers_itself: bool,
    pub(crate) policy: Policy,
    pub(crate) groups: BTreeMap<String, Group>,
    /// What lists still show although it is gone, and until when.
    pub(crate) ghosts: Vec<(u64, ContainerGroup)>,
    pub(crate) agents: BTreeMap<u64, Member>,
    pub(crate) jobs: BTreeMap<u64, Job>,
    pub(crate) callers: [Caller; 2],
    pub(crate) lives: u64,
    /// Since when a job waits, there is room, and nobody comes.
    pub(crate) starving_since: Option<u64>,
    pub(crate) violation: Option<Violation>,
    pub(crate) trace: Option<VecDeque<String>>,
    pub(crate) events: BinaryHeap<Reverse<(u64, u32, Event)>>,
    last_id: u64,
    #[cfg(test)]
    bug: Option<Bug>,
}

impl World {
    pub(crate) fn new(options: &Options) -> Self {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(options.seed);
        let serving = random.random_bool(0.5);
        let registers_itself = random.random_bool(0.3);
        let minutes = Duration::from_mins;
        let policy = Policy {
            organization: ORGANIZATION.to_owned(),
            pools: vec![POOL.to_owned()],
            start_deadline: minutes(10),
            offline_limit: minutes(5),
            grace: minutes(10),
            deletes_an_hour: if random.random_bool(0.3) { 4 } else { 270 },
            capacity: random.random_range(2..=4),
            offer: serving.then(|| Offer { pool: 0, capabilities: BTreeMap::new() }),
        };
        let mut faults = Faults::new(options.seed, options.only.clone());
        let callers = std::array::from_fn(|_| {
            let skew = i64::try_from(SKEW).unwrap_or_default();
            let off = random.random_range(-skew..=skew);
            Caller { clock: if faults.strikes(Fault::ClockSkew) { off } else { 0 }, ..Caller::default() }
        });
        let mut world = Self {
            now: BEGIN,
            random,
            faults,
            serving,
            registers_itself,
            policy,
            groups: BTreeMap::new(),
            ghosts: Vec::new(),
            agents: BTreeMap::new(),
            jobs: BTreeMap::new(),
            callers,
            lives: 0,
            starving_since: None,
            violation: None,
            trace: options.trace.then(VecDeque::new),
            events: BinaryHeap::new(),
            last_id: 0,
            #[cfg(test)]
            bug: options.bug,
        };
        world.foreigners();
        world
    }

    /// Whether this mistake is made. Without tests there is none.
    #[cfg(test)]
    pub(crate) fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// Whether this mistake is made. Without tests there is none.
    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "the same as with tests")]
    pub(crate) const fn has(&self, _bug: Bug) -> bool {
        false
    }

    /// Something is going to happen so many seconds from now.
    pub(crate) fn after(&mut self, seconds: u64, event: Event) {
        let tie = self.random.random();
        self.events.push(Reverse((self.now + seconds, tie, event)));
    }

    /// A number of seconds between these two.
    pub(crate) fn between(&mut self, least: u64, most: u64) -> u64 {
        self.random.random_range(least..=most)
    }

    pub(crate) fn id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(crate) fn tell(&mut self, line: impl FnOnce() -> String) {
        let seconds = self.now - BEGIN;
        if let Some(trace) = &mut self.trace {
            if trace.len() == TRACE {
                trace.pop_front();
            }
            trace.push_back(format!("{:3}:{:02} {}", seconds / 60, seconds % 60, line()));
        }
    }

    /// A promise is broken; the first is the one that counts.
    pub(crate) fn broken(&mut self, promise: Promise, how: impl FnOnce() -> String) {
        if self.violation.is_none() {
            self.violation = Some(Violation { promise, how: how() });
        }
    }

    pub(crate) fn mint(&mut self) -> AgentName {
        let random = self.random.random();
        self.lives += 1;
        let name = AgentName::mint("agent", Some(self.lives), Timestamp(self.now), random);
        name.expect("a prefix and a number make a name")
    }

    pub(crate) fn tags(&self, agent_id: Option<u64>) -> OwnershipTags {
        OwnershipTags {
            organization: ORGANIZATION.to_owned(),
            pool: POOL.to_owned(),
            run: None,
            agent_id,
            created_at: Timestamp(self.now),
            expires_at: Timestamp(self.now + 3_600),
            version: "0.1.0".to_owned(),
        }
    }

    pub(crate) fn agent_of(&self, name: &str) -> Option<u64> {
        self.agents.iter().find(|(_, agent)| agent.name == name).map(|(id, _)| *id)
    }

    pub(crate) fn register(&mut self, name: &str, ours: bool) -> Option<u64> {
        if self.agent_of(name).is_some() {
            return None;
        }
        let id = self.id();
        let agent = Member {
            name: name.to_owned(),
            enabled: true,
            online: !ours,
            since: self.now,
            job: None,
            job_since: 0,
            jobs: 0,
            ours,
            born: self.now,
            had_group: self.groups.contains_key(name),
        };
        self.agents.insert(id, agent);
        Some(id)
    }

    pub(crate) fn create(&mut self, name: &str, tags: BTreeMap<String, String>) {
        if self.groups.contains_key(name) {
            return;
        }
        let late = if self.faults.strikes(Fault::LateInList) { self.between(10, 90) } else { 0 };
        let group = Group {
            phase: ComputePhase::Creating,
            ours: OwnershipTags::from_map(&tags),
            tags,
            born: self.now,
            since: self.now,
            runs_since: 0,
            listed_from: self.now + late,
            kept_since: None,
            registers_itself: self.registers_itself,
            used: false,
        };
        self.groups.insert(name.to_owned(), group);
        if let Some(agent) = self.agent_of(name).and_then(|id| self.agents.get_mut(&id)) {
            agent.had_group = true;
        }
        let slow = self.faults.strikes(Fault::SlowStart);
        let wait = if slow { self.between(300, 900) } else { self.between(20, 90) };
        if !self.faults.strikes(Fault::StuckStart) {
            self.after(wait, Event::Group(name.to_owned(), Becomes::Running));
        }
    }

    /// Deleting is accepted; the container is gone at once, the group a moment later.
    pub(crate) fn delete(&mut self, name: &str) {
        let Some(group) = self.groups.get_mut(name) else { return };
        if group.phase == ComputePhase::Deleting {
            return;
        }
        let was_creating = group.phase == ComputePhase::Creating;
        group.phase = ComputePhase::Deleting;
        self.goes_offline(name);
        if was_creating && self.faults.strikes(Fault::ComesBack) {
            let wait = self.between(5, 120);
            self.after(wait, Event::Group(name.to_owned(), Becomes::Back));
        } else {
            let wait = self.between(1, 60);
            self.after(wait, Event::Group(name.to_owned(), Becomes::Gone));
        }
    }

    /// Nobody answers for this agent any more. Its job is given up when its lock is over.
    pub(crate) fn goes_offline(&mut self, name: &str) {
        let Some(id) = self.agent_of(name) else { return };
        let now = self.now;
        let Some(agent) = self.agents.get_mut(&id) else { return };
        if !agent.online || !agent.ours {
            return;
        }
        (agent.online, agent.since) = (false, now);
        if let Some(job) = agent.job {
            self.after(600, Event::JobEnds(job));
        }
    }

    /// The service removes an agent, but for one that runs a job: `false`.
    pub(crate) fn remove(&mut self, id: u64) -> bool {
        if self.agents.get(&id).is_some_and(|agent| agent.job.is_some()) {
            return false;
        }
        self.agents.remove(&id);
        true
    }

    /// The service gives jobs that wait to agents that are online, enabled and free.
    pub(crate) fn match_jobs(&mut self) {
        let waiting: Vec<u64> =
            self.jobs.iter().filter(|(_, job)| job.agent.is_none() && !job.over).map(|(id, _)| *id).collect();
        for request in waiting {
            let wants = self.jobs[&request].wants.clone();
            let fits = |agent: &Member| {
                agent.online
                    && agent.enabled
                    && agent.ours
                    && agent.job.is_none()
                    && wants.as_ref().is_none_or(|name| *name == agent.name)
            };
            let Some((&id, _)) = self.agents.iter().find(|(_, agent)| fits(agent)) else { continue };
            self.assign(request, id);
        }
    }

    fn assign(&mut self, request: u64, id: u64) {
        let now = self.now;
        let Some(agent) = self.agents.get_mut(&id) else { return };
        (agent.job, agent.job_since) = (Some(request), now);
        agent.jobs += 1;
        let (name, jobs) = (agent.name.clone(), agent.jobs);
        if let Some(job) = self.jobs.get_mut(&request) {
            job.agent = Some(id);
        }
        self.tell(|| format!("{name} gets job {request}"));
        if jobs > 1 {
            self.broken(Promise::OneJob, || format!("{name} got job {request}, its second"));
        }
        let time = self.between(30, 600);
        self.after(time, Event::Supervisor(name, Does::Finish));
        // Whatever becomes of the agent, the pipeline gives the job up then.
        self.after(1_800, Event::JobEnds(request));
    }

    /// What looks like ours and is not, and what is ours under a name that somebody chose.
    fn foreigners(&mut self) {
        let now = self.now;
        self.now -= 7_200;
        let tagged = self.tags(None);
        let other = |change: fn(&mut OwnershipTags)| {
            let mut tags = tagged.clone();
            change(&mut tags);
            tags.to_map()
        };
        let groups = [
            ("agent-20261123000000-aaaaaa", BTreeMap::new()),
            ("agent-20261123000000-bbbbbb", other(|tags| "public".clone_into(&mut tags.pool))),
            (
                "agent-20261123000000-cccccc",
                other(|tags| "https://dev.azure.com/fabrikam".clone_into(&mut tags.organization)),
            ),
        ];
        for (name, tags) in groups {
            self.put_ended(name, tags);
            if let Some(group) = self.groups.get_mut(name) {
                group.ours = None;
            }
        }
        let names =
            ["agent-20261123000000-aaaaaa", "agent-20261123000000-dddddd", "placeholder", "build-machine"];
        for (name, online) in names.into_iter().zip([false, true, false, false]) {
            if let Some(id) = self.register(name, false)
                && let Some(agent) = self.agents.get_mut(&id)
            {
                agent.online = online;
            }
        }
        // The group was made for another agent than the one that has its name now.
        let tags = OwnershipTags { agent_id: Some(u64::MAX), ..tagged };
        self.put_ended("build-machine", tags.to_map());
        self.now = now;
    }

    fn put_ended(&mut self, name: &str, tags: BTreeMap<String, String>) {
        let group = Group {
            phase: ComputePhase::Exited,
            ours: OwnershipTags::from_map(&tags),
            tags,
            born: self.now,
            since: self.now,
            runs_since: 0,
            listed_from: 0,
            kept_since: None,
            registers_itself: false,
            used: true,
        };
        self.groups.insert(name.to_owned(), group);
    }

    /// Nothing of ours is left, and every job that can be served was.
    pub(crate) fn unsettled(&self) -> Option<Violation> {
        if let Some((name, group)) = self.groups.iter().find(|(_, group)| group.ours.is_some()) {
            let how = format!("the container group {name}, {:?}", group.phase);
            return Some(Violation { promise: Promise::NothingLeft, how });
        }
        if let Some((id, agent)) = self.agents.iter().find(|(_, agent)| agent.ours) {
            let how = format!("the agent {} (id {id})", agent.name);
            return Some(Violation { promise: Promise::NothingLeft, how });
        }
        let waits = |job: &Job| !job.over && (job.wants.is_none() || job.agent.is_some());
        let (id, _) = self.jobs.iter().find(|(_, job)| waits(job))?;
        Some(Violation { promise: Promise::EveryJobServed, how: format!("job {id} still waits") })
    }

    /// Whether a job waits although there is room, and nobody comes who could take it.
    fn starves(&self) -> bool {
        let ours = || self.groups.iter().filter(|(_, group)| group.ours.is_some());
        let comes = |(name, group): (&String, &Group)| {
            let agent = self.agent_of(name).and_then(|id| self.agents.get(&id));
            group.is_up()
                && !group.is_marked()
                && agent.map_or(self.registers_itself, |agent| agent.jobs == 0)
        };
        self.jobs.values().any(|job| job.agent.is_none() && !job.over)
            && ours().count() < self.policy.capacity
            && !ours().any(comes)
    }

    /// What holds after each step: what is foreign stands as it stood, and nobody waits in vain.
    pub(crate) fn check(&mut self) {
        let now = self.now;
        if self.serving && CALM < now {
            self.starving_since = if self.starves() { self.starving_since.or(Some(now)) } else { None };
            if self.starving_since.is_some_and(|since| since + PATIENCE < now) {
                self.broken(Promise::EveryJobServed, || {
                    "a job waits, there is room, and nobody comes".to_owned()
                });
            }
        }

        let groups = self.groups.values().filter(|group| group.ours.is_none()).count();
        let agents = self.agents.values().filter(|agent| !agent.ours).count();
        if (groups, agents) != (3, 4) {
            self.broken(Promise::OnlyOurs, || {
                format!("{groups} of 3 foreign groups, {agents} of 4 agents are left")
            });
        }
    }

    /// Whether somebody keeps it, and the reaper could know.
    pub(crate) fn is_kept(&self, group: &Group, began: u64) -> bool {
        let until = group.tags.get(KEPT_UNTIL).and_then(|text| Timestamp::parse(text));
        group.kept_since.is_some_and(|since| since < began)
            && until.is_some_and(|until| until.0 > self.now + SKEW)
    }
}
