//! The diagnostic logs: `_diag/Agent_20261123-102030-utc.log`, and one `Worker_…` per job.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock;

/// A diagnostic log file. Clones write to the same file; one that could not be opened swallows what it is told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Diagnostics(Option<Arc<Mutex<File>>>);

impl Diagnostics {
    /// Opens a new file of this kind (`Agent`, `Worker`) in the folder, which is made if it is missing.
    pub(crate) fn open(folder: &Path, kind: &str) -> Self {
        let path = folder.join(format!("{kind}_{}-utc.log", clock::file_stamp()));
        let file = std::fs::create_dir_all(folder)
            .and_then(|()| File::options().create(true).append(true).open(path))
            .ok();
        Self(file.map(|file| Arc::new(Mutex::new(file))))
    }

    /// Writes `[time INFO area] text`. Never give it a secret: the file outlives the job.
    pub(crate) fn info(&self, area: &str, text: &str) {
        self.write("INFO", area, text);
    }

    /// As [`Self::info`], for what went wrong.
    pub(crate) fn error(&self, area: &str, text: &str) {
        self.write("ERR ", area, text);
    }

    fn write(&self, level: &str, area: &str, text: &str) {
        if let Some(file) = &self.0 {
            let line = format!("[{} {level} {area}] {text}\n", clock::console_stamp());
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            // A full disk must not end the job.
            drop(file.write_all(line.as_bytes()));
        }
    }
}
