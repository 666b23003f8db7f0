//! The users of the machine: programs are started as our own only.

use std::path::PathBuf;

/// Someone a program can be run as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: String,
    /// The home directory.
    pub home: PathBuf,
}

impl User {
    /// Nobody: see [`is_superuser`].
    pub fn find(_name: &str) -> Option<Self> {
        None
    }
}

/// Whether this process may start processes as other users: never, as safe code cannot.
pub fn is_superuser() -> bool {
    false
}
