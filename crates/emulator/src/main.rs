//! The `azure-emulator` program.

fn main() {}
