//! The `agent-supervisor` program.

fn main() {}
