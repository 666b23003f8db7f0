//! One life, and who dies in it.

use emulator::State;
use emulator::arm::Phase;
use emulator::journal::Event;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, rngs::StdRng};
use system_tests::{Started, World, descendant, end_of, kill_process};

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    /// Nobody.
    Nobody,
    /// `ephemeral-agents provision`.
    Provisioner,
    /// The first process of the container.
    Supervisor,
    /// The agent, which listens for jobs.
    Agent,
    /// The whole container, as the platform ends one.
    Container,
}

const VICTIMS: [Victim; 6] = [
    Victim::Nobody,
    Victim::Provisioner,
    Victim::Provisioner,
    Victim::Supervisor,
    Victim::Agent,
    Victim::Container,
];

/// After which moment `provision` is killed, or what runs in the container.
const EARLY: [Event; 4] =
    [Event::AgentRegistered, Event::GroupCreated, Event::ContainerStarted, Event::AgentOnline];
const LATE: [Event; 7] = [
    Event::ContainerStarted,
    Event::AgentOnline,
    Event::JobAssigned,
    Event::JobStarted,
    Event::JobFinished,
    Event::AgentUnregistered,
    Event::GroupDeleteAsked,
];

/// What is to happen to an agent.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    /// Its name begins with this.
    prefix: String,
    victim: Victim,
    moment: Event,
    take_down: &'static str,
    has_job: bool,
}

/// What became of it.
#[derive(Clone, Debug)]
pub(crate) struct Fate {
    pub(crate) life: Life,
    /// Its name, if it came to that.
    pub(crate) name: Option<String>,
    /// Whether somebody was killed; it may have been over before.
    pub(crate) killed: bool,
}

impl Life {
    pub(crate) fn random(number: u64, random: &mut StdRng) -> Self {
        let mut choose = |events: &[Event]| *events.choose(random).expect("some");
        let (early, late) = (choose(&EARLY), choose(&LATE));
        let victim = *VICTIMS.choose(random).expect("some");
        Self {
            prefix: format!("life{number}x"),
            victim,
            moment: if victim == Victim::Provisioner { early } else { late },
            take_down: *["outside", "secrets"].choose(random).expect("some"),
            has_job: random.random_ratio(4, 5),
        }
    }

    /// Lives it.
    pub(crate) async fn run(self, world: &World) -> Fate {
        let provision = world
            .provision()
            .and("agent-prefix", &self.prefix)
            .and("take-down", self.take_down)
            .and("idle-timeout", "6")
            .and("timeout-agent-online", "20")
            .start();
        let mut killed = false;
        if self.victim == Victim::Provisioner {
            killed = self.kill_provisioner(world, &provision).await;
        }
        let printed = provision.end().await;
        let name = world.emulator().read(|state| self.name(state));
        if let Some(name) = name.as_deref().filter(|_| killed || printed.code == Some(0)) {
            if self.has_job {
                world.job(name, "echo at work").await;
            }
            killed |= self.kill_within(world, name).await;
        }
        Fate { life: self, name, killed }
    }

    /// The name that it got.
    fn name(&self, state: &State) -> Option<String> {
        let mut entries = state.journal.entries();
        entries.find(|entry| entry.name.starts_with(&self.prefix)).map(|entry| entry.name.clone())
    }

    /// Whether the moment has come.
    fn has_come(&self, state: &State) -> bool {
        let mut entries = state.journal.entries();
        entries.any(|entry| entry.name.starts_with(&self.prefix) && entry.event == self.moment)
    }

    async fn kill_provisioner(&self, world: &World, provision: &Started) -> bool {
        let id = provision.id();
        let come = |state: &mut State| self.has_come(state).then_some(());
        tokio::select! {
            () = world.wait_for("a moment in provisioning", come) => {}
            () = end_of(id) => {}
        }
        kill_process(id)
    }

    /// Kills what runs in the container at its moment, unless it is over before.
    async fn kill_within(&self, world: &World, name: &str) -> bool {
        if matches!(self.victim, Victim::Nobody | Victim::Provisioner) {
            return false;
        }
        let come = |state: &mut State| {
            let mut groups = state.arm.container_groups.values();
            let group = groups.find(|group| group.name == name);
            let container = group.and_then(|group| Some((group.key, group.containers.first()?.clone())));
            // By the state, whose changes wake this, and not by the processes, whose end does not.
            let over = container.as_ref().is_none_or(|(_, it)| matches!(it.phase, Phase::Terminated(_)));
            let process =
                container.and_then(|(key, it)| world.emulator().runtime.first_process(key, &it.name));
            (self.has_come(state) || over).then_some(process)
        };
        let what = format!("the moment of {self:?} in the life of {name}");
        let Some(supervisor) = world.wait_for(&what, come).await else { return false };
        match self.victim {
            Victim::Container => {
                world.emulator().change(|state| emulator::arm::stop_container_group(state, name));
                true
            }
            Victim::Agent => descendant(supervisor, "Agent.Listener").is_some_and(kill_process),
            _ => kill_process(supervisor),
        }
    }
}
