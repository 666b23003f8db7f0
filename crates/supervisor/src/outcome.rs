//! How a life ended, in stable names for programs and in sentences for people.

use std::{fmt, time::Duration};

use process::Exit;
use serde_json::json;

/// What the agent said that kept it from coming online.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// The service does not accept what the agent signs, by reason of the time in it.
    Clock,
    /// The service has a session of an agent of this name already.
    SessionTaken,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clock => {
                "the service refused it because this container's clock is wrong; Azure sets that clock, so provision \
                 another agent, which will run on another machine"
            }
            Self::SessionTaken => {
                "the service has a session of this agent already, so something else listens under its registration: \
                 never use a name or a registration twice, and provision another agent"
            }
        })
    }
}

/// How the life of the agent ended. The names ([`Outcome::name`]) are an interface: scripts match on them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The agent ran its job, whatever the job's result. `hung`: it did not exit afterwards and was killed.
    JobFinished {
        /// The agent had to be killed after its job.
        hung: bool,
    },
    /// No job came in the time allowed.
    NoJob {
        /// How long the agent waited.
        waited: Duration,
    },
    /// Told to stop before a job began.
    Stopped,
    /// Told to stop, or out of time, while a job ran. The job was cancelled, or `killed` when its grace was over.
    JobStopped {
        /// The agent did not end within the grace and was killed.
        killed: bool,
    },
    /// The agent did not come online in the time allowed.
    NotOnline {
        /// What was going on when the time was over.
        during: &'static str,
        /// Why, if the agent said.
        obstacle: Option<Obstacle>,
    },
    /// The longest allowed life was over.
    LifetimeOver {
        /// A job was cut off by it.
        job: bool,
    },
    /// The agent could not be made ready: its package or its registration files.
    PreparationFailed(String),
    /// The agent's own configuration (token mode) failed.
    ConfigurationFailed(Exit),
    /// The agent program could not be started.
    AgentNotStarted(String),
    /// The agent ended with an error before a job.
    AgentFailed {
        /// How.
        exit: Exit,
        /// Why, if it said.
        obstacle: Option<Obstacle>,
    },
    /// The agent ended with an error, or was killed, in the middle of its job.
    AgentLost(Exit),
    /// The agent ended without error and without a job, as it does when it was removed from the pool.
    AgentRemoved,
    /// The service demanded a newer agent, and putting it in place failed.
    UpdateFailed(String),
    /// This container has had its agent already; it does not get a second.
    UsedBefore,
    /// The environment of the container does not make sense.
    SettingsInvalid(String),
}

