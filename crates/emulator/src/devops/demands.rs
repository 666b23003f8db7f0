//! Demands of jobs against capabilities of agents.

use std::collections::BTreeMap;

/// What an agent can do, by name. Names are looked up without regard to case.
pub type Capabilities = BTreeMap<String, String>;

/// One demand: that a capability is there, has a value, or is at least a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    name: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Exists,
    Equals(String),
    AtLeast(String),
}

impl Demand {
    /// Reads `name`, `name -equals value` or `name -gtVersion version`. Text that is none of them is the name of a
    /// capability, as the service takes it.
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        let mut words = text.splitn(3, char::is_whitespace);
        let (name, operator, value) = (words.next(), words.next(), words.next());
        let test = match (operator.map(str::to_ascii_lowercase).as_deref(), value) {
            (Some("-equals"), Some(value)) => Test::Equals(value.trim().to_owned()),
            (Some("-gtversion"), Some(value)) => Test::AtLeast(value.trim().to_owned()),
            _ => return Self { name: text.to_owned(), test: Test::Exists },
        };
        Self { name: name.unwrap_or_default().to_owned(), test }
    }

    /// Whether these capabilities meet it. Names and values compare without regard to case.
    pub fn is_met_by(&self, capabilities: &Capabilities) -> bool {
        let found = capabilities.iter().find(|(name, _)| name.eq_ignore_ascii_case(&self.name));
        match (&self.test, found) {
            (_, None) => false,
            (Test::Exists, Some(_)) => true,
            (Test::Equals(wanted), Some((_, value))) => value.eq_ignore_ascii_case(wanted),
            // The name says "greater", but an agent of that very version meets it.
            (Test::AtLeast(wanted), Some((_, value))) => version(value) >= version(wanted),
        }
    }
}

/// The numbers of a version; trailing zeros do not count (`4.275` is `4.275.0`).
fn version(text: &str) -> Vec<u64> {
    let mut numbers: Vec<u64> = text.split('.').map(|part| part.trim().parse().unwrap_or(0)).collect();
    while numbers.last() == Some(&0) {
        numbers.pop();
    }
    numbers
}

/// Whether capabilities meet every demand.
pub(super) fn all_met<'a>(
    demands: impl IntoIterator<Item = &'a Demand>,
    capabilities: &Capabilities,
) -> bool {
    demands.into_iter().all(|demand| demand.is_met_by(capabilities))
}

#[cfg(test)]
mod tests {
    use super::{Capabilities, Demand};

    #[test]
    fn demands_are_met_by_the_right_capabilities() {
        let capabilities: Capabilities =
            [("Agent.Name", "One"), ("Agent.Version", "4.275.0"), ("docker", "")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into();
        for (demand, met) in [
            ("docker", true),
            ("DOCKER", true),
            ("java", false),
            ("Agent.Name -equals one", true),
            ("agent.name -EQUALS One", true),
            ("Agent.Name -equals two", false),
            ("java -equals 17", false),
            ("Agent.Version -gtVersion 4.275", true),
            ("Agent.Version -gtVersion 4.99.0", true),
            ("Agent.Version -gtVersion 4.275.1", false),
            ("Agent.Version -gtVersion 5", false),
            ("Agent.Name -unknown One", false),
            (" docker ", true),
        ] {
            assert_eq!(Demand::parse(demand).is_met_by(&capabilities), met, "{demand}");
        }
    }

    #[test]
    fn a_value_may_hold_spaces() {
        let capabilities: Capabilities = [("os".to_owned(), "Debian 13".to_owned())].into();
        assert!(Demand::parse("os -equals Debian 13").is_met_by(&capabilities));
    }
}
