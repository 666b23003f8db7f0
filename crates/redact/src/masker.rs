//! Hides known secrets in text that other programs wrote.

use crate::Secret;

/// What stands in the place of a secret, as in the logs of Azure Pipelines.
const MASK: &str = "***";

/// Values shorter than this are not masked: they would blot out ordinary words, as Azure Pipelines warns too.
const SHORTEST: usize = 4;

/// Replaces every secret it was told of by `***`, also in the forms in which a secret usually slips through: Base64,
/// percent-encoded, and line by line.
#[derive(Clone, Default)]
pub struct SecretMasker {
    /// Longest first, so that a secret that holds another one is replaced whole.
    values: Vec<String>,
}

impl SecretMasker {
    /// A masker that knows no secret yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Learns `secret` and the forms of it that are worth hiding.
    pub fn add(&mut self, secret: &Secret) {
        let value = secret.expose();
        self.add_value(value);
        self.add_value(&base64(value.as_bytes()));
        // `user:token` in a Basic header: the end of the encoding depends on the user's length.
        for user in ["", ":", "VstsAgent:", "user:"] {
            self.add_value(&base64(format!("{user}{value}").as_bytes()));
        }
        self.add_value(&percent_encoded(value));
        if value.contains('\n') {
            for line in value.lines() {
                self.add_value(line.trim());
            }
        }
        self.values.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    }

    /// `text` without any secret it knows.
    pub fn mask(&self, text: &str) -> String {
        let mut masked = text.to_owned();
        for value in &self.values {
            if masked.contains(value.as_str()) {
                masked = masked.replace(value.as_str(), MASK);
            }
        }
        masked
    }

    fn add_value(&mut self, value: &str) {
        if value.len() >= SHORTEST && !self.values.iter().any(|known| known == value) {
            self.values.push(value.to_owned());
        }
    }
}

impl std::fmt::Debug for SecretMasker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretMasker({} values)", self.values.len())
    }
}

/// Base64 without padding, so that it is found inside longer encodings too. Written out here because this crate
/// depends on nothing: a masker that everything uses must not bring anything along.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, byte| (group << 8) | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for position in 0..=chunk.len() {
            out.push(char::from(ALPHABET[(group >> (18 - 6 * position)) as usize & 63]));
        }
    }
    out
}

fn percent_encoded(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(b"0123456789ABCDEF"[usize::from(byte >> 4)]));
            out.push(char::from(b"0123456789ABCDEF"[usize::from(byte & 15)]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{SecretMasker, base64, percent_encoded};
    use crate::Secret;

    fn masked(secret: &str, text: &str) -> String {
        let mut masker = SecretMasker::new();
        masker.add(&Secret::new(secret));
        masker.mask(text)
    }

    #[test]
    fn hides_a_secret_wherever_it_stands() {
        assert_eq!(masked("hunter2", "pw=hunter2;again hunter2"), "pw=***;again ***");
    }

    #[test]
    fn hides_the_encoded_forms() {
        assert_eq!(masked("s3cr3t", &format!("Basic {}==", base64(b"VstsAgent:s3cr3t"))), "Basic ***==");
        assert_eq!(masked("a b&c", "q=a%20b%26c"), "q=***");
    }

    #[test]
    fn hides_each_line_of_a_key() {
        assert_eq!(masked("-----BEGIN-----\nMIIBVAIB\n-----END-----", "got MIIBVAIB"), "got ***");
    }

    #[test]
    fn a_secret_inside_a_longer_one_does_not_spoil_it() {
        let mut masker = SecretMasker::new();
        masker.add(&Secret::new("abcd"));
        masker.add(&Secret::new("abcdefgh"));
        assert_eq!(masker.mask("abcdefgh abcd"), "*** ***");
    }

    #[test]
    fn leaves_short_values_alone() {
        assert_eq!(masked("on", "one person on"), "one person on");
    }

    #[test]
    fn encodes_as_the_standards_say() {
        let known = [
            ("", ""),
            ("f", "Zg"),
            ("fo", "Zm8"),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg"),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, encoded) in known {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
        assert_eq!(percent_encoded("a/ü~"), "a%2F%C3%BC~");
    }
}
