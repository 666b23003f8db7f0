//! What `##vso[…]` commands do to the step and to the job.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::command::Command;
use super::masker::Masker;
use super::restrictions::{self, Policy, Verdict};
use super::variables::Variables;
use crate::wire::models::{Issue, TaskResult, VariableValue};

/// Issues kept per kind; the rest is counted only.
const ISSUES_MAX: usize = 10;

/// What must be done after the step, because it takes a call to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Upload {
    /// Attach a file to the record.
    Attachment {
        /// Such as `DistributedTask.Core.Summary`.
        kind: String,
        /// Name of the attachment.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// Tag the build.
    BuildTag(String),
    /// Rename the build.
    BuildNumber(String),
}

/// What a step said so far.
#[derive(Debug, Default)]
pub(crate) struct StepEffects {
    /// `task.complete`, the worst of several.
    pub(crate) result: Option<TaskResult>,
    /// Errors and warnings, the first of each kind.
    pub(crate) issues: Vec<Issue>,
    /// All of them.
    pub(crate) error_count: usize,
    /// All of them.
    pub(crate) warning_count: usize,
    /// Output variables, by their own name.
    pub(crate) outputs: BTreeMap<String, VariableValue>,
    /// What a task sets for itself: its next attempt finds it again.
    pub(crate) task_variables: BTreeMap<String, String>,
    /// Percent and what it is doing.
    pub(crate) progress: Option<(u32, String)>,
    /// For later.
    pub(crate) uploads: Vec<Upload>,
}

impl StepEffects {
    /// Adds an error or a warning.
    pub(crate) fn add_issue(&mut self, kind: &'static str, message: &str, data: BTreeMap<String, String>) {
        let count = if kind == "error" { &mut self.error_count } else { &mut self.warning_count };
        *count += 1;
        if *count <= ISSUES_MAX {
            self.issues.push(Issue { kind, category: "General", message: message.to_owned(), data });
        }
    }
}

/// What a command may change.
pub(crate) struct Reach<'a> {
    pub(crate) step_name: &'a str,
    pub(crate) variables: &'a mut Variables,
    pub(crate) path: &'a mut Vec<String>,
    pub(crate) masker: &'a Masker,
    pub(crate) effects: &'a mut StepEffects,
    pub(crate) policy: Policy<'a>,
}

