//! Misbehaviour on demand: what the official agent is known to do wrong, so that a supervisor can be tested against it.
//!
//! `STAND_IN_MISBEHAVE` in the agent's environment (or its `.env`) is a comma list of:
//!
//! | word | what happens | known from |
//! |---|---|---|
//! | `exit:N` | `run` ends with N at once, before it connects | exit code table |
//! | `exit-before-job:N` | `run` listens, deletes its session and ends with N, once per installation; with 3 or 4 it leaves an update script behind that polls `/proc/<pid>` | self-update |
//! | `update-fails` | the update script left behind by `exit-before-job` reports failure | full disk |
//! | `update-hangs` | it never ends, and reports nothing | |
//! | `exit-after-job:N` | `run --once` ends with N instead of 0 after its job | update during the job |
//! | `hang-after-job` | `run --once` deletes its session after the job and never exits | issue 5563 |
//! | `hang-configure` | `configure` never ends | replace loop |
//! | `ignore-sigint` | SIGINT does nothing | background job of a shell |
//! | `ignore-sigterm` | SIGTERM does nothing | |
//! | `die-on-sigterm` | SIGTERM ends the listener at once, session and job left hanging | 5.x on .NET 10 |
//! | `slow-worker:N` | the worker waits N more seconds when it is told to stop | slow tasks |
//! | `orphan` | `run` leaves a grandchild behind that sleeps with standard output open | forgotten daemons |
//! | `remove-busy:N` | `remove` is refused N times with "running a job", then works | issue 3994 |
//! | `localised` | output in German | process culture |
//! | `crlf` | output lines end in CR LF | |
//! | `long-lines` | a line of 100 000 characters and one that is not UTF-8 before the first message | |
//! | `close-stdout` | standard output is closed after "Listening for Jobs" | |

use std::path::{Path, PathBuf};
use std::process::Stdio;

/// The variable that asks for misbehaviour.
pub(crate) const VARIABLE: &str = "STAND_IN_MISBEHAVE";

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Misbehaviour {
    words: Vec<(String, Option<u32>)>,
    marks: PathBuf,
}

impl Misbehaviour {
    /// Reads the comma list. What has happened already is remembered in files in `marks`.
    pub(crate) fn parse(list: &str, marks: &Path) -> Self {
        let word = |word: &str| match word.split_once(':') {
            Some((name, number)) => (name.to_owned(), number.parse().ok()),
            None => (word.to_owned(), None),
        };
        let words = list.split(',').map(str::trim).filter(|text| !text.is_empty()).map(word).collect();
        Self { words, marks: marks.to_owned() }
    }

    /// Whether a word is in the list.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.words.iter().any(|(word, _)| word == name)
    }

    /// The number after a word.
    pub(crate) fn number(&self, name: &str) -> Option<u32> {
        self.words.iter().find(|(word, _)| word == name).and_then(|(_, number)| *number)
    }

    /// The number after a word, as an exit code.
    pub(crate) fn exit_code(&self, name: &str) -> Option<u8> {
        self.number(name).and_then(|number| u8::try_from(number).ok())
    }

    /// Whether a thing that may happen `times` times in the life of this installation may happen once more; counts it.
    pub(crate) fn once_more(&self, name: &str, times: u32) -> bool {
        let file = self.marks.join(format!("misbehaviour-{name}"));
        let done: u32 = std::fs::read_to_string(&file).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
        done < times
            && std::fs::create_dir_all(&self.marks).is_ok()
            && std::fs::write(&file, (done + 1).to_string()).is_ok()
    }

    /// Starts a grandchild in a session of its own that keeps standard output open for an hour.
    pub(crate) fn leave_orphan(&self) {
        if self.has("orphan") {
            start_script("setsid sleep 3600 &");
        }
    }

    /// Starts what a self-update leaves behind: a script that waits until this process is gone, then renames its log.
    pub(crate) fn leave_update_script(&self) {
        let log = self.marks.join("SelfUpdate-stand-in.log");
        let (log, pid) = (log.display(), std::process::id());
        let end = if self.has("update-hangs") {
            "exec sleep 3600".to_owned()
        } else {
            let word = if self.has("update-fails") { "failed" } else { "succeed" };
            format!("mv '{log}' '{log}.{word}'")
        };
        start_script(&format!(
            "(: > '{log}'; while [ -e /proc/{pid} ]; do ping -c 1 -W 1 127.0.0.1 >/dev/null 2>&1; done; {end}) \
             >/dev/null 2>&1 &"
        ));
    }

    /// One line of output as the misbehaviour has it, with its line end.
    pub(crate) fn line(&self, text: &str) -> String {
        let text = if self.has("localised") { german(text) } else { text.to_owned() };
        format!("{text}{}", if self.has("crlf") { "\r\n" } else { "\n" })
    }
}

/// Runs a shell script that puts its work into the background, and waits for the shell only.
fn start_script(script: &str) {
    let started = std::process::Command::new("/bin/sh").args(["-c", script]).stdin(Stdio::null()).status();
    // A machine without a shell cannot misbehave in this way; nothing else depends on it.
    drop(started);
}

/// The agent's lines in German, as a person with `LANG=de_DE` sees them (our own translation).
fn german(text: &str) -> String {
    [
        ("Listening for Jobs", "Es wird auf Aufträge gewartet"),
        ("Running job", "Auftrag wird ausgeführt"),
        ("completed with result: Succeeded", "wurde mit folgendem Ergebnis abgeschlossen: Erfolgreich"),
        ("completed with result", "wurde mit folgendem Ergebnis abgeschlossen"),
        ("Exiting...", "Wird beendet..."),
        ("Settings Saved.", "Einstellungen gespeichert."),
        ("Successfully added the agent", "Der Agent wurde hinzugefügt"),
        ("Job ", "Auftrag "),
    ]
    .iter()
    .fold(text.to_owned(), |text, (english, german)| text.replace(english, german))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_is_read() {
        let misbehaviour =
            Misbehaviour::parse("exit-before-job:4, hang-after-job,,exit:x", Path::new("/nowhere"));
        assert_eq!(misbehaviour.exit_code("exit-before-job"), Some(4));
        assert!(misbehaviour.has("hang-after-job"));
        assert!(misbehaviour.has("exit"));
        assert_eq!(misbehaviour.exit_code("exit"), None);
        assert!(!misbehaviour.has("crlf"));
    }

    #[test]
    fn counted_things_happen_that_often() {
        let folder = tempfile::tempdir().unwrap();
        let misbehaviour = Misbehaviour::parse("remove-busy:2", folder.path());
        let happened: Vec<_> = (0..4).map(|_| misbehaviour.once_more("remove-busy", 2)).collect();
        assert_eq!(happened, [true, true, false, false]);
    }

    #[test]
    fn lines_are_dressed_up() {
        let plain = Misbehaviour::default();
        assert_eq!(plain.line("Listening for Jobs"), "Listening for Jobs\n");
        let odd = Misbehaviour::parse("localised,crlf", Path::new(""));
        assert_eq!(
            odd.line("x: Job J completed with result: Succeeded"),
            "x: Auftrag J wurde mit folgendem Ergebnis abgeschlossen: Erfolgreich\r\n"
        );
    }
}
