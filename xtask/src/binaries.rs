//! Our own programs, built.

use std::path::PathBuf;

use anyhow::Result;

use crate::programs::{cargo, execute, target};

/// The programs of a run, in one folder.
pub(crate) struct Binaries {
    folder: PathBuf,
}

impl Binaries {
    /// Builds them as tests use them: quick to build.
    pub(crate) fn build() -> Result<Self> {
        execute(&mut cargo(&["build", "--quiet", "--bins", "--workspace", "--exclude", "xtask"]))?;
        Ok(Self { folder: target().join("debug") })
    }

    /// Builds the programs that go into images and extensions as they are shipped there: static, stripped, small.
    pub(crate) fn build_for_shipping() -> Result<Self> {
        let triple = "x86_64-unknown-linux-gnu";
        let mut build = cargo(&["build", "--quiet", "--profile", "dist", "--target", triple]);
        build.args(["--package", "supervisor", "--package", "cli", "--package", "stand-in-agent", "--bins"]);
        execute(build.env("RUSTFLAGS", "-C target-feature=+crt-static"))?;
        Ok(Self { folder: target().join(triple).join("dist") })
    }

    /// Those that lie in a folder already.
    pub(crate) fn in_folder(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Where one of them lies.
    pub(crate) fn path(&self, program: &str) -> PathBuf {
        self.folder.join(program)
    }
}
