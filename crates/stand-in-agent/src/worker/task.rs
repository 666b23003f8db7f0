//! Tasks: downloaded once, described by their `task.json`.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde_json::Value;

use super::folders::Folders;
use super::message::{Step, TaskReference};
use super::restrictions::Restrictions;
use super::variables::Variables;
use crate::wire::plans::PlanClient;

/// The checkout task is built in and never downloaded.
pub(crate) const CHECKOUT: &str = "6d15af64-176c-496d-b583-fd2ae21d4df4";

/// Node handlers, the newest first.
const NODE_HANDLERS: &[&str] = &["Node24", "Node22", "Node20_1", "Node20", "Node16", "Node10", "Node"];

/// `task.json`, as far as running goes.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Manifest {
    pub(crate) friendly_name: String,
    pub(crate) description: String,
    pub(crate) author: String,
    pub(crate) help_mark_down: String,
    pub(crate) inputs: Vec<InputDefinition>,
    pub(crate) execution: BTreeMap<String, Value>,
    pub(crate) restrictions: Option<Restrictions>,
}

/// An input of a task.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct InputDefinition {
    pub(crate) name: String,
    pub(crate) aliases: Vec<String>,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) default_value: Option<Value>,
}

/// What a Node handler says.
#[derive(Debug)]
pub(crate) struct NodeHandler {
    /// The script.
    pub(crate) target: PathBuf,
    /// Where it runs; by default among the sources.
    pub(crate) folder: Option<PathBuf>,
}

/// A task that is ready to run.
pub(crate) struct Task {
    pub(crate) folder: PathBuf,
    pub(crate) manifest: Manifest,
}

impl Task {
    /// Downloads a task unless it is there already, and reads its manifest.
    ///
    /// # Errors
    /// The server does not have it, or it is damaged.
    pub(crate) async fn fetch(
        plans: &PlanClient,
        folders: &Folders,
        reference: &TaskReference,
    ) -> anyhow::Result<Self> {
        let TaskReference { id, name, version } = reference;
        let folder = folders.tasks.join(format!("{name}_{id}")).join(version);
        let done = folder.with_file_name(format!("{version}.completed"));
        if !done.exists() {
            let archive = plans
                .task_archive(id, version)
                .await
                .with_context(|| format!("Failed to download task '{name}' (version {version})"))?;
            unpack(&archive, &folder)
                .with_context(|| format!("Task '{name}' (version {version}) is damaged"))?;
            std::fs::write(&done, "").with_context(|| format!("{} cannot be written", done.display()))?;
        }
        let text = std::fs::read_to_string(folder.join("task.json"))
            .with_context(|| format!("Task '{name}' (version {version}) has no task.json"))?;
        let manifest = serde_json::from_str(text.trim_start_matches('\u{feff}'))
            .with_context(|| format!("The task.json of '{name}' (version {version}) is damaged"))?;
        Ok(Self { folder, manifest })
    }

    /// The script that the newest Node handler of the task runs, and the folder in which it wants to run.
    ///
    /// # Errors
    /// The task has no handler this agent can run.
    pub(crate) fn node_handler(&self, variables: &Variables) -> anyhow::Result<NodeHandler> {
        let handler = NODE_HANDLERS.iter().find_map(|wanted| {
            self.manifest
                .execution
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
                .map(|(_, data)| data)
        });
        let Some(handler) = handler else {
            let has: Vec<_> = self.manifest.execution.keys().map(String::as_str).collect();
            bail!("A supported task execution handler was not found. The task has: {}", has.join(", "));
        };
        let target = handler["target"].as_str().context("the task's handler names no target")?;
        let folder = handler["workingDirectory"].as_str().filter(|folder| !folder.is_empty());
        Ok(NodeHandler {
            target: self.in_folder(target, variables),
            folder: folder.map(|folder| self.in_folder(folder, variables)),
        })
    }

