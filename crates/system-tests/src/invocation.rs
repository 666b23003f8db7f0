//! Running our programs as a user does: a command line, an environment, what is printed, the exit code.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use crate::World;
use crate::programs::Program;
use crate::troubleshooting;

/// Longer than any command of these tests takes, however busy the machine is.
const PATIENCE: Duration = Duration::from_mins(3);

/// A command before it is run.
#[derive(Clone, Debug)]
pub struct Invocation {
    program: PathBuf,
    command: Vec<String>,
    options: Vec<(String, String)>,
    environment: BTreeMap<String, String>,
}

impl Invocation {
    pub(crate) fn new(command: &[&str], environment: BTreeMap<String, String>) -> Self {
        let command = command.iter().map(|&word| word.to_owned()).collect();
        Self { program: Program::Cli.path(), command, options: Vec::new(), environment }
    }

    /// A command line of a program that is not ours.
    pub(crate) fn foreign(program: &Path, words: &[&str], environment: BTreeMap<String, String>) -> Self {
        Self { program: program.to_owned(), ..Self::new(words, environment) }
    }

    /// The same command line of another program.
    #[must_use]
    pub(crate) fn of(self, program: Program) -> Self {
        Self { program: program.path(), ..self }
    }

    /// Adds `--name value`, whether or not it was given before. An empty value adds `--name` alone.
    #[must_use]
    pub fn and(mut self, name: &str, value: &str) -> Self {
        self.options.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Gives `--name value` in place of what was given before.
    #[must_use]
    pub fn with(self, name: &str, value: &str) -> Self {
        self.without(name).and(name, value)
    }

    /// Takes an option away.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.options.retain(|(known, _)| known != name);
        self
    }

    /// Sets a variable; an empty value takes it away.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        if value.is_empty() {
            self.environment.remove(name);
        } else {
            self.environment.insert(name.to_owned(), value.to_owned());
        }
        self
    }

    /// Shows a certificate instead of a key.
    #[must_use]
    pub fn certified(self, world: &World) -> Self {
        let path = world.folder().join("app.pem");
        std::fs::write(&path, world.certificate()).expect("a file");
        self.env("AZURE_CLIENT_SECRET", "").env("AZURE_CLIENT_CERTIFICATE_PATH", &path.to_string_lossy())
    }

    /// Starts it, and gives it time to go on by itself.
    pub fn start(&self) -> Started {
        let mut command = Command::new(&self.program);
        command.args(&self.command);
        for (name, value) in &self.options {
            command.arg(format!("--{name}"));
            if !value.is_empty() {
                command.arg(value);
            }
        }
        command.env_clear().envs(&self.environment).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let (lines, printed) = mpsc::unbounded_channel();
        read(child.stdout.take().expect("its output"), Stream::Output, lines.clone());
        read(child.stderr.take().expect("its talk"), Stream::Talk, lines);
        Started { child, lines: printed, printed: Printed::default() }
    }

    /// Runs it to its end.
    pub async fn run(&self) -> Printed {
        self.start().end().await
    }
}

#[derive(Clone, Copy)]
enum Stream {
    Output,
    Talk,
}

fn read(
    from: impl AsyncRead + Unpin + Send + 'static,
    stream: Stream,
    to: mpsc::UnboundedSender<(Stream, String)>,
) {
    let mut lines = BufReader::new(from).lines();
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            if to.send((stream, line)).is_err() {
                return;
            }
        }
    });
}

/// A command that runs.
#[derive(Debug)]
pub struct Started {
    child: Child,
    lines: mpsc::UnboundedReceiver<(Stream, String)>,
    printed: Printed,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Output => "output",
            Self::Talk => "talk",
        })
    }
}

impl Started {
    async fn next_line(&mut self) -> Option<String> {
        let next = tokio::time::timeout(PATIENCE, self.lines.recv()).await;
        let (stream, line) = next.unwrap_or_else(|_| panic!("it does not end:\n{}", self.printed.said()))?;
        match stream {
            Stream::Output => self.printed.output.push(line.clone()),
            Stream::Talk => self.printed.talk.push(line.clone()),
        }
        Some(line)
    }

    /// Reads until it says this.
    pub async fn until(&mut self, text: &str) {
        while let Some(line) = self.next_line().await {
            if line.contains(text) {
                return;
            }
        }
        panic!("it ended without {text:?}:\n{}", self.printed.said());
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let id = self.child.id().expect("it runs").cast_signed();
        kill(Pid::from_raw(id), signal).expect("it takes signals");
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// What was read of it so far.
    pub fn said(&self) -> String {
        self.printed.said()
    }

    /// Lets it come to its end.
    pub async fn end(mut self) -> Printed {
        while self.next_line().await.is_some() {}
        let status = self.child.wait().await.expect("it ends");
        self.printed.code = status.code();
        self.printed
    }
}

/// What a command printed, and how it ended.
#[derive(Clone, Debug, Default)]
pub struct Printed {
    /// Its exit code.
    pub code: Option<i32>,
    /// Lines of standard output: results.
    pub output: Vec<String>,
    /// Lines of standard error: talk.
    pub talk: Vec<String>,
}

impl Printed {
    /// All of it, and the exit code: what a snapshot shows.
    pub fn said(&self) -> String {
        let code = self.code.map_or_else(|| "none".to_owned(), |code| code.to_string());
        let lines = self.talk.iter().chain(&self.output).map(String::as_str);
        lines.chain([format!("(exit code {code})").as_str()]).collect::<Vec<_>>().join("\n")
    }

    /// The name of the agent that it says it made.
    pub fn agent_name(&self) -> &str {
        let name = self.output.iter().find_map(|line| line.strip_prefix("agentName="));
        name.unwrap_or_else(|| panic!("no agent:\n{}", self.said()))
    }

    /// Checks that what was printed is what the row `id` of `docs/troubleshooting.md` says: the message, the remedy,
    /// the exit code.
    pub fn has_row(&self, id: &str) {
        troubleshooting::check(id, &self.said(), self.code.map(|code| code.to_string()).as_deref());
    }
}
