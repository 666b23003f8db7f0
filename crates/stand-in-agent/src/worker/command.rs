//! `##vso[area.action key=value;…]message`: how a script talks back to the agent.

use std::collections::BTreeMap;

/// What a command begins with, anywhere in a line.
const PREFIX: &str = "##vso[";

/// Another name of `task.logissue`, which azure-pipelines-task-lib uses.
const LOG_ISSUE_ALIAS: (&str, &str) = ("task", "issue");

/// A parsed command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    /// Lower case, such as `task`.
    pub(crate) area: String,
    /// Lower case, such as `setvariable`.
    pub(crate) action: String,
    /// Names in lower case.
    properties: BTreeMap<String, String>,
    /// What stands after the bracket.
    pub(crate) data: String,
}

impl Command {
    /// The command in a line, if there is a well-formed one.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (_, rest) = line.split_once(PREFIX)?;
        let (head, data) = rest.split_once(']')?;
        let (name, properties) = head.trim().split_once(' ').unwrap_or((head.trim(), ""));
        let (area, action) = name.split_once('.')?;
        if area.is_empty() || action.is_empty() {
            return None;
        }
        let (area, action) = (area.to_ascii_lowercase(), action.to_ascii_lowercase());
        let is_alias = (area.as_str(), action.as_str()) == LOG_ISSUE_ALIAS;
        let action = if is_alias { "logissue".to_owned() } else { action };
        let properties = properties.split(';').filter_map(|property| property.split_once('='));
        Some(Self {
            area,
            action,
            properties: properties
                .map(|(key, value)| (key.trim().to_ascii_lowercase(), unescape(value, PROPERTY_ESCAPES)))
                .collect(),
            data: unescape(data, DATA_ESCAPES),
        })
    }

    /// A property that is there and not empty.
    pub(crate) fn property(&self, name: &str) -> Option<&str> {
        self.properties.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether a property says `true`.
    pub(crate) fn is_true(&self, name: &str) -> bool {
        self.property(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

/// Escapes in the message. `%AZP25` comes last, so that an escaped percent sign does not make a new escape.
const DATA_ESCAPES: &[(&str, &str)] = &[("%0D", "\r"), ("%0A", "\n"), ("%AZP25", "%")];

/// Escapes in a property.
const PROPERTY_ESCAPES: &[(&str, &str)] =
    &[("%3B", ";"), ("%0D", "\r"), ("%0A", "\n"), ("%5D", "]"), ("%AZP25", "%")];

fn unescape(text: &str, escapes: &[(&str, &str)]) -> String {
    escapes.iter().fold(text.to_owned(), |text, (escape, character)| text.replace(escape, character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands() {
        let command =
            Command::parse("##vso[task.setVariable variable=a.b;isOutput=true;ISSECRET=True]v=1;2]").unwrap();
        assert_eq!((command.area.as_str(), command.action.as_str()), ("task", "setvariable"));
        assert_eq!(command.property("variable"), Some("a.b"));
        assert!(command.is_true("isoutput") && command.is_true("issecret") && !command.is_true("isreadonly"));
        assert_eq!(command.data, "v=1;2]");
        assert_eq!(Command::parse("##vso[task.issue type=error;]x").unwrap().action, "logissue");
    }

    #[test]
    fn escapes() {
        let command = Command::parse("x ##vso[a.b p=1%3B2%5D%0D%0A%AZP253B;]%3B%0D%0A%5D%AZP250A").unwrap();
        assert_eq!(command.property("p"), Some("1;2]\r\n%3B"));
        assert_eq!(command.data, "%3B\r\n%5D%0A");
    }

    #[test]
    fn what_is_no_command() {
        for line in ["", "##vso[task.complete", "##vso[task]x", "##[section]x", "##vso[.x]", "vso[a.b]"] {
            assert_eq!(Command::parse(line), None, "{line}");
        }
    }
}
