//! One ephemeral agent's life, as data.
//!
//! An *ephemeral agent* is a pair under one [`AgentName`]: a container group in Azure Container Instances and an agent
//! registered in an agent pool. This crate has the nouns of both services as we need them, the [`stage`] table that
//! says where a pair is in its life, and the two ports, [`ComputeBackend`] and [`AgentPool`], through which everything
//! else reaches the services. Each port has a conformance suite in [`conformance`] that every implementation passes.
//!
//! Wall: the standard library only. No I/O, no clock, no randomness, no serialization: what is decided here can be
//! replayed, simulated and read.

pub mod conformance;

mod compute;
mod name;
mod pool;
mod stage;
mod tags;
mod timestamp;

pub use compute::{ComputeBackend, ComputeError, ComputePhase, ContainerGroup};
pub use name::{AgentName, NameError};
pub use pool::{Agent, AgentPool, AgentStatus, JobRequest, PoolError, Removal};
pub use stage::{Ended, Registration, Stage, stage};
pub use tags::{MANAGED_BY, OwnershipTags};
pub use timestamp::Timestamp;
