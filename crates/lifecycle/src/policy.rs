//! What is to be so: which agents are ours to plan for, how long each part of a life may take, how many there may be.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::OwnershipTags;

/// What a plan is made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// URL of the organization. Groups of another one are left alone.
    pub organization: String,
    /// Names of the agent pools. Groups of another pool are left alone.
    pub pools: Vec<String>,
    /// How long an agent may take to come online.
    pub start_deadline: Duration,
    /// How long an agent that was online may be offline while its container runs.
    pub offline_limit: Duration,
    /// How old something has to be before it counts as left over: what is younger may be in somebody's hands.
    pub grace: Duration,
    /// How many container groups may be deleted within an hour. Azure Container Instances allows 300.
    pub deletes_an_hour: usize,
    /// How many container groups there may be, of all these pools.
    pub capacity: usize,
    /// The agents that may be provisioned for waiting jobs; `None` wants none.
    pub offer: Option<Offer>,
}

/// What a new agent would offer to jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Position of its pool among [`Policy::pools`].
    pub pool: usize,
    /// Its capabilities, but for its name.
    pub capabilities: BTreeMap<String, String>,
}

impl Policy {
    /// Position of the pool that a group belongs to, if it is one of ours in our organization.
    pub fn pool_of(&self, ownership: &OwnershipTags) -> Option<usize> {
        let here = ownership.is_of(&self.organization);
        self.pools.iter().position(|pool| here && pool.eq_ignore_ascii_case(&ownership.pool))
    }
}
