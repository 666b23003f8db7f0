//! The `azure-emulator` program.

use std::process::ExitCode;

use clap::Parser;
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
    Serve(Options),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,emulator=info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).init();
    let Command::Serve(options) = Arguments::parse().command;
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
