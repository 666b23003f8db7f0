//! The `ephemeral-agents` command.

fn main() {}
