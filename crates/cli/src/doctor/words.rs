//! How it stands, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::checks::{Note, State};
use crate::errors::Blame;
use crate::report::table::table;

fn state(note: &Note) -> &'static str {
    match note.state {
        State::Ok => "ok",
        State::Warning => "warning",
        State::NotChecked => "not checked",
        State::Failed(_) => "failed",
    }
}

/// A table of everything, and below each row that is not as it has to be what it means and what to do.
pub(super) fn text(notes: &[Note]) -> String {
    let row =
        |note: &Note| [note.subject.words().to_owned(), state(note).to_owned(), note.what.replace('\n', " ")];
    let table = table(["CHECK", "STATE", "FOUND"], &notes.iter().map(row).collect::<Vec<_>>());
    let mut lines = table.lines();
    let header = lines.next().unwrap_or_default();
    let below = " ".repeat(header.find("FOUND").unwrap_or_default());
    let mut text = format!("{header}\n");
    for (line, note) in lines.zip(notes) {
        let _ = writeln!(text, "{line}");
        if let Some(remedy) = &note.remedy {
            let _ = writeln!(text, "{below}{}\n{below}To do: {remedy}", consequence(note));
        }
    }
    let count = |wanted: &str| notes.iter().filter(|note| state(note) == wanted).count();
    let (fine, warnings, failed) = (count("ok"), count("warning"), count("failed"));
    let warnings = if warnings == 1 { "1 warning".to_owned() } else { format!("{warnings} warnings") };
    let _ = writeln!(text, "\n{fine} ok, {warnings}, {failed} failed.");
    text
}

fn consequence(note: &Note) -> String {
    let meaning = note.subject.meaning();
    if note.state == State::Warning { format!("It may be that {meaning}.") } else { format!("So {meaning}.") }
}

/// The same for programs.
pub(super) fn json(notes: &[Note]) -> Value {
    let check = |note: &Note| {
        json!({
            "check": note.subject.words().to_ascii_lowercase().replace(' ', "-"),
            "state": state(note).replace(' ', "-"),
            "found": note.what,
            "meaning": note.remedy.as_ref().map(|_| note.subject.meaning()),
            "remedy": note.remedy,
        })
    };
    json!({ "version": 1, "checks": notes.iter().map(check).collect::<Vec<_>>() })
}

/// What would not work, in the order of the table, each once.
pub(super) fn failed(notes: &[Note]) -> Vec<&'static str> {
    let mut failed: Vec<_> = notes
        .iter()
        .filter(|note| matches!(note.state, State::Failed(_)))
        .map(|note| note.subject.words())
        .collect();
    failed.dedup();
    failed
}

/// Whose it is: the services' where nothing is for the user to correct.
pub(super) fn blame(notes: &[Note]) -> Blame {
    let is_users = notes.iter().any(|note| note.state == State::Failed(Blame::User));
    if is_users { Blame::User } else { Blame::Service }
}
