//! Clients that others wrote, against the emulator: they decide whether it is Azure.
//!
//! `cargo xtask test` installs them, in the versions of `xtask/src/versions.rs`, and names them: `AZURE_CLI`,
//! `SDK_PYTHON`, `DEVOPS_NODE_API`. Their scripts are in the folder `judges` of this crate. What each judges of the
//! emulator is listed in `docs/fidelity.md`.

mod devops_node;
mod devops_python;
mod sdk_python;
mod support;
