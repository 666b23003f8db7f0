//! What happens by itself: people and pipelines provision, supervisors run, jobs come and go, somebody interferes.

use lifecycle::{AgentName, ComputePhase, KEPT_UNTIL, Timestamp};

use crate::bug::Bug;
use crate::faults::Fault;
use crate::world::{Becomes, Does, Event, Job, Step, World};

/// How long a supervisor waits for a job.
const IDLE_TIMEOUT: u64 = 600;

impl World {
    /// Something happens; what reapers do is not of it.
    pub(crate) fn happen(&mut self, event: Event) {
        match event {
            Event::Reaper(_) => {}
            Event::Provision(name, step) => self.provision(&name, step),
            Event::Group(name, becomes) => self.becomes(&name, becomes),
            Event::Supervisor(name, does) => self.supervise(&name, does),
            Event::JobArrives => self.job_arrives(),
            Event::JobEnds(id) => self.job_ends(id),
            Event::Human => self.human(),
            Event::FaultsEnd => {
                self.tell(|| "nothing goes wrong any more".to_owned());
                self.faults.stop();
            }
        }
    }

    fn job_arrives(&mut self) {
        if !self.serving {
            let name = self.mint();
            self.after(1, Event::Provision(name, Step::Register));
            return;
        }
        self.queue(None);
    }

    fn queue(&mut self, wants: Option<String>) {
        let id = self.id();
        self.jobs.insert(id, Job { wants, agent: None, over: false });
        self.tell(|| format!("job {id} is queued"));
        if self.faults.strikes(Fault::JobCancelled) {
            let wait = self.between(1, 900);
            self.after(wait, Event::JobEnds(id));
        }
        self.match_jobs();
    }

