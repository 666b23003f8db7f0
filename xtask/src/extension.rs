//! `cargo xtask extension`: the extension for Azure DevOps, a `.vsix`, from `extension/` and our program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::binaries::Binaries;
use crate::programs::{cargo, execute, output, root, target};
use crate::{cross, machine, node_tools};

/// What the marketplace and our users put up with. Assumed: the marketplace itself takes more.
const LARGEST: u64 = 25 * 1024 * 1024;

/// The folder of the task, in the extension.
const TASK: &str = "AzureContainerAgentCreate";

/// Platforms of agents, as the task's script looks for them, with the name of the program there.
const PLATFORMS: [(&str, &str); 4] = [
    ("linux-x64", "ephemeral-agents"),
    ("linux-arm64", "ephemeral-agents"),
    ("win-x64", "ephemeral-agents.exe"),
    ("osx-arm64", "ephemeral-agents"),
];

/// Platforms that are built for from here, with what Rust calls them.
const CROSS: [(&str, &str, &str); 2] = [
    ("linux-arm64", "ephemeral-agents", "aarch64-unknown-linux-gnu"),
    ("win-x64", "ephemeral-agents.exe", "x86_64-pc-windows-gnu"),
];

/// Pictures, made from their source: the file, the source, the width in pixels.
const PICTURES: [(&str, &str, u32); 3] = [
    ("images/icon.png", "images/icon.svg", 128),
    ("AzureContainerAgentCreate/icon.png", "images/icon.svg", 32),
    ("images/one-run.png", "images/one-run.svg", 960),
];

/// What to package.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Publisher in the marketplace; without one the result can be used with the emulator only
    #[arg(long, default_value = "local")]
    publisher: String,
    /// Version of the extension and, in the two last numbers, of the task
    #[arg(long, value_name = "X.Y.Z")]
    version: Option<String>,
    /// Folder with programs that were built elsewhere, as `<platform>/ephemeral-agents`; by default what can be built
    /// on this machine
    #[arg(long, value_name = "FOLDER")]
    programs: Option<PathBuf>,
    /// For everybody; by default for the organizations that it is shared with
    #[arg(long)]
    public: bool,
}

/// Packages it, with programs as they are shipped.
pub(crate) fn run(options: &Options) -> Result<()> {
    // Against the publishers' schemas, where they are at hand.
    execute(&mut cargo(&["test", "--quiet", "--package", "xtask", "--test", "schemas"]))?;
    let folder = match &options.programs {
        Some(folder) => folder.clone(),
        None => build_programs()?,
    };
    let made = package(&Recipe {
        programs: &folder,
        publisher: &options.publisher,
        version: options.version.as_deref(),
        public: options.public,
    })?;
    let size = fs::metadata(&made)?.len();
    println!("{}: {:.1} MiB", made.display(), mebibytes(size));
    if size > LARGEST {
        bail!("the extension is larger than {:.0} MiB", mebibytes(LARGEST));
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "for people, with one decimal")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}

/// Builds what this machine can build.
fn build_programs() -> Result<PathBuf> {
    println!("Building the program as it is shipped");
    let folder = target().join("extension-programs");
    let shipped = Binaries::build_for_shipping()?;
    put(&shipped.path("ephemeral-agents"), &folder.join("linux-x64/ephemeral-agents"))?;
    for (platform, program, triple) in CROSS {
        println!("Building it for {platform}");
        match cross::build(triple, &["cli"], "dist") {
            Ok(made) => {
                for built in made {
                    put(&built, &folder.join(platform).join(program))?;
                }
            }
            Err(error) => println!("It cannot be built for {platform} here: {error:#}"),
        }
    }
    Ok(folder)
}

/// For tests: the program as it was built for them, without its symbols.
pub(crate) fn for_tests(binaries: &Binaries) -> Result<PathBuf> {
    let folder = target().join("extension-test-programs");
    let program = folder.join("linux-x64/ephemeral-agents");
    put(&binaries.path("ephemeral-agents"), &program)?;
    execute(Command::new("strip").arg(&program))?;
    package(&Recipe { programs: &folder, publisher: "local", version: None, public: false })
}

