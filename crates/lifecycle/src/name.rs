//! The one name of an ephemeral agent.

use std::fmt;

use crate::Timestamp;

/// Longest name that both services take: Azure's limit for a container group.
const LONGEST: usize = 63;

/// Letters and digits that stand in the random part; without those that are read as one another (0 o, 1 l i).
const ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";

/// How many random letters end a name.
const RANDOM_LETTERS: usize = 6;

/// The name of a container group and of its agent: lower-case letters, digits and single hyphens, a letter first,
/// no hyphen last, at most 63 characters. Ours to choose, so that creating and deleting can be repeated by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentName(String);

/// Why a text is not an [`AgentName`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameError {
    /// Nothing at all.
    Empty,
    /// More than 63 characters.
    TooLong(usize),
    /// A character that one of the services refuses, or a hyphen beside a hyphen.
    Character(char),
    /// Does not begin with a letter, or ends with a hyphen.
    Ends,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::TooLong(length) => write!(f, "it has {length} characters, and {LONGEST} is the most"),
            Self::Character('-') => f.write_str("it has two hyphens side by side"),
            Self::Character(other) => {
                write!(f, "it has {other:?}; lower-case letters, digits and single hyphens are allowed")
            }
            Self::Ends => f.write_str("it has to begin with a letter and to end with a letter or digit"),
        }
    }
}

impl std::error::Error for NameError {}

impl AgentName {
    /// Checks `text` against the rules of both services.
    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        let (Some(first), Some(last)) = (text.chars().next(), text.chars().last()) else {
            return Err(NameError::Empty);
        };
        let refused = |c: &char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-');
        if let Some(character) = text.chars().find(refused) {
            return Err(NameError::Character(character));
        }
        if text.contains("--") {
            return Err(NameError::Character('-'));
        }
        if !first.is_ascii_lowercase() || last == '-' {
            return Err(NameError::Ends);
        }
        if text.len() > LONGEST {
            return Err(NameError::TooLong(text.len()));
        }
        Ok(Self(text))
    }

    /// A name never used before: `{prefix}{run}-{yyyymmddhhmmss}-{six random letters}`.
    ///
    /// `run` is the pipeline's run id, or nothing outside of one. `random` is the caller's randomness; two agents of
    /// one run and one second differ by it (the original's names could collide, and `--replace` then took one over).
    pub fn mint(prefix: &str, run: Option<u64>, now: Timestamp, random: u64) -> Result<Self, NameError> {
        let run = run.map_or_else(String::new, |run| run.to_string());
        let mut rest = random;
        let letters: String = (0..RANDOM_LETTERS)
            .map(|_| {
                let letter = ALPHABET[usize::try_from(rest % 31).unwrap_or_default()];
                rest /= 31;
                char::from(letter)
            })
            .collect();
        let head = format!("{prefix}{run}");
        let hyphen = if head.is_empty() || head.ends_with('-') { "" } else { "-" };
        Self::new(format!("{head}{hyphen}{}-{letters}", now.compact()))
    }

    /// Whether it looks like a name of [`AgentName::mint`], which nobody else uses.
    pub fn is_minted(&self) -> bool {
        self.minted_at().is_some()
    }

    /// When it was minted, if it was.
    pub fn minted_at(&self) -> Option<Timestamp> {
        let mut parts = self.0.rsplit('-');
        let letters = parts.next()?;
        let moment = Timestamp::parse_compact(parts.next()?)?;
        let is_random =
            letters.len() == RANDOM_LETTERS && letters.bytes().all(|letter| ALPHABET.contains(&letter));
        (is_random && parts.next().is_some()).then_some(moment)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AgentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{AgentName, NameError};
    use crate::Timestamp;

    const NOW: Timestamp = Timestamp(1_795_478_400);

    #[test]
    fn a_minted_name_says_whose_it_is_and_when() {
        let name = AgentName::mint("agent", Some(4711), NOW, 12_345_678).expect("valid");
        assert_eq!(name.as_str(), "agent4711-20261124000000-yypnqa");
        assert!(name.is_minted());
        assert_eq!(name.minted_at(), Some(NOW));
        let outside_a_run = AgentName::mint("web-", None, NOW, 0).expect("valid");
        assert!(outside_a_run.is_minted());
        for chosen in [
            "agent",
            "my-agent-1",
            "agent-20261124000000-l00000",
            "20261124000000-yypnqa",
            "agent-20261324000000-yypnqa",
        ] {
            assert!(!AgentName::new(chosen).is_ok_and(|name| name.is_minted()), "{chosen}");
        }
        assert_eq!(outside_a_run.as_str(), "web-20261124000000-aaaaaa");
    }

    #[test]
    fn defect_05_two_agents_of_one_run_and_second_do_not_collide() {
        let names: HashSet<_> = (0..10_000_u64)
            .map(|random| AgentName::mint("a", Some(1), NOW, random).expect("valid"))
            .collect();
        assert_eq!(names.len(), 10_000);
    }

    #[test]
    fn refuses_what_one_of_the_services_refuses() {
        let refused = [
            ("", NameError::Empty),
            ("Agent", NameError::Character('A')),
            ("a_b", NameError::Character('_')),
            ("a--b", NameError::Character('-')),
            ("1a", NameError::Ends),
            ("a-", NameError::Ends),
        ];
        for (text, why) in refused {
            assert_eq!(AgentName::new(text), Err(why), "{text}");
        }
        assert_eq!(AgentName::new("a".repeat(64)), Err(NameError::TooLong(64)));
        assert!(AgentName::new("a".repeat(63)).is_ok());
    }
}
