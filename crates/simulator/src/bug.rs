//! Mistakes that a test makes on purpose, to see that a simulation finds them.

/// A mistake, made around the real core. Only tests can make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// The container group is not marked.
    LeavesOutTheMark,
    /// What is gone already counts as a failure.
    GoneIsFailure,
    /// Only the first page of a list is read.
    FirstPageOnly,
    /// A list that broke off counts as the whole.
    HalfAList,
    /// A list that failed counts as empty.
    NoListIsEmpty,
    /// The service's wait is forgotten.
    ForgetsRetryAfter,
    /// "Still running a job" counts as removed.
    IgnoresJobRunning,
    /// Agents that have a job are judged as if they had none.
    IgnoresAssigned,
    /// The container group goes before its agent.
    DeletesFirst,
    /// A name of our form is enough: no tags are asked for.
    TakesUntagged,
    /// The tag of the pool is not compared.
    TakesOtherPools,
    /// An agent without container group is taken down although it is online.
    TakesOnline,
    /// What is just made counts as left over.
    NoGrace,
    /// Deletions are not counted.
    NoBudget,
    /// What was created and is not listed yet is forgotten.
    ForgetsCreations,
    /// An unknown outcome counts as done.
    UnclearIsDone,
    /// What is kept for a look is not.
    IgnoresKept,
    /// The supervisor runs again after a restart.
    RunsTwice,
    /// Expired agents are never taken down.
    NeverExpires,
    /// Agents without container group are never taken down.
    IgnoresOrphans,
    /// Agents are read before container groups.
    AgentsFirst,
}