/// What an extension is made from.
struct Recipe<'a> {
    programs: &'a Path,
    publisher: &'a str,
    version: Option<&'a str>,
    public: bool,
}

/// Lays everything out as it is to be, and has `tfx` package it.
fn package(recipe: &Recipe<'_>) -> Result<PathBuf> {
    let stage = target().join("extension");
    let _ = fs::remove_dir_all(&stage);
    copy_folder(&root().join("extension"), &stage)?;
    put(&root().join("LICENSE"), &stage.join("LICENSE"))?;
    draw_pictures(&stage)?;
    put_programs(recipe.programs, &stage)?;
    let overrides = write_overrides(recipe, &stage)?;
    if let Some(version) = recipe.version {
        set_task_version(version, &stage)?;
    }
    let result = target().join("extension.vsix");
    let mut tfx = node_tools::tfx()?;
    tfx.args(["extension", "create", "--no-prompt", "--root"]).arg(&stage);
    tfx.args(["--manifest-globs", "vss-extension.json", "--overrides-file"]).arg(&overrides);
    let said = output(tfx.arg("--output-path").arg(&result).env("NO_COLOR", "1"))?;
    if said.to_lowercase().contains("warning") {
        bail!("tfx is not content with the extension:\n{said}");
    }
    Ok(result)
}

/// What differs from one publisher, and from one release, to the next.
fn write_overrides(recipe: &Recipe<'_>, stage: &Path) -> Result<PathBuf> {
    let mut overrides = serde_json::json!({ "publisher": recipe.publisher, "public": recipe.public });
    if let Some(version) = recipe.version {
        overrides["version"] = Value::from(version);
    }
    if !recipe.public {
        // The marketplace takes one version of an extension once: who tries it first cannot be served by the same one.
        overrides["id"] = Value::from("ephemeral-agents-private");
        overrides["name"] = Value::from("Ephemeral Agents (private)");
    }
    let path = stage.with_file_name("extension-overrides.json");
    fs::write(&path, overrides.to_string())?;
    Ok(path)
}

/// The task keeps its major version, by which pipelines name it.
fn set_task_version(version: &str, stage: &Path) -> Result<()> {
    let numbers: Vec<u64> = version.split('.').map(str::parse).collect::<Result<_, _>>().unwrap_or_default();
    let [_, minor, patch] = numbers[..] else { bail!("--version is {version:?}; give three numbers, X.Y.Z") };
    let path = stage.join(TASK).join("task.json");
    let mut manifest: Value = serde_json::from_str(&fs::read_to_string(&path)?)?;
    manifest["version"]["Minor"] = Value::from(minor);
    manifest["version"]["Patch"] = Value::from(patch);
    fs::write(&path, format!("{manifest:#}\n"))?;
    Ok(())
}

fn put_programs(programs: &Path, stage: &Path) -> Result<()> {
    let mut missing = Vec::new();
    for (platform, program) in PLATFORMS {
        let built = programs.join(platform).join(program);
        if built.exists() {
            put(&built, &stage.join(TASK).join("bin").join(platform).join(program))?;
        } else {
            missing.push(platform);
        }
    }
    if missing.len() == PLATFORMS.len() {
        bail!("{} holds no program for any platform of agents", programs.display());
    }
    if !missing.is_empty() {
        println!("Without a program for {}: the task says so on such an agent.", missing.join(", "));
    }
    Ok(())
}

fn draw_pictures(stage: &Path) -> Result<()> {
    machine::need(&[("rsvg-convert", "librsvg2-bin")])?;
    for (picture, source, width) in PICTURES {
        let mut draw = Command::new("rsvg-convert");
        draw.args(["--width", &width.to_string(), "--output"]).arg(stage.join(picture));
        execute(draw.arg(stage.join(source)))?;
    }
    for (_, source, _) in PICTURES {
        let _ = fs::remove_file(stage.join(source));
    }
    Ok(())
}

fn put(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::copy(from, to).with_context(|| format!("{} cannot be copied", from.display()))?;
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() { copy_folder(&path, &target)? } else { put(&path, &target)? }
    }
    Ok(())
}
