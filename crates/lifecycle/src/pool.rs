//! The port to an agent pool.

use std::fmt;
use std::time::Duration;

use crate::{AgentName, Timestamp};

/// Whether the service hears from an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentStatus {
    /// No live session.
    Offline,
    /// A live session polls for messages.
    Online,
}

/// An agent as the pool lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Its id in the pool.
    pub id: u64,
    /// Its name, which may be one that we would not choose.
    pub name: String,
    /// Whether it may be given jobs.
    pub enabled: bool,
    /// Whether the service hears from it.
    pub status: AgentStatus,
    /// The job request it holds, if it does.
    pub assigned_request: Option<u64>,
    /// Since when it has been online or offline, where the service says.
    pub status_since: Option<Timestamp>,
}

/// A job that waits for an agent, or has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRequest {
    /// Its id in the pool.
    pub id: u64,
    /// What an agent must offer to take it.
    pub demands: Vec<String>,
    /// The agent that has it.
    pub reserved_agent: Option<u64>,
    /// Its result, once it is over.
    pub result: Option<String>,
}

/// How removing an agent went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It was there and is not any more.
    Removed,
    /// It was not there.
    AlreadyGone,
    /// The service protects it: it is running a job. An answer, not a failure: wait.
    JobRunning,
}

/// Why the pool did not do as it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PoolError {
    /// Too many calls; not before this wait is over.
    Throttled {
        /// The service's own wait.
        retry_after: Duration,
    },
    /// Who asked may not, or is not known.
    Unauthorized(String),
    /// An agent of that name exists. Never replaced.
    NameTaken(AgentName),
    /// Refused for what it is.
    Rejected(String),
    /// The service does not work right now.
    Unavailable(String),
    /// Sent, no answer: it may or may not have happened.
    Indeterminate(String),
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Throttled { retry_after } => write!(f, "too many calls; wait {} s", retry_after.as_secs()),
            Self::NameTaken(name) => write!(f, "an agent named {name} exists in the pool"),
            Self::Unauthorized(text)
            | Self::Rejected(text)
            | Self::Unavailable(text)
            | Self::Indeterminate(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for PoolError {}

/// An agent pool.
///
/// # Expected flow
/// `register`, then `agents` until it is online; on the way out `disable`, then `remove` until it is gone.
///
/// # Guarantees
/// `disable` and `remove` may be repeated. `register` never replaces an agent that exists.
///
/// # Assumptions
/// The service refuses to remove an agent that runs a job.
pub trait AgentPool: Send + Sync {
    /// What an agent is registered with: its public key and capabilities.
    type Registration: Send + Sync;
    /// What a registration gives: the identity with which the agent proves who it is.
    type Registered: Send;

    /// Every agent of the pool. Whole or an error.
    fn agents(&self) -> impl Future<Output = Result<Vec<Agent>, PoolError>> + Send;

    /// Every job request that is not finished.
    fn job_requests(&self) -> impl Future<Output = Result<Vec<JobRequest>, PoolError>> + Send;

    /// Registers an agent of that name.
    fn register(
        &self,
        name: &AgentName,
        registration: &Self::Registration,
    ) -> impl Future<Output = Result<Self::Registered, PoolError>> + Send;

    /// Takes the agent out of rotation: it finishes its job and is given no other. Absent counts as disabled.
    fn disable(&self, agent_id: u64) -> impl Future<Output = Result<(), PoolError>> + Send;

    /// Removes the agent.
    fn remove(&self, agent_id: u64) -> impl Future<Output = Result<Removal, PoolError>> + Send;
}
