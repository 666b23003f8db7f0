//! Scripts in other languages, with the emulator's settings in their environment.

use std::path::{Path, PathBuf};

use system_tests::{Invocation, Printed, World};

/// A program that `cargo xtask test` names; `None` for somebody who runs these tests without it.
pub(crate) fn program(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from)
}

/// Where a script of the folder `judges` is.
pub(crate) fn script(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("judges").join(name).display().to_string()
}

/// Runs a command line, and fails with all that it printed unless it ends with 0.
pub(crate) async fn succeed(command: &Invocation) -> Printed {
    let printed = command.run().await;
    assert_eq!(printed.code, Some(0), "{}", printed.said());
    printed
}

/// Runs a script of the folder `judges`, and fails with all that it printed unless it ends with 0.
pub(crate) async fn judge(world: &World, program: &Path, name: &str) -> Printed {
    succeed(&world.client(program, &[&script(name)])).await
}
