//! Extensions of the organization: installed from their packages, as the Marketplace and the service would.

mod manifest;
mod package;

use std::sync::Arc;

use hyper::Method;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::tasks::{self, TaskDefinition};
use super::wire::{Refusal, collection, time};
use super::{Call, endpoint};
use crate::Emulator;
use crate::http::{Reply, Request, Router};
use package::Package;

/// An installed extension.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Extension {
    /// Id of its publisher.
    pub publisher: String,
    /// Its id, one of its publisher's.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Its version: one to four numbers.
    pub version: String,
    /// When this version was installed.
    pub installed: Timestamp,
    /// SHA-256 of its package.
    digest: String,
}

impl Extension {
    fn is(&self, publisher: &str, id: &str) -> bool {
        self.publisher.eq_ignore_ascii_case(publisher) && self.id.eq_ignore_ascii_case(id)
    }

    fn owns(&self, task: &TaskDefinition) -> bool {
        task.contribution.as_ref().is_some_and(|from| self.is(&from.publisher, &from.extension))
    }

    /// As the service lists it. Assumed: which of the documented members are set, and their values but for the names.
    fn json(&self) -> Value {
        json!({
            "extensionId": self.id, "extensionName": self.name, "publisherId": self.publisher,
            "publisherName": self.publisher, "version": self.version, "flags": "none",
            "lastPublished": time(self.installed),
            "installState": {"flags": "none", "lastUpdated": time(self.installed)},
        })
    }
}

/// The numbers of a version, filled up to four.
fn version_numbers(text: &str) -> Option<[u64; 4]> {
    let parts: Vec<u64> = text.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let mut numbers = [0; 4];
    numbers.get_mut(..parts.len())?.copy_from_slice(&parts);
    Some(numbers)
}

/// Puts an extension and its tasks in place of what there was of it. `Err` says why the service would not.
fn install(
    state: &mut crate::State,
    package: &Package,
    tasks: &[TaskDefinition],
) -> Result<Extension, String> {
    let now = state.now;
    let known =
        state.devops.extensions.iter().find(|known| known.is(&package.publisher, &package.id)).cloned();
    if let Some(known) = &known {
        if known.digest == package.digest {
            return Ok(known.clone());
        }
        check_newer(known, package)?;
    }
    let extension = Extension {
        publisher: package.publisher.clone(),
        id: package.id.clone(),
        name: package.name.clone(),
        version: package.version.clone(),
        installed: now,
        digest: package.digest.clone(),
    };
    check_tasks(state, &extension, tasks)?;
    state.devops.extensions.retain(|known| !known.is(&extension.publisher, &extension.id));
    state.devops.tasks.retain(|task| !extension.owns(task));
    state.devops.tasks.extend_from_slice(tasks);
    state.devops.extensions.push(extension.clone());
    Ok(extension)
}

/// The Marketplace takes a package again only under a higher version.
fn check_newer(known: &Extension, package: &Package) -> Result<(), String> {
    if version_numbers(&package.version) > version_numbers(&known.version) {
        return Ok(());
    }
    Err(format!(
        "{}.{} {} is installed, and the package's version {} is not higher: raise the version in the extension's \
         manifest, or uninstall the extension first",
        known.publisher, known.id, known.version, package.version
    ))
}

/// Ids of tasks are unique in an organization, and a task does not go back to an older version.
fn check_tasks(state: &crate::State, extension: &Extension, tasks: &[TaskDefinition]) -> Result<(), String> {
    for (index, task) in tasks.iter().enumerate() {
        let twice = tasks[..index].iter().any(|other| other.id == task.id && other.version == task.version);
        if twice {
            return Err(format!(
                "two of its tasks have the id {} and one version: give each its own",
                task.id
            ));
        }
        let others = tasks::all(state).filter(|other| other.id == task.id);
        for other in others {
            if !extension.owns(other) {
                return Err(format!(
                    "the task {} has the id {}, which is that of the task {} already: give it an id of its own",
                    task.name, task.id, other.name
                ));
            }
            if other.version.0 == task.version.0 && other.version > task.version {
                return Err(format!(
                    "the task {} {} is installed, and the package's version {} is older: raise the version in \
                     task.json",
                    task.name,
                    other.version_text(),
                    task.version_text()
                ));
            }
        }
    }
    Ok(())
}

