//! Azure DevOps as an agent's life needs it: pools, queues, agents, job requests, packages, and just-in-time
//! registration.
//!
//! An [`Organization`] is a base address and a credential; a [`PoolClient`] is one agent pool in it and implements
//! [`lifecycle::AgentPool`]. [`registration`] makes the key and the three small files with which an agent runs without
//! ever having seen the pool administrator's token.
//!
//! The wire's types stay inside (`wire`): what is public is `lifecycle`'s nouns and a few of our own.

pub mod registration;

mod access;
mod organization;
mod outcome;
mod packages;
mod pool_client;
mod pools;
mod wire;

pub use access::PipelinePermissions;
pub use organization::Organization;
pub use packages::{AgentPackage, AgentVersion};
pub use pool_client::PoolClient;
pub use pools::{Pool, PoolRight, Queue};