    /// A path of the manifest: `$(currentDirectory)` is the task's folder, where paths begin anyway.
    fn in_folder(&self, path: &str, variables: &Variables) -> PathBuf {
        let path = path.replace("$(currentDirectory)/", "").replace("$(currentDirectory)", "");
        self.folder.join(variables.expand(&path))
    }
}

fn unpack(archive: &[u8], folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::create_dir_all(folder)?;
    zip::ZipArchive::new(Cursor::new(archive))?.extract(folder)?;
    Ok(())
}

/// The inputs a task gets: what the step says under the input's name or an alias, else the default, with variables
/// filled in; a path of type `filePath` begins at the sources.
pub(crate) fn inputs(
    manifest: &Manifest,
    step: &Step,
    variables: &Variables,
    folders: &Folders,
) -> BTreeMap<String, String> {
    let mut inputs = BTreeMap::new();
    for definition in &manifest.inputs {
        let default = match &definition.default_value {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        };
        inputs.insert(definition.name.trim().to_owned(), default);
    }
    for (given, value) in &step.inputs {
        let named = |name: &str| name.trim().eq_ignore_ascii_case(given.trim());
        let definition = manifest.inputs.iter().find(|definition| {
            named(&definition.name) || definition.aliases.iter().any(|alias| named(alias))
        });
        let name = definition.map_or(given.as_str(), |definition| &definition.name).trim().to_owned();
        inputs.insert(name, value.clone().unwrap_or_default());
    }
    for (name, value) in &mut inputs {
        *value = variables.expand(value);
        let is_path =
            manifest.inputs.iter().any(|input| input.name.trim() == name && input.kind == "filePath");
        if is_path && !value.is_empty() {
            *value = folders.rooted(value).to_string_lossy().into_owned();
        }
    }
    inputs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_aliases_macros_and_paths() {
        let manifest: Manifest = serde_json::from_str(
            r#"{"inputs":[
                {"name":"connection","aliases":["azureSubscription"],"type":"string"},
                {"name":"count","type":"string","defaultValue":3},
                {"name":"file","type":"filePath","defaultValue":""},
                {"name":"wait","type":"boolean","defaultValue":true}]}"#,
        )
        .unwrap();
        let step: Step = serde_json::from_str(
            r#"{"id":"1","inputs":{"AZUREsubscription":"$(name)","file":"a/b.sh","extra":"x","wait":null}}"#,
        )
        .unwrap();
        let mut variables = Variables::default();
        variables.set("name", "prod", false);
        let work = tempfile::tempdir().unwrap();
        let folders = Folders::prepare(work.path().to_owned(), None).unwrap();
        let file = folders.sources.join("a/b.sh").to_string_lossy().into_owned();
        let expected =
            [("connection", "prod"), ("count", "3"), ("extra", "x"), ("file", file.as_str()), ("wait", "")];
        let found = inputs(&manifest, &step, &variables, &folders);
        assert_eq!(
            found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>(),
            expected
        );
    }

    #[test]
    fn the_newest_node_handler_is_taken() {
        let task = |execution: &str| Task {
            folder: "/t".into(),
            manifest: serde_json::from_str(&format!(r#"{{"execution":{execution}}}"#)).unwrap(),
        };
        let variables = Variables::default();
        let both =
            task(r#"{"Node10":{"target":"old.js"},"Node20_1":{"target":"$(currentDirectory)/new.js"}}"#);
        assert_eq!(both.node_handler(&variables).unwrap().target, Path::new("/t/new.js"));
        let placed = task(r#"{"Node24":{"target":"a.js","workingDirectory":"$(currentDirectory)"}}"#);
        assert_eq!(placed.node_handler(&variables).unwrap().folder.as_deref(), Some(Path::new("/t/")));
        let error = task(r#"{"PowerShell3":{"target":"x.ps1"}}"#).node_handler(&variables).unwrap_err();
        assert!(error.to_string().contains("PowerShell3"));
    }
}
