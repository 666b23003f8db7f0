//! `cargo xtask image`: the agent image, from `images/linux/Dockerfile`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};

use crate::base_image;
use crate::binaries::Binaries;
use crate::engine::Engine;
use crate::programs::{execute, root, target};

/// Where a system keeps the certificates that were added to it.
const ADDED_CERTIFICATES: &str = "/usr/local/share/ca-certificates";

/// When every file of ours in an image was last changed: two builds of the same content then give the same layers.
const CHANGED: Duration = Duration::from_hours(24 * 365 * 50);

/// Which image to build.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// `basic`, or `azure` with the Azure CLI
    #[arg(long, default_value = "basic")]
    target: String,
    /// Image to build on; by default a root filesystem of this machine's own system
    #[arg(long, value_name = "IMAGE")]
    base_image: Option<String>,
    /// Name of the result
    #[arg(long, value_name = "NAME", default_value = "ephemeral-agents/agent:latest")]
    tag: String,
    /// Handed on to the builder: `AGENT_VERSION=…`, `AGENT_SHA256=…` and the rest of images/linux/Dockerfile
    #[arg(long = "build-arg", value_name = "NAME=VALUE")]
    build_arguments: Vec<String>,
}

/// Builds it, with the supervisor as it is shipped.
pub(crate) fn run(options: &Options) -> Result<()> {
    println!("Building the supervisor as it is shipped");
    let shipped = Binaries::build_for_shipping()?;
    let engine = Engine::find_or_start()?;
    let base = base_image::find_or_make(&engine, options.base_image.as_deref())?;
    let recipe = Recipe {
        target: &options.target,
        base: &base,
        supervisor: &shipped.path("agent-supervisor"),
        tag: &options.tag,
        build_arguments: &options.build_arguments,
    };
    build(&engine, &recipe)?;
    execute(&mut engine.docker(&["image", "ls", &options.tag]))
}

/// What an image is made from.
pub(crate) struct Recipe<'a> {
    /// Which of the Dockerfile's targets.
    pub(crate) target: &'a str,
    /// What it is built on.
    pub(crate) base: &'a str,
    /// The supervisor's program.
    pub(crate) supervisor: &'a Path,
    /// What it is called.
    pub(crate) tag: &'a str,
    /// `NAME=VALUE` for the Dockerfile.
    pub(crate) build_arguments: &'a [String],
}

/// Builds an image. The builder's output is shown only when it fails.
pub(crate) fn build(engine: &Engine, recipe: &Recipe<'_>) -> Result<()> {
    let context = context();
    lay_out(&context, recipe.supervisor).context("the build context of the image")?;
    let dockerfile = root().join("images/linux/Dockerfile");
    let mut build = engine.docker(&["build", "--quiet", "--target", recipe.target, "--tag", recipe.tag]);
    build.arg("--file").arg(dockerfile);
    for argument in [format!("BASE_IMAGE={}", recipe.base), "TARGETARCH=amd64".to_owned()]
        .iter()
        .chain(recipe.build_arguments)
    {
        build.args(["--build-arg", argument]);
    }
    crate::programs::output(build.arg(&context)).context("building the agent image")?;
    Ok(())
}

/// The folder that images are built from, as the last build left it.
pub(crate) fn context() -> PathBuf {
    target().join("image-context")
}

/// The supervisor under the name of its platform, and the certificates that this machine trusts besides its system's:
/// the build downloads things through the same network.
fn lay_out(context: &Path, supervisor: &Path) -> Result<()> {
    let _ = fs::remove_dir_all(context);
    let certificates = context.join("certificates");
    fs::create_dir_all(&certificates)?;
    for entry in fs::read_dir(ADDED_CERTIFICATES).into_iter().flatten().flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "crt") {
            copy(&entry.path(), &certificates.join(entry.file_name()))?;
        }
    }
    copy(supervisor, &context.join("agent-supervisor-amd64"))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)?;
    fs::File::options().write(true).open(to)?.set_modified(SystemTime::UNIX_EPOCH + CHANGED)?;
    Ok(())
}
