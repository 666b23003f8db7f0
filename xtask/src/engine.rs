//! A Docker engine: the one that answers, or one of our own for as long as we need it.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::machine;
use crate::programs::{is_installed, output, target};

/// How long an engine of ours may take to answer.
const START: Duration = Duration::from_mins(1);

/// An engine that answers.
pub(crate) struct Engine {
    /// Value for `DOCKER_HOST`; `None` where the usual one answers.
    host: Option<String>,
    ours: Option<OwnEngine>,
}

/// An engine that we started. It ends with this.
struct OwnEngine {
    child: Child,
    folder: PathBuf,
}

impl Engine {
    /// The engine that answers; else one of our own, installed if need be.
    pub(crate) fn find_or_start() -> Result<Self> {
        if answers(None) {
            return Ok(Self { host: None, ours: None });
        }
        if !machine::is_root() {
            bail!("no Docker engine answers, and only root may start one of its own");
        }
        machine::need(&[("dockerd", "docker.io"), ("iptables", "iptables")])?;
        let own = OwnEngine::start()?;
        Ok(Self { host: Some(own.host()), ours: Some(own) })
    }

    /// Lets an engine of ours run on after us, and gives its process id.
    pub(crate) fn leave(self) -> Option<u32> {
        // Its `Drop` is what would end it.
        self.ours.map(|own| std::mem::ManuallyDrop::new(own).child.id())
    }

    /// `docker` aimed at this engine.
    pub(crate) fn docker(&self, arguments: &[&str]) -> Command {
        let mut docker = Command::new("docker");
        docker.args(arguments).env("DOCKER_BUILDKIT", "0");
        self.point(&mut docker);
        docker
    }

    /// Lets a program use this engine.
    pub(crate) fn point(&self, command: &mut Command) {
        if let Some(host) = &self.host {
            command.env("DOCKER_HOST", host);
        }
    }

    /// Containers and networks that are left on an engine of our own: what was not cleaned up. Nothing is said of an
    /// engine that others use too.
    pub(crate) fn leftovers(&self) -> Result<Vec<String>> {
        if self.ours.is_none() {
            return Ok(Vec::new());
        }
        let containers = output(&mut self.docker(&["ps", "--all", "--format", "container {{.Names}}"]))?;
        let networks = ["network", "ls", "--filter", "type=custom", "--format", "network {{.Name}}"];
        let networks = output(&mut self.docker(&networks))?;
        Ok(containers.lines().chain(networks.lines()).map(str::to_owned).collect())
    }

    /// How it came to be here, for the reader.
    pub(crate) fn describe(&self) -> &'static str {
        if self.ours.is_some() { "a Docker engine of our own" } else { "the Docker engine of this machine" }
    }
}

fn answers(host: Option<&str>) -> bool {
    if !is_installed("docker") {
        return false;
    }
    let mut docker = Command::new("docker");
    docker.args(["version", "--format", "{{.Server.Version}}"]).stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(host) = host {
        docker.env("DOCKER_HOST", host);
    }
    docker.status().is_ok_and(|status| status.success())
}

impl OwnEngine {
    /// Images stay in the target folder between runs; sockets do not, since their paths must be short.
    fn start() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("ephemeral-agents-engine-{}", std::process::id()));
        let data = target().join("engine");
        std::fs::create_dir_all(&folder)?;
        std::fs::create_dir_all(&data)?;
        let log = std::fs::File::create(folder.join("log"))?;
        println!("Starting a Docker engine of our own");
        let child = Command::new("dockerd")
            .arg("--data-root")
            .arg(&data)
            .arg("--exec-root")
            .arg(folder.join("exec"))
            .arg("--pidfile")
            .arg(folder.join("pid"))
            .arg("--host")
            .arg(format!("unix://{}", folder.join("socket").display()))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start dockerd")?;
        let mut engine = Self { child, folder };
        engine.wait()?;
        engine.forget_earlier_runs();
        Ok(engine)
    }

    /// Whatever a run that was cut off has left on this engine of ours.
    fn forget_earlier_runs(&self) {
        for kind in ["container", "network"] {
            let mut prune = Command::new("docker");
            prune.args([kind, "prune", "--force"]).env("DOCKER_HOST", self.host());
            let _ = prune.stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
    }

    fn host(&self) -> String {
        format!("unix://{}", self.folder.join("socket").display())
    }

    fn wait(&mut self) -> Result<()> {
        let start = Instant::now();
        while !answers(Some(&self.host())) {
            if let Some(status) = self.child.try_wait()? {
                bail!("dockerd ended with {status}:\n{}", self.log_tail());
            }
            if start.elapsed() > START {
                bail!("dockerd does not answer after {} s:\n{}", START.as_secs(), self.log_tail());
            }
            crate::emulator::pause(Duration::from_millis(200));
        }
        Ok(())
    }

    fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

impl Drop for OwnEngine {
    fn drop(&mut self) {
        // By its pid, politely: it must end the containers it runs.
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
