//! Steps, key by key. Scripts are short forms of tasks and leave here as such.

use super::names::{flag, identifier, number, pairs, refuse_others, text, truth};
use super::tree::{Node, Refusal};
use crate::pipelines::model::{Action, Step};

const COMMON_KEYS: &[&str] = &[
    "name",
    "displayName",
    "condition",
    "continueOnError",
    "enabled",
    "env",
    "timeoutInMinutes",
    "retryCountOnTaskFailure",
];

/// A short form: its key, the task it stands for, what else it takes, and inputs that are always given.
struct Script {
    key: &'static str,
    task: (&'static str, u32),
    inputs: &'static [&'static str],
    always: &'static [(&'static str, &'static str)],
}

const SCRIPTS: &[Script] = &[
    Script {
        key: "script",
        task: ("CmdLine", 2),
        inputs: &["failOnStderr", "workingDirectory"],
        always: &[],
    },
    Script {
        key: "bash",
        task: ("Bash", 3),
        inputs: &["failOnStderr", "workingDirectory"],
        always: &[("targetType", "inline")],
    },
    Script {
        key: "pwsh",
        task: ("PowerShell", 2),
        inputs: &["errorActionPreference", "failOnStderr", "ignoreLASTEXITCODE", "workingDirectory"],
        always: &[("targetType", "inline"), ("pwsh", "true")],
    },
    Script {
        key: "powershell",
        task: ("PowerShell", 2),
        inputs: &["errorActionPreference", "failOnStderr", "ignoreLASTEXITCODE", "workingDirectory"],
        always: &[("targetType", "inline")],
    },
];

const CHECKOUT_INPUTS: &[&str] = &[
    "clean",
    "fetchDepth",
    "fetchFilter",
    "fetchTags",
    "lfs",
    "persistCredentials",
    "submodules",
    "path",
    "workspaceRepo",
];

/// Reads the steps of a job. `checkout` puts getting the sources before them, unless they speak of it.
pub(super) fn steps(node: &Node, checkout: bool) -> Result<Vec<Step>, Refusal> {
    let items = node.list()?;
    let speaks_of_it = items.iter().any(|item| item.get("checkout").is_some());
    let mut steps = Vec::new();
    if checkout && !speaks_of_it {
        steps.push(implicit_checkout());
    }
    for item in items {
        steps.extend(step(item)?);
    }
    check_names(node, &steps)?;
    Ok(steps)
}

fn implicit_checkout() -> Step {
    Step {
        action: Action::Checkout,
        name: String::new(),
        display_name: "Checkout".to_owned(),
        inputs: vec![("repository".to_owned(), "self".to_owned())],
        condition: "succeeded()".to_owned(),
        continue_on_error: false,
        enabled: true,
        timeout_minutes: 0,
        retries: 0,
        environment: Vec::new(),
    }
}

fn check_names(node: &Node, steps: &[Step]) -> Result<(), Refusal> {
    for (index, step) in steps.iter().enumerate() {
        let named = |other: &&Step| !step.name.is_empty() && other.name.eq_ignore_ascii_case(&step.name);
        if steps[..index].iter().find(named).is_some() {
            return Err(node.place.refuse(format!("The step name {} appears more than once.", step.name)));
        }
    }
    Ok(())
}

/// A step; none for `checkout: none`.
fn step(node: &Node) -> Result<Option<Step>, Refusal> {
    let members = node.map()?;
    let Some((key, value)) = members.first() else { return Err(node.place.refuse("A step is empty")) };
    let word = key.text()?;
    if word == "checkout" {
        return read_checkout(node, value);
    }
    if word == "task" {
        return read_task(node, value).map(Some);
    }
    let script = SCRIPTS.iter().find(|script| script.key == word);
    let script = script.ok_or_else(|| match word {
        "publish" | "download" | "downloadBuild" | "getPackage" | "reviewApp" => {
            key.place.refuse(format!("Steps of the kind '{word}' are not emulated"))
        }
        word => key.unexpected(word),
    })?;
    read_script(node, value, script).map(Some)
}

fn allow(node: &Node, more: &[&str]) -> Result<(), Refusal> {
    let allowed: Vec<&str> = COMMON_KEYS.iter().chain(more).copied().collect();
    refuse_others(node, &allowed)
}

fn read_script(node: &Node, value: &Node, script: &Script) -> Result<Step, Refusal> {
    let mut allowed = vec![script.key];
    allowed.extend(script.inputs);
    allow(node, &allowed)?;
    let mut inputs = vec![("script".to_owned(), value.text()?.to_owned())];
    for (name, value) in script.always {
        inputs.push(((*name).to_owned(), (*value).to_owned()));
    }
    for name in script.inputs {
        inputs.extend(text(node, name)?.map(|value| ((*name).to_owned(), value)));
    }
    let (name, major) = script.task;
    common(node, Action::Task { name: name.to_owned(), major }, name, inputs)
}

fn read_task(node: &Node, value: &Node) -> Result<Step, Refusal> {
    allow(node, &["task", "inputs"])?;
    let text = value.text()?;
    let parts = text.split_once('@').and_then(|(name, major)| {
        Some((name, major.split('.').next()?.parse().ok()?)).filter(|(name, _)| !name.is_empty())
    });
    let (name, major): (&str, u32) = parts.ok_or_else(|| {
        value.place.refuse(format!("The task reference '{text}' is not of the form name@version"))
    })?;
    // Qualified or not, people see the task's own name.
    let title = name.rsplit('.').next().unwrap_or(name);
    common(node, Action::Task { name: name.to_owned(), major }, title, pairs(node, "inputs")?)
}

fn read_checkout(node: &Node, value: &Node) -> Result<Option<Step>, Refusal> {
    let mut allowed = vec!["checkout"];
    allowed.extend(CHECKOUT_INPUTS);
    allow(node, &allowed)?;
    match value.text()? {
        "none" => return Ok(None),
        "self" => {}
        other => {
            return Err(value
                .place
                .refuse(format!("Repository '{other}': only 'self' and 'none' are emulated")));
        }
    }
    let mut inputs = vec![("repository".to_owned(), "self".to_owned())];
    for name in CHECKOUT_INPUTS {
        inputs.extend(text(node, name)?.map(|value| ((*name).to_owned(), value)));
    }
    common(node, Action::Checkout, "Checkout", inputs).map(Some)
}

fn common(node: &Node, action: Action, title: &str, inputs: Vec<(String, String)>) -> Result<Step, Refusal> {
    let continue_on_error = text(node, "continueOnError")?.and_then(|text| truth(&text));
    Ok(Step {
        action,
        name: node.get("name").map(identifier).transpose()?.unwrap_or_default(),
        display_name: text(node, "displayName")?.unwrap_or_else(|| title.to_owned()),
        inputs,
        condition: text(node, "condition")?.unwrap_or_else(|| "succeeded()".to_owned()),
        continue_on_error: continue_on_error.unwrap_or_default(),
        enabled: flag(node, "enabled")?.unwrap_or(true),
        timeout_minutes: number(node, "timeoutInMinutes")?.unwrap_or_default(),
        retries: number(node, "retryCountOnTaskFailure")?.unwrap_or_default(),
        environment: pairs(node, "env")?,
    })
}
