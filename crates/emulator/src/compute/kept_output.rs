//! What containers printed, in files that outlive their groups: a group that deletes itself takes its log with it, and
//! who looks for the reason of something comes later.
//!
//! Deviation from Azure, where a Log Analytics workspace would hold this.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// A folder with a file for each container.
#[derive(Debug)]
pub(super) struct KeptOutput {
    folder: PathBuf,
}

impl KeptOutput {
    pub(super) fn new(data: &Path) -> Self {
        let folder = data.join("logs");
        if let Err(error) = std::fs::create_dir_all(&folder) {
            tracing::warn!("{} cannot be made: {error}", folder.display());
        }
        Self { folder }
    }

    /// Adds a line. What cannot be kept is missed by people only.
    pub(super) fn keep(&self, group: &str, container: &str, line: &str) {
        let path = self.folder.join(format!("{group}.{container}.log"));
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        let kept = file.and_then(|mut file| writeln!(file, "{line}"));
        if let Err(error) = kept {
            tracing::warn!("{} does not hold all that was printed: {error}", path.display());
        }
    }
}
