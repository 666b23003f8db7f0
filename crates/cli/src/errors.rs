//! Every failure a user may expect: what happened, what it means, what to do, and the exit code.

use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use lifecycle::AgentName;

use crate::provision::diagnose::Diagnosis;
use crate::services::{ErrorKind, ServiceError};

/// Whose a failure is; it decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The user can correct it.
    User,
    /// Ours, or a service's: nothing in what the user gave is wrong.
    Service,
    /// Some of it was done, and some is left.
    Partly,
    /// The user, or the pipeline, stopped it.
    Interrupted,
}

impl Blame {
    /// The program's exit code.
    pub(crate) fn exit_code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::User => 1,
            Self::Service => 2,
            Self::Partly => 3,
            Self::Interrupted => 130,
        })
    }
}

/// One reason why it would not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// What was found, a sentence.
    pub(crate) what: String,
    /// What to do, a sentence.
    pub(crate) remedy: String,
    /// Whose it is.
    pub(crate) blame: Blame,
}

/// One setting that has to be corrected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The setting, as it is called where it was read.
    pub(crate) setting: String,
    /// What is wrong with it, continuing its name.
    pub(crate) what: String,
    /// What to do.
    pub(crate) remedy: String,
}

/// What was kept on request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// For how long.
    pub(crate) time: Duration,
    /// The command that removes it.
    pub(crate) command: String,
}

/// What exists although it should not, and how to remove it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leftovers {
    /// What is left, a line each, with the reason where one is known.
    pub(crate) left: Vec<String>,
    /// The command that removes it.
    pub(crate) command: String,
}

/// An expected failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Settings are missing or wrong.
    Settings(Vec<Problem>),
    /// The settings file is not readable, or not TOML.
    SettingsFile {
        /// The file.
        path: std::path::PathBuf,
        /// Where in it.
        line: Option<usize>,
        /// What is wrong.
        why: String,
    },
    /// Checks that failed.
    Unwell {
        /// What they are about.
        failed: Vec<&'static str>,
        /// Whose it is.
        blame: Blame,
        /// All checks, for programs.
        document: Box<serde_json::Value>,
    },
    /// What can be known before anything is created says that it would not work.
    Preflight(Vec<Finding>),
    /// A service did not do as it was asked.
    Service {
        /// What was being done, as "register the agent".
        doing: String,
        /// What it said.
        error: ServiceError,
    },
    /// The agent did not come online.
    NotOnline {
        /// Its name.
        name: AgentName,
        /// What is known about it.
        diagnosis: Box<Diagnosis>,
        /// What was kept on request.
        kept: Option<Kept>,
    },
    /// Every place that was to be tried was tried.
    AllTried {
        /// How the last one failed.
        last: Box<Failure>,
        /// The places, in words.
        tried: Vec<String>,
    },
    /// One of several agents that were wanted together.
    OneOfSeveral {
        /// How it failed.
        cause: Box<Failure>,
        /// How many were wanted.
        count: u32,
    },
    /// Agents that still run a job, which is never ended from here.
    JobsRunning {
        /// Their names.
        names: Vec<AgentName>,
        /// How long their jobs were waited for.
        waited: Duration,
    },
    /// Several agents, not all of which went.
    Several(Vec<(AgentName, Failure)>),
    /// What is left over of agents, and could not all be removed.
    NotReaped {
        /// What is left and why, a line each.
        left: Vec<String>,
        /// What to do.
        remedy: String,
        /// The whole pass, for programs.
        pass: Box<serde_json::Value>,
    },
    /// No container group of that name is ours.
    NoSuchAgent(AgentName),
    /// Stopped by a signal.
    Interrupted {
        /// Whether something had been created by then.
        taken_down: Option<AgentName>,
    },
    /// Something failed, and then its clean-up.
    LeftBehind {
        /// What failed first.
        cause: Box<Failure>,
        /// What is left.
        leftovers: Leftovers,
    },
    /// What can be known before anything is deleted says that it would not work.
    NothingDeleted(Vec<Finding>),
    /// Something that can be gone on with stopped half-way.
    Unfinished {
        /// Why it stopped.
        cause: Box<Failure>,
        /// What was done, a line each.
        done: Vec<String>,
        /// What to do next.
        remedy: String,
    },
    /// The program itself could not go on.
    Internal(String),
}

