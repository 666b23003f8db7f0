//! Pipelines from end to end: an emulator in this process, plain HTTP towards it, and real stand-in agents.

mod refusals;
mod runs;
mod support;
