//! What `azure-emulator` does besides serving: the commands that talk to an emulator which runs.
#![expect(clippy::print_stdout, reason = "a program tells its user what became of it")]

mod client;
mod pipeline;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use hyper::Method;
use serde_json::Value;

use client::Client;
pub(crate) use client::Which;
pub(crate) use pipeline::Run;

/// Extensions of the organization.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Extension {
    /// Install the package of an extension, or its newer version
    Install {
        /// The package, as `tfx extension create` makes it
        #[arg(value_name = "FILE.vsix")]
        package: PathBuf,
    },
    /// List what is installed, with its tasks
    List,
    /// Take an extension and its tasks away
    Uninstall {
        /// Which
        #[arg(value_name = "PUBLISHER.EXTENSION")]
        name: String,
    },
}

/// Service connections of the project.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ServiceConnection {
    /// Make a service connection, or replace the one of that name
    Put {
        /// Its name
        name: String,
        /// JSON with `type`, `scheme`, `parameters`, `data` and `url`; `{emulator-url}` in it stands for the emulator's
        /// address as the job knows it
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
    },
}

/// Pipelines of the project.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Pipeline {
    /// Run a pipeline from its YAML file, show its logs, and end as it ends: with 0 if it succeeded, else with 1
    Run(Run),
}

/// Does what an extension command says. `Err` is for the person who gave it.
pub(crate) async fn extension(which: &Which, command: &Extension) -> Result<ExitCode, String> {
    let client = Client::find(which)?;
    match command {
        Extension::Install { package } => {
            let installed = client.control(Method::PUT, "extensions", read(package)?).await?;
            println!("installed {}", described(&installed));
        }
        Extension::List => {
            let all = client.control(Method::GET, "extensions", Vec::new()).await?;
            for extension in all.as_array().into_iter().flatten() {
                println!("{}", described(extension));
            }
        }
        Extension::Uninstall { name } => {
            let path = name.split_once('.').map(|(publisher, id)| format!("extensions/{publisher}/{id}"));
            let path = path.ok_or_else(|| format!("{name:?} is not of the form PUBLISHER.EXTENSION"))?;
            client.control(Method::DELETE, &path, Vec::new()).await?;
            println!("uninstalled {name}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// An extension on one line: what it is, and what its tasks are called.
fn described(extension: &Value) -> String {
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let tasks = extension["tasks"].as_array().into_iter().flatten();
    let tasks: Vec<String> =
        tasks.map(|task| format!("{}@{}", text(task, "name"), text(task, "version"))).collect();
    format!(
        "{}.{} {}: {}",
        text(extension, "publisherId"),
        text(extension, "extensionId"),
        text(extension, "version"),
        if tasks.is_empty() { "no tasks".to_owned() } else { tasks.join(", ") }
    )
}

/// Does what a service connection command says. `Err` is for the person who gave it.
pub(crate) async fn service_connection(
    which: &Which,
    command: &ServiceConnection,
) -> Result<ExitCode, String> {
    let client = Client::find(which)?;
    let ServiceConnection::Put { name, file } = command;
    let path = format!("service-connections/{}", encoded(name));
    let made = client.control(Method::PUT, &path, read(file)?).await?;
    for (key, value) in made.as_object().into_iter().flatten() {
        println!("{key}: {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    Ok(ExitCode::SUCCESS)
}

/// Does what a pipeline command says. `Err` is for the person who gave it.
pub(crate) async fn pipeline(which: &Which, command: &Pipeline) -> Result<ExitCode, String> {
    let client = Client::find(which)?;
    let Pipeline::Run(run) = command;
    pipeline::run(&client, run).await
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

/// A name as one part of a path.
fn encoded(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}
