//! Tasks: the few that are built in, and those that somebody puts there.

use std::io::{Cursor, Read as _, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use hyper::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Digest as _;
use uuid::Uuid;
use zip::write::SimpleFileOptions;

use super::wire::{Refusal, collection};
use super::{Call, endpoint};
use crate::Emulator;
use crate::http::{Reply, Request, Router};

/// What runs the built-in tasks on an agent that has Node.
const SCRIPT: &str = include_str!("../../tasks/script.js");

/// What it runs for the task that signs in to Azure.
const AZURE_CLI: &str = include_str!("../../tasks/azure-cli.py");

/// Manifests of the built-in tasks.
static BUILT_IN: LazyLock<Vec<TaskDefinition>> = LazyLock::new(|| {
    let manifests: Vec<Value> =
        serde_json::from_str(include_str!("../../tasks/manifests.json")).unwrap_or_default();
    manifests.into_iter().filter_map(|manifest| TaskDefinition::of_manifest(manifest).ok()).collect()
});

/// A task that pipelines can use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskDefinition {
    /// Its id.
    pub id: Uuid,
    /// Its name, by which pipelines use it.
    pub name: String,
    /// Its version.
    pub version: (u64, u64, u64),
    /// Its `task.json`.
    pub manifest: Value,
    /// The extension that brought it; none for a built-in task, and for one that somebody put there.
    #[serde(default)]
    pub contribution: Option<Contribution>,
    /// The file that agents get, among the archives; a built-in task has none of its own.
    archive_file: Option<String>,
}

/// What an extension contributes a task as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contribution {
    /// Id of the extension's publisher.
    pub publisher: String,
    /// Id of the extension.
    pub extension: String,
    /// Id of the contribution.
    pub id: String,
    /// Version of the extension.
    pub version: String,
}

impl Contribution {
    /// What a task's name is qualified with.
    fn identifier(&self) -> String {
        format!("{}.{}.{}", self.publisher, self.extension, self.id)
    }
}

impl TaskDefinition {
    /// Its version as text.
    pub fn version_text(&self) -> String {
        let (major, minor, patch) = self.version;
        format!("{major}.{minor}.{patch}")
    }

    /// Reads a manifest. Numbers of the version may come as texts, which `tfx` writes too.
    pub(super) fn of_manifest(manifest: Value) -> Result<Self, String> {
        let version = member(&manifest, "version").ok_or("task.json has no version")?;
        let number = |key: &str| {
            let value = member(version, key)?;
            value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
        };
        let parts = (number("major"), number("minor"), number("patch"));
        let (Some(major), Some(minor), Some(patch)) = parts else {
            return Err("the version in task.json needs the numbers Major, Minor and Patch".to_owned());
        };
        let text = |key: &str| member(&manifest, key).and_then(Value::as_str);
        let id = text("id").and_then(|id| id.parse().ok()).ok_or("the id in task.json is not a GUID")?;
        let name = text("name").ok_or("task.json has no name")?.to_owned();
        let version = (major, minor, patch);
        Ok(Self { id, name, version, manifest, contribution: None, archive_file: None })
    }

    /// Reads an archive with a `task.json` at its root.
    fn of_archive(bytes: &[u8]) -> Result<Self, String> {
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|error| error.to_string())?;
        let mut text = String::new();
        let mut file = archive.by_name("task.json").map_err(|error| format!("task.json: {error}"))?;
        file.read_to_string(&mut text).map_err(|error| error.to_string())?;
        let manifest = serde_json::from_str(text.trim_start_matches('\u{feff}'));
        let manifest = manifest.map_err(|error| format!("task.json is not JSON: {error}"))?;
        Self::of_manifest(manifest)
    }

    /// The archive of a built-in task.
    fn built_in_archive(&self) -> Result<Vec<u8>, String> {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let manifest = self.manifest.to_string();
        let mut files = vec![("task.json", manifest.as_str()), ("script.js", SCRIPT)];
        if self.name == "AzureCLI" {
            files.push(("azure-cli.py", AZURE_CLI));
        }
        for (name, text) in files {
            archive.start_file(name, SimpleFileOptions::default()).map_err(|error| error.to_string())?;
            archive.write_all(text.as_bytes()).map_err(|error| error.to_string())?;
        }
        Ok(archive.finish().map_err(|error| error.to_string())?.into_inner())
    }

    /// As the service lists it: the manifest, with the version's numbers under the service's names.
    fn json(&self) -> Value {
        let (major, minor, patch) = self.version;
        let mut json = self.manifest.clone();
        json["version"] = json!({"major": major, "minor": minor, "patch": patch, "isTest": false});
        json["id"] = json!(self.id);
        json["name"] = json!(self.name);
        if let Some(contribution) = &self.contribution {
            json["contributionIdentifier"] = json!(contribution.identifier());
            json["contributionVersion"] = json!(contribution.version);
        }
        json
    }
}

