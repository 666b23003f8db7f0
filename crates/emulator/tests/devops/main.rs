//! Azure DevOps as foreign clients see it: an emulator in this process, and plain HTTP and JSON.

mod access;
mod agents;
mod discovery;
mod jobs;
mod listening;
mod packages;
mod plans;
mod support;
