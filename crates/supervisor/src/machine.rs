//! One agent's life inside the container, as a function from events to effects.
//!
//! ```text
//!  Preparing ──► Configuring ──► Starting ──► Listening ──► Running ──► Finishing
//!      │         (token mode)      ▲  │           │            │            │
//!      │              │            │  └───────────┤            │            │
//!      │              │         Updating ◄────────┘ exit 4     │            │
//!      │              │            │  before a job             │            │
//!      │              │            │         stop, idle, lifetime over      │ 30 s without exit
//!      │              │            │      ┌────────────────────┘            │
//!      │              │            │      ▼         grace over              ▼
//!      │              │            │   Stopping ─────────────────────► Killing
//!      ▼              ▼            ▼      ▼                                 ▼
//!  TakingDown: disable ──► unregister ──► delete the container group ──► Over
//! ```
//!
//! Nothing in here reads a clock, a file or a socket. The shell tells it what happened and when (as the time since our
//! own start) and does what it answers. The rules that matter:
//!
//! - **One job.** Once a job was seen, the agent is never started again, whatever its exit code: code 4 after a job
//!   means an update waited for the job, and a blind relaunch would run a second one.
//! - **It always ends.** Every state has a deadline, and no deadline leads back.
//! - **Take-down has an order.** Disable, unregister, delete the group; a step that fails is given up after its budget,
//!   because the next one matters too.

mod take_down;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::time::Duration;

use process::Exit;

pub use self::take_down::Answer;
use self::take_down::TakeDown;
use crate::{
    agent_output::Said,
    notification::Notification,
    outcome::{GroupEnd, Leftover, Obstacle, Outcome},
};

/// The agent is about to be replaced by a newer version and wants to be started again (agent exit codes 3 and 4).
const UPDATE_EXITS: [Exit; 2] = [Exit::Code(3), Exit::Code(4)];

/// How long things may take, and what we have the right to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The agent must be registered by its own `configure` first (token mode).
    pub configure: bool,
    /// From our start until the agent listens; after an exit for an update, the same once more until the update is in
    /// place, and once more until the agent listens.
    pub start: Duration,
    /// Listening without a job.
    pub idle: Duration,
    /// From our start until the taking down begins.
    pub lifetime: Duration,
    /// From asking a busy agent to stop until it is killed.
    pub grace: Duration,
    /// We may disable and unregister the agent.
    pub may_unregister: bool,
    /// What becomes of the container group.
    pub group: GroupEnd,
}

/// From asking an agent without a job to stop until it is killed: it only has its session to delete.
const IDLE_GRACE: Duration = Duration::from_secs(10);

/// From the end of the job until an agent that does not exit is killed (known hang, azure-pipelines-agent#5563). It has
/// only its session to delete by then.
const AFTER_JOB: Duration = Duration::from_secs(30);

/// From killing the agent until we go on without it. Only a process stuck in the kernel survives that long.
const KILL: Duration = Duration::from_secs(5);

/// What the machine is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The package and the registration files are in place.
    Prepared,
    /// They are not, and why.
    PreparationFailed(String),
    /// The agent's `configure` ended.
    Configured(Exit),
    /// The agent (or its `configure`) could not be started, and why.
    AgentNotStarted(String),
    /// The agent printed something that has a meaning.
    Said(Said),
    /// The agent spoke on the notification socket.
    Notified(Notification),
    /// The agent's `run` ended; everything it printed has been reported before.
    AgentExited(Exit),
    /// The agent's own update script is done, or why it is not.
    UpdateEnded(Result<(), String>),
    /// We were told to stop.
    StopSignal,
    /// The time [`Machine::deadline`] named has come.
    DeadlinePassed,
    /// The answer to [`Effect::Disable`].
    Disabled(Answer),
    /// The answer to [`Effect::Unregister`].
    Unregistered(Answer),
    /// The answer to [`Effect::DeleteGroup`].
    GroupDeleted(Answer),
}

