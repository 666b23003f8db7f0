//! Child processes, for programs that answer for everything they start.
//!
//! A [`Command`] starts a program in a process group of its own, with exactly the environment it is given, no standard
//! input, default signal dispositions and an empty signal mask, and optionally as another user. What it prints arrives
//! as bounded [`Lines`]; how it ended is told to everyone who asks ([`Child::wait`]) and can never be lost, not even to
//! the [`Reaper`] that collects orphans when we are the first process of a container. [`Child::stop`] asks politely,
//! waits, and then kills the whole tree.
//!
//! Nothing here knows what the programs are for. Everything that differs between operating systems is in one module
//! behind the same names.

mod child;
mod command;
mod output;

#[cfg(unix)]
#[path = "unix/mod.rs"]
mod platform;
#[cfg(windows)]
#[path = "windows/mod.rs"]
mod platform;

pub use child::{Child, Exit, Reach, Signal};
pub use command::{Command, SpawnError};
pub use output::{LINE_BYTES_MAX, Line, Lines, Stream};
// Windows replaces no process by another, lets a child inherit nothing that is not meant for it, and keeps no process
// from reading another one of the same user.
pub use platform::reaper::Reaper;
pub use platform::tree::kill_descendants;
pub use platform::users::{User, is_superuser};
#[cfg(unix)]
pub use platform::{
    handover,
    hardening::{close_inherited_files, forbid_inspection, set_process_name},
};
