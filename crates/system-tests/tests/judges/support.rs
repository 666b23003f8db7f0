//! Scripts in other languages, with the emulator's settings in their environment.

use std::path::{Path, PathBuf};

use system_tests::{Printed, World};

/// A program that `cargo xtask test` names; `None` for somebody who runs these tests without it.
pub(crate) fn program(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from)
}

/// Runs a script of the folder `judges`, and fails with all that it printed unless it ends with 0.
pub(crate) async fn judge(world: &World, program: &Path, script: &str) -> Printed {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("judges").join(script);
    let printed = world.client(program, &[&script.display().to_string()]).run().await;
    assert_eq!(printed.code, Some(0), "{}", printed.said());
    printed
}
