//! The `agent-supervisor` program: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    supervisor::start::main(std::env::args_os())
}
