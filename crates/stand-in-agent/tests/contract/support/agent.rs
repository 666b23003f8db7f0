//! An installation of the agent in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use tokio::process::{Child, Command};

use super::server::Server;
use super::world::{CMD_LINE, CMD_LINE_MANIFEST, PAT};

/// An unpacked package.
pub(crate) struct Agent {
    pub(crate) root: PathBuf,
    server: String,
    ca_file: PathBuf,
    environment: Vec<(String, String)>,
    _folder: tempfile::TempDir,
}

impl Agent {
    /// Unpacks the agent. Nothing is configured.
    pub(crate) fn install(server: &Server) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("agent");
        lay_out(&root);
        server.world.add_task(CMD_LINE, &[("task.json", CMD_LINE_MANIFEST)]);
        Self {
            root,
            server: format!("{}/contoso", server.url),
            ca_file: server.ca_file.clone(),
            environment: Vec::new(),
            _folder: folder,
        }
    }

    /// Installs and configures.
    pub(crate) async fn configured(server: &Server) -> Self {
        let agent = Self::install(server);
        let output = agent.configure(&[]).await;
        assert!(output.status.success(), "{}", text(&output));
        agent
    }

    /// Sets a variable for every later start.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs `configure` with the token in the environment.
    pub(crate) async fn configure(&self, more: &[&str]) -> Output {
        let mut command =
            self.command(&["configure", "--unattended", "--auth", "PAT", "--url", &self.server]);
        command.args(["--pool", "sample", "--agent", "a1"]).args(more).env("VSTS_AGENT_INPUT_TOKEN", PAT);
        command.output().await.unwrap()
    }

    /// Runs `remove`.
    pub(crate) async fn remove(&self) -> Output {
        let mut command = self.command(&["remove", "--unattended", "--auth", "PAT"]);
        command.env("VSTS_AGENT_INPUT_TOKEN", PAT).output().await.unwrap()
    }

    /// Runs with arguments to the end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().await.unwrap()
    }

    /// Starts with arguments.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    /// Runs a script of the package.
    pub(crate) async fn script(&self, name: &str, arguments: &[&str]) -> Output {
        let mut command = self.prepare(Command::new(self.root.join(name)));
        command.args(arguments).output().await.unwrap()
    }

    /// The names of files in a folder of the root.
    pub(crate) fn names_in(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.root.join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.prepare(Command::new(self.root.join("bin/Agent.Listener")));
        command.args(arguments);
        command
    }

    fn prepare(&self, mut command: Command) -> Command {
        command.current_dir(&self.root).env_clear().stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap());
        command.env("SSL_CERT_FILE", &self.ca_file).env("AGENT_ALLOW_RUNASROOT", "1");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }
}

/// Lays the package out in a folder.
pub(crate) fn lay_out(root: &Path) {
    std::fs::create_dir_all(root.join("bin")).unwrap();
    let built = Path::new(env!("CARGO_BIN_EXE_stand-in-agent"));
    // By another process: a child that another test starts meanwhile would inherit the open file, and keep it busy.
    let copied = std::process::Command::new("cp").arg(built).arg(root.join("bin/Agent.Listener")).status();
    assert!(copied.unwrap().success());
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("package");
    for file in ["config.sh", "run.sh", "env.sh", "license.html"] {
        let copied = std::process::Command::new("cp").arg(package.join(file)).arg(root.join(file)).status();
        assert!(copied.unwrap().success());
    }
}

/// What a program printed.
pub(crate) fn text(output: &Output) -> String {
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{out}{error}")
}
