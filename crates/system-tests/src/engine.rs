//! A Docker engine, and an image of ours on it.

use std::process::{Command, Output, Stdio};

use crate::programs::Program;
use crate::registry::Registry;
use crate::world::World;

/// A variable that `cargo xtask test` sets beside `AGENT_IMAGE`.
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask test`"))
}

/// What an emulator has on the engine. A test that fails does not get to the end of its world, and must not leave it
/// there: the engine has addresses for thirty networks.
#[derive(Debug)]
pub(crate) struct Remains {
    network: String,
}

impl Remains {
    pub(crate) fn of(network: &str) -> Self {
        Self { network: network.to_owned() }
    }
}

impl Drop for Remains {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let containers = ["ps", "--all", "--quiet", "--filter", &format!("network={}", self.network)];
        remove(&["rm", "--force"], &containers);
        let networks = ["network", "ls", "--quiet", "--filter", &format!("name={}", self.network)];
        remove(&["network", "rm"], &networks);
    }
}

/// Removes what the engine lists, as far as that goes.
pub(crate) fn remove(command: &[&str], list: &[&str]) {
    let listed = Command::new("docker").args(list).output();
    let listed =
        listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    if !listed.is_empty() {
        let _ = Command::new("docker").args(command).args(listed.lines()).output();
    }
}

/// An engine, and the agent image that `cargo xtask test` has built on it.
#[derive(Debug)]
pub struct Engine {
    image: String,
    folder: tempfile::TempDir,
}

impl Engine {
    /// The engine that `cargo xtask test` has prepared: `AGENT_IMAGE` names the image. `None` without one, where what
    /// needs an engine cannot be tried.
    pub fn prepared() -> Option<Self> {
        let image = std::env::var("AGENT_IMAGE").ok().filter(|image| !image.is_empty())?;
        Some(Self { image, folder: tempfile::tempdir().expect("a folder") })
    }

    /// The agent image.
    pub fn agent_image(&self) -> &str {
        &self.image
    }

    /// Runs `docker`, and gives what it printed; it must succeed.
    pub fn docker(&self, arguments: &[&str]) -> String {
        let output = self.try_docker(arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "docker {}: {text}{}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        text.trim_end().to_owned()
    }

    /// Runs `docker`, and gives how that went.
    pub fn try_docker(&self, arguments: &[&str]) -> Output {
        let mut docker = Command::new("docker");
        docker.args(arguments).env("DOCKER_BUILDKIT", "0").env("DOCKER_CONFIG", self.folder.path());
        docker.stdin(Stdio::null()).output().expect("docker runs")
    }

    /// Builds a user's image on top of ours: what follows `FROM`.
    pub fn image_with(&self, name: &str, lines: &str) -> String {
        self.image_on(&self.image, name, lines, &[])
    }

    /// The same on top of any image, with files in its context.
    pub fn image_on(&self, base: &str, name: &str, lines: &str, files: &[(&str, &[u8])]) -> String {
        let context = self.folder.path().join(name);
        std::fs::create_dir_all(&context).expect("a folder");
        std::fs::write(context.join("Dockerfile"), format!("FROM {base}\n{lines}\n")).expect("a file");
        for (file, content) in files {
            std::fs::write(context.join(file), content).expect("a file");
        }
        let tag = format!("ephemeral-agents/{name}:test");
        self.docker(&["build", "--quiet", "--force-rm", "--tag", &tag, &context.display().to_string()]);
        tag
    }

    /// Builds a user's image on top of ours that brings the program `hostile-job`.
    pub fn hostile_image(&self, name: &str, lines: &str) -> String {
        let program = std::fs::read(Program::HostileJob.path()).expect("the program");
        let lines = format!(
            "COPY hostile-job /usr/local/bin/hostile-job\nRUN chmod 0755 /usr/local/bin/hostile-job\n{lines}"
        );
        self.image_on(&self.image, name, &lines, &[("hostile-job", &program)])
    }

    /// Builds a target of our Dockerfile as the agent image was built, with more arguments of `docker build`, and gives
    /// how that went.
    pub fn build(&self, target: &str, tag: &str, more: &[&str]) -> Output {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
        let context = variable("AGENT_CONTEXT");
        let (file, base) = (format!("{root}/images/linux/Dockerfile"), Self::base_argument());
        let mut arguments = vec!["build", "--force-rm", "--file", &file, "--target", target, "--tag", tag];
        arguments.extend(["--build-arg", &base, "--build-arg", "TARGETARCH=amd64"]);
        arguments.extend(more);
        arguments.push(&context);
        self.try_docker(&arguments)
    }

    /// The image `azure`, with the Azure CLI. Its first build takes about a minute; later the engine has it.
    pub fn azure_image(&self) -> &'static str {
        let tag = "ephemeral-agents/azure:test";
        let version = format!("AZURE_CLI_VERSION={}", variable("AZURE_CLI_VERSION"));
        let built = self.build("azure", tag, &["--build-arg", &version]);
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        tag
    }

    /// An image on top of another that trusts the authority of a world, as that of a company may.
    pub fn image_that_trusts(&self, world: &World, base: &str, name: &str) -> String {
        let pem = std::fs::read(world.setting("EMULATOR_CA_FILE")).expect("the authority");
        let lines = "COPY authority.crt /usr/local/share/ca-certificates/\nRUN update-ca-certificates";
        self.image_on(base, name, lines, &[("authority.crt", &pem)])
    }

    /// Builds a folder of the samples, and gives the name of the image.
    pub fn sample(&self, name: &str) -> String {
        let folder = format!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../samples/{}"), name);
        let (tag, base) = (format!("ephemeral-agents/{name}:test"), Self::base_argument());
        self.docker(&["build", "--quiet", "--force-rm", "--build-arg", &base, "--tag", &tag, &folder]);
        tag
    }

    /// The build argument that names the image which the agent image is built on.
    fn base_argument() -> String {
        format!("BASE_IMAGE={}", variable("AGENT_BASE_IMAGE"))
    }

    /// The container of an agent: the engine's id of it.
    pub fn container_of(&self, agent: &str) -> String {
        self.try_container_of(agent).unwrap_or_else(|| panic!("no container of {agent}"))
    }

    /// The same for a container that may be gone.
    pub fn try_container_of(&self, agent: &str) -> Option<String> {
        let running = self.docker(&["ps", "--all", "--quiet", "--no-trunc", "--filter", "name=aci-"]);
        // Containers of other tests may be gone by the time that they are looked at.
        let is_of = |id: &&str| {
            let output = self.try_docker(&["inspect", "--format", "{{join .Config.Env \"\\n\"}}", id]);
            let wanted = format!("AZP_AGENT_NAME={agent}");
            String::from_utf8_lossy(&output.stdout).lines().any(|variable| variable == wanted)
        };
        running.lines().find(is_of).map(str::to_owned)
    }

    /// Kills the processes in a container whose command line has a match of this pattern. The pattern must not match
    /// itself, as `[A]gent` does not.
    pub fn kill(&self, container: &str, pattern: &str) {
        let script = format!(
            "for process in /proc/[0-9]*; do if tr '\\0' ' ' < $process/cmdline 2>/dev/null | grep -q '{pattern}'; \
             then kill -KILL ${{process#/proc/}} && echo killed; fi; done; true"
        );
        let killed = self.inside(container, &script);
        assert!(killed.contains("killed"), "nothing in the container matches {pattern}");
    }

    /// Runs a shell command in a container as root, and gives what it printed.
    pub fn inside(&self, container: &str, command: &str) -> String {
        self.docker(&["exec", "--user", "0", container, "sh", "-c", command])
    }

    /// The same for a command that may fail.
    pub fn try_inside(&self, container: &str, command: &str) -> String {
        let output = self.try_docker(&["exec", "--user", "0", container, "sh", "-c", command]);
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// A registry with nothing in it, open to everybody.
    pub fn registry(&self) -> Registry {
        Registry::start(&self.folder.path().join("registry"), None)
    }

    /// Pushes an image to a registry that is open to everybody, under a name there.
    pub fn push(&self, image: &str, registry: &Registry, name: &str) {
        let full = registry.image(name);
        self.docker(&["tag", image, &full]);
        self.docker(&["push", "--quiet", &full]);
        // What the emulator starts must come from the registry.
        self.docker(&["rmi", &full]);
    }
}