/// A failure in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// What happened, a sentence.
    pub(crate) what: String,
    /// What it means, and what is known about it; a line each.
    pub(crate) details: Vec<String>,
    /// What to do, a sentence.
    pub(crate) remedy: Option<String>,
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        for line in &self.details {
            write!(f, "\n  {line}")?;
        }
        self.remedy.as_ref().map_or(Ok(()), |remedy| write!(f, "\nTo do: {remedy}"))
    }
}

impl Failure {
    /// Whose it is.
    pub(crate) fn blame(&self) -> Blame {
        match self {
            Self::Settings(_) | Self::SettingsFile { .. } | Self::NoSuchAgent(_) => Blame::User,
            Self::Preflight(findings) | Self::NothingDeleted(findings) => {
                let all_ours = findings.iter().all(|finding| finding.blame == Blame::Service);
                if all_ours { Blame::Service } else { Blame::User }
            }
            Self::Unwell { blame, .. } => *blame,
            Self::Service { error, .. } => error.kind.blame(),
            Self::NotOnline { diagnosis, .. } => diagnosis.cause.blame,
            Self::AllTried { last, .. } => last.blame(),
            Self::OneOfSeveral { cause, .. } => cause.blame(),
            Self::Unfinished { cause, done, .. } if done.is_empty() => cause.blame(),
            Self::JobsRunning { .. }
            | Self::LeftBehind { .. }
            | Self::Unfinished { .. }
            | Self::NotReaped { .. } => Blame::Partly,
            Self::Several(failures) => blame_of_several(failures),
            Self::Interrupted { .. } => Blame::Interrupted,
            Self::Internal(_) => Blame::Service,
        }
    }

    /// The program's exit code. An interrupted run stays one, whatever it left behind.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::LeftBehind { cause, .. } | Self::Unfinished { cause, .. }
                if cause.blame() == Blame::Interrupted =>
            {
                cause.exit_code()
            }
            other => other.blame().exit_code(),
        }
    }

    /// Whether another place, or another size, may do.
    pub(crate) fn is_for_want_of_room(&self) -> bool {
        match self {
            Self::Service { error, .. } => matches!(error.kind, ErrorKind::Capacity | ErrorKind::Quota),
            Self::NotOnline { diagnosis, .. } => diagnosis.is_for_want_of_room,
            _ => false,
        }
    }

    /// The failure in words.
    pub(crate) fn message(&self) -> Message {
        match self {
            Self::Settings(problems) => settings_message(problems),
            Self::SettingsFile { path, line, why } => Message {
                what: format!(
                    "The settings file {} cannot be read{}: {}.",
                    path.display(),
                    line.map_or_else(String::new, |line| format!(" (line {line})")),
                    why.trim_end_matches('.')
                ),
                details: Vec::new(),
                remedy: Some("correct it, or leave out --settings.".to_owned()),
            },
            Self::Preflight(findings) => preflight_message("created", findings),
            Self::NothingDeleted(findings) => preflight_message("deleted", findings),
            Self::Unfinished { cause, done, remedy } => unfinished_message(cause, done, remedy),
            Self::Service { doing, error } => Message {
                what: format!("Could not {doing}: {}", sentence(&error.what)),
                details: Vec::new(),
                remedy: Some(error.remedy.clone()).filter(|remedy| !remedy.is_empty()),
            },
            Self::NotOnline { name, diagnosis, kept } => not_online_message(name, diagnosis, kept.as_ref()),
            Self::AllTried { last, tried } => all_tried_message(last, tried),
            Self::OneOfSeveral { cause, count } => one_of_several_message(cause, *count),
            Self::JobsRunning { names, waited } => jobs_running_message(names, *waited),
            Self::Several(failures) => several_message(failures),
            Self::NotReaped { left, remedy, .. } => Message {
                what: match left.len() {
                    1 => "One thing is left over and was not removed.".to_owned(),
                    count => format!("{count} things are left over and were not removed."),
                },
                details: left.iter().map(|line| format!("- {line}")).collect(),
                remedy: Some(remedy.clone()),
            },
            Self::Unwell { failed, .. } => Message {
                what: format!("Agents would not come to life: {}.", failed.join(", ")),
                details: Vec::new(),
                remedy: Some("what is said of each of them.".to_owned()),
            },
            Self::NoSuchAgent(name) => Message {
                what: format!("There is no container group {name} of ours in this resource group."),
                details: vec![
                    "It was deleted, or it is in another resource group or subscription.".to_owned(),
                ],
                remedy: Some("`ephemeral-agents list` shows what there is.".to_owned()),
            },
            Self::Interrupted { taken_down } => interrupted_message(taken_down.as_ref()),
            Self::LeftBehind { cause, leftovers } => left_behind_message(cause, leftovers),
            Self::Internal(what) => Message {
                what: format!("ephemeral-agents could not go on: {}", sentence(what)),
                details: Vec::new(),
                remedy: Some("run it again with --verbose, and report what it says.".to_owned()),
            },
        }
    }
}

