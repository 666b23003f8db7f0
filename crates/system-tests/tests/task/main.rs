//! The pipeline task, out of the extension's package, on an agent of the hosted pool with real Node.
//!
//! `EXTENSION` names the package; `cargo xtask test` makes it.

mod connections;
mod doctor;
mod endings;
mod reaping;
mod refusals;
mod registries;
mod samples;
mod script;
mod support;
