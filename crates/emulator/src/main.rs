//! The `azure-emulator` program.

mod command_line;

use std::process::ExitCode;

use clap::Parser;
use command_line::{Extension, Pipeline, ServiceConnection, Which};
use emulator::options::Options;
use emulator::{Emulator, Running};

/// Azure on one machine: Entra ID, Resource Manager and Azure DevOps, with containers that really run.
#[derive(Parser)]
#[command(name = "azure-emulator", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Run the emulator until it is interrupted
    // Boxed: the others are small.
    Serve(Box<Options>),
    /// Extensions of the organization of an emulator that runs
    Extension {
        #[command(flatten)]
        which: Which,
        #[command(subcommand)]
        command: Extension,
    },
    /// Service connections of the project of an emulator that runs
    ServiceConnection {
        #[command(flatten)]
        which: Which,
        #[command(subcommand)]
        command: ServiceConnection,
    },
    /// Pipelines of the project of an emulator that runs
    Pipeline {
        #[command(flatten)]
        which: Which,
        #[command(subcommand)]
        command: Pipeline,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,emulator=info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).init();
    let done = match Arguments::parse().command {
        Command::Serve(options) => return serve(*options).await,
        Command::Extension { which, command } => command_line::extension(&which, &command).await,
        Command::ServiceConnection { which, command } => {
            command_line::service_connection(&which, &command).await
        }
        Command::Pipeline { which, command } => command_line::pipeline(&which, &command).await,
    };
    done.unwrap_or_else(|problem| complain(&problem))
}

#[expect(clippy::print_stderr, reason = "a program tells its user what went wrong, whatever is logged")]
fn complain(problem: &str) -> ExitCode {
    eprintln!("azure-emulator: {problem}");
    ExitCode::FAILURE
}

async fn serve(options: Options) -> ExitCode {
    match Running::start(options).await {
        Ok(running) => {
            tell(&running.emulator);
            wait_for_stop().await;
            running.stop().await;
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "a program tells its user how to use it")]
fn tell(emulator: &Emulator) {
    println!("{}", emulator::world::how_to_use(emulator));
    println!("azure-emulator: ready at {}", emulator.url);
}

async fn wait_for_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