fn blame_of_several(failures: &[(AgentName, Failure)]) -> Blame {
    let mut blames = failures.iter().map(|(_, failure)| failure.blame());
    match blames.next() {
        Some(first) if blames.all(|blame| blame == first) => first,
        _ => Blame::Partly,
    }
}

fn settings_message(problems: &[Problem]) -> Message {
    let what = match problems.len() {
        1 => "One setting has to be corrected.".to_owned(),
        count => format!("{count} settings have to be corrected."),
    };
    let line = |problem: &Problem| format!("{}: {}; {}", problem.setting, problem.what, problem.remedy);
    Message { what, details: problems.iter().map(line).collect(), remedy: None }
}

fn preflight_message(done: &str, findings: &[Finding]) -> Message {
    let lines = findings
        .iter()
        .flat_map(|finding| [format!("- {}", finding.what), format!("  To do: {}", finding.remedy)]);
    Message {
        what: format!("Nothing was {done}, because it would not work."),
        details: lines.collect(),
        remedy: None,
    }
}

fn not_online_message(name: &AgentName, diagnosis: &Diagnosis, kept: Option<&Kept>) -> Message {
    let mut details = vec![format!("Likely cause: {}", diagnosis.cause.what)];
    details.extend(diagnosis.lines());
    let remedy = match kept {
        Some(Kept { time, command }) => format!(
            "{} Kept for a look, for {} s; remove it with `{command}`.",
            diagnosis.cause.remedy,
            time.as_secs()
        ),
        None => diagnosis.cause.remedy.clone(),
    };
    Message {
        what: format!("The agent {name} did not come online: {}.", diagnosis.why),
        details,
        remedy: Some(remedy),
    }
}

fn all_tried_message(last: &Failure, tried: &[String]) -> Message {
    let mut message = last.message();
    message.details.push(format!("Tried, in this order: {}.", tried.join("; ")));
    message
}

fn one_of_several_message(cause: &Failure, count: u32) -> Message {
    let mut message = cause.message();
    message
        .details
        .push(format!("That was one of {count} agents, and the others are not wanted without it."));
    message
}

fn jobs_running_message(names: &[AgentName], waited: Duration) -> Message {
    let names: Vec<_> = names.iter().map(AgentName::as_str).collect();
    Message {
        what: format!("Still running a job after {} s: {}.", waited.as_secs(), names.join(", ")),
        details: vec![
            "They are disabled: they finish their job and get no other. Nothing else was removed.".to_owned(),
        ],
        remedy: Some(
            "wait for the job, or cancel it in Azure DevOps, and run the same command again.".to_owned(),
        ),
    }
}

fn several_message(failures: &[(AgentName, Failure)]) -> Message {
    let lines = failures.iter().flat_map(|(name, failure)| {
        let message = failure.message().to_string();
        let mut lines: Vec<_> = message.lines().map(|line| format!("  {line}")).collect();
        lines.insert(0, format!("{name}:"));
        lines
    });
    Message {
        what: format!("{} agents could not be taken down.", failures.len()),
        details: lines.collect(),
        remedy: None,
    }
}

