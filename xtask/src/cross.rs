//! `cargo xtask cross`: programs for other systems than this one, built and linked here.
//!
//! A Rust of this machine's own has the standard library of this system only. Where it can be given others (`rustup
//! target add`), it is used; else Debian's, whose packages hold the library's source, which is then built too. Nothing
//! here can run the result, so this says what kind of program came out and how large it is, and no more.

mod format;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use self::format::Format;
use crate::machine;
use crate::programs::{cargo, execute, is_installed, output, target};

/// A kind of machine that is built for.
struct Machine {
    triple: &'static str,
    /// The C compiler, which also links, and the Debian package that has it.
    compiler: (&'static str, &'static str),
    /// Something that only the C library for it has, and its package.
    library: (&'static str, &'static str),
    format: Format,
    /// How the standard library is linked there.
    flags: &'static str,
}

const STATIC: &str = "-C target-feature=+crt-static";

/// The machines. macOS is not among them: linking for it needs Apple's own kit, which may be used on Macs only.
const MACHINES: [Machine; 3] = [
    Machine {
        triple: "x86_64-pc-windows-gnu",
        compiler: ("x86_64-w64-mingw32-gcc-win32", "gcc-mingw-w64-x86-64-win32"),
        library: ("/usr/x86_64-w64-mingw32/lib/libkernel32.a", "mingw-w64-x86-64-dev"),
        format: Format::WindowsConsole,
        flags: STATIC,
    },
    Machine {
        triple: "aarch64-unknown-linux-gnu",
        compiler: ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"),
        library: ("/usr/aarch64-linux-gnu/lib/libc.a", "libc6-dev-arm64-cross"),
        format: Format::LinuxArm,
        flags: STATIC,
    },
    Machine {
        triple: "x86_64-unknown-linux-gnu",
        compiler: ("gcc", "gcc"),
        library: ("/usr/include/stdlib.h", "libc6-dev"),
        format: Format::LinuxIntel,
        flags: STATIC,
    },
];

/// Where Debian's own Rust is, whatever stands before it on the path.
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_SOURCE: &str = "/usr/lib/rustlib/src/rust/library/std/Cargo.toml";

/// The packages of the newest Rust that a stable Debian has: the one its browser is built with.
const DEBIAN_PACKAGES: [(&str, &str); 3] =
    [(DEBIAN_RUSTC, "rustc-web"), (DEBIAN_CARGO, "cargo-web"), (DEBIAN_SOURCE, "rust-web-src")];

/// What to build, and for whom.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The machine, as Rust calls it
    #[arg(long, value_name = "TRIPLE")]
    target: String,
    /// A crate whose programs to build (several: repeat)
    #[arg(long = "package", value_name = "CRATE", required = true)]
    packages: Vec<String>,
    /// `dist` as it is shipped, `cross` quick to build
    #[arg(long, default_value = "dist")]
    profile: String,
}

/// Builds, looks at what came out, and says it.
pub(crate) fn run(options: &Options) -> Result<()> {
    let packages: Vec<&str> = options.packages.iter().map(String::as_str).collect();
    for program in build(&options.target, &packages, &options.profile)? {
        println!("{}", program.display());
    }
    println!("Linked, and not run: nothing on this machine runs programs for {}.", options.target);
    Ok(())
}

/// Whether the supervisor still compiles and links for Windows, where nobody here can run it.
pub(crate) fn check() -> Result<()> {
    build(MACHINES[0].triple, &["supervisor"], "cross").map(drop)
}

