//! Hides secrets in everything the worker sends or prints.

use std::collections::BTreeSet;
use std::sync::{Arc, RwLock};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use url::form_urlencoded;

/// What is shown instead.
const MASK: &str = "***";

/// The values to hide. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Masker(Arc<RwLock<BTreeSet<String>>>);

impl Masker {
    /// Hides a value from now on: as it is, line by line, and in the forms it takes in JSON, XML, addresses and base64.
    pub(crate) fn add(&self, secret: &str) {
        let mut known = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        for part in std::iter::once(secret).chain(secret.lines()).map(str::trim_end) {
            if !part.trim().is_empty() {
                known.extend(forms(part));
            }
        }
    }

    /// The text without secrets. Overlapping secrets become one mask.
    pub(crate) fn mask(&self, text: &str) -> String {
        let known = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut hidden: Vec<(usize, usize)> = known
            .iter()
            .flat_map(|secret| occurrences(text, secret).map(|start| (start, start + secret.len())))
            .collect();
        hidden.sort_unstable();
        let mut shown = String::with_capacity(text.len());
        let mut end_of_last = 0;
        for (start, end) in hidden {
            if start >= end_of_last {
                shown.push_str(&text[end_of_last..start]);
                shown.push_str(MASK);
            }
            end_of_last = end_of_last.max(end);
        }
        shown.push_str(&text[end_of_last..]);
        shown
    }
}

/// Where a secret begins, overlaps with itself included.
fn occurrences<'a>(text: &'a str, secret: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.char_indices().map(|(index, _)| index).filter(move |&index| text[index..].starts_with(secret))
}

/// The forms a value takes on its way through tools.
fn forms(value: &str) -> Vec<String> {
    let json = serde_json::Value::from(value).to_string();
    let xml = value
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&apos;");
    let url: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
    let mut forms =
        vec![value.to_owned(), json[1..json.len() - 1].to_owned(), xml, url.replace('+', "%20"), url];
    // A tool may encode more than the secret, so it can begin at each of the three places in a base64 group. What the
    // neighbours share a character with is left out; short rests would hide too much.
    forms.push(BASE64_STANDARD.encode(value));
    for shift in 0..3 {
        let padded = [vec![0; shift], value.as_bytes().to_vec()].concat();
        let encoded = BASE64_STANDARD_NO_PAD.encode(&padded);
        let begin = [0, 2, 3][shift];
        let end = encoded.len() - usize::from(!padded.len().is_multiple_of(3));
        if end > begin + 7 {
            forms.push(encoded[begin..end].to_owned());
        }
    }
    forms
}

/// The plain text of a `regex` hint, whose value is an escaped literal.
pub(crate) fn literal_of(pattern: &str) -> String {
    let mut literal = String::with_capacity(pattern.len());
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('n') => literal.push('\n'),
                Some('r') => literal.push('\r'),
                Some('t') => literal.push('\t'),
                Some(escaped) => literal.push(escaped),
                None => literal.push('\\'),
            },
            other => literal.push(other),
        }
    }
    literal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masker(secrets: &[&str]) -> Masker {
        let masker = Masker::default();
        for secret in secrets {
            masker.add(secret);
        }
        masker
    }

    #[test]
    fn values_are_hidden() {
        for (secrets, text, expected) in [
            (&["s3cr3t"][..], "a s3cr3t b s3cr3t", "a *** b ***"),
            (&["abc", "bcd"], "xabcdx", "x***x"),
            (&["ab", "cd"], "abcd", "******"),
            (&["a", "aa"], "baab", "b***b"),
            (&["aa"], "aaa!", "***!"),
            (&["line one\nline two"], "line two!", "***!"),
            (&["", " \n "], "nothing to hide", "nothing to hide"),
            (&["p\"w"], r#"{"x":"p\"w"}"#, r#"{"x":"***"}"#),
            (&["a b&c"], "?x=a%20b%26c", "?x=***"),
            (&["ü"], "Tür", "T***r"),
        ] {
            assert_eq!(masker(secrets).mask(text), expected, "{secrets:?}");
        }
    }

    #[test]
    fn base64_is_hidden_wherever_it_begins() {
        let secret = "a-long-enough-token";
        for user in ["", "u:", "us:", "use:"] {
            let encoded = BASE64_STANDARD.encode(format!("{user}{secret}"));
            let shown = masker(&[secret]).mask(&encoded);
            assert!(shown.contains(MASK) && shown.len() < 16, "{user}: {encoded} is shown as {shown}");
        }
    }

    #[test]
    fn clones_share_what_they_know() {
        let one = Masker::default();
        let other = one.clone();
        other.add("hidden");
        assert_eq!(one.mask("hidden"), MASK);
    }

    #[test]
    fn hints_are_escaped_literals() {
        assert_eq!(literal_of(r"a\.b\\c\$"), r"a.b\c$");
        assert_eq!(literal_of("plain"), "plain");
    }
}
