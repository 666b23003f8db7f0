//! What has to hold, whatever goes wrong.

use std::fmt;

/// A promise that can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// An agent never gets a second job.
    OneJob,
    /// No container is deleted, and no agent removed, under a running job; and nothing at all is done to an agent that
    /// was seen with a job.
    LeavesJobsAlone,
    /// What is not ours is not touched.
    OnlyOurs,
    /// What is healthy, or was just made, is not touched.
    LeavesTheLivingAlone,
    /// What somebody keeps for a look is not touched.
    KeepsWhatIsKept,
    /// There are never more container groups than there may be.
    Capacity,
    /// No more deletions within an hour than the budget has.
    Budget,
    /// A service that wants no calls gets none.
    RetryAfter,
    /// An agent is unregistered before its container group is deleted, and the group marked before that.
    Order,
    /// Only what a person has to mend is told as a failure.
    NoFalseAlarm,
    /// No plan breaks a rule.
    Lint,
    /// Nothing that is over is left.
    NothingLeft,
    /// Every job is served that can be.
    EveryJobServed,
}

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub promise: Promise,
    /// How, with the name it is about.
    pub how: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.promise, self.how)
    }
}
