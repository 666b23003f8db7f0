//! A value that must not be shown.

use std::fmt;

/// A token, key or password. Cannot be printed; [`Secret::expose`] is the only way to its value.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `value`, without the line end that a file or a pipe may have left on it.
    pub fn new(value: impl Into<String>) -> Self {
        let mut value = value.into();
        value.truncate(value.trim_end_matches(['\r', '\n']).len());
        Self(value)
    }

    /// The value itself. Hand it to the wire or to a child's environment and to nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self::new(value)
    }
}

impl From<&str> for Secret {
    fn from(value: &str) -> Self {
        Self::new(value)
    }
}

/// Reads like any other argument (`clap`, settings files), and is a secret from then on.
impl std::str::FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(value: &str) -> Result<Self, Self::Err> {
        Ok(Self::new(value))
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn debug_output_never_holds_the_value() {
        #[derive(Debug)]
        struct Settings {
            #[expect(dead_code, reason = "only its Debug output is looked at")]
            token: Secret,
        }
        let shown =
            format!("{:?} {:#?}", Some(Secret::new("hunter2")), Settings { token: Secret::new("hunter2") });
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("Secret"), "{shown}");
    }

    #[test]
    fn a_line_end_from_a_file_is_not_part_of_the_value() {
        assert_eq!(Secret::new("abc\r\n").expose(), "abc");
        assert_eq!(Secret::new("a\nb\n").expose(), "a\nb");
    }
}
