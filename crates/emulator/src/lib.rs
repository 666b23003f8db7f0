//! Azure on one machine: Entra ID, Resource Manager and Azure DevOps over real HTTPS, with container groups that really
//! run and pipelines that really execute.
//!
//! It exists so that clients can be proven wrong. Therefore it uses no client of ours and shares no type with one, it
//! refuses what the services refuse, and whatever in it is assumed rather than documented says so where it stands.
//!
//! # How it is built
//! All it knows is one [`State`], changed in one place ([`Emulator::change`]) by plain functions over data. A change
//! may leave two things behind: a [`schedule::Due`] event, carried out when its moment comes, and an [`Effect`],
//! carried out by the shell right after the change (start a container, start a hosted agent). Time stands in the
//! state too, so that in step mode nothing happens until a test says so. The state is plain data and can be kept on
//! disk and taken up again.
//!
//! | module | part |
//! |---|---|
//! | [`http`] | TLS, routing without regard to case, requests and replies |
//! | [`entra`] | token endpoints, managed identity |
//! | [`arm`] | Resource Manager and its providers |
//! | [`backends`] | real services behind registries and storage accounts |
//! | [`compute`] | runs container groups, on Docker or as processes |
//! | [`devops`] | agent pools, agents, sessions, messages, job requests, plans |
//! | [`pipelines`] | runs pipelines from YAML, serves hosted pools |
//! | [`control`] | `/emulator/*`: state, faults, step mode |
//! | [`observer`] | somebody who sees every request and its reply |

#![expect(
    clippy::result_large_err,
    reason = "an Err is mostly a reply on its way to the client; boxing it gains nothing"
)]

pub mod arm;
pub mod backends;
pub mod compute;
pub mod control;
pub mod devops;
pub mod entra;
pub mod faults;
pub mod http;
pub mod journal;
pub mod jwt;
pub mod observer;
pub mod options;
pub mod pipelines;
pub mod schedule;
pub mod world;

mod certificates;
mod emulator;

pub use emulator::{Effect, Emulator, Running, StartError, State};