/// A member by its name, without regard to case: manifests write `Major` and `major`.
pub(super) fn member<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    object.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// Every task of the organization.
pub(super) fn all(state: &crate::State) -> impl Iterator<Item = &TaskDefinition> {
    BUILT_IN.iter().chain(&state.devops.tasks)
}

/// The newest task of that name or id and major version. A name may be qualified by the extension's contribution:
/// `publisher.extension.contribution.Name`.
pub fn find_task<'a>(state: &'a crate::State, name: &'a str, major: u64) -> Option<&'a TaskDefinition> {
    named(state, name, major).max_by_key(|task| task.version)
}

/// The qualified names of the tasks that go by a name, if it is that of several.
pub(crate) fn task_names_apart(state: &crate::State, name: &str, major: u64) -> Vec<String> {
    let (mut ids, mut names) = (Vec::new(), Vec::new());
    for task in named(state, name, major).filter(|task| !task.id.to_string().eq_ignore_ascii_case(name)) {
        if !ids.contains(&task.id) {
            ids.push(task.id);
            let from = task.contribution.as_ref();
            names.push(
                from.map_or_else(
                    || task.id.to_string(),
                    |from| format!("{}.{}", from.identifier(), task.name),
                ),
            );
        }
    }
    if names.len() > 1 { names } else { Vec::new() }
}

fn named<'a>(state: &'a crate::State, name: &'a str, major: u64) -> impl Iterator<Item = &'a TaskDefinition> {
    let (qualifier, own) = name.rsplit_once('.').map_or((None, name), |(first, own)| (Some(first), own));
    all(state).filter(move |task| {
        let of_extension = match (qualifier, &task.contribution) {
            (Some(qualifier), Some(from)) => from.identifier().eq_ignore_ascii_case(qualifier),
            // One that somebody put there may be meant by whatever its extension will be called.
            (Some(_) | None, None) | (None, Some(_)) => true,
        };
        let by_name = task.name.eq_ignore_ascii_case(own) && of_extension;
        task.version.0 == major && (by_name || task.id.to_string().eq_ignore_ascii_case(name))
    })
}

