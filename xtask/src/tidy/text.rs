//! What stands in the files: lengths, forbidden words, where secrets are taken out, links that lead nowhere.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::programs::{output, root};

/// A file of code has one subject; one that grows longer has two.
const LONGEST_FILE: usize = 700;

/// Longest line of a comment, but for tables and drawings. The lines of code are the formatter's.
const LONGEST_LINE: usize = 120;

/// Words that no file may hold, in two halves so that this one does not, and why.
const FORBIDDEN: &[(&str, &str, &str)] = &[
    ("TO", "DO", "finish it, or write an issue"),
    ("FIX", "ME", "mend it, or write an issue"),
    ("todo", "!(", "finish it"),
    ("unimplemented", "!(", "finish it"),
    ("#[ign", "ore", "a test that is not run proves nothing"),
    ("/work", "/main", "a path of one machine"),
    ("allow(dead", "_code", "delete what nothing uses"),
];

/// Where `Secret::expose` may be called: on the way to the wire, to a child, to a file only its owner reads.
const EXPOSE: &[&str] = &[
    "crates/redact/",
    "crates/azure-http/",
    "crates/azure-devops/",
    "crates/azure-resources/",
    "crates/supervisor/",
    "crates/cli/",
];

/// Every breach in the files that git knows.
pub(super) fn breaches() -> Result<Vec<String>> {
    let files = output(
        Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard"])
            .current_dir(root()),
    )?;
    let mut breaches = Vec::new();
    for file in files.lines() {
        // What is no text is none of our business; what was deleted is not there.
        let Ok(content) = std::fs::read_to_string(root().join(file)) else { continue };
        breaches.extend(in_file(file, &content));
        if has_extension(file, "md") {
            breaches.extend(broken_links(file, &content, |target| root().join(target).exists()));
        }
    }
    Ok(breaches)
}

fn in_file(file: &str, content: &str) -> Vec<String> {
    let mut breaches = Vec::new();
    for (head, tail, why) in FORBIDDEN {
        let word = format!("{head}{tail}");
        let hits = content.lines().enumerate().filter(|(_, line)| line.contains(&word));
        breaches.extend(hits.map(|(index, _)| format!("{file}:{}: {word}: {why}", index + 1)));
    }
    if !has_extension(file, "rs") {
        return breaches;
    }
    let lines = content.lines().count();
    if lines > LONGEST_FILE {
        breaches.push(format!("{file}: {lines} lines; {LONGEST_FILE} is the most for one subject"));
    }
    let is_prose = |line: &str| line.trim_start().starts_with("//") && !line.contains(['|', '─']);
    let long =
        content.lines().enumerate().filter(|(_, line)| is_prose(line) && line.chars().count() > LONGEST_LINE);
    breaches.extend(
        long.map(|(index, _)| format!("{file}:{}: longer than {LONGEST_LINE} characters", index + 1)),
    );
    if content.contains(".expose()")
        && file != "xtask/src/tidy/text.rs"
        && !EXPOSE.iter().any(|allowed| file.starts_with(allowed))
    {
        breaches.push(format!(
            "{file}: takes a secret out; that is for the crates named in xtask/src/tidy/text.rs"
        ));
    }
    breaches
}

fn has_extension(file: &str, extension: &str) -> bool {
    Path::new(file).extension().is_some_and(|found| found == extension)
}

/// Links of a page to files that are not there. A picture may be drawn from its source when it is needed.
fn broken_links(file: &str, content: &str, exists: impl Fn(&Path) -> bool) -> Vec<String> {
    let folder = Path::new(file).parent().unwrap_or(Path::new(""));
    let targets = content.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets
        .map(|target| target.split('#').next().unwrap_or_default())
        .filter(|target| !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:"))
        .filter(|target| !exists(&folder.join(target)) && !exists(&source_of(&folder.join(target))))
        .map(|target| format!("{file}: the link to {target} leads nowhere"))
        .collect()
}

/// What a picture is drawn from; of anything else, itself.
fn source_of(path: &Path) -> std::path::PathBuf {
    if path.extension().is_some_and(|extension| extension == "png") {
        path.with_extension("svg")
    } else {
        path.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{broken_links, in_file};

    #[test]
    fn forbidden_words_are_found_with_their_line() {
        let word = ["TO", "DO"].concat();
        assert_eq!(
            in_file("a.rs", &format!("fine\n// {word}: later\n")),
            [format!("a.rs:2: {word}: finish it, or write an issue")]
        );
        assert!(in_file("a.rs", "all is well\n").is_empty());
    }

    #[test]
    fn long_files_and_lines_are_found() {
        assert!(in_file("a.rs", &"x\n".repeat(701))[0].contains("701 lines"));
        assert!(in_file("a.rs", &format!("// {}", "x".repeat(118)))[0].contains("a.rs:1"));
        assert!(in_file("a.rs", &"x".repeat(121)).is_empty());
        assert!(in_file("a.md", &"x".repeat(121)).is_empty());
    }

    #[test]
    fn a_secret_is_taken_out_only_where_it_may_be() {
        assert_eq!(in_file("crates/emulator/src/a.rs", "secret.expose()").len(), 1);
        assert_eq!(in_file("crates/azure-http/src/a.rs", "secret.expose()").len(), 0);
    }

    #[test]
    fn links_lead_somewhere() {
        let page = "[a](there.md) [b](gone.md#part) [c](https://example.org) [d](#here)";
        let found = broken_links("docs/page.md", page, |path| path.ends_with("docs/there.md"));
        assert_eq!(found, ["docs/page.md: the link to gone.md leads nowhere"]);
        let drawn = |path: &std::path::Path| path.ends_with("docs/drawn.svg");
        assert!(broken_links("docs/page.md", "![a](drawn.png)", drawn).is_empty());
    }
}
