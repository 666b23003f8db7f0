//! Reads a `.vsix`: a zip in the Open Packaging Conventions, with two manifests and the folders of its tasks.
//!
//! `extension.vsixmanifest` (XML) says what it is and where the other one lies; `extension.vsomanifest` (JSON) says
//! what it contributes. The layout is what `tfx extension create` of Microsoft's tfx-cli writes; what a `task.json`
//! must have is what its `jsonvalidate.js` asks, which the service is assumed to ask too.

use std::collections::BTreeSet;
use std::io::{Cursor, Read as _, Write as _};

use roxmltree::{Document, Node};
use serde_json::Value;
use sha2::Digest as _;
use zip::ZipArchive;
use zip::write::SimpleFileOptions;

use super::manifest;
use crate::devops::tasks::{Contribution, TaskDefinition};

/// The Marketplace takes no larger package (learn.microsoft.com, "Package and publish extensions").
const LARGEST: usize = 50 << 20;

/// What must stand at the package's root.
const PACKAGE_MANIFEST: &str = "extension.vsixmanifest";

/// The asset that says what an extension contributes.
const CONTRIBUTIONS_ASSET: &str = "Microsoft.VisualStudio.Services.Manifest";

/// The kind of contribution that is a task.
const TASK: &str = "ms.vss-distributed-task.task";

type Archive<'a> = ZipArchive<Cursor<&'a [u8]>>;

/// What a package holds.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) publisher: String,
    pub(super) id: String,
    pub(super) name: String,
    /// One to four numbers.
    pub(super) version: String,
    /// SHA-256 of the package, in hexadecimal.
    pub(super) digest: String,
    pub(super) tasks: Vec<PackagedTask>,
}

/// A task in a package.
#[derive(Debug)]
pub(super) struct PackagedTask {
    pub(super) definition: TaskDefinition,
    /// What agents get: the task's folder as an archive of its own.
    pub(super) archive: Vec<u8>,
}

/// Reads a package. `Err` says why the service would not take it, and what to do.
pub(super) fn read(bytes: &[u8]) -> Result<Package, String> {
    if bytes.len() > LARGEST {
        return Err(format!(
            "it has {} MB, and an extension may have 50 MB at most: leave something out, or compress it better",
            bytes.len() >> 20
        ));
    }
    let mut archive = ZipArchive::new(Cursor::new(bytes))
        .map_err(|error| format!("it is not a zip archive ({error}); tfx extension create makes packages"))?;
    let text = file(&mut archive, PACKAGE_MANIFEST)?;
    let document = Document::parse(text.trim_start_matches('\u{feff}'))
        .map_err(|error| format!("{PACKAGE_MANIFEST} is not XML: {error}"))?;
    let identity = named(&document, "Identity").next().ok_or("extension.vsixmanifest has no Identity")?;
    let attribute = |name: &str| {
        let value = identity.attribute(name).filter(|value| !value.is_empty()).map(str::to_owned);
        value.ok_or_else(|| format!("the Identity in {PACKAGE_MANIFEST} has no {name}"))
    };
    let (publisher, id, version) = (attribute("Publisher")?, attribute("Id")?, attribute("Version")?);
    if super::version_numbers(&version).is_none() {
        return Err(format!("its version is {version:?}, and must be one to four numbers with dots between"));
    }
    check_target(&document)?;
    let name = named(&document, "DisplayName").next().and_then(|name| name.text()).unwrap_or(&id).to_owned();
    let tasks = read_tasks(&mut archive, &contributions_path(&document)?, |contribution| Contribution {
        publisher: publisher.clone(),
        extension: id.clone(),
        id: contribution,
        version: version.clone(),
    })?;
    Ok(Package { publisher, id, name, version, digest: hexadecimal(&sha2::Sha256::digest(bytes)), tasks })
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn named<'a>(document: &'a Document<'a>, name: &'a str) -> impl Iterator<Item = Node<'a, 'a>> {
    document.descendants().filter(move |node| node.tag_name().name() == name)
}

/// An extension says for which products it is; those of Azure DevOps have this beginning.
fn check_target(document: &Document<'_>) -> Result<(), String> {
    let known = |id: &str| {
        id.starts_with("Microsoft.VisualStudio.Services") || id.starts_with("Microsoft.TeamFoundation")
    };
    let mut targets = named(document, "InstallationTarget").filter_map(|target| target.attribute("Id"));
    if targets.any(known) {
        return Ok(());
    }
    Err("it is not for Azure DevOps: its targets need one with the id Microsoft.VisualStudio.Services"
        .to_owned())
}

