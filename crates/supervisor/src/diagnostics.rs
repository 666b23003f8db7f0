//! The agent's own logs: their end is what explains a failure, and they vanish with the container.

use std::{
    fs,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    time::SystemTime,
};

/// How much of each log is shown. Azure keeps 16 KB of a stopped container's output, and the last words must fit too.
const TAIL_BYTES: u64 = 5 * 1024;

/// The logs that are shown: the newest of each kind.
const KINDS: [&str; 2] = ["Agent_", "Worker_"];

/// The last lines of the newest agent log and the newest worker log, each under a heading.
pub fn tails(folder: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for log in KINDS.iter().filter_map(|kind| newest(folder, kind)) {
        lines.push(format!("--- end of {} ---", log.display()));
        lines.extend(tail(&log));
    }
    lines
}

fn newest(folder: &Path, kind: &str) -> Option<PathBuf> {
    let logs = fs::read_dir(folder).ok()?.filter_map(Result::ok);
    let logs = logs.filter(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with(kind) && name.ends_with(".log")
    });
    // The name breaks ties: it holds the time, too.
    logs.max_by_key(|log| {
        (log.metadata().and_then(|data| data.modified()).unwrap_or(SystemTime::UNIX_EPOCH), log.file_name())
    })
    .map(|log| log.path())
}

fn tail(log: &Path) -> Vec<String> {
    let Ok(mut file) = fs::File::open(log) else { return Vec::new() };
    let length = file.metadata().map_or(0, |data| data.len());
    let cut = length > TAIL_BYTES;
    let mut bytes = Vec::new();
    let start = SeekFrom::Start(length.saturating_sub(TAIL_BYTES));
    if file.seek(start).and_then(|_| file.take(TAIL_BYTES).read_to_end(&mut bytes)).is_err() {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(&bytes);
    // The first line of a tail is half a line.
    text.lines().skip(usize::from(cut)).map(str::to_owned).collect()
}

/// How the agent's own update went. The update script renames its log when it is done.
pub mod update {
    use std::{collections::BTreeSet, ffi::OsString, fs, path::Path, time::Duration};

    /// How often the folder is looked at.
    const PAUSE: Duration = Duration::from_millis(100);

    /// The update logs that have ended.
    pub fn ended(folder: &Path) -> BTreeSet<OsString> {
        let Ok(entries) = fs::read_dir(folder) else { return BTreeSet::new() };
        let names = entries.filter_map(Result::ok).map(|entry| entry.file_name());
        names
            .filter(|name| {
                let name = name.to_string_lossy();
                name.starts_with("SelfUpdate-") && (name.ends_with(".succeed") || name.ends_with(".failed"))
            })
            .collect()
    }

    /// Waits for an update log that was not among `before` to end.
    pub async fn wait(folder: &Path, before: &BTreeSet<OsString>) -> Result<(), String> {
        loop {
            if let Some(name) = ended(folder).difference(before).next() {
                let name = name.to_string_lossy().into_owned();
                return if name.ends_with(".succeed") {
                    Ok(())
                } else {
                    Err(format!("its log is {}", folder.join(name).display()))
                };
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_logs_are_shown_from_a_line_start() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("Agent_20260101-000000-utc.log", "old");
        write("Agent_20260102-000000-utc.log", &format!("{}\nlast", "x".repeat(6000)));
        write("Worker_20260102-000000-utc.log", "one\ntwo\n");
        write("pages", "no log");
        let lines = tails(folder.path());
        assert!(lines[0].ends_with("Agent_20260102-000000-utc.log ---"), "{}", lines[0]);
        assert_eq!(lines[1], "last");
        assert_eq!(lines[3..], ["one", "two"]);
        assert!(tails(&folder.path().join("none")).is_empty());
    }

    #[test]
    fn an_update_of_before_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| fs::write(folder.path().join(name), "").unwrap();
        write("SelfUpdate-1.log.failed");
        let before = update::ended(folder.path());
        write("SelfUpdate-2.log.succeed");
        write("SelfUpdate-3.log");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        assert_eq!(runtime.block_on(update::wait(folder.path(), &before)), Ok(()));
        write("SelfUpdate-4.log.failed");
        let mut later = before;
        later.insert("SelfUpdate-2.log.succeed".into());
        assert!(runtime.block_on(update::wait(folder.path(), &later)).is_err());
    }
}
