//! `docs/troubleshooting.md`, held against what the programs really print.
//!
//! Its rows have five cells: the id by which a test names them; what is printed; what that means; what is printed as
//! the remedy; the exit code. In the printed cells `…` stands for anything. Rows on the supervisor, whose exit code is
//! always 0, have its outcome in the last cell.

use std::path::Path;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What tests call it.
    pub id: String,
    /// What is printed.
    pub printed: String,
    /// What it means.
    pub meaning: String,
    /// What to do; printed too.
    pub remedy: String,
    /// Exit code, or the supervisor's outcome.
    pub end: String,
}

/// Every row of the page.
pub fn rows() -> Vec<Row> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/troubleshooting.md");
    let text = std::fs::read_to_string(&page).expect("the page");
    text.lines().filter_map(row).collect()
}

fn row(line: &str) -> Option<Row> {
    let cells: Vec<String> =
        line.strip_prefix("| `")?.strip_suffix('|')?.split('|').map(|cell| cell.trim().to_owned()).collect();
    let [id, printed, meaning, remedy, end]: [String; 5] =
        cells.try_into().unwrap_or_else(|cells: Vec<_>| panic!("{} cells: {line}", cells.len()));
    Some(Row { id: id.trim_end_matches('`').to_owned(), printed, meaning, remedy, end })
}

/// Checks `text`, and how it ended, against the row of that id.
pub(crate) fn check(id: &str, text: &str, end: Option<&str>) {
    let rows = rows();
    let row = rows.iter().find(|row| row.id == id);
    let row = row.unwrap_or_else(|| panic!("docs/troubleshooting.md has no row `{id}` for:\n{text}"));
    for cell in [&row.printed, &row.remedy] {
        assert!(fits(cell, text), "docs/troubleshooting.md, row `{id}`: {cell}\nwas not printed:\n{text}");
    }
    assert_eq!(Some(row.end.as_str()), end, "docs/troubleshooting.md, row `{id}`; printed was:\n{text}");
}

/// Whether the parts between the `…` of a pattern stand in a text, one after the other. Spaces and back quotes do not
/// count: the page is Markdown, and messages have their lines broken.
fn fits(pattern: &str, text: &str) -> bool {
    let plain =
        |text: &str| text.replace('`', "").split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let (pattern, text) = (plain(pattern), plain(text));
    let mut rest = text.as_str();
    pattern.split('…').map(str::trim).all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::{fits, row};

    #[test]
    fn a_pattern_fits_in_order() {
        assert!(fits("the pool `…` is … full", "error: The pool `x` is\n  quite full."));
        assert!(!fits("full … pool", "the pool is full"));
        assert!(!fits("empty", "the pool is full"));
    }

    #[test]
    fn a_row_has_five_cells() {
        let row = row("| `id` | printed | meaning | remedy | 1 |").expect("a row");
        assert_eq!((row.id.as_str(), row.remedy.as_str(), row.end.as_str()), ("id", "remedy", "1"));
        assert_eq!(super::row("| what | else |"), None);
    }
}