impl Outcome {
    /// The stable name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::JobFinished { .. } => "job-finished",
            Self::NoJob { .. } => "no-job",
            Self::Stopped => "stopped",
            Self::JobStopped { .. } => "job-stopped",
            Self::NotOnline { .. } => "not-online",
            Self::LifetimeOver { .. } => "lifetime-over",
            Self::PreparationFailed(_) => "preparation-failed",
            Self::ConfigurationFailed(_) => "configuration-failed",
            Self::AgentNotStarted(_) => "agent-not-started",
            Self::AgentFailed { .. } => "agent-failed",
            Self::AgentLost(_) => "agent-lost",
            Self::AgentRemoved => "agent-removed",
            Self::UpdateFailed(_) => "update-failed",
            Self::UsedBefore => "used-before",
            Self::SettingsInvalid(_) => "settings-invalid",
        }
    }

    /// Whether the agent never came online, or went before it had a job, for a reason that its provisioner wants to
    /// know.
    pub fn is_before_online(&self) -> bool {
        matches!(
            self,
            Self::PreparationFailed(_)
                | Self::ConfigurationFailed(_)
                | Self::AgentNotStarted(_)
                | Self::AgentFailed { .. }
                | Self::NotOnline { .. }
                | Self::UpdateFailed(_)
        )
    }

    /// Whether somebody will want to read the agent's diagnostic logs.
    pub fn is_failure(&self) -> bool {
        match self {
            Self::JobFinished { hung } => *hung,
            Self::JobStopped { killed } => *killed,
            Self::NoJob { .. } | Self::Stopped | Self::UsedBefore | Self::LifetimeOver { job: false } => {
                false
            }
            _ => true,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::JobFinished { hung: false } => write!(f, "the agent has run its job"),
            Self::JobFinished { hung: true } => {
                write!(
                    f,
                    "the agent has run its job, did not exit afterwards, and was ended by the supervisor"
                )
            }
            Self::NoJob { waited } => write!(
                f,
                "no job came within {} s: check that the job names this agent's pool and that its demands fit, or \
                 set AZP_IDLE_TIMEOUT higher",
                waited.as_secs()
            ),
            Self::Stopped => write!(f, "told to stop before a job began"),
            Self::JobStopped { killed: false } => {
                write!(f, "told to stop while a job ran; the job was cancelled and ended within its grace")
            }
            Self::JobStopped { killed: true } => write!(
                f,
                "told to stop while a job ran; the job did not end within its grace (AZP_GRACE) and was killed"
            ),
            Self::NotOnline { obstacle: Some(obstacle), .. } => {
                write!(f, "the agent did not come online in time: {obstacle}")
            }
            Self::NotOnline { during, obstacle: None } => write!(
                f,
                "the agent did not come online in time ({during}): check that the container reaches AZP_URL, or set \
                 AZP_START_TIMEOUT higher"
            ),
            Self::LifetimeOver { job: false } => {
                write!(f, "the longest allowed life (AZP_MAX_LIFETIME) was over before a job began")
            }
            Self::LifetimeOver { job: true } => write!(
                f,
                "the longest allowed life (AZP_MAX_LIFETIME) was over while a job ran; the job was cut off: set it \
                 higher than the longest job"
            ),
            Self::PreparationFailed(why) => write!(f, "the agent could not be made ready: {why}"),
            Self::ConfigurationFailed(exit) => write!(
                f,
                "the agent could not be registered ({exit}): its own lines above say why; usual reasons are a token \
                 without \"Agent Pools (read, manage)\", an unknown pool, or an agent of that name in the pool already"
            ),
            Self::AgentNotStarted(why) => write!(f, "the agent could not be started: {why}"),
            Self::AgentFailed { exit, obstacle: Some(obstacle) } => {
                write!(f, "the agent ended before any job ({exit}): {obstacle}")
            }
            Self::AgentFailed { exit, obstacle: None } => write!(
                f,
                "the agent ended before any job ({exit}{}): its own lines and the diagnostic log above say why",
                meaning(*exit)
            ),
            Self::AgentLost(exit) => write!(
                f,
                "the agent ended in the middle of its job ({exit}), and the job is lost: if it was killed, the \
                 container may have run out of memory; give it more (--memory)"
            ),
            Self::AgentRemoved => write!(
                f,
                "the agent ended without a job, as it does when it is removed from its pool while it waits"
            ),
            Self::UpdateFailed(why) => write!(
                f,
                "the service demanded another agent version, and it could not be put in place ({why}): build the \
                 image with a current agent, or switch off automatic updates of the pool"
            ),
            Self::UsedBefore => {
                write!(
                    f,
                    "this container was started before; an agent is used once, so it is only taken down"
                )
            }
            Self::SettingsInvalid(why) => write!(f, "{why}"),
        }
    }
}

/// What the agent means by the code it ended with.
fn meaning(exit: Exit) -> &'static str {
    match exit {
        Exit::Code(1) => ", the service refused it or its registration is damaged",
        Exit::Code(2) => ", it crashed",
        _ => "",
    }
}

/// What became of one of the two things a life leaves behind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Leftover {
    /// There is none: never made, or another's to remove.
    #[default]
    NotOurs,
    /// Gone, or about to go.
    Removed,
    /// Still there, and why.
    Left(String),
}

impl Leftover {
    fn name(&self) -> &'static str {
        match self {
            Self::NotOurs => "not-ours",
            Self::Removed => "removed",
            Self::Left(_) => "left",
        }
    }
}

