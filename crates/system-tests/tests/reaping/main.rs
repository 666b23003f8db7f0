//! `ephemeral-agents reap`: every kind of leftover is found, said and removed, and nothing else is touched.

mod continuous;
mod leftovers;
mod refused;
mod scale;
mod support;
mod untouched;
