//! Pipelines from end to end: an emulator in this process, plain HTTP towards it, and real stand-in agents.

mod command_line;
mod connections;
mod extensions;
mod refusals;
mod runs;
mod support;
mod vsix;