/// What the shell has to do. Effects of one answer are carried out in order; those that take time answer with an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Get the agent package and write the registration files; answers [`Event::Prepared`] or its opposite.
    Prepare,
    /// Start `configure`; answers [`Event::Configured`].
    Configure,
    /// Write the `used` marker, and only then start `run --once`; answers [`Event::AgentExited`].
    StartAgent,
    /// Wait for the agent's update script; answers [`Event::UpdateEnded`].
    AwaitUpdate,
    /// Get the tokens that the taking down will need, so that it need not wait for them.
    FetchTokens,
    /// Take the agent out of rotation; answers [`Event::Disabled`].
    Disable,
    /// Ask the agent to stop: SIGINT, to its process alone.
    InterruptAgent,
    /// Kill whatever we started and everything that came of it.
    KillAgent,
    /// Print the end of the agent's diagnostic logs.
    ShipDiagnostics,
    /// Remove the agent from its pool, by id; answers [`Event::Unregistered`].
    Unregister,
    /// Print the last words.
    Report {
        /// How it ended.
        outcome: Outcome,
        /// What became of the registration.
        agent: Leftover,
        /// What becomes of the group.
        group: GroupEnd,
    },
    /// Delete our own container group; answers [`Event::GroupDeleted`], if we live to hear it.
    DeleteGroup,
    /// Say that the container group stays, and why.
    ReportGroupLeft(String),
    /// Print a warning.
    Warn(String),
    /// End this process, with exit code 0.
    Exit,
}

/// Where in its life the agent is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// Getting the package and the registration files.
    Preparing { until: Duration },
    /// The agent's own `configure` runs. It can loop for ever by itself.
    Configuring { until: Duration },
    /// The agent runs and has not said that it listens.
    Starting { until: Duration },
    /// The agent waits for a job.
    Listening { since: Duration },
    /// A job runs.
    Running,
    /// The job is over; the agent has yet to exit.
    Finishing { until: Duration },
    /// The agent has exited to be replaced by a newer version.
    Updating { until: Duration },
    /// The agent was asked to stop.
    Stopping { until: Duration, outcome: Outcome },
    /// The agent was killed.
    Killing { until: Duration, outcome: Outcome },
    /// Leaving nothing behind.
    TakingDown(TakeDown),
    /// Nothing more to do.
    Over,
}

/// The life itself. See the module's documentation.
#[derive(Debug)]
pub struct Machine {
    policy: Policy,
    state: State,
    /// A job was seen; it cannot become unseen.
    job_seen: bool,
    /// The agent has been relaunched after an update.
    relaunched: bool,
    /// Whether the agent is out of rotation.
    disabling: Disabling,
    /// What keeps the agent from its session, as it says.
    obstacle: Option<Obstacle>,
}

/// How far taking the agent out of rotation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disabling {
    NotTried,
    Asked,
    Answered,
}

impl Machine {
    /// A new life at time zero, and what to do first. `used`: this container has had its agent already.
    pub fn new(policy: Policy, used: bool) -> (Self, Vec<Effect>) {
        let until = policy.start;
        let state = State::Preparing { until };
        let mut machine = Self {
            policy,
            state,
            job_seen: false,
            relaunched: false,
            disabling: Disabling::NotTried,
            obstacle: None,
        };
        let effects =
            if used { machine.take_down(Duration::ZERO, Outcome::UsedBefore) } else { vec![Effect::Prepare] };
        (machine, effects)
    }

    /// Whether a job was seen.
    pub fn job_seen(&self) -> bool {
        self.job_seen
    }

    /// When [`Event::DeadlinePassed`] is due, if nothing else happens before. Only the end has none.
    pub fn deadline(&self) -> Option<Duration> {
        let lifetime = self.policy.lifetime;
        match &self.state {
            State::Preparing { until }
            | State::Configuring { until }
            | State::Starting { until }
            | State::Updating { until } => Some(lifetime.min(*until)),
            State::Listening { since } => Some(lifetime.min(*since + self.policy.idle)),
            State::Running => Some(lifetime),
            State::Finishing { until } | State::Stopping { until, .. } | State::Killing { until, .. } => {
                Some(*until)
            }
            State::TakingDown(steps) => Some(steps.deadline()),
            State::Over => None,
        }
    }

    /// Something happened at `now`, the time since our start. Never call it with an earlier time than before.
    pub fn on(&mut self, now: Duration, event: Event) -> Vec<Effect> {
        if matches!(self.state, State::TakingDown(_) | State::Over) {
            return self.on_taking_down(now, event);
        }
        match event {
            Event::Prepared => self.on_prepared(),
            Event::PreparationFailed(why) => self.take_down(now, Outcome::PreparationFailed(why)),
            Event::Configured(exit) => self.on_configured(now, exit),
            Event::AgentNotStarted(why) => self.take_down(now, Outcome::AgentNotStarted(why)),
            Event::Said(Said::Listening) | Event::Notified(Notification::Listening) => self.on_listening(now),
            Event::Said(Said::Hindered(obstacle)) => {
                self.obstacle = Some(obstacle);
                Vec::new()
            }
            Event::Said(Said::JobStarted) | Event::Notified(Notification::Starting) => {
                self.on_job_started(now)
            }
            Event::Said(Said::JobFinished) | Event::Notified(Notification::Finished) => {
                self.on_job_finished(now)
            }
            Event::AgentExited(exit) => self.on_agent_exited(now, exit),
            Event::UpdateEnded(result) => self.on_update_ended(now, result),
            Event::StopSignal => self.on_stop_signal(now),
            Event::DeadlinePassed => self.on_deadline(now),
            Event::Disabled(answer) => self.on_disabled(answer),
            Event::Unregistered(_) | Event::GroupDeleted(_) => Vec::new(),
        }
    }

