//! The port to a place that runs containers.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::tags::{KEPT_UNTIL, RETIRING};
use crate::{AgentName, OwnershipTags, Timestamp};

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

    /// When it was marked: from then on it is leaving, and never counts as one that starts.
    pub fn retiring_since(&self) -> Option<Timestamp> {
        self.tags.get(RETIRING).and_then(|text| Timestamp::parse(text))
    }

    /// Until when somebody wants to look at it although it failed.
    pub fn kept_until(&self) -> Option<Timestamp> {
        self.tags.get(KEPT_UNTIL).and_then(|text| Timestamp::parse(text))
    }

    /// Its tags with the mark of that moment.
    pub fn tags_marked(&self, at: Timestamp) -> BTreeMap<String, String> {
        let mut tags = self.tags.clone();
        tags.insert(RETIRING.to_owned(), at.to_string());
        tags
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
/// `create` once, `list` until it runs or ended; on the way out `mark`, `logs`, `delete` until it is no longer listed.
///
/// # Guarantees
/// `create`, `mark` and `delete` may be repeated with the same name. Nothing without our tags is changed or deleted.
///
/// # Assumptions
/// Names are never used twice for different agents.
///
/// # Caveats
/// A list may lag behind an accepted `create` or `delete`, and may show a container that has ended as one that runs:
/// `look` does not.
pub trait ComputeBackend: Send + Sync {
    /// What a container group is made from: image, size, network, environment. The backend's own, since it holds
    /// secrets and this crate knows none.
    type Spec: Send + Sync;

    /// Every container group in reach, ours and others', in any phase. Whole or an error, never half a list.
    fn list(&self) -> impl Future<Output = Result<Vec<ContainerGroup>, ComputeError>> + Send;

    /// One container group, as it is now; `None` where there is none of that name.
    fn look(
        &self,
        name: &AgentName,
    ) -> impl Future<Output = Result<Option<ContainerGroup>, ComputeError>> + Send;

    /// Asks for a container group: accepted, not awaited. Asking again for the same is no error.
    fn create(
        &self,
        name: &AgentName,
        tags: &OwnershipTags,
        spec: &Self::Spec,
    ) -> impl Future<Output = Result<(), ComputeError>> + Send;

    /// Writes onto a group, as it was listed, that it is on its way out since then. Absent counts as marked.
    fn mark(
        &self,
        group: &ContainerGroup,
        at: Timestamp,
    ) -> impl Future<Output = Result<(), ComputeError>> + Send;

    /// Asks to delete it. Absent counts as deleted.
    fn delete(&self, name: &AgentName) -> impl Future<Output = Result<(), ComputeError>> + Send;

    /// Asks to delete a group that was listed a moment ago with our tags, which need not be looked at again.
    fn delete_listed(&self, group: &ContainerGroup) -> impl Future<Output = Result<(), ComputeError>> + Send;

    /// The last lines its container printed; `None` when there are none to be had.
    fn logs(&self, name: &AgentName) -> impl Future<Output = Result<Option<String>, ComputeError>> + Send;
}
