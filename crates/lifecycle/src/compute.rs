//! The port to a place that runs containers.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::{AgentName, OwnershipTags};

/// What a container group is doing, in the words of no service in particular.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ComputePhase {
    /// Accepted, and on its way: being placed, pulling its image, starting.
    Creating,
    /// Its container runs.
    Running,
    /// Its container ended, or it never came to run and will not.
    Exited,
    /// On its way out.
    Deleting,
    /// A word of the service that we do not know. Counted and reported, never acted on.
    Unrecognized(String),
}

/// A container group as the backend lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerGroup {
    /// Its name, which may be one that we would not choose.
    pub name: String,
    /// What it is doing.
    pub phase: ComputePhase,
    /// Every tag it carries.
    pub tags: BTreeMap<String, String>,
}

impl ContainerGroup {
    /// Its tags, where it is ours.
    pub fn ownership(&self) -> Option<OwnershipTags> {
        OwnershipTags::from_map(&self.tags)
    }
}

/// Why the backend did not do as it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ComputeError {
    /// Too many calls; not before this wait is over.
    Throttled {
        /// The service's own wait.
        retry_after: Duration,
    },
    /// The region has no room for it now.
    OutOfCapacity(String),
    /// The subscription may not have that many.
    QuotaExceeded(String),
    /// Refused for what it is; asking again will not help.
    Rejected(String),
    /// Something of that name exists and is not ours.
    Foreign(String),
    /// Who asked may not.
    Unauthorized(String),
    /// The service does not work right now.
    Unavailable(String),
    /// Sent, no answer: it may or may not have happened. Only the next `list` can tell.
    Indeterminate(String),
}

impl fmt::Display for ComputeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Throttled { retry_after } => write!(f, "too many calls; wait {} s", retry_after.as_secs()),
            Self::OutOfCapacity(text)
            | Self::QuotaExceeded(text)
            | Self::Rejected(text)
            | Self::Foreign(text)
            | Self::Unauthorized(text)
            | Self::Unavailable(text)
            | Self::Indeterminate(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for ComputeError {}

/// A place that runs container groups.
///
/// # Expected flow
/// `create` once, `list` until it runs or ended, `logs` before `delete`, `delete` until it is no longer listed.
///
/// # Guarantees
/// `create` and `delete` may be repeated with the same name. Nothing without our tags is changed or deleted.
///
/// # Assumptions
/// Names are never used twice for different agents.
///
/// # Caveats
/// A list may lag behind an accepted `create` or `delete`.
pub trait ComputeBackend: Send + Sync {
    /// What a container group is made from: image, size, network, environment. The backend's own, since it holds
    /// secrets and this crate knows none.
    type Spec: Send + Sync;

    /// Every container group in reach, ours and others', in any phase. Whole or an error, never half a list.
    fn list(&self) -> impl Future<Output = Result<Vec<ContainerGroup>, ComputeError>> + Send;

    /// Asks for a container group: accepted, not awaited. Asking again for the same is no error.
    fn create(
        &self,
        name: &AgentName,
        tags: &OwnershipTags,
        spec: &Self::Spec,
    ) -> impl Future<Output = Result<(), ComputeError>> + Send;

    /// Asks to delete it. Absent counts as deleted.
    fn delete(&self, name: &AgentName) -> impl Future<Output = Result<(), ComputeError>> + Send;

    /// The last lines its container printed; `None` when there are none to be had.
    fn logs(&self, name: &AgentName) -> impl Future<Output = Result<Option<String>, ComputeError>> + Send;
}