    fn on_prepared(&mut self) -> Vec<Effect> {
        let State::Preparing { until } = self.state else { return Vec::new() };
        if self.policy.configure {
            self.state = State::Configuring { until };
            vec![Effect::Configure]
        } else {
            self.state = State::Starting { until };
            vec![Effect::StartAgent]
        }
    }

    fn on_configured(&mut self, now: Duration, exit: Exit) -> Vec<Effect> {
        let State::Configuring { until } = self.state else { return Vec::new() };
        if !exit.is_success() {
            return self.take_down(now, Outcome::ConfigurationFailed(exit));
        }
        self.state = State::Starting { until };
        vec![Effect::StartAgent]
    }

    fn on_listening(&mut self, now: Duration) -> Vec<Effect> {
        if matches!(self.state, State::Starting { .. }) {
            self.state = State::Listening { since: now };
            self.obstacle = None;
        }
        Vec::new()
    }

    /// Notes the job. The first evidence counts, the other source repeats it; before the agent runs there is none.
    fn job_is_news(&mut self) -> bool {
        let too_early = matches!(self.state, State::Preparing { .. } | State::Configuring { .. });
        let news = !self.job_seen && !too_early;
        self.job_seen |= news;
        news
    }

    fn on_job_started(&mut self, now: Duration) -> Vec<Effect> {
        if !self.job_is_news() {
            return Vec::new();
        }
        match &mut self.state {
            State::Starting { .. } | State::Listening { .. } => self.state = State::Running,
            // The notification came after the exit it preceded: the update had waited for the job.
            State::Updating { .. } => return self.take_down(now, Outcome::JobFinished { hung: false }),
            State::Stopping { until, outcome } => {
                // It came in the moment we asked the agent to stop: it is cancelled properly, with its full grace.
                *until = now + self.policy.grace;
                *outcome = Outcome::JobStopped { killed: false };
            }
            _ => {}
        }
        self.protect_job()
    }

    /// No second job for this agent, and no waiting at the end of this one.
    fn protect_job(&mut self) -> Vec<Effect> {
        let mut effects = vec![Effect::FetchTokens];
        if self.policy.may_unregister && self.disabling == Disabling::NotTried {
            self.disabling = Disabling::Asked;
            effects.push(Effect::Disable);
        }
        effects
    }

    fn on_disabled(&mut self, answer: Answer) -> Vec<Effect> {
        if self.disabling != Disabling::Asked {
            return Vec::new();
        }
        self.disabling = Disabling::Answered;
        match answer {
            Answer::Done => Vec::new(),
            Answer::Refused(why) | Answer::TryAgain(why) => vec![Effect::Warn(format!(
                "the agent could not be disabled while its job runs ({why}); it still takes only this job"
            ))],
        }
    }

    fn on_job_finished(&mut self, now: Duration) -> Vec<Effect> {
        if matches!(self.state, State::Updating { .. }) {
            return self.on_job_started(now);
        }
        let effects = if self.job_is_news() { self.protect_job() } else { Vec::new() };
        if matches!(self.state, State::Starting { .. } | State::Listening { .. } | State::Running) {
            self.state = State::Finishing { until: now + AFTER_JOB };
        }
        effects
    }

    fn on_agent_exited(&mut self, now: Duration, exit: Exit) -> Vec<Effect> {
        let ended_well = exit.is_success() || UPDATE_EXITS.contains(&exit);
        let outcome = match &self.state {
            State::Starting { .. } | State::Listening { .. } if UPDATE_EXITS.contains(&exit) => {
                return self.await_update(now);
            }
            State::Starting { .. } | State::Listening { .. } if exit.is_success() => Outcome::AgentRemoved,
            State::Starting { .. } | State::Listening { .. } => {
                Outcome::AgentFailed { exit, obstacle: self.obstacle }
            }
            State::Running if ended_well => Outcome::JobFinished { hung: false },
            State::Running => Outcome::AgentLost(exit),
            State::Finishing { .. } => Outcome::JobFinished { hung: false },
            State::Stopping { outcome, .. } | State::Killing { outcome, .. } => outcome.clone(),
            _ => return Vec::new(),
        };
        self.take_down(now, outcome)
    }

