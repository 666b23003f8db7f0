//! Starts the programs: Debian's `docker-registry`, which listens on a socket that is a file, and Azurite, which
//! listens on a port of loopback that it chooses.

use std::path::Path;

use super::{Address, Kind, Plan, Programs};

/// What the registry prints when it answers.
const REGISTRY_LISTENS: &str = "listening on ";

/// What Azurite prints when it answers, before its address.
const AZURITE_LISTENS: &str = "successfully listens on http://";

type Started = (process::Child, process::Lines, Address);

/// Starts what stands behind a resource, and waits until it answers.
pub(super) async fn start(programs: &Programs, plan: &Plan, folder: &Path) -> Result<Started, String> {
    let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned());
    match plan.kind {
        Kind::Registry => {
            let program = programs.docker_registry.as_deref().ok_or(NO_REGISTRY)?;
            let (command, socket) = registry(program, folder).map_err(|error| error.to_string())?;
            let (child, lines, _) = run(command.environment([("PATH", path)]), REGISTRY_LISTENS).await?;
            Ok((child, lines, Address::Socket(socket)))
        }
        Kind::Storage => {
            let program = programs.azurite.as_deref().ok_or(NO_AZURITE)?;
            let command = azurite(program, folder).environment([("PATH", path)]);
            let command = command.environment(plan.environment.iter().map(|(name, value)| (name, value)));
            let (child, lines, line) = run(command, AZURITE_LISTENS).await?;
            let address = line.rsplit(AZURITE_LISTENS).next().and_then(|address| address.trim().parse().ok());
            let address = address.ok_or_else(|| format!("Azurite does not say where it listens: {line}"))?;
            Ok((child, lines, Address::Port(address)))
        }
    }
}

/// What is said where the program is not known.
pub(crate) const NO_REGISTRY: &str = "the emulator was started without a registry to stand behind those of Azure: \
    install docker-registry (Debian, Ubuntu: apt-get install docker-registry) and start the emulator with \
    --docker-registry FILE or DOCKER_REGISTRY";

/// The same for Azurite.
pub(crate) const NO_AZURITE: &str = "the emulator was started without Azurite to stand behind storage accounts: npm \
    install azurite, and start the emulator with --azurite node_modules/azurite/dist/src/blob/main.js or AZURITE";

/// Paths of sockets must be short, so that this one is beside other temporary files.
fn registry(program: &Path, folder: &Path) -> std::io::Result<(process::Command, std::path::PathBuf)> {
    let socket = std::env::temp_dir().join(format!("azure-emulator-{}.sock", uuid::Uuid::new_v4().simple()));
    let configuration = serde_json::json!({
        "version": "0.1",
        "log": {"level": "info", "accesslog": {"disabled": true}},
        "storage": {"filesystem": {"rootdirectory": folder.join("data")}, "delete": {"enabled": true}},
        "http": {"net": "unix", "addr": socket, "relativeurls": true},
    });
    // JSON is YAML too.
    let file = folder.join("configuration.yml");
    std::fs::write(&file, configuration.to_string())?;
    Ok((process::Command::new(program).arguments(["serve".as_ref(), file.as_os_str()]), socket))
}

fn azurite(program: &Path, folder: &Path) -> process::Command {
    let is_script = program.extension().is_some_and(|extension| extension == "js");
    let command = if is_script {
        process::Command::new("node").arguments([program])
    } else {
        process::Command::new(program)
    };
    let options = [
        "--silent",
        "--blobPort",
        "0",
        "--skipApiVersionCheck",
        "--disableProductStyleUrl",
        "--disableTelemetry",
        "--location",
    ];
    command.arguments(options).arguments([folder]).directory(folder)
}

/// A program that does not listen yet. It ends with this, should the emulator go before.
struct Starting(Option<process::Child>);

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(child) = &self.0 {
            child.kill_tree();
        }
    }
}

/// Starts a program and waits for the line that says that it listens.
async fn run(
    command: process::Command,
    listens: &str,
) -> Result<(process::Child, process::Lines, String), String> {
    let (child, mut lines) = command.spawn().map_err(|error| error.to_string())?;
    let mut starting = Starting(Some(child.clone()));
    let mut said = String::new();
    while let Some(line) = lines.next().await {
        if line.text.contains(listens) {
            starting.0 = None;
            return Ok((child, lines, line.text));
        }
        said = line.text;
    }
    Err(format!("it ended with {} before it listened: {said}", child.wait().await))
}

/// Notes what a program prints.
pub(super) async fn log(name: String, mut lines: process::Lines) {
    while let Some(line) = lines.next().await {
        tracing::debug!(name, "{}", line.text);
    }
}
