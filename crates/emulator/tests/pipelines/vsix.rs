//! Packages of extensions, laid out as `tfx extension create` lays them out.

use std::io::{Cursor, Write as _};

use serde_json::{Value, json};
use zip::write::SimpleFileOptions;

/// Id of the task that [`extension`] brings.
pub(crate) const TASK_ID: &str = "0f1c9a54-2d1e-4c1b-a0a5-5e1f00000002";

/// A package in the making: its files by name.
#[derive(Clone)]
pub(crate) struct Vsix(Vec<(String, Vec<u8>)>);

/// Its `task.json`.
pub(crate) fn task(version: (u64, u64, u64)) -> Value {
    json!({
        "id": TASK_ID, "name": "Greeter", "friendlyName": "Greeter", "description": "Greets", "author": "Nobody",
        "category": "Utility", "instanceNameFormat": "Greet $(who)",
        "version": {"Major": version.0, "Minor": version.1, "Patch": version.2},
        "inputs": [
            {"name": "who", "type": "string", "label": "Who", "defaultValue": "world"},
            {"name": "connectedServiceNameARM", "aliases": ["azureSubscription"], "type": "connectedService:AzureRM",
             "label": "Azure", "required": false},
        ],
        "execution": {"Node20_1": {"target": "index.js"}},
    })
}

/// An extension of this version, with one task whose script is `script`.
pub(crate) fn extension(version: &str, task: &Value, script: &str) -> Vsix {
    let contributions = json!({
        "manifestVersion": 1, "scopes": [], "contributionTypes": [],
        "contributions": [{
            "id": "greeter", "type": "ms.vss-distributed-task.task", "targets": ["ms.vss-distributed-task.tasks"],
            "properties": {"name": "GreeterTask"},
        }],
    });
    let manifest = format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<PackageManifest Version="2.0.0" xmlns="http://schemas.microsoft.com/developer/vsx-schema/2011"
    xmlns:d="http://schemas.microsoft.com/developer/vsx-schema-design/2011">
  <Metadata>
    <Identity Language="en-US" Id="greetings" Version="{version}" Publisher="contoso-tools"/>
    <DisplayName>Greetings</DisplayName>
  </Metadata>
  <Installation><InstallationTarget Id="Microsoft.VisualStudio.Services"/></Installation>
  <Assets>
    <Asset Type="Microsoft.VisualStudio.Services.Manifest" d:Source="File" Path="extension.vsomanifest"/>
  </Assets>
</PackageManifest>"#
    );
    Vsix(Vec::new())
        .with("[Content_Types].xml", "<Types/>")
        .with("extension.vsomanifest", contributions.to_string())
        .with("GreeterTask/task.json", task.to_string())
        .with("GreeterTask/index.js", script)
        .with("extension.vsixmanifest", manifest)
}

impl Vsix {
    /// With a file, in place of the one of that name.
    pub(crate) fn with(mut self, name: &str, content: impl Into<Vec<u8>>) -> Self {
        self = self.without(name);
        self.0.push((name.to_owned(), content.into()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.retain(|(known, _)| known != name);
        self
    }

    /// With its package manifest changed.
    pub(crate) fn renamed(mut self, change: impl Fn(String) -> String) -> Self {
        for (name, content) in &mut self.0 {
            if name == "extension.vsixmanifest" {
                *content = change(String::from_utf8(content.clone()).expect("text")).into_bytes();
            }
        }
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in &self.0 {
            archive.start_file(name.as_str(), SimpleFileOptions::default()).expect("a file");
            archive.write_all(content).expect("its content");
        }
        archive.finish().expect("an archive").into_inner()
    }
}