/// The last words: one line for people and one for programs. `agent` is the registration in the pool; `group` is what
/// happens to the container group next.
pub fn last_words(outcome: &Outcome, agent: &Leftover, group: GroupEnd) -> [String; 2] {
    let left = match agent {
        Leftover::Left(why) => {
            format!(
                "; the agent is still in its pool ({why}), `ephemeral-agents deprovision` with its name and \
                 --agent-pool removes it"
            )
        }
        Leftover::NotOurs | Leftover::Removed => String::new(),
    };
    let end = match group {
        GroupEnd::DeletedByUs => "; deleting the container group",
        GroupEnd::LeftToOthers => {
            "; the container holds no credentials to remove itself: `ephemeral-agents deprovision` takes it down"
        }
        GroupEnd::NotTried => {
            "; nothing was deleted from here: `ephemeral-agents deprovision` takes down what is left"
        }
        GroupEnd::None => "",
    };
    let plain = format!("{}: {outcome}{left}{end}", outcome.name());
    let record = json!({
        "event": "outcome",
        "outcome": outcome.name(),
        "detail": outcome.to_string(),
        "agent": agent.name(),
        "containerGroup": group.name(),
    });
    [plain, record.to_string()]
}

/// What is said when the container group stays although it was to go: after the last words, since those had to come
/// before it could go.
pub fn group_left(why: &str) -> [String; 2] {
    let plain = format!(
        "warning: the container group could not be deleted ({why}): `ephemeral-agents deprovision` removes it"
    );
    [plain, json!({"event": "container-group-left", "reason": why}).to_string()]
}

/// What happens to the container group at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupEnd {
    /// We have the right to delete it, and do.
    DeletedByUs,
    /// The settings name it, or us, but give us no right to delete it.
    LeftToOthers,
    /// We could not, or were told not to, come as far as that.
    NotTried,
    /// Not in a container group that we know of: we just stop.
    None,
}

impl GroupEnd {
    fn name(self) -> &'static str {
        match self {
            Self::DeletedByUs => "deleting",
            Self::LeftToOthers | Self::NotTried => "left",
            Self::None => "none",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_are_one_plain_line_and_one_json_line() {
        let [plain, record] =
            last_words(&Outcome::JobFinished { hung: false }, &Leftover::Removed, GroupEnd::DeletedByUs);
        assert_eq!(plain, "job-finished: the agent has run its job; deleting the container group");
        assert_eq!(
            record,
            r#"{"agent":"removed","containerGroup":"deleting","detail":"the agent has run its job","event":"outcome","outcome":"job-finished"}"#
        );
    }

    #[test]
    fn what_is_left_is_named_with_the_command_that_removes_it() {
        let left = Leftover::Left("access denied".into());
        let [plain, _] = last_words(&Outcome::Stopped, &left, GroupEnd::LeftToOthers);
        assert_eq!(
            plain,
            "stopped: told to stop before a job began; the agent is still in its pool (access denied), \
             `ephemeral-agents deprovision` with its name and --agent-pool removes it; the container holds no credentials to remove itself: \
             `ephemeral-agents deprovision` takes it down"
        );
    }

    #[test]
    fn every_outcome_is_one_line_and_has_a_name_of_its_own() {
        let exit = Exit::Code(1);
        let all = [
            Outcome::JobFinished { hung: true },
            Outcome::NoJob { waited: Duration::from_mins(15) },
            Outcome::Stopped,
            Outcome::JobStopped { killed: true },
            Outcome::NotOnline { during: "starting", obstacle: None },
            Outcome::LifetimeOver { job: true },
            Outcome::PreparationFailed("x".into()),
            Outcome::ConfigurationFailed(exit),
            Outcome::AgentNotStarted("x".into()),
            Outcome::AgentFailed { exit, obstacle: None },
            Outcome::AgentLost(exit),
            Outcome::AgentRemoved,
            Outcome::UpdateFailed("x".into()),
            Outcome::UsedBefore,
            Outcome::SettingsInvalid("x".into()),
        ];
        let mut names: Vec<_> = all.iter().map(Outcome::name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all.len());
        assert!(all.iter().all(|outcome| !outcome.to_string().contains('\n')));
    }
}
