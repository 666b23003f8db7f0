//! One ephemeral agent's life, as data.
//!
//! An *ephemeral agent* is a pair under one [`AgentName`]: a container group in Azure Container Instances and an agent
//! registered in an agent pool. This crate has the nouns of both services as we need them, the [`stage`] table that
//! says where a pair is in its life, and the two ports, [`ComputeBackend`] and [`AgentPool`], through which everything
//! else reaches the services. Each port has a conformance suite in [`conformance`] that every implementation passes.
//!
//! What becomes of a whole pool is decided in one pass: [`observe`] reads both services into a [`Snapshot`], [`plan`]
//! says what to do about it and why, [`lint`] refuses a plan that breaks a rule, and an [`Executor`] carries it out.
//!
//! Wall: the standard library only. No I/O, no clock, no randomness, no serialization: what is decided here can be
//! replayed, simulated and read.

pub mod conformance;
pub mod in_memory;

mod compute;
mod demands;
mod execute;
mod lint;
mod memory;
mod name;
mod plan;
mod policy;
mod pool;
mod snapshot;
mod stage;
mod tags;
mod timestamp;

#[cfg(test)]
mod worlds;

pub use compute::{ComputeBackend, ComputeError, ComputePhase, ContainerGroup};
pub use demands::demands_met;
pub use execute::{Executor, Outcome, Record, Step, Wait};
pub use lint::{Breach, Rule, lint};
pub use memory::Memory;
pub use name::{AgentName, NameError};
pub use plan::{Action, Plan, Planned, Reason, Retire, plan, registration};
pub use policy::{Offer, Policy};
pub use pool::{Agent, AgentPool, AgentStatus, JobRequest, PoolError, Removal};
pub use snapshot::{ObserveError, PlacedGroup, PooledAgent, PooledRequest, Reading, Snapshot, observe};
pub use stage::{Ended, Registration, Stage, stage};
pub use tags::{KEPT_UNTIL, MANAGED_BY, OwnershipTags, RETIRING};
pub use timestamp::Timestamp;