/// Adds the routes that the service has.
pub(super) fn routes(router: &mut Router) {
    endpoint(router, Method::GET, "_apis/extensionmanagement/installedextensions", list);
    endpoint(
        router,
        Method::GET,
        "_apis/extensionmanagement/installedextensionsbyname/{publisher}/{extension}",
        get,
    );
}

async fn list(call: Call) -> Result<Reply, Reply> {
    let extensions: Vec<Value> =
        call.emulator.read(|state| state.devops.extensions.iter().map(Extension::json).collect());
    Ok(Reply::json(200, &collection(&extensions)))
}

async fn get(call: Call) -> Result<Reply, Reply> {
    let (publisher, id) = (call.request.param("publisher"), call.request.param("extension"));
    let found = call.emulator.read(|state| {
        state.devops.extensions.iter().find(|known| known.is(publisher, id)).map(Extension::json)
    });
    let found = found.ok_or_else(|| {
        let message = format!("The extension {publisher}.{id} is not installed.");
        Refusal::new(404, "InstalledExtensionNotFoundException", message)
    })?;
    Ok(Reply::json(200, &found))
}

/// Adds `/emulator/extensions`: what an administrator does with the Marketplace.
pub(super) fn control_routes(router: &mut Router) {
    router.on(Method::GET, "/emulator/extensions", list_control);
    router.on(Method::PUT, "/emulator/extensions", put);
    router.on(Method::DELETE, "/emulator/extensions/{publisher}/{extension}", delete);
}

/// An extension with its tasks.
fn shown(state: &crate::State, extension: &Extension) -> Value {
    let tasks = state.devops.tasks.iter().filter(|task| extension.owns(task));
    let tasks: Vec<Value> =
        tasks.map(|task| json!({"id": task.id, "name": task.name, "version": task.version_text()})).collect();
    json!({
        "publisherId": extension.publisher, "extensionId": extension.id, "extensionName": extension.name,
        "version": extension.version, "tasks": tasks,
    })
}

async fn list_control(emulator: Arc<Emulator>, request: Request) -> Result<Reply, Reply> {
    crate::control::authorize(&emulator, &request)?;
    let extensions: Vec<Value> = emulator
        .read(|state| state.devops.extensions.iter().map(|extension| shown(state, extension)).collect());
    Ok(Reply::json(200, &extensions))
}

/// Its body is a `.vsix`.
async fn put(emulator: Arc<Emulator>, request: Request) -> Result<Reply, Reply> {
    crate::control::authorize(&emulator, &request)?;
    let refused = |problem: String| {
        Reply::json(400, &json!({"error": format!("the extension was not installed: {problem}")}))
    };
    // Compressing takes its time.
    let read = tokio::task::spawn_blocking(move || package::read(&request.body)).await;
    let mut package = read.unwrap_or_else(|error| Err(error.to_string())).map_err(refused)?;
    let mut tasks = Vec::new();
    for packaged in std::mem::take(&mut package.tasks) {
        let stored = tasks::store(&emulator, packaged.definition, &packaged.archive).await;
        tasks.push(stored.map_err(refused)?);
    }
    let installed =
        emulator.change(|state| install(state, &package, &tasks).map(|extension| shown(state, &extension)));
    Ok(Reply::json(200, &installed.map_err(refused)?))
}

async fn delete(emulator: Arc<Emulator>, request: Request) -> Result<Reply, Reply> {
    crate::control::authorize(&emulator, &request)?;
    let (publisher, id) = (request.param("publisher"), request.param("extension"));
    let found = emulator.change(|state| {
        let position = state.devops.extensions.iter().position(|known| known.is(publisher, id))?;
        let extension = state.devops.extensions.remove(position);
        state.devops.tasks.retain(|task| !extension.owns(task));
        Some(())
    });
    found.map(|()| Reply::status(204)).ok_or_else(|| {
        Reply::json(404, &json!({"error": format!("the extension {publisher}.{id} is not installed")}))
    })
}

#[cfg(test)]
mod tests {
    use super::version_numbers;

    #[test]
    fn versions_compare_by_their_numbers() {
        assert!(version_numbers("1.10") > version_numbers("1.9.9"));
        assert_eq!(version_numbers("1"), version_numbers("1.0.0.0"));
        for wrong in ["", "1.x", "1.2.3.4.5", "1..2", "v1"] {
            assert_eq!(version_numbers(wrong), None, "{wrong}");
        }
    }
}
