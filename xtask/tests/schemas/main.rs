//! What others read is written as their schemas say: pipelines, and what the extension consists of.
//!
//! The schemas are the publishers' own and large. They are looked for in `shared/specs` next to the repository, and
//! next to the folders that it lies in; where there are none, nothing is checked, and the test says so.

#![expect(clippy::print_stdout, reason = "what is not checked has to be said")]

mod own_task;
mod yaml;

use std::path::{Path, PathBuf};
use std::process::Command;

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;
use serde_json::Value;

/// A schema, and which of the repository's files it is for.
struct Rule {
    schema: &'static str,
    is_for: fn(&str) -> bool,
}

const RULES: [Rule; 3] = [
    Rule { schema: "azure-pipelines-service-schema.json", is_for: is_pipeline },
    Rule {
        schema: "tasks.schema.json",
        is_for: |file| file.starts_with("extension/") && file.ends_with("/task.json"),
    },
    Rule { schema: "vss-extension.schema.json", is_for: |file| file == "extension/vss-extension.json" },
];

fn is_pipeline(file: &str) -> bool {
    let is_sample = file.starts_with("samples/") && has_extension(file, "yml");
    is_sample || ["azure-pipelines.yml", "images/azure-pipelines.yml"].contains(&file)
}

fn has_extension(file: &str, extension: &str) -> bool {
    Path::new(file).extension().is_some_and(|found| found == extension)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A schema, if it is there.
fn schema(name: &str) -> Option<Value> {
    let root = root().canonicalize().expect("the repository is here");
    let read = |folder: &Path| std::fs::read_to_string(folder.join("shared/specs").join(name)).ok();
    let Some(text) = root.ancestors().skip(1).find_map(read) else {
        println!("../shared/specs/{name} is not there: what it is for is not checked");
        return None;
    };
    Some(serde_json::from_str(text.trim_start_matches('\u{feff}')).expect("a schema is JSON"))
}

/// What is wrong with a document, each with where it is.
fn faults(schema: &Value, document: &Value) -> Vec<String> {
    let validator = jsonschema::validator_for(schema).expect("a schema");
    validator.iter_errors(document).map(|error| in_words(&error)).collect()
}

/// Where nothing of a choice fits, what is furthest inside: that is most likely what was meant to fit.
fn in_words(error: &ValidationError<'_>) -> String {
    let depth = |error: &&ValidationError<'_>| error.instance_path().as_str().matches('/').count();
    let innermost = reasons(error).into_iter().max_by_key(depth).unwrap_or(error);
    format!("{}: {}", innermost.instance_path(), innermost.masked())
}

fn reasons<'e, 'i>(error: &'e ValidationError<'i>) -> Vec<&'e ValidationError<'i>> {
    match error.kind() {
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            context.iter().flatten().flat_map(reasons).collect()
        }
        _ => vec![error],
    }
}

/// A pipeline's scalars are texts, whatever they look like: so its schema wants them.
fn read(file: &str, text: &str) -> Value {
    if has_extension(file, "json") {
        return serde_json::from_str(text).unwrap_or_else(|error| panic!("{file} is no JSON: {error}"));
    }
    yaml::texts(text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The files that git knows, and those that it will.
fn files() -> Vec<String> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git");
    String::from_utf8(listed.stdout).expect("names").lines().map(str::to_owned).collect()
}

/// The manifest of our own task.
fn manifest() -> Value {
    let text = std::fs::read_to_string(root().join("extension/AzureContainerAgentCreate/task.json"));
    serde_json::from_str(&text.expect("a text")).expect("JSON")
}

#[test]
fn inputs_of_our_own_task_are_those_of_its_manifest() {
    let check = |inputs: &str| {
        let text = format!("steps:\n- task: AzureContainerAgentCreate@1\n  inputs: {{{inputs}}}\n");
        let mut document = read("azure-pipelines.yml", &text);
        let faults = own_task::set_aside(&mut document, &manifest());
        assert_eq!(document["steps"][0]["task"], "CmdLine@2");
        faults.join("; ")
    };
    let enough = "azureSubscription: a, resourceGroupName: g, agentPool: p";
    assert_eq!(check(enough), "");
    assert_eq!(check(&format!("{enough}, command: remove, agentNames: $(names)")), "");
    assert_eq!(check(&format!("{enough}, command: reap")), "");
    assert!(check(&format!("{enough}, command: tidy")).contains("not offered"));
    assert!(check(&format!("{enough}, imagename: i")).contains("no input imagename"));
    assert!(check(&format!("{enough}, osType: BeOS")).contains("not offered"));
    assert!(check("azureSubscription: a, resourceGroupName: g").contains("needs"));
}

#[test]
fn what_others_read_is_as_their_schemas_say() {
    let files = files();
    assert!(files.iter().any(|file| is_pipeline(file)), "{files:?}");
    let mut wrong = Vec::new();
    for rule in &RULES {
        let Some(schema) = schema(rule.schema) else { continue };
        // A file that was deleted and not committed is still listed.
        let ours = files.iter().filter(|file| (rule.is_for)(file) && root().join(file).exists());
        for file in ours {
            let text = std::fs::read_to_string(root().join(file)).expect("a text");
            let mut document = read(file, &text);
            let own = own_task::set_aside(&mut document, &manifest());
            let faults = own.into_iter().chain(faults(&schema, &document));
            wrong.extend(faults.map(|fault| format!("{file}: {fault}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_pipeline_that_is_wrong_is_found() {
    let Some(schema) = schema(RULES[0].schema) else { return };
    let check = |text: &str| faults(&schema, &read("azure-pipelines.yml", text)).len();
    assert_eq!(check("steps:\n- script: echo 1\n  enabled: true\n"), 0);
    assert_ne!(check("steps:\n- script: echo 1\n  enabeld: true\n"), 0, "a misspelt member");
    assert_ne!(check("steps:\n- script: echo 1\n  enabled: perhaps\n"), 0, "a value that is none");
    assert_ne!(check("stages:\n- stage: one\n  steps:\n  - script: echo\n"), 0, "steps without a job");
}

#[test]
fn a_task_that_is_wrong_is_found() {
    let Some(schema) = schema(RULES[1].schema) else { return };
    let task = |id: &str| {
        serde_json::json!({
            "id": id, "name": "Name", "friendlyName": "Name", "description": "", "author": "us",
            "instanceNameFormat": "Name", "version": {"Major": 1, "Minor": 0, "Patch": 0},
            "execution": {"Node20_1": {"target": "index.js"}},
        })
    };
    assert_eq!(faults(&schema, &task("11111111-2222-3333-4444-555555555555")), [""; 0]);
    assert_ne!(faults(&schema, &task("no id")), [""; 0]);
}

#[test]
fn an_extension_that_is_wrong_is_found() {
    let Some(schema) = schema(RULES[2].schema) else { return };
    let extension = |version: &str| {
        serde_json::json!({
            "manifestVersion": 1, "id": "agents", "name": "Agents", "version": version, "publisher": "us",
            "targets": [{"id": "Microsoft.VisualStudio.Services"}], "categories": ["Azure Pipelines"],
        })
    };
    assert_eq!(faults(&schema, &extension("1.0.0")), [""; 0]);
    assert_ne!(faults(&schema, &extension("one")), [""; 0]);
}
