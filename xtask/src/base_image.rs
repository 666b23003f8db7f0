//! The agent image of demo and tests, on a root filesystem of this very system, so that what was built here runs there.
//!
//! No image is pulled: the filesystem comes from the system's own package archive, and is kept between runs.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use crate::binaries::Binaries;
use crate::engine::Engine;
use crate::image;
use crate::machine;
use crate::programs::{execute, output, target};

/// The image that the emulator starts.
pub(crate) const AGENT_IMAGE: &str = "ephemeral-agents/demo:latest";

/// Packages of the filesystem besides the essential ones: what a job of the demo uses.
const PACKAGES: &str = "ca-certificates,curl";

/// Builds the agent image, on `base` if one is given, and gives its name.
pub(crate) fn build(engine: &Engine, binaries: &Binaries, base: Option<&str>) -> Result<String> {
    let base = find_or_make(engine, base)?;
    let supervisor = binaries.path("agent-supervisor");
    let recipe = image::Recipe {
        target: "basic",
        base: &base,
        supervisor: &supervisor,
        tag: AGENT_IMAGE,
        build_arguments: &[],
    };
    image::build(engine, &recipe)?;
    Ok(AGENT_IMAGE.to_owned())
}

/// The base image: the given one, or a root filesystem of this system.
pub(crate) fn find_or_make(engine: &Engine, base: Option<&str>) -> Result<String> {
    base.map_or_else(|| root_filesystem(engine), |base| Ok(base.to_owned()))
}

/// Imports a minimal root filesystem of this machine's own release, so that what was built here runs there.
fn root_filesystem(engine: &Engine) -> Result<String> {
    let codename = machine::debian_codename().context(
        "no base image: this is neither Debian nor Ubuntu, so name one with --base-image (glibc as new as this \
         machine's), or take --runtime process",
    )?;
    let image = format!("ephemeral-agents/base:{codename}");
    if engine
        .docker(&["image", "inspect", &image])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?
        .success()
    {
        return Ok(image);
    }
    let archive = target().join(format!("base-{codename}.tar"));
    if !archive.exists() {
        machine::need(&[("mmdebstrap", "mmdebstrap")])?;
        println!("Making a base image of {codename} (once; about half a minute)");
        let partial = archive.with_extension("partial.tar");
        let mut make = Command::new("mmdebstrap");
        make.args(["--quiet", "--variant=minbase", &format!("--include={PACKAGES}"), &codename])
            .arg(&partial);
        output(&mut make).context("making the base image")?;
        std::fs::rename(&partial, &archive)?;
    }
    execute(engine.docker(&["import"]).arg(&archive).arg(&image).stdout(Stdio::null()))?;
    Ok(image)
}