    fn job_ends(&mut self, id: u64) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        if job.over {
            return;
        }
        job.over = true;
        let (now, agent) = (self.now, job.agent);
        self.tell(|| format!("job {id} is over"));
        let Some(agent) = agent.and_then(|agent| self.agents.get_mut(&agent)) else { return };
        if agent.job == Some(id) {
            // A listener that runs once polls for no other job, whatever its supervisor does.
            (agent.job, agent.online, agent.since) = (None, false, now);
            let name = agent.name.clone();
            // A supervisor that lives sees the end of its job.
            self.after(1, Event::Supervisor(name, Does::Disable));
        }
    }

    /// A call of somebody who is no reaper: whether it takes effect.
    fn reaches(&mut self) -> bool {
        !(self.faults.strikes(Fault::Unavailable) || self.faults.strikes(Fault::LostRequest))
    }

    fn provision(&mut self, name: &AgentName, step: Step) {
        if self.faults.strikes(Fault::ProvisionerCut) {
            self.tell(|| format!("who provisions {name} ends before {step:?}"));
            return;
        }
        self.tell(|| format!("who provisions {name}: {step:?}"));
        let text = name.as_str();
        let next = match step {
            Step::Register if self.registers_itself || self.reaches() => {
                if !self.registers_itself {
                    self.register(text, true);
                }
                (3, Step::Create)
            }
            Step::Create if self.reaches() => {
                let tags = self.tags(self.agent_of(text)).to_map();
                self.create(text, tags);
                self.queue(Some(text.to_owned()));
                (600, Step::Watch)
            }
            Step::Watch => {
                let came = self
                    .agent_of(text)
                    .and_then(|id| self.agents.get(&id))
                    .is_none_or(|agent| agent.jobs > 0);
                if came {
                    return;
                }
                (1, Step::Unregister)
            }
            Step::Unregister if self.reaches() => {
                if let Some(id) = self.agent_of(text)
                    && !self.remove(id)
                {
                    return;
                }
                (2, Step::Delete)
            }
            Step::Delete if self.reaches() => return self.delete(text),
            Step::Register => return,
            Step::Create => (1, Step::Unregister),
            Step::Unregister | Step::Delete => (20, step),
        };
        self.after(next.0, Event::Provision(name.clone(), next.1));
    }

    fn becomes(&mut self, name: &str, becomes: Becomes) {
        let now = self.now;
        let Some(group) = self.groups.get_mut(name) else { return };
        match (becomes, &group.phase) {
            (Becomes::Running, ComputePhase::Creating) => {
                (group.phase, group.runs_since) = (ComputePhase::Running, now);
                self.after(2, Event::Supervisor(name.to_owned(), Does::Start));
            }
            (Becomes::Back, ComputePhase::Deleting) => {
                (group.phase, group.since) = (ComputePhase::Creating, now);
                self.tell(|| format!("{name} is there again"));
                self.after(30, Event::Group(name.to_owned(), Becomes::Running));
            }
            (Becomes::Gone, ComputePhase::Deleting) => {
                let listed = group.listed(name);
                self.groups.remove(name);
                if self.faults.strikes(Fault::StillInList) {
                    let until = now + self.between(10, 90);
                    self.ghosts.push((until, listed));
                }
            }
            _ => return,
        }
        self.tell(|| format!("{name}: {becomes:?}"));
    }

    fn supervise(&mut self, name: &str, does: Does) {
        if self.groups.get(name).is_none_or(|group| group.phase != ComputePhase::Running) {
            return;
        }
        if self.faults.strikes(Fault::SupervisorHang) {
            self.tell(|| format!("the supervisor of {name} hangs before {does:?}"));
            // It may have lost its session by that, or not.
            if self.between(0, 1) == 0 {
                self.goes_offline(name);
            }
            return;
        }
        if self.faults.strikes(Fault::SupervisorCrash) || self.faults.strikes(Fault::ContainerDies) {
            return self.exits(name);
        }
        self.tell(|| format!("the supervisor of {name}: {does:?}"));
        let agent = self.agent_of(name);
        match does {
            Does::Start => self.starts(name),
            Does::Online => self.comes_online(name, agent),
            Does::IdleOver => {
                if agent.and_then(|id| self.agents.get(&id)).is_none_or(|agent| agent.jobs == 0) {
                    self.after(1, Event::Supervisor(name.to_owned(), Does::Disable));
                }
            }
            Does::Finish => {
                let job = agent.and_then(|id| self.agents.get(&id)).and_then(|agent| agent.job);
                if let Some(job) = job {
                    self.job_ends(job);
                }
            }
            Does::Disable => {
                let now = self.now;
                if let Some(agent) = agent.and_then(|id| self.agents.get_mut(&id)) {
                    if agent.job.is_some() {
                        return;
                    }
                    (agent.enabled, agent.online, agent.since) = (false, false, now);
                }
                self.after(2, Event::Supervisor(name.to_owned(), Does::Unregister));
            }
            Does::Unregister => {
                if self.reaches()
                    && let Some(id) = agent
                {
                    self.remove(id);
                }
                self.after(2, Event::Supervisor(name.to_owned(), Does::Delete));
            }
            Does::Delete => {
                if self.reaches() {
                    self.delete(name);
                } else {
                    self.exits(name);
                }
            }
        }
    }

    fn starts(&mut self, name: &str) {
        let runs_twice = self.has(Bug::RunsTwice);
        let Some(group) = self.groups.get_mut(name) else { return };
        if group.used && !runs_twice {
            return self.exits(name);
        }
        group.used = true;
        let wait = self.between(5, 40);
        self.after(wait, Event::Supervisor(name.to_owned(), Does::Online));
    }

    fn comes_online(&mut self, name: &str, agent: Option<u64>) {
        let now = self.now;
        let agent = if self.registers_itself { self.register(name, true) } else { agent };
        let Some(agent) = agent.and_then(|id| self.agents.get_mut(&id)) else { return self.exits(name) };
        (agent.online, agent.since) = (true, now);
        self.after(IDLE_TIMEOUT, Event::Supervisor(name.to_owned(), Does::IdleOver));
        self.match_jobs();
    }

    fn exits(&mut self, name: &str) {
        let Some(group) = self.groups.get_mut(name) else { return };
        group.phase = ComputePhase::Exited;
        self.tell(|| format!("the container of {name} ends"));
        self.goes_offline(name);
        if self.faults.strikes(Fault::Restart) {
            let now = self.now;
            if let Some(group) = self.groups.get_mut(name) {
                (group.phase, group.runs_since) = (ComputePhase::Running, now);
            }
            self.after(10, Event::Supervisor(name.to_owned(), Does::Start));
        }
    }

    fn human(&mut self) {
        let names: Vec<String> = self
            .groups
            .iter()
            .filter(|(_, group)| group.ours.is_some())
            .map(|(name, _)| name.clone())
            .collect();
        let last = (names.len() as u64).saturating_sub(1);
        let chosen = usize::try_from(self.between(0, last)).ok().and_then(|index| names.get(index));
        let Some(name) = chosen else { return };
        let agent = self.agent_of(name).filter(|id| self.agents[id].ours);
        if self.faults.strikes(Fault::HumanDeletes) {
            self.tell(|| format!("somebody deletes {name}"));
            match agent {
                Some(id) if self.between(0, 1) == 0 => drop(self.remove(id)),
                _ => self.delete(name),
            }
        }
        if self.faults.strikes(Fault::HumanDisables)
            && let Some(agent) = agent.and_then(|id| self.agents.get_mut(&id))
        {
            agent.enabled = false;
        }
        if self.faults.strikes(Fault::HumanKeeps) {
            let (now, until) = (self.now, Timestamp(self.now + 2_400));
            if let Some(group) = self.groups.get_mut(name) {
                group.tags.insert(KEPT_UNTIL.to_owned(), until.to_string());
                group.kept_since = Some(now);
            }
            self.tell(|| format!("somebody keeps {name}"));
        }
    }
}
