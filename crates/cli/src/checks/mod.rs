//! What the services said of a set-up, judged: what is fine, what may surprise, what will not work, and what to do.
//!
//! The judges are functions from answers to [`Notes`]; they ask nothing. `provision` holds what it is about to do
//! against the cheap ones, before anything is created; `doctor` goes through all of them.

pub(crate) mod placement;
pub(crate) mod places;
pub(crate) mod pool;
pub(crate) mod subnet;

use crate::errors::{Blame, Finding};
use crate::services::{ErrorKind, ServiceError};

/// What a check is about, in the order in which they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    /// How this machine reaches the services: proxy, certificates.
    Connection,
    /// Whether names of hosts have addresses.
    Dns,
    /// Whether this machine knows what time it is.
    Clock,
    /// Whether Azure DevOps takes the token.
    Organization,
    /// The agent pool, and the right to add agents to it.
    Pool,
    /// Whether the project's pipelines may use the pool.
    Queue,
    /// Where the agent's container gets the agent from.
    AgentPackage,
    /// Whether Azure takes who signs in, and the subscription takes anything.
    Subscription,
    /// Whether the subscription may have container groups, and where.
    Provider,
    /// The resource group.
    ResourceGroup,
    /// What whoever provisions may do.
    Rights,
    /// How many container groups and cores are left.
    Quota,
    /// The subnet that container groups join.
    Subnet,
    /// The way from the subnet to Azure DevOps.
    WayOut,
    /// The image.
    Image,
    /// The identities of the container group.
    Identity,
    /// A name that was chosen.
    Name,
    /// What a job could read.
    Exposure,
}

impl Subject {
    /// For people.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Dns => "DNS",
            Self::Clock => "clock",
            Self::Organization => "Azure DevOps",
            Self::Pool => "agent pool",
            Self::Queue => "pipelines",
            Self::AgentPackage => "agent package",
            Self::Subscription => "subscription",
            Self::Provider => "provider",
            Self::ResourceGroup => "resource group",
            Self::Rights => "rights",
            Self::Quota => "quota",
            Self::Subnet => "subnet",
            Self::WayOut => "way out",
            Self::Image => "image",
            Self::Identity => "identity",
            Self::Name => "name",
            Self::Exposure => "exposure",
        }
    }

    /// What comes of it where it is not as it has to be.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Connection | Self::Dns => "a service is not reached from here, or not from the agent",
            Self::Clock => "services refuse tokens that seem to be too old or of the future",
            Self::Organization => "nothing can be asked of Azure DevOps, and no agent registered",
            Self::Pool => "no agent can be registered in the pool, or no job waits for one",
            Self::Queue => "the job that is to run on the agent is not started",
            Self::AgentPackage => "the container may start and find no agent to run",
            Self::Subscription => "nothing can be asked of Azure, and nothing created",
            Self::Provider => "the subscription cannot have container groups there",
            Self::ResourceGroup => "there is no place for the container group",
            Self::Rights => {
                "Azure refuses a step: creating the container group, reading its log, or deleting it"
            }
            Self::Quota => "Azure refuses another container group of this size",
            Self::Subnet => "Azure refuses a container group in this subnet",
            Self::WayOut => "the agent starts and does not come online",
            Self::Image => "Azure refuses the container group, or its container never starts",
            Self::Identity => "the container cannot pull its image, or cannot delete its container group",
            Self::Name => "what has that name is never replaced",
            Self::Exposure => "a job could use it",
        }
    }
}

/// How it stands with a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// As it has to be.
    Ok,
    /// It may surprise.
    Warning,
    /// It was not looked at, or could not be.
    NotChecked,
    /// It will not work.
    Failed(Blame),
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    /// What it is about.
    pub(crate) subject: Subject,
    /// How it stands.
    pub(crate) state: State,
    /// What was found.
    pub(crate) what: String,
    /// What to do, where there is something to do.
    pub(crate) remedy: Option<String>,
}

/// Everything that was found.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    notes: Vec<Note>,
    /// What a service said, and of which subject it was said first: several questions may fail for one reason.
    reasons: Vec<(String, Subject)>,
}

impl Notes {
    fn push(&mut self, subject: Subject, state: State, what: impl Into<String>, remedy: Option<String>) {
        let note = Note { subject, state, what: what.into(), remedy };
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// It is as it has to be.
    pub(crate) fn ok(&mut self, subject: Subject, what: impl Into<String>) {
        self.push(subject, State::Ok, what, None);
    }

    /// It may surprise.
    pub(crate) fn warn(&mut self, subject: Subject, what: impl Into<String>, remedy: impl Into<String>) {
        self.push(subject, State::Warning, what, Some(remedy.into()));
    }

    /// It was not looked at, and why.
    pub(crate) fn skip(&mut self, subject: Subject, why: impl Into<String>) {
        self.push(subject, State::NotChecked, why, None);
    }

    /// The user has to do something about it.
    pub(crate) fn fail(&mut self, subject: Subject, what: impl Into<String>, remedy: impl Into<String>) {
        self.push(subject, State::Failed(Blame::User), what, Some(remedy.into()));
    }

    /// A service did not say how it stands. One reason is said once.
    pub(crate) fn refused(&mut self, subject: Subject, doing: &str, error: &ServiceError) {
        let blame = match error.kind {
            ErrorKind::Refused | ErrorKind::Unreachable | ErrorKind::Taken | ErrorKind::Quota => Blame::User,
            _ => Blame::Service,
        };
        if !self.said_before(subject, doing, error) {
            let what = format!("Could not {doing}: {}", error.what);
            self.push(subject, State::Failed(blame), what, Some(error.remedy.clone()));
        }
    }

    /// The same, where it is no reason for it not to work.
    pub(crate) fn unclear(&mut self, subject: Subject, doing: &str, error: &ServiceError) {
        if !self.said_before(subject, doing, error) {
            let what = format!("Could not {doing}: {}", error.what);
            self.push(subject, State::Warning, what, Some(error.remedy.clone()));
        }
    }

    fn said_before(&mut self, subject: Subject, doing: &str, error: &ServiceError) -> bool {
        let known = self.reasons.iter().find(|(reason, _)| *reason == error.what).map(|(_, of)| *of);
        match known {
            Some(of) if of != subject => {
                let what = format!("Could not {doing}, for the reason said of: {}", of.words());
                self.push(subject, State::NotChecked, what, None);
                true
            }
            Some(_) => true,
            None => {
                self.reasons.push((error.what.clone(), subject));
                false
            }
        }
    }

    /// All of them, by subject.
    pub(crate) fn sorted(mut self) -> Vec<Note> {
        self.notes.sort_by_key(|note| note.subject);
        self.notes
    }

    /// Why it would not work.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        let finding = |note: &Note| match note.state {
            State::Failed(blame) => Some(Finding {
                what: note.what.clone(),
                remedy: note.remedy.clone().unwrap_or_default(),
                blame,
            }),
            State::Ok | State::Warning | State::NotChecked => None,
        };
        self.notes.iter().filter_map(finding).collect()
    }

    /// What may surprise.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let warnings = self.notes.iter().filter(|note| note.state == State::Warning);
        warnings.map(|note| note.what.clone()).collect()
    }
}
