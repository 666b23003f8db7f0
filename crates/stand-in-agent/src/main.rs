//! The stand-in agent: a Linux program that takes the place of Microsoft's Azure Pipelines agent where that cannot be
//! had.
//!
//! The Azure emulator serves it as the agent package, and agent supervisors drive it. It has the official agent's
//! command line, files, exit codes, output lines, notification socket and wire protocol, runs real jobs in a worker
//! process of its own, and misbehaves on demand (see [`misbehaviour`]). It plays other people's software, so it
//! shares no code with the clients it talks to and no type with the emulator it talks through.
//!
//! `configuration` registers, `listener` waits for jobs, `worker` runs one, and `wire` is what both say to the server.

mod arguments;
mod capabilities;
mod channel;
mod clock;
mod configuration;
mod console;
mod diagnostics;
mod environment;
mod installation;
mod listener;
mod misbehaviour;
mod version;
mod wire;
mod worker;

use std::process::ExitCode;

use arguments::{Arguments, Verb};
use environment::Environment;
use installation::Installation;

/// The exit codes of the official listener.
mod exit {
    /// Done.
    pub(crate) const SUCCESS: u8 = 0;
    /// A failure that trying again does not cure.
    pub(crate) const TERMINATED: u8 = 1;
    /// Any other failure.
    pub(crate) const RETRYABLE: u8 = 2;
    /// A self-update is about to replace the program.
    pub(crate) const UPDATING: u8 = 3;
    /// The same under `--once`: start it again with the same arguments.
    pub(crate) const ONCE_UPDATING: u8 = 4;
    /// Ended by SIGTERM, as a shell counts it.
    pub(crate) const TERMINATED_BY_SIGNAL: u8 = 143;
}

const USAGE: &str = "\
Commands:
  ./config.sh         Configures the agent
  ./config.sh remove  Unconfigures the agent
  ./run.sh            Runs the agent interactively (--once: for one job only)

Options:
  --version     Prints the agent version
  --commit      Prints the agent commit
  --help        Prints this help

Every argument of configure can be given as an environment variable VSTS_AGENT_INPUT_<NAME>.
This is the stand-in agent: it behaves like the official one, but is not it.";

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => {
            let code = runtime.block_on(start());
            // Look-ups and file reads may still be running on other threads; nobody waits for them any more.
            runtime.shutdown_background();
            ExitCode::from(code)
        }
        Err(_) => ExitCode::from(exit::RETRYABLE),
    }
}

async fn start() -> u8 {
    let program = std::env::current_exe().unwrap_or_default();
    let root = installation::root_of(&program);
    let mut environment = Environment::of_process();
    environment.load_file(&root.join(".env"));
    let inputs = environment.take_inputs();
    let arguments = Arguments::parse(std::env::args().skip(1), &inputs);
    if arguments.verb == Verb::Worker {
        return worker::main(Installation::new(root, environment, "Worker")).await;
    }
    let installation = Installation::new(root, environment, "Agent");
    if !arguments.unknown.is_empty() {
        let unknown = arguments.unknown.join("', '");
        installation.console.say(&format!(
            "Unrecognized command-line input arguments: '{unknown}'. For usage refer to: .\\config.cmd --help or \
             ./config.sh --help"
        ));
    }
    execute(installation, &arguments).await
}

async fn execute(installation: Installation, arguments: &Arguments) -> u8 {
    let console = std::sync::Arc::clone(&installation.console);
    match arguments.verb {
        Verb::Version => console.say(&installation.version),
        Verb::Commit => console.say(version::COMMIT),
        Verb::Help => console.say(USAGE),
        // There is no just-in-time compiler to warm.
        Verb::Warmup | Verb::Worker => {}
        Verb::Run => return listener::run(installation, arguments).await,
        Verb::Configure => {
            let work = configuration::configure::configure(&installation, arguments);
            return report(&installation, listener::signals::unless_interrupted(work).await);
        }
        Verb::Remove => {
            let work = configuration::remove::remove(&installation, arguments);
            return report(&installation, listener::signals::unless_interrupted(work).await);
        }
    }
    exit::SUCCESS
}

/// The exit code of `configure` and `remove`, whose failures are told to the user.
fn report(installation: &Installation, outcome: anyhow::Result<()>) -> u8 {
    match outcome {
        Ok(()) => exit::SUCCESS,
        Err(error) => {
            installation.console.say(&format!("{error:#}"));
            installation.diagnostics.error("Agent", &format!("{error:#}"));
            exit::TERMINATED
        }
    }
}
