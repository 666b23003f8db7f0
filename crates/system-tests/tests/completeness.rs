//! A fault that no test plays, or a row of the troubleshooting page that no test holds against what is printed, is one
//! that nobody knows to be true.

use std::path::{Path, PathBuf};

/// Every file of Rust below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// The text of every test: of each crate's `tests`, and of what follows `mod tests` in its `src`.
fn tests() -> String {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let crates = std::fs::read_dir(workspace.join("crates")).expect("the crates").flatten();
    let folders: Vec<PathBuf> = crates.map(|entry| entry.path()).collect();
    let read = |path: PathBuf| std::fs::read_to_string(path).expect("a file of ours");
    let inner = |path: PathBuf| read(path).split_once("mod tests {").map(|(_, tests)| tests.to_owned());
    let of_crates = folders.iter().flat_map(|folder| files(&folder.join("tests"))).map(read);
    let of_modules = folders.iter().flat_map(|folder| files(&folder.join("src"))).filter_map(inner);
    of_crates.chain(of_modules).collect()
}

#[test]
fn every_row_of_the_page_is_held_against_what_is_printed() {
    let tests = tests();
    let rows = system_tests::rows();
    let unknown: Vec<&str> =
        rows.iter().map(|row| row.id.as_str()).filter(|id| !tests.contains(&format!("\"{id}\""))).collect();
    assert_eq!(unknown, Vec::<&str>::new(), "no test looks at them");
    let mut ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    ids.sort_unstable();
    let twice: Vec<_> = ids.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert_eq!(twice, Vec::<&[&str]>::new(), "two rows of one name");
}

#[test]
fn every_knob_is_turned_by_a_test() {
    let tests = tests();
    let unknown: Vec<&str> = emulator::faults::knobs()
        .map(|knob| knob.name)
        .filter(|name| !tests.contains(&format!("\"{name}\"")))
        .collect();
    assert_eq!(unknown, Vec::<&str>::new(), "no test turns them");
}