fn interrupted_message(taken_down: Option<&AgentName>) -> Message {
    let details = match taken_down {
        Some(name) => format!("What had been created for {name} is taken down."),
        None => "Nothing had been created.".to_owned(),
    };
    Message { what: "Interrupted.".to_owned(), details: vec![details], remedy: None }
}

fn left_behind_message(cause: &Failure, leftovers: &Leftovers) -> Message {
    let mut message = match cause {
        Failure::Interrupted { .. } => {
            Message { what: "Interrupted.".to_owned(), details: Vec::new(), remedy: None }
        }
        other => other.message(),
    };
    message.details.push("Left behind:".to_owned());
    message.details.extend(leftovers.left.iter().map(|line| format!("- {line}")));
    let remove = format!("remove what is left with `{}`.", leftovers.command);
    message.remedy = Some(match message.remedy.take() {
        Some(first) => format!("{first} Then {remove}"),
        None => remove,
    });
    message
}

fn unfinished_message(cause: &Failure, done: &[String], remedy: &str) -> Message {
    let mut message = match cause {
        Failure::Interrupted { .. } => {
            Message { what: "Interrupted.".to_owned(), details: Vec::new(), remedy: None }
        }
        other => other.message(),
    };
    message.details.push(match done {
        [] => "Nothing had been done.".to_owned(),
        _ => "Done so far:".to_owned(),
    });
    message.details.extend(done.iter().map(|line| format!("- {line}")));
    message.remedy = Some(match message.remedy.take() {
        Some(first) => format!("{first} Then {remedy}"),
        None => remedy.to_owned(),
    });
    message
}

fn sentence(text: &str) -> String {
    let text = text.trim();
    if text.ends_with(['.', '!', '?']) { text.to_owned() } else { format!("{text}.") }
}

impl Leftovers {
    /// These and those: one list, and one command, if both are removed by the same.
    pub(crate) fn and(mut self, more: &Self) -> Self {
        self.left.extend(more.left.iter().cloned());
        if self.command != more.command {
            self.command = format!("{}`, `{}", self.command, more.command);
        }
        self
    }
}

