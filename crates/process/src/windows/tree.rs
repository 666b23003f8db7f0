//! Killing a process and everything that came from it.

use super::jobs;

/// Kills the process and everything that descends from it.
pub(crate) fn kill_tree(root: u32) {
    jobs::kill(|id| id == root);
}

/// Kills every process that descends from this one, but not this one.
pub fn kill_descendants() {
    jobs::kill(|_| true);
}