/// Keeps the archive of a task, and gives the task with it. Archives are named by what they hold: they are too large
/// for the state, which is written and shown as a whole.
pub(super) async fn store(
    emulator: &Emulator,
    task: TaskDefinition,
    archive: &[u8],
) -> Result<TaskDefinition, String> {
    let folder = archives(emulator);
    let digest = sha2::Sha256::digest(archive);
    let name = format!("{}.zip", digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    let path = folder.join(&name);
    let written = async {
        tokio::fs::create_dir_all(&folder).await?;
        tokio::fs::write(&path, archive).await
    };
    written.await.map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
    Ok(TaskDefinition { archive_file: Some(name), ..task })
}

/// Where the archives are: beside the state if that is kept.
fn archives(emulator: &Emulator) -> PathBuf {
    emulator.options.state.as_ref().unwrap_or(&emulator.data).join("tasks")
}

/// The archive that agents get.
async fn archive(emulator: &Emulator, task: &TaskDefinition) -> Result<Vec<u8>, String> {
    let Some(name) = &task.archive_file else { return task.built_in_archive() };
    let path = archives(emulator).join(name);
    tokio::fs::read(&path).await.map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

/// Adds the routes.
pub(super) fn routes(router: &mut Router) {
    endpoint(router, Method::GET, "_apis/distributedtask/tasks", list);
    endpoint(router, Method::GET, "_apis/distributedtask/tasks/{task}", list);
    endpoint(router, Method::GET, "_apis/distributedtask/tasks/{task}/{version}", get);
}

async fn list(call: Call) -> Result<Reply, Reply> {
    // Assumed: the service takes the version from the query as from the path. azure-devops-node-api asks so.
    if call.request.query.get("versionString").is_some() {
        return get(call).await;
    }
    let id = call.request.param("task");
    let tasks: Vec<Value> = call.emulator.read(|state| {
        let of_id = |task: &&TaskDefinition| id.is_empty() || task.id.to_string().eq_ignore_ascii_case(id);
        all(state).filter(of_id).map(TaskDefinition::json).collect()
    });
    Ok(Reply::json(200, &collection(&tasks)))
}

async fn get(call: Call) -> Result<Reply, Reply> {
    let (id, in_path) = (call.request.param("task"), call.request.param("version"));
    let version = call.request.query.get("versionString").filter(|_| in_path.is_empty()).unwrap_or(in_path);
    let found = call.emulator.read(|state| {
        let mut tasks = all(state);
        tasks
            .find(|task| task.id.to_string().eq_ignore_ascii_case(id) && task.version_text() == version)
            .cloned()
    });
    let task = found.ok_or_else(|| {
        let message = format!("A task definition with ID {id} and version {version} could not be found.");
        Refusal::new(404, "TaskDefinitionNotFoundException", message)
    })?;
    if !call.request.header("accept").is_some_and(|accept| accept.contains("application/zip")) {
        return Ok(Reply::json(200, &task.json()));
    }
    let zip = archive(&call.emulator, &task).await;
    let zip = zip.map_err(|error| Refusal::new(500, "TaskDefinitionException", error))?;
    Ok(Reply::bytes(200, "application/zip", zip))
}

/// Adds `PUT /emulator/tasks`: its body is the archive of a task.
pub(super) fn control_routes(router: &mut Router) {
    router.on(Method::PUT, "/emulator/tasks", put);
}

async fn put(emulator: Arc<Emulator>, request: Request) -> Result<Reply, Reply> {
    crate::control::authorize(&emulator, &request)?;
    let refused = |error: String| {
        Reply::json(400, &json!({"error": format!("the body is not the archive of a task: {error}")}))
    };
    let task = TaskDefinition::of_archive(&request.body).map_err(refused)?;
    let task = store(&emulator, task, &request.body).await.map_err(refused)?;
    let shown = task.json();
    emulator.change(|state| {
        state.devops.tasks.retain(|old| (old.id, old.version) != (task.id, task.version));
        state.devops.tasks.push(task);
    });
    Ok(Reply::json(200, &shown))
}

#[cfg(test)]
mod tests {
    use super::{BUILT_IN, TaskDefinition};
    use serde_json::json;

    #[test]
    fn built_in_tasks_are_archives_with_their_manifest() {
        assert_eq!(BUILT_IN.len(), 4, "every manifest reads");
        for task in BUILT_IN.iter() {
            let read =
                TaskDefinition::of_archive(&task.built_in_archive().expect("an archive")).expect("a task");
            assert_eq!((read.id, read.version), (task.id, task.version));
        }
    }

    #[test]
    fn manifests_may_write_numbers_as_texts() {
        let manifest = |patch| json!({"id": "6c731c3c-3c68-459a-a5c9-bde6e6595b5b", "name": "X", "version": {"Major": "1", "minor": 2, "Patch": patch}});
        let task = TaskDefinition::of_manifest(manifest(json!("3"))).expect("a task");
        assert_eq!(task.version_text(), "1.2.3");
        assert!(TaskDefinition::of_manifest(manifest(json!("x"))).is_err());
    }

    #[test]
    fn what_is_not_an_archive_is_refused() {
        assert!(TaskDefinition::of_archive(b"nothing").is_err());
    }
}