impl ErrorKind {
    fn blame(self) -> Blame {
        match self {
            Self::Refused | Self::Image | Self::Taken | Self::Quota | Self::Unreachable => Blame::User,
            Self::Transient | Self::Throttled | Self::Unavailable | Self::Capacity | Self::Indeterminate => {
                Blame::Service
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lifecycle::AgentName;

    use super::{Blame, Failure, Finding, Leftovers, Problem};
    use crate::services::{ErrorKind, ServiceError};

    fn name() -> AgentName {
        AgentName::new("agent4711-20261124000000-yypnqa").expect("valid")
    }

    fn refused() -> Failure {
        Failure::Service {
            doing: "register the agent".to_owned(),
            error: ServiceError {
                kind: ErrorKind::Refused,
                what: "Azure DevOps: access denied".to_owned(),
                remedy: "make whoever holds the token an administrator of the pool.".to_owned(),
            },
        }
    }

    fn said(failure: &Failure) -> String {
        format!("{}\n(exit {:?})", failure.message(), failure.exit_code())
    }

    #[test]
    fn settings() {
        let problem = |setting: &str| Problem {
            setting: setting.to_owned(),
            what: "is missing".to_owned(),
            remedy: "give it".to_owned(),
        };
        insta::assert_snapshot!(said(&Failure::Settings(vec![problem("image"), problem("pool")])), @"
        2 settings have to be corrected.
          image: is missing; give it
          pool: is missing; give it
        (exit ExitCode(unix_exit_status(1)))
        ");
    }

    #[test]
    fn preflight() {
        let finding = Finding {
            what: "There is no agent pool `private`.".to_owned(),
            remedy: "create it.".to_owned(),
            blame: Blame::User,
        };
        insta::assert_snapshot!(said(&Failure::Preflight(vec![finding])), @"
        Nothing was created, because it would not work.
          - There is no agent pool `private`.
            To do: create it.
        (exit ExitCode(unix_exit_status(1)))
        ");
    }

    #[test]
    fn service() {
        insta::assert_snapshot!(said(&refused()), @"
        Could not register the agent: Azure DevOps: access denied.
        To do: make whoever holds the token an administrator of the pool.
        (exit ExitCode(unix_exit_status(1)))
        ");
    }

    #[test]
    fn jobs_running() {
        let failure = Failure::JobsRunning { names: vec![name()], waited: Duration::from_mins(10) };
        insta::assert_snapshot!(said(&failure), @"
        Still running a job after 600 s: agent4711-20261124000000-yypnqa.
          They are disabled: they finish their job and get no other. Nothing else was removed.
        To do: wait for the job, or cancel it in Azure DevOps, and run the same command again.
        (exit ExitCode(unix_exit_status(3)))
        ");
    }

    #[test]
    fn several() {
        let failure = Failure::Several(vec![(name(), refused()), (name(), Failure::NoSuchAgent(name()))]);
        insta::assert_snapshot!(said(&failure), @"
        2 agents could not be taken down.
          agent4711-20261124000000-yypnqa:
            Could not register the agent: Azure DevOps: access denied.
            To do: make whoever holds the token an administrator of the pool.
          agent4711-20261124000000-yypnqa:
            There is no container group agent4711-20261124000000-yypnqa of ours in this resource group.
              It was deleted, or it is in another resource group or subscription.
            To do: `ephemeral-agents list` shows what there is.
        (exit ExitCode(unix_exit_status(1)))
        ");
    }

    #[test]
    fn interrupted() {
        insta::assert_snapshot!(said(&Failure::Interrupted { taken_down: None }), @"
        Interrupted.
          Nothing had been created.
        (exit ExitCode(unix_exit_status(130)))
        ");
        insta::assert_snapshot!(said(&Failure::Interrupted { taken_down: Some(name()) }), @"
        Interrupted.
          What had been created for agent4711-20261124000000-yypnqa is taken down.
        (exit ExitCode(unix_exit_status(130)))
        ");
    }

    #[test]
    fn left_behind() {
        let leftovers = Leftovers {
            left: vec!["container group a".to_owned()],
            command: "ephemeral-agents deprovision a".to_owned(),
        };
        let after_a_failure =
            Failure::LeftBehind { cause: Box::new(refused()), leftovers: leftovers.clone() };
        insta::assert_snapshot!(said(&after_a_failure));
        let interrupted =
            Failure::LeftBehind { cause: Box::new(Failure::Interrupted { taken_down: None }), leftovers };
        insta::assert_snapshot!(said(&interrupted), @"
        Interrupted.
          Left behind:
          - container group a
        To do: remove what is left with `ephemeral-agents deprovision a`.
        (exit ExitCode(unix_exit_status(130)))
        ");
    }

    #[test]
    fn no_such_agent() {
        insta::assert_snapshot!(said(&Failure::NoSuchAgent(name())), @"
        There is no container group agent4711-20261124000000-yypnqa of ours in this resource group.
          It was deleted, or it is in another resource group or subscription.
        To do: `ephemeral-agents list` shows what there is.
        (exit ExitCode(unix_exit_status(1)))
        ");
    }

    #[test]
    fn settings_file() {
        let failure = Failure::SettingsFile {
            path: "agents.toml".into(),
            line: Some(3),
            why: "expected a value".to_owned(),
        };
        insta::assert_snapshot!(said(&failure), @"
        The settings file agents.toml cannot be read (line 3): expected a value.
        To do: correct it, or leave out --settings.
        (exit ExitCode(unix_exit_status(1)))
        ");
    }

    #[test]
    fn internal() {
        insta::assert_snapshot!(said(&Failure::Internal("no runtime".to_owned())), @"
        ephemeral-agents could not go on: no runtime.
        To do: run it again with --verbose, and report what it says.
        (exit ExitCode(unix_exit_status(2)))
        ");
    }
}
