//! `cargo xtask test`: every test, on Docker where an engine can be had, and on processes in any case.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::process::Command;

use anyhow::{Result, bail};

use crate::base_image;
use crate::binaries::Binaries;
use crate::demo;
use crate::engine::Engine;
use crate::extension;
use crate::image;
use crate::machine;
use crate::node_tools;
use crate::programs::{cargo, execute, root, target};
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
    let variables = variables(&binaries, (engine.as_ref(), image.as_deref()))?;
    let tests = |arguments: &[&str]| {
        let mut tests = cargo(&["test", "--quiet", "--no-fail-fast"]);
        tests.args(arguments).envs(variables.iter().map(|(name, value)| (name, value)));
        if let Some(engine) = &engine {
            engine.point(&mut tests);
        }
        tests
    };
    if options.arguments.is_empty() {
        all_of_them(tests)?;
    } else {
        execute(tests(&["--workspace"]).args(&options.arguments))?;
    }

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

/// What the tests are told of what they need.
fn variables(
    binaries: &Binaries,
    (engine, image): (Option<&Engine>, Option<&str>),
) -> Result<Vec<(&'static str, OsString)>> {
    let mut variables: Vec<(_, OsString)> = vec![
        ("AZURE_EMULATOR", binaries.path("azure-emulator").into()),
        ("STAND_IN_AGENT", binaries.path("stand-in-agent").into()),
        ("PROGRAMS", binaries.path("").into()),
        ("TASK_LIB", node_tools::task_lib()?.into()),
        ("AZURITE", node_tools::azurite()?.into()),
        ("AZURE_CLI", python_tools::azure_cli()?.into()),
        ("SDK_PYTHON", python_tools::sdks()?.into()),
        ("DEVOPS_NODE_API", node_tools::devops_node_api()?.into()),
        ("EXTENSION", extension::for_tests(binaries)?.into()),
    ];
    // Without it, what needs a registry is left out; with an engine it must be there.
    match machine::fetch("docker-registry", "docker-registry") {
        Ok(registry) => variables.push(("DOCKER_REGISTRY", registry.into())),
        Err(error) if engine.is_some() => return Err(error),
        Err(error) => println!("Without docker-registry: {error:#}"),
    }
    if let (Some(engine), Some(image)) = (engine, image) {
        machine::need(&[("htpasswd", "apache2-utils")])?;
        variables.extend([
            ("AGENT_IMAGE", image.into()),
            ("AGENT_BASE_IMAGE", base_image::find_or_make(engine, None)?.into()),
            ("AGENT_CONTEXT", image::context().into()),
            ("AZURE_CLI_VERSION", versions::AZURE_CLI.1.into()),
        ]);
    }
    Ok(variables)
}

/// Tests that wait for minutes and use little of the machine meanwhile.
const PATIENT: &str = "supervising";

/// Every test; those that wait run beside the others, and say at the end how it went. Each command is about the whole
/// workspace, so that none builds with other features than the one before.
fn all_of_them(tests: impl Fn(&[&str]) -> Command) -> Result<()> {
    execute(tests(&["--workspace"]).arg("--no-run"))?;
    let log = target().join("patient-tests.log");
    let output = std::fs::File::create(&log)?;
    let mut patient = tests(&["--workspace", "--test", PATIENT]);
    let mut running = patient.stdout(output.try_clone()?).stderr(output).spawn()?;
    let mut others = vec!["--workspace", "--lib", "--bins"];
    let names = names_of_tests()?;
    others.extend(names.iter().filter(|name| *name != PATIENT).flat_map(|name| ["--test", name.as_str()]));
    let outcomes = [
        execute(&mut tests(&others)),
        execute(&mut tests(&["--workspace", "--doc"])),
        running.wait().map_err(Into::into).and_then(|status| {
            print!("{}", std::fs::read_to_string(&log)?);
            if status.success() { Ok(()) } else { bail!("the tests of {PATIENT}: {status}") }
        }),
    ];
    let failed: Vec<_> =
        outcomes.into_iter().filter_map(Result::err).map(|error| format!("{error:#}")).collect();
    if failed.is_empty() { Ok(()) } else { bail!("{}", failed.join("; ")) }
}

/// The names of all tests that are programs of their own: files, and folders with several.
fn names_of_tests() -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for package in std::fs::read_dir(root().join("crates"))? {
        for entry in std::fs::read_dir(package?.path().join("tests")).into_iter().flatten() {
            let path = entry?.path();
            let is_file = path.extension().is_some_and(|extension| extension == "rs");
            let is_test = is_file || path.join("main.rs").exists();
            names
                .extend(path.file_stem().filter(|_| is_test).map(|name| name.to_string_lossy().into_owned()));
        }
    }
    Ok(names)
}

fn engine() -> Option<Engine> {
    Engine::find_or_start().inspect_err(|error| println!("Without Docker: {error:#}")).ok()
}
