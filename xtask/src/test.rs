//! `cargo xtask test`: every test, on Docker where an engine can be had, and on processes in any case.

use anyhow::{Result, bail};

use crate::base_image;
use crate::binaries::Binaries;
use crate::demo;
use crate::engine::Engine;
use crate::extension;
use crate::image;
use crate::machine;
use crate::node_tools;
use crate::programs::{cargo, execute};
use crate::python_tools;
use crate::versions;

/// Which tests.
#[derive(Default, clap::Args)]
pub(crate) struct Options {
    /// Leave Docker out, whether an engine answers or not
    #[arg(long)]
    without_docker: bool,
    /// Handed on to `cargo test`
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// Runs them.
pub(crate) fn run(options: &Options) -> Result<()> {
    let binaries = Binaries::build()?;
    let engine = if options.without_docker { None } else { engine() };
    let image = engine.as_ref().map(|engine| base_image::build(engine, &binaries, None)).transpose()?;
    let mut tests = cargo(&["test", "--workspace", "--quiet", "--no-fail-fast"]);
    tests.args(&options.arguments);
    // Most of what they do is waiting for other processes.
    if std::env::var_os("RUST_TEST_THREADS").is_none() {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        tests.env("RUST_TEST_THREADS", (2 * cores).to_string());
    }
    tests.env("AZURE_EMULATOR", binaries.path("azure-emulator"));
    tests.env("STAND_IN_AGENT", binaries.path("stand-in-agent"));
    tests.env("PROGRAMS", binaries.path(""));
    tests.env("TASK_LIB", node_tools::task_lib()?);
    tests.env("AZURITE", node_tools::azurite()?);
    tests.env("AZURE_CLI", python_tools::azure_cli()?);
    tests.env("SDK_PYTHON", python_tools::sdks()?);
    tests.env("DEVOPS_NODE_API", node_tools::devops_node_api()?);
    tests.env("EXTENSION", extension::for_tests(&binaries)?);
    // Without it, what needs a registry is left out; with an engine it must be there.
    match machine::fetch("docker-registry", "docker-registry") {
        Ok(registry) => {
            tests.env("DOCKER_REGISTRY", registry);
        }
        Err(error) if engine.is_some() => return Err(error),
        Err(error) => println!("Without docker-registry: {error:#}"),
    }
    if let (Some(engine), Some(image)) = (&engine, &image) {
        engine.point(&mut tests);
        machine::need(&[("htpasswd", "apache2-utils")])?;
        tests
            .env("AGENT_IMAGE", image)
            .env("AGENT_BASE_IMAGE", base_image::find_or_make(engine, None)?)
            .env("AGENT_CONTEXT", image::context())
            .env("AZURE_CLI_VERSION", versions::AZURE_CLI.1);
    }
    execute(&mut tests)?;

    println!("\nThe demo on processes");
    demo::show(&binaries, None, base_image::AGENT_IMAGE, false)?;
    match (&engine, &image) {
        (Some(engine), Some(image)) => {
            println!("\nThe demo on Docker");
            demo::show(&binaries, Some(engine), image, false)?;
            let left = engine.leftovers()?;
            if !left.is_empty() {
                bail!("the tests passed, and left these behind on the engine: {}", left.join(", "));
            }
            println!("\nAll tests passed, with {} and without.", engine.describe());
        }
        _ => println!("\nAll tests passed, without Docker. What needs an engine was left out."),
    }
    Ok(())
}

fn engine() -> Option<Engine> {
    Engine::find_or_start().inspect_err(|error| println!("Without Docker: {error:#}")).ok()
}
