//! Clients that others wrote, against the emulator: they decide whether it is Azure.
//!
//! `cargo xtask test` installs them, in the versions of `xtask/src/versions.rs`, and names them: `AZURE_CLI`,
//! `SDK_PYTHON`, `DEVOPS_NODE_API`. Their scripts are in the folder `judges` of this crate. What each judges of the
//! emulator is listed in `docs/fidelity.md`.

mod azure_cli;
mod devops_node;
mod devops_python;
mod fidelity;
mod sdk_python;
mod support;

/// An image that says something of its variables, and stays.
const HELLO: (&str, &str) = ("hello", "echo \"$GREETING, ${#TOKEN} letters\"\nexec sleep 600");