impl Reach<'_> {
    /// Carries a command out, if the task may give it. Returns the lines to show in its place.
    pub(crate) fn apply(&mut self, command: &Command) -> Vec<String> {
        let (warning, granted) = self.admit(command);
        let shown = if granted { self.carry_out(command) } else { None };
        warning.into_iter().chain(shown).collect()
    }

    /// Whether the task's restrictions let a command through, and the line that says so if they do not.
    fn admit(&mut self, command: &Command) -> (Option<String>, bool) {
        let sets = match (command.area.as_str(), command.action.as_str()) {
            ("task", "setvariable" | "settaskvariable") => command.property("variable"),
            ("task", "prependpath") => Some(restrictions::PATH),
            _ => None,
        };
        let verdict = match self.policy.command(command) {
            Verdict::Allowed => sets.map_or(Verdict::Allowed, |name| self.policy.variable(name)),
            breach => breach,
        };
        match verdict {
            Verdict::Allowed => (None, true),
            Verdict::Tolerated(text) => (Some(self.warn(&text)), true),
            Verdict::Refused(text) => (Some(self.warn(&text)), false),
        }
    }

    fn warn(&mut self, text: &str) -> String {
        self.effects.add_issue("warning", text, BTreeMap::new());
        format!("##[warning]{text}")
    }

    fn carry_out(&mut self, command: &Command) -> Option<String> {
        match (command.area.as_str(), command.action.as_str()) {
            ("task", "setvariable") => self.set_variable(command),
            ("task", "settaskvariable") => self.set_task_variable(command),
            ("task", "setsecret") => {
                self.masker.add(&command.data);
                None
            }
            ("task", "complete") => self.complete(command),
            ("task", "logissue") => Some(self.log_issue(command)),
            ("task", "setprogress") => {
                let percent = command.property("value").and_then(|value| value.parse().ok()).unwrap_or(0);
                self.effects.progress = Some((percent.min(100), command.data.clone()));
                None
            }
            ("task", "prependpath") => {
                self.path.push(command.data.clone());
                None
            }
            ("task", "debug") => {
                self.variables.is_true("system.debug").then(|| format!("##[debug]{}", command.data))
            }
            ("task", "uploadsummary") => self.attach("DistributedTask.Core.Summary", None, &command.data),
            ("task", "uploadfile") => self.attach("DistributedTask.Core.FileAttachment", None, &command.data),
            ("build", "uploadlog") => self.attach("DistributedTask.Core.Log", None, &command.data),
            ("task", "addattachment") => self.attach(
                command.property("type").unwrap_or("File"),
                command.property("name"),
                &command.data,
            ),
            ("build", "addbuildtag") => self.upload(Upload::BuildTag(command.data.clone())),
            ("build", "updatebuildnumber") => {
                self.variables.set("build.buildNumber", &command.data, false);
                self.upload(Upload::BuildNumber(command.data.clone()))
            }
            // Nothing depends on these: details of an old kind of log, and telemetry.
            ("task", "logdetail") | ("telemetry", _) => None,
            (area, action) => {
                Some(format!("##[warning]The stand-in agent does not know the command {area}.{action}."))
            }
        }
    }

    fn set_variable(&mut self, command: &Command) -> Option<String> {
        let Some(name) = command.property("variable") else {
            return Some(
                "##[error]Required field 'variable' is missing in ##vso[task.setvariable] command.".into(),
            );
        };
        if self.variables.is_read_only(name) {
            return Some(self.warn(&format!("Overwriting readonly variable '{name}' is not permitted.")));
        }
        let secret = command.is_true("issecret");
        if secret {
            self.masker.add(&command.data);
        }
        let is_output = command.is_true("isoutput") || self.effects.outputs.contains_key(name);
        let full_name = if is_output { format!("{}.{name}", self.step_name) } else { name.to_owned() };
        self.variables.set(&full_name, &command.data, secret);
        self.variables.set_read_only(&full_name, command.is_true("isreadonly"));
        if is_output {
            let value =
                VariableValue { value: Some(command.data.clone()), is_secret: secret, is_read_only: false };
            self.effects.outputs.insert(name.to_owned(), value);
        }
        None
    }

    fn set_task_variable(&mut self, command: &Command) -> Option<String> {
        let Some(name) = command.property("variable") else {
            return Some(
                "##[error]Required field 'variable' is missing in ##vso[task.settaskvariable] command."
                    .into(),
            );
        };
        if command.is_true("issecret") {
            self.masker.add(&command.data);
        }
        self.effects.task_variables.insert(name.to_owned(), command.data.clone());
        None
    }

    fn complete(&mut self, command: &Command) -> Option<String> {
        let said = command.property("result").unwrap_or_default();
        let Some(result) = TaskResult::from_name(said) else {
            return Some(format!("##[error]'{said}' is not a result for ##vso[task.complete]."));
        };
        let worse = self.effects.result.is_none_or(|before| result as u8 > before as u8);
        if worse {
            self.effects.result = Some(result);
        }
        if result == TaskResult::Failed && !command.data.is_empty() {
            self.effects.add_issue("error", &command.data, BTreeMap::new());
            return Some(format!("##[error]{}", command.data));
        }
        None
    }

    fn log_issue(&mut self, command: &Command) -> String {
        let kind = match command.property("type").map(str::to_ascii_lowercase).as_deref() {
            Some("error") => "error",
            Some("warning") => "warning",
            _ => return "##[error]##vso[task.logissue] needs type=error or type=warning.".into(),
        };
        let places = ["sourcepath", "linenumber", "columnnumber", "code"];
        let data = places
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), command.property(name)?.to_owned())))
            .collect();
        self.effects.add_issue(kind, &command.data, data);
        format!("##[{kind}]{}", command.data)
    }

    fn attach(&mut self, kind: &str, name: Option<&str>, path: &str) -> Option<String> {
        let path = PathBuf::from(path.trim());
        let file_name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let name = name.map_or(file_name, str::to_owned);
        if !path.is_file() {
            return Some(self.warn(&format!("Cannot upload {}: there is no such file.", path.display())));
        }
        self.upload(Upload::Attachment { kind: kind.to_owned(), name, path })
    }

    fn upload(&mut self, upload: Upload) -> Option<String> {
        self.effects.uploads.push(upload);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Applies lines; what is shown, and what they left behind.
    fn apply(lines: &[&str]) -> (Vec<String>, StepEffects, Variables, Vec<String>) {
        apply_under("{}", lines)
    }

    /// The same for a task with restrictions, which are enforced.
    fn apply_under(restrictions: &str, lines: &[&str]) -> (Vec<String>, StepEffects, Variables, Vec<String>) {
        let mut variables = Variables::default();
        variables.set("agent.taskRestrictionsEnforcementMode", "Enabled", false);
        let restrictions = serde_json::from_str(restrictions).unwrap();
        let policy = Policy::new(Some(&restrictions), &variables);
        variables.set("fixed", "1", false);
        variables.set_read_only("fixed", true);
        let (mut effects, mut path, masker) = (StepEffects::default(), Vec::new(), Masker::default());
        let mut reach = Reach {
            step_name: "step",
            variables: &mut variables,
            path: &mut path,
            masker: &masker,
            effects: &mut effects,
            policy,
        };
        let shown = lines
            .iter()
            .flat_map(|line| reach.apply(&Command::parse(line).unwrap()))
            .map(|line| masker.mask(&line))
            .collect();
        (shown, effects, variables, path)
    }

    #[test]
    fn variables_and_outputs() {
        let (shown, effects, variables, _) = apply(&[
            "##vso[task.setvariable variable=a]1",
            "##vso[task.setvariable variable=b;isOutput=true]2",
            "##vso[task.setvariable variable=b]3",
            "##vso[task.setvariable variable=fixed]2",
            "##vso[task.setvariable]x",
        ]);
        assert_eq!(variables.get("a").as_deref(), Some("1"));
        assert_eq!(variables.get("STEP.b").as_deref(), Some("3"));
        assert_eq!(variables.get("fixed").as_deref(), Some("1"));
        assert_eq!(effects.outputs["b"].value.as_deref(), Some("3"));
        assert_eq!(shown.len(), 2);
        assert_eq!(effects.warning_count, 1);
    }

    #[test]
    fn secrets_are_masked_from_then_on() {
        let (shown, effects, ..) = apply(&[
            "##vso[task.setvariable variable=p;isSecret=true;isOutput=true]hunter2",
            "##vso[task.setsecret]other",
            "##vso[task.logissue type=warning]hunter2 and other",
        ]);
        assert_eq!(shown, ["##[warning]*** and ***"]);
        assert!(effects.outputs["p"].is_secret);
    }

    #[test]
    fn the_worst_result_counts() {
        let (shown, effects, ..) = apply(&[
            "##vso[task.complete result=Failed]it broke",
            "##vso[task.complete result=SucceededWithIssues]",
            "##vso[task.complete result=Fine]",
        ]);
        assert_eq!(effects.result, Some(TaskResult::Failed));
        assert_eq!(shown, ["##[error]it broke", "##[error]'Fine' is not a result for ##vso[task.complete]."]);
    }

    #[test]
    fn issues_are_counted_and_the_first_kept() {
        let lines = vec!["##vso[task.logissue type=error;code=E1;linenumber=3]bad"; 12];
        let (shown, effects, ..) = apply(&lines);
        assert_eq!((shown.len(), effects.error_count, effects.issues.len()), (12, 12, 10));
        assert_eq!(effects.issues[0].data["code"], "E1");
    }

    #[test]
    fn what_a_task_may_not_do_is_a_warning_and_nothing_else() {
        let restrictions =
            r#"{"commands":{"mode":"restricted"},"settableVariables":{"allowed":["agentName"]}}"#;
        let (shown, effects, variables, path) = apply_under(
            restrictions,
            &[
                "##vso[task.setvariable variable=agentName;isOutput=true]a-1",
                "##vso[task.setvariable variable=other]x",
                "##vso[task.prependpath]/opt/x",
                "##vso[build.addbuildtag]v1",
            ],
        );
        assert_eq!(effects.outputs["agentName"].value.as_deref(), Some("a-1"));
        assert_eq!((variables.get("other"), path.len(), effects.uploads.len()), (None, 0, 0));
        assert_eq!(
            shown,
            [
                "##[warning]Setting variable 'other' has been disabled by the task or build definition.",
                "##[warning]Setting variable 'PATH' has been disabled by the task or build definition.",
                "##[warning]##vso[build.addbuildtag] is not allowed in this step due to policy restrictions.",
            ]
        );
        assert_eq!(effects.warning_count, 3);
    }

    #[test]
    fn the_rest() {
        let (shown, effects, _, path) = apply(&[
            "##vso[task.prependpath]/opt/x",
            "##vso[task.setprogress value=42;]half way",
            "##vso[task.debug]hidden",
            "##vso[build.addbuildtag]v1",
            "##vso[task.uploadsummary]/no/such/file.md",
            "##vso[telemetry.publish area=x]{}",
            "##vso[task.settaskvariable variable=id]7",
            "##vso[unknown.thing]",
        ]);
        assert_eq!(path, ["/opt/x"]);
        assert_eq!(effects.task_variables["id"], "7");
        assert_eq!(effects.progress, Some((42, "half way".to_owned())));
        assert_eq!(effects.uploads, [Upload::BuildTag("v1".into())]);
        assert_eq!(shown.len(), 2);
    }
}
