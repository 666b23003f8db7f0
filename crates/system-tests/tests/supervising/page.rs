//! The page itself: nothing on it that no test plays, and no outcome that is not on it.

use std::collections::BTreeSet;
use std::path::Path;

/// The names of outcomes, read in the supervisor's source: `Self::NoJob { .. } => "no-job",`.
fn outcomes() -> BTreeSet<String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../supervisor/src/outcome.rs");
    let text = std::fs::read_to_string(source).expect("the supervisor's source");
    let name = text.split("pub fn name(").nth(1).expect("the names");
    let name = name.split("pub fn is_failure(").next().expect("their end");
    name.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_outcome_is_on_it_and_nothing_else() {
    let rows = system_tests::rows();
    let ends = rows.into_iter().map(|row| row.end).filter(|end| end.parse::<i32>().is_err());
    let outcomes = outcomes();
    assert!(outcomes.len() > 10, "{outcomes:?}");
    assert_eq!(ends.collect::<BTreeSet<_>>(), outcomes);
}

#[test]
fn every_row_on_a_life_is_played_by_a_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/supervising");
    let files = std::fs::read_dir(folder).expect("the tests").flatten();
    let tests: String = files.filter_map(|file| std::fs::read_to_string(file.path()).ok()).collect();
    let rows = system_tests::rows();
    let lives = rows.iter().filter(|row| row.end.parse::<i32>().is_err());
    let unplayed: Vec<_> = lives.filter(|row| !tests.contains(&format!("\"{}\"", row.id))).collect();
    assert!(unplayed.is_empty(), "{unplayed:?}");
}
