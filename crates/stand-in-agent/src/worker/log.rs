//! The log of one timeline record: live to the reporter, whole to a page file that is uploaded at the end.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::masker::Masker;
use super::reporter::Reporter;
use crate::clock;
use crate::wire::models::LogReference;
use crate::wire::plans::PlanClient;

/// Where lines of a record go. Shared by whoever writes.
pub(crate) struct Log {
    record: String,
    masker: Masker,
    reporter: Arc<Reporter>,
    page: Mutex<Page>,
    path: PathBuf,
}

#[derive(Default)]
struct Page {
    file: Option<File>,
    lines: usize,
}

impl Log {
    /// A new log for a record; its page lies in `folder` until it is uploaded.
    pub(crate) fn new(record: &str, folder: &Path, masker: &Masker, reporter: &Arc<Reporter>) -> Self {
        let path = folder.join(format!("{record}.log"));
        let file = std::fs::create_dir_all(folder).and_then(|()| File::create(&path)).ok();
        Self {
            record: record.to_owned(),
            masker: masker.clone(),
            reporter: Arc::clone(reporter),
            page: Mutex::new(Page { file, lines: 0 }),
            path,
        }
    }

    /// Writes a text, line by line, without secrets.
    pub(crate) fn write(&self, text: &str) {
        let masked = self.masker.mask(text);
        let mut page = self.page.lock().unwrap_or_else(PoisonError::into_inner);
        for line in masked.split('\n') {
            let line = line.trim_end_matches('\r');
            page.lines += 1;
            let number = page.lines;
            if let Some(file) = &mut page.file {
                // A full disk costs the log, not the job.
                drop(writeln!(file, "{} {line}", clock::wire_stamp()));
            }
            self.reporter.line(&self.record, number, line);
        }
    }

    /// Uploads the whole log. Nothing if that did not work; the job does not depend on it.
    pub(crate) async fn upload(&self, plans: &PlanClient) -> Option<LogReference> {
        self.page.lock().unwrap_or_else(PoisonError::into_inner).file = None;
        let text = std::fs::read(&self.path).ok()?;
        let uploaded = plans.upload_log(&self.record, text).await.ok();
        drop(std::fs::remove_file(&self.path));
        uploaded
    }
}