/// Builds the programs of these crates, and gives them.
pub(crate) fn build(triple: &str, packages: &[&str], profile: &str) -> Result<Vec<PathBuf>> {
    let machine = MACHINES.iter().find(|machine| machine.triple == triple).with_context(|| {
        let known: Vec<&str> = MACHINES.iter().map(|machine| machine.triple).collect();
        format!("{triple} is not built for here; known are {}. For macOS, build on a Mac", known.join(", "))
    })?;
    machine::need(&[machine.compiler, machine.library])?;
    let names = programs(packages)?;
    let mut build = toolchain(machine)?;
    build.args(["build", "--quiet", "--locked", "--target", triple, "--profile", profile, "--bins"]);
    for package in packages {
        build.args(["--package", package]);
    }
    let shell_name = triple.replace('-', "_");
    build.env(format!("CC_{shell_name}"), machine.compiler.0);
    build.env(format!("CARGO_TARGET_{}_LINKER", shell_name.to_uppercase()), machine.compiler.0);
    let folder = target().join("cross");
    execute(build.env("RUSTFLAGS", machine.flags).env("CARGO_TARGET_DIR", &folder))?;
    let made = folder.join(triple).join(profile);
    names.iter().map(|name| inspect(machine, &made, name)).collect()
}

/// The names of the crates' programs.
fn programs(packages: &[&str]) -> Result<Vec<String>> {
    let metadata = output(&mut cargo(&["metadata", "--no-deps", "--format-version", "1", "--locked"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    let ours = metadata["packages"].as_array().cloned().unwrap_or_default();
    let mut names = Vec::new();
    for package in packages {
        let known = ours.iter().find(|known| known["name"] == *package);
        let known = known.with_context(|| format!("there is no crate {package} in this repository"))?;
        let targets = known["targets"].as_array().into_iter().flatten();
        let programs = targets.filter(|target| target["kind"][0] == "bin");
        names.extend(programs.filter_map(|target| target["name"].as_str().map(str::to_owned)));
    }
    Ok(names)
}

/// A cargo that can build for the machine.
fn toolchain(machine: &Machine) -> Result<Command> {
    let own = has_library(machine)?;
    if !own && apt_knows(DEBIAN_PACKAGES[0].1) {
        return debian();
    }
    if !own {
        let remedy = format!("rustup target add {}", machine.triple);
        if !is_installed("rustup") {
            bail!("the Rust of this machine cannot build for {}: {remedy}", machine.triple);
        }
        execute(Command::new("rustup").args(["target", "add", machine.triple]))?;
    }
    Ok(cargo(&[]))
}

/// Whether the Rust that runs this has the standard library of the machine.
fn has_library(machine: &Machine) -> Result<bool> {
    let mut rustc = Command::new(option_env!("RUSTC").unwrap_or("rustc"));
    let sysroot = output(rustc.args(["--print", "sysroot"]))?;
    let library = Path::new(sysroot.trim()).join("lib/rustlib").join(machine.triple).join("lib");
    Ok(library.is_dir())
}

fn apt_knows(package: &str) -> bool {
    is_installed("apt-cache")
        && output(Command::new("apt-cache").args(["show", package])).is_ok_and(|shown| !shown.is_empty())
}

/// Debian's cargo and compiler, with a standard library from their source. That is switched on by what is meant for
/// those who build compilers; the programs themselves use nothing that is not stable.
fn debian() -> Result<Command> {
    machine::need(&DEBIAN_PACKAGES)?;
    let mut cargo = Command::new(DEBIAN_CARGO);
    cargo
        .arg("-Zbuild-std=std,panic_abort")
        .env("RUSTC", DEBIAN_RUSTC)
        .env("RUSTC_BOOTSTRAP", "1")
        // Of the Rust that runs this.
        .env_remove("LD_LIBRARY_PATH")
        .current_dir(crate::programs::root());
    Ok(cargo)
}

/// The program, if it is of the right kind.
fn inspect(machine: &Machine, folder: &Path, name: &str) -> Result<PathBuf> {
    let path = folder.join(machine.format.file_name(name));
    let bytes = fs::read(&path).with_context(|| format!("{} was not built", path.display()))?;
    let found = format::of(&bytes);
    if found != Some(machine.format) {
        bail!("{} is {found:?} and not {:?}", path.display(), machine.format);
    }
    println!("{name}: {}, {:.1} MiB", machine.format.in_words(), mebibytes(bytes.len()));
    Ok(path)
}

#[expect(clippy::cast_precision_loss, reason = "no program is that large")]
fn mebibytes(bytes: usize) -> f64 {
    bytes as f64 / 1_048_576.0
}