    fn await_update(&mut self, now: Duration) -> Vec<Effect> {
        if self.relaunched {
            let why = "it wanted to update itself once more right after an update";
            return self.take_down(now, Outcome::UpdateFailed(why.into()));
        }
        self.state = State::Updating { until: now + self.policy.start };
        vec![Effect::AwaitUpdate]
    }

    fn on_update_ended(&mut self, now: Duration, result: Result<(), String>) -> Vec<Effect> {
        if !matches!(self.state, State::Updating { .. }) {
            return Vec::new();
        }
        match result {
            Ok(()) => {
                self.relaunched = true;
                self.state = State::Starting { until: now + self.policy.start };
                vec![Effect::StartAgent]
            }
            Err(why) => self.take_down(now, Outcome::UpdateFailed(why)),
        }
    }

    /// The first signal asks, the second insists.
    fn on_stop_signal(&mut self, now: Duration) -> Vec<Effect> {
        match &self.state {
            State::Preparing { .. } | State::Configuring { .. } | State::Updating { .. } => {
                self.take_down(now, Outcome::Stopped)
            }
            State::Starting { .. } | State::Listening { .. } => self.stop(now, IDLE_GRACE, Outcome::Stopped),
            State::Running => self.stop(now, self.policy.grace, Outcome::JobStopped { killed: false }),
            // The agent is about to exit; interrupting it now would only disturb it.
            State::Finishing { .. } => {
                self.state = State::Stopping {
                    until: now + IDLE_GRACE,
                    outcome: Outcome::JobFinished { hung: false },
                };
                Vec::new()
            }
            State::Stopping { outcome, .. } => {
                let outcome = outcome.clone();
                self.kill(now, outcome)
            }
            State::Killing { .. } | State::TakingDown(_) | State::Over => Vec::new(),
        }
    }

    fn on_deadline(&mut self, now: Duration) -> Vec<Effect> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return Vec::new();
        }
        let lifetime_over = now >= self.policy.lifetime;
        match &self.state {
            State::Running => self.stop(now, self.policy.grace, Outcome::LifetimeOver { job: true }),
            State::Starting { .. } | State::Listening { .. } if lifetime_over => {
                self.stop(now, IDLE_GRACE, Outcome::LifetimeOver { job: false })
            }
            State::Listening { since } => {
                let waited = now.saturating_sub(*since);
                self.stop(now, IDLE_GRACE, Outcome::NoJob { waited })
            }
            State::Starting { .. } => {
                let (during, obstacle) = ("the agent was connecting", self.obstacle);
                self.stop(now, IDLE_GRACE, Outcome::NotOnline { during, obstacle })
            }
            State::Preparing { .. } => self.too_late(now, "the agent package was being fetched"),
            State::Configuring { .. } => self.too_late(now, "the agent was being registered"),
            State::Updating { .. } => {
                self.take_down(now, Outcome::UpdateFailed("its update script did not end in time".into()))
            }
            State::Finishing { .. } => self.kill(now, Outcome::JobFinished { hung: true }),
            State::Stopping { outcome, .. } => {
                let outcome = outcome.clone();
                self.kill(now, outcome)
            }
            State::Killing { outcome, .. } => {
                let outcome = outcome.clone();
                self.take_down(now, outcome)
            }
            State::TakingDown(_) | State::Over => Vec::new(),
        }
    }

    fn too_late(&mut self, now: Duration, during: &'static str) -> Vec<Effect> {
        self.take_down(now, Outcome::NotOnline { during, obstacle: None })
    }

    fn stop(&mut self, now: Duration, grace: Duration, outcome: Outcome) -> Vec<Effect> {
        self.state = State::Stopping { until: now + grace, outcome };
        vec![Effect::InterruptAgent]
    }

    fn kill(&mut self, now: Duration, outcome: Outcome) -> Vec<Effect> {
        let outcome = match outcome {
            Outcome::JobStopped { .. } => Outcome::JobStopped { killed: true },
            Outcome::JobFinished { .. } => Outcome::JobFinished { hung: true },
            other => other,
        };
        self.state = State::Killing { until: now + KILL, outcome };
        vec![Effect::KillAgent]
    }
}
