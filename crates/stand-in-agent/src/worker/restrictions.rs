//! What the `restrictions` of a `task.json` keep the task's output from doing.
//!
//! A task that runs somebody else's program closes by them the way back to the agent. From the official agent's source:
//! `TaskRestrictionsChecker.cs` (order, modes), `TaskRestrictionExtension.cs` (patterns), the `CommandRestriction`
//! attributes of its commands, and its design page on restricted mode, which lists the same commands.

use serde::Deserialize;
use wildmatch::WildMatchPattern;

use super::command::Command;
use super::variables::Variables;

/// The commands that restricted mode lets through: those that say how the step is doing.
const ALWAYS_ALLOWED: &[(&str, &str)] = &[
    ("task", "complete"),
    ("task", "debug"),
    ("task", "logdetail"),
    ("task", "logissue"),
    ("task", "prependpath"),
    ("task", "setprogress"),
    ("task", "setsecret"),
    ("task", "settaskvariable"),
    ("task", "setvariable"),
    ("telemetry", "publish"),
];

/// What `task.prependpath` sets, as far as restrictions go.
pub(crate) const PATH: &str = "PATH";

/// The variable by which the service says how strict to be.
const MODE: &str = "agent.taskRestrictionsEnforcementMode";

/// `restrictions` of a `task.json`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Restrictions {
    commands: CommandRestrictions,
    settable_variables: Option<VariableRestrictions>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CommandRestrictions {
    /// `any` or `restricted`.
    mode: String,
}

/// One that is there and lists nothing allows nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct VariableRestrictions {
    allowed: Vec<String>,
}

/// What becomes of something that a task asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is done.
    Allowed,
    /// It is done, with this warning.
    Tolerated(String),
    /// It is not done, which this warning says.
    Refused(String),
}

/// The restrictions of a task, and how strict the service wants the agent to be.
#[derive(Clone, Copy)]
pub(crate) struct Policy<'a> {
    restrictions: Option<&'a Restrictions>,
    mode: Mode,
}

/// What a breach means. The service sends `Enabled`; without a word from it the agent only warns.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Enabled,
    WarnOnly,
    Disabled,
}

impl<'a> Policy<'a> {
    /// The policy for a task in a job with these variables.
    pub(crate) fn new(restrictions: Option<&'a Restrictions>, variables: &Variables) -> Self {
        let mode = match variables.get(MODE).unwrap_or_default().to_ascii_lowercase().as_str() {
            "enabled" => Mode::Enabled,
            "disabled" => Mode::Disabled,
            _ => Mode::WarnOnly,
        };
        Self { restrictions, mode }
    }

    /// Whether the task's output may give this command.
    pub(crate) fn command(&self, command: &Command) -> Verdict {
        let name = (command.area.as_str(), command.action.as_str());
        let allowed = self.restrictions.is_none_or(|restrictions| {
            !restrictions.commands.mode.eq_ignore_ascii_case("restricted") || ALWAYS_ALLOWED.contains(&name)
        });
        self.judge(allowed, || {
            format!("##vso[{}.{}] is not allowed in this step due to policy restrictions.", name.0, name.1)
        })
    }

    /// Whether the task's output may set this variable.
    pub(crate) fn variable(&self, name: &str) -> Verdict {
        let list = self.restrictions.and_then(|restrictions| restrictions.settable_variables.as_ref());
        let matches =
            |pattern: &String| WildMatchPattern::<'*', '?'>::new_case_insensitive(pattern).matches(name);
        self.judge(list.is_none_or(|list| list.allowed.iter().any(matches)), || {
            format!("Setting variable '{name}' has been disabled by the task or build definition.")
        })
    }

    fn judge(&self, allowed: bool, warning: impl FnOnce() -> String) -> Verdict {
        match self.mode {
            _ if allowed => Verdict::Allowed,
            Mode::Enabled => Verdict::Refused(warning()),
            Mode::WarnOnly => Verdict::Tolerated(warning()),
            Mode::Disabled => Verdict::Allowed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(mode: &str) -> Variables {
        let mut variables = Variables::default();
        variables.set(MODE, mode, false);
        variables
    }

    /// Whether a task with these restrictions may do it where they are enforced.
    fn may(restrictions: &str, ask: impl Fn(&Policy<'_>) -> Verdict) -> bool {
        let restrictions: Restrictions = serde_json::from_str(restrictions).unwrap();
        ask(&Policy::new(Some(&restrictions), &variables("Enabled"))) == Verdict::Allowed
    }

    #[test]
    fn restricted_mode_lets_only_the_state_of_the_step_through() {
        for (command, expected) in [
            ("task.setvariable variable=a", true),
            ("TASK.Complete result=Failed", true),
            ("task.settaskvariable variable=a", true),
            ("telemetry.publish area=a", true),
            ("task.uploadsummary", false),
            ("task.uploadfile", false),
            ("task.addattachment type=a;name=b", false),
            ("task.setendpoint id=1", false),
            ("build.addbuildtag", false),
            ("build.updatebuildnumber", false),
            ("artifact.upload", false),
        ] {
            let command = Command::parse(&format!("##vso[{command}]x")).unwrap();
            let may = |restrictions| may(restrictions, |policy| policy.command(&command));
            assert_eq!(may(r#"{"commands":{"mode":"restricted"}}"#), expected, "{command:?}");
            assert!(may(r#"{"commands":{"mode":"any"}}"#) && may("{}"), "{command:?}");
        }
    }

    #[test]
    fn only_listed_variables_may_be_set() {
        for (restrictions, name, expected) in [
            ("{}", "any", true),
            (r#"{"settableVariables":{"allowed":["agentName"]}}"#, "AGENTNAME", true),
            (r#"{"settableVariables":{"allowed":["agentName"]}}"#, "agentName2", false),
            (r#"{"settableVariables":{"allowed":["other","agent*"]}}"#, "agentName2", true),
            (r#"{"settableVariables":{"allowed":["agent*"]}}"#, "myagent", false),
            (r#"{"settableVariables":{"allowed":[]}}"#, "agentName", false),
            (r#"{"settableVariables":{}}"#, "agentName", false),
        ] {
            assert_eq!(may(restrictions, |policy| policy.variable(name)), expected, "{restrictions} {name}");
        }
    }

    #[test]
    fn the_service_says_how_strict_to_be() {
        let none: Restrictions = serde_json::from_str(r#"{"settableVariables":{"allowed":[]}}"#).unwrap();
        let verdict = |mode: &str| Policy::new(Some(&none), &variables(mode)).variable("x");
        assert!(matches!(verdict("enabled"), Verdict::Refused(warning) if warning.contains("'x'")));
        assert!(matches!(verdict(""), Verdict::Tolerated(_)));
        assert_eq!(verdict("Disabled"), Verdict::Allowed);
        assert_eq!(Policy::new(None, &variables("enabled")).variable("x"), Verdict::Allowed);
    }
}
