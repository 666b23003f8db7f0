//! The agent image of demo and tests: a root filesystem of this very system, and our supervisor as first process.
//!
//! No image is pulled: the filesystem comes from the system's own package archive, and is kept between runs.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use crate::binaries::Binaries;
use crate::engine::Engine;
use crate::machine;
use crate::programs::{execute, output, target};

/// The image that the emulator starts.
pub(crate) const AGENT_IMAGE: &str = "ephemeral-agents/demo:latest";

/// Packages of the filesystem besides the essential ones: what a job of the demo uses.
const PACKAGES: &str = "ca-certificates,curl";

/// Builds the agent image, on `base` if one is given, and gives its name.
pub(crate) fn build(engine: &Engine, binaries: &Binaries, base: Option<&str>) -> Result<String> {
    let base = match base {
        Some(base) => base.to_owned(),
        None => root_filesystem(engine)?,
    };
    let context = target().join("demo-image");
    std::fs::create_dir_all(&context)?;
    std::fs::copy(binaries.path("agent-supervisor"), context.join("agent-supervisor"))?;
    let dockerfile = format!(
        "FROM {base}\n\
         RUN id agent >/dev/null 2>&1 || useradd --create-home --shell /bin/bash agent\n\
         COPY agent-supervisor /usr/local/bin/agent-supervisor\n\
         ENTRYPOINT [\"/usr/local/bin/agent-supervisor\"]\n"
    );
    std::fs::write(context.join("Dockerfile"), dockerfile)?;
    output(engine.docker(&["build", "--quiet", "--tag", AGENT_IMAGE]).arg(&context))
        .context("building the agent image")?;
    Ok(AGENT_IMAGE.to_owned())
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
