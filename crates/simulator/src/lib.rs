//! Worlds that fight back. The real core of [`lifecycle`] (observe, plan, lint, executor) works on two services in
//! memory, in virtual time, while everything goes wrong that can; one number decides all of it.
//!
//! [`run`] makes a world from a seed and lets it go: container groups, an agent pool, supervisors, people who
//! provision, delete and keep things, jobs, and two reapers with clocks of their own, one of which may serve waiting
//! jobs. After each step every [`Promise`] has to hold; when nothing goes wrong any more, all of it has to settle.
//! [`shrunk`] gives the least of a failure that is still one.
//!
//! Wall: no HTTP, no threads, no clock. Between any two calls of a port somebody else may have a turn.

mod bug;
mod faults;
mod lives;
mod promise;
mod reaper;
mod run;
mod services;
mod world;

#[cfg(test)]
mod tests;

pub use faults::{FAULTS, Fault, Strike};
pub use promise::{Promise, Violation};
pub use run::{Options, Run, SETTLES_WITHIN, run, shrunk};
