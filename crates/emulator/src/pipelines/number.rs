//! What people call a run: `name:` of the pipeline, filled in.

use jiff::Timestamp;

use super::run::Shades;
use super::variables::expand;

/// The service's format where a pipeline has none.
const DEFAULT: &str = "$(Date:yyyyMMdd).$(Rev:r)";

/// The number of a run. `used` are the numbers of earlier runs of the pipeline: the revision is the first that is free.
pub(crate) fn run_number(format: Option<&str>, now: Timestamp, variables: &Shades, used: &[&str]) -> String {
    let dated = replace(format.unwrap_or(DEFAULT), "Date:", |pattern| date(now, pattern));
    let named = expand(&dated, variables);
    let with_revision = |revision: u64| {
        replace(&named, "Rev:", |pattern| {
            let digits = pattern.chars().filter(|c| *c == 'r').count();
            let prefix: String = pattern.chars().take_while(|c| *c != 'r').collect();
            format!("{prefix}{revision:0digits$}")
        })
    };
    let first = with_revision(1);
    if first == named {
        return first;
    }
    // Of one more than there are, one is free.
    let candidates = (1..=used.len() as u64 + 1).map(with_revision);
    let mut free = candidates.filter(|number| !used.contains(&number.as_str()));
    free.next().unwrap_or(first)
}

/// Puts something else in the place of each `$(prefix…)`.
fn replace(text: &str, prefix: &str, by: impl Fn(&str) -> String) -> String {
    let start = format!("$({prefix}");
    let mut replaced = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(&start) {
        let Some((pattern, after)) = after.split_once(')') else { break };
        replaced.push_str(before);
        replaced.push_str(&by(pattern));
        rest = after;
    }
    replaced.push_str(rest);
    replaced
}

/// A moment by .NET's letters, as far as run numbers use them.
fn date(now: Timestamp, pattern: &str) -> String {
    const LETTERS: [(&str, &str); 8] = [
        ("yyyy", "%Y"),
        ("yy", "%y"),
        ("MM", "%m"),
        ("dd", "%d"),
        ("HH", "%H"),
        ("hh", "%I"),
        ("mm", "%M"),
        ("ss", "%S"),
    ];
    let mut shown = String::new();
    let mut rest = pattern;
    'next: while let Some(first) = rest.chars().next() {
        for (letters, format) in LETTERS {
            if let Some(after) = rest.strip_prefix(letters) {
                shown.push_str(&now.strftime(format).to_string());
                rest = after;
                continue 'next;
            }
        }
        shown.push(first);
        rest = &rest[first.len_utf8()..];
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::run_number;
    use crate::pipelines::run::Shade;

    #[test]
    fn numbers_are_filled_in_and_used_once() {
        let now = "2026-11-24T04:05:06Z".parse().expect("time");
        let variables = vec![("flavor".to_owned(), Shade::open("red"))];
        let number = |format, used: &[&str]| run_number(format, now, &variables, used);
        assert_eq!(number(None, &[]), "20261124.1");
        assert_eq!(number(None, &["20261124.1", "20261124.2"]), "20261124.3");
        assert_eq!(
            number(Some("$(flavor)-$(Date:yy.MM.dd-HH:mm:ss)$(Rev:.rr)"), &[]),
            "red-26.11.24-04:05:06.01"
        );
        assert_eq!(number(Some("fixed"), &["fixed"]), "fixed");
        assert_eq!(number(Some("$(unknown)"), &[]), "$(unknown)");
    }
}
