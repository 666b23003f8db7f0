//! Our programs: those that `cargo xtask test` has built and named, else built here.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A program of ours.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Program {
    /// `ephemeral-agents`
    Cli,
    /// `agent-supervisor`
    Supervisor,
    /// `stand-in-agent`
    StandInAgent,
    /// `azure-emulator`
    Emulator,
    /// `hostile-job`
    HostileJob,
}

impl Program {
    fn name(self) -> &'static str {
        match self {
            Self::Cli => "ephemeral-agents",
            Self::Supervisor => "agent-supervisor",
            Self::StandInAgent => "stand-in-agent",
            Self::Emulator => "azure-emulator",
            Self::HostileJob => "hostile-job",
        }
    }

    /// Where it is.
    pub(crate) fn path(self) -> PathBuf {
        folder().join(self.name())
    }
}

/// The folder of `PROGRAMS`, else the one that cargo builds into.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| std::env::var_os("PROGRAMS").map_or_else(build, PathBuf::from))
}

fn build() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--bins", "--workspace", "--exclude", "xtask"])
        .args(["--message-format", "json"])
        .current_dir(workspace)
        .output()
        .expect("cargo runs");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let messages = String::from_utf8_lossy(&built.stdout);
    let program = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .find_map(|message| message["executable"].as_str().map(PathBuf::from));
    let program = program.expect("cargo says what it built");
    program.parent().expect("a folder").to_owned()
}
