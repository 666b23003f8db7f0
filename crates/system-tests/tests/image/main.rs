//! The agent image under a real engine: what only a container can show. Everything here needs the engine and the image
//! that `cargo xtask test` prepares; without one it cannot be tried, and `cargo xtask test` says so.
//!
//! The tests wait for `docker` while the emulator in their process works on, so they have threads for it.

mod azure;
mod azure_image;
mod build;
mod groups;
mod hostile;
mod limits;
mod network;
mod once;
mod own_image;
mod registry;
mod signals;
mod trust;
mod users_image;
