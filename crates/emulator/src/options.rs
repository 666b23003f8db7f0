//! The command line of `azure-emulator`.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::backends::Programs;

/// How to run the emulator.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Port for everything; 0 takes any that is free
    #[arg(long, default_value_t = 8443)]
    pub port: u16,
    /// Address to listen on; by default loopback, and with Docker every address, since containers must reach it
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<IpAddr>,
    /// Host name or address that is put into URLs, for clients and containers alike; by default `localhost`, and with
    /// Docker the gateway of the emulator's own network, which both can reach
    #[arg(long, value_name = "HOST")]
    pub advertise: Option<String>,
    /// What runs container groups: Docker containers, or processes in a folder of their own
    #[arg(long, value_enum, default_value_t = RuntimeChoice::Auto)]
    pub runtime: RuntimeChoice,
    /// Folder for the certificate authority, the settings for clients and the work of processes; by default a
    /// temporary one that goes with the emulator
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Keep everything the emulator knows in this folder, and go on from there
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// In step mode nothing happens by itself: `POST /emulator/step` moves time
    #[arg(long, value_enum, default_value_t = Mode::Run)]
    pub mode: Mode,
    /// The stand-in agent to serve as agent package; by default the one beside this program
    #[arg(long, value_name = "FILE")]
    pub stand_in_agent: Option<PathBuf>,
    /// The program `docker-registry`, to stand behind the registries of Azure
    #[arg(long, value_name = "FILE", env = "DOCKER_REGISTRY")]
    pub docker_registry: Option<PathBuf>,
    /// Azurite, to stand behind storage accounts: `dist/src/blob/main.js` of its package, or the program `azurite-blob`
    #[arg(long, value_name = "FILE", env = "AZURITE")]
    pub azurite: Option<PathBuf>,
    /// For processes in place of containers: the command that an image starts
    #[arg(long = "image", value_name = "NAME=COMMAND", value_parser = image_command)]
    pub images: Vec<(String, PathBuf)>,
}

impl Options {
    /// The programs that can be started for resources.
    pub fn programs(&self) -> Programs {
        Programs { docker_registry: self.docker_registry.clone(), azurite: self.azurite.clone() }
    }
}

/// What runs container groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum RuntimeChoice {
    /// Docker where an engine answers, else processes.
    Auto,
    /// Docker containers.
    Docker,
    /// Processes in a folder of their own.
    Process,
}

/// Whether time passes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It does.
    Run,
    /// It moves when it is told to.
    Step,
}

fn image_command(text: &str) -> Result<(String, PathBuf), String> {
    let (name, command) = text.split_once('=').ok_or("expected NAME=COMMAND")?;
    Ok((name.to_owned(), PathBuf::from(command)))
}

/// Writes a file that only its owner may read.
pub(crate) fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