fn contributions_path(document: &Document<'_>) -> Result<String, String> {
    let asset = named(document, "Asset").find(|asset| asset.attribute("Type") == Some(CONTRIBUTIONS_ASSET));
    let path = asset.and_then(|asset| asset.attribute("Path"));
    path.map(str::to_owned)
        .ok_or_else(|| format!("{PACKAGE_MANIFEST} lists no asset of the type {CONTRIBUTIONS_ASSET}"))
}

fn read_tasks(
    archive: &mut Archive<'_>,
    path: &str,
    contribution: impl Fn(String) -> Contribution,
) -> Result<Vec<PackagedTask>, String> {
    let manifest = json(&file(archive, path)?).map_err(|error| format!("{path} is not JSON: {error}"))?;
    let contributions = manifest["contributions"].as_array().cloned().unwrap_or_default();
    let mut tasks = Vec::new();
    for task in contributions.iter().filter(|contribution| contribution["type"] == TASK) {
        let id = task["id"].as_str().filter(|id| !id.is_empty()).ok_or("a contributed task has no id")?;
        let folder = task["properties"]["name"].as_str().filter(|name| !name.is_empty());
        let folder = folder.ok_or_else(|| {
            format!("the contribution {id} names no folder: properties.name must be that of the task")
        })?;
        let folders = task_folders(archive, folder);
        if folders.is_empty() {
            return Err(format!(
                "the contribution {id} names the folder {folder}, in which there is no task.json: list the folder \
                 under files in the extension's manifest"
            ));
        }
        for folder in folders {
            let mut read = read_task(archive, &folder)?;
            read.definition.contribution = Some(contribution(id.to_owned()));
            tasks.push(read);
        }
    }
    Ok(tasks)
}

/// Folders with a `task.json`: the named one, or, where a task comes in several versions, those in it.
fn task_folders(archive: &Archive<'_>, folder: &str) -> Vec<String> {
    let folder = folder.trim_matches('/');
    let within = format!("{folder}/");
    let mut folders = BTreeSet::new();
    for name in names(archive) {
        let Some(found) = name.strip_suffix("/task.json") else { continue };
        let version = found.strip_prefix(&within).is_some_and(|rest| !rest.contains('/'));
        if found == folder || version {
            folders.insert(found.to_owned());
        }
    }
    if folders.contains(folder) { vec![folder.to_owned()] } else { folders.into_iter().collect() }
}

/// Names of its files; one that cannot be read names nothing that is looked for.
fn names(archive: &Archive<'_>) -> impl Iterator<Item = String> {
    archive.file_names().filter_map(|name| Some(name.ok()?.into_owned()))
}

fn read_task(archive: &mut Archive<'_>, folder: &str) -> Result<PackagedTask, String> {
    let path = format!("{folder}/task.json");
    let task = json(&file(archive, &path)?).map_err(|error| format!("{path} is not JSON: {error}"))?;
    let within = format!("{folder}/");
    let files: BTreeSet<String> =
        names(archive).filter_map(|name| name.strip_prefix(&within).map(str::to_owned)).collect();
    manifest::check(&task, &|name| files.contains(name)).map_err(|error| format!("{path}: {error}"))?;
    let definition = TaskDefinition::of_manifest(task).map_err(|error| format!("{path}: {error}"))?;
    let archive = repack(archive, folder, &files).map_err(|error| format!("{folder}: {error}"))?;
    Ok(PackagedTask { definition, archive })
}

/// The archive that agents get. It carries no file modes, as packages of `tfx` carry none: a program in it must be made
/// executable by the task.
fn repack(
    archive: &mut Archive<'_>,
    folder: &str,
    files: &BTreeSet<String>,
) -> zip::result::ZipResult<Vec<u8>> {
    let mut packed = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_level(Some(1)).unix_permissions(0o644);
    for name in files.iter().filter(|name| !name.is_empty() && !name.ends_with('/')) {
        let mut content = Vec::new();
        archive.by_name(&format!("{folder}/{name}"))?.read_to_end(&mut content)?;
        packed.start_file(name.as_str(), options)?;
        packed.write_all(&content)?;
    }
    Ok(packed.finish()?.into_inner())
}

fn file(archive: &mut Archive<'_>, path: &str) -> Result<String, String> {
    let mut text = String::new();
    let mut file = archive
        .by_name(path.trim_start_matches('/'))
        .map_err(|error| format!("{path} cannot be read ({error}); tfx extension create writes it"))?;
    file.read_to_string(&mut text).map_err(|error| format!("{path} cannot be read: {error}"))?;
    Ok(text)
}

fn json(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(text.trim_start_matches('\u{feff}'))
}
