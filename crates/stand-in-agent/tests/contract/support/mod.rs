//! The server's side of the protocol for one agent, and an installation of the agent to play against it.
//!
//! It is written from the protocol's description alone and shares nothing with the agent or the emulator. It is strict:
//! a call without the right credential gets a challenge, an unknown one a 404.

pub(crate) mod agent;
pub(crate) mod server;
pub(crate) mod world;
