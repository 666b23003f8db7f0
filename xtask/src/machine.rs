//! What this machine is, and what can be installed on it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::programs::{execute, is_installed, output, target};

/// Installs Debian packages that bring `programs`, where that is possible; else says what to install.
pub(crate) fn need(programs: &[(&str, &str)]) -> Result<()> {
    let missing: Vec<&str> =
        programs.iter().filter(|(program, _)| !is_installed(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !is_root() || !is_installed("apt-get") {
        bail!(
            "this needs the packages {0}. On Debian and Ubuntu: sudo apt-get install {0}; elsewhere, the same programs \
             from your system",
            missing.join(" ")
        );
    }
    println!("Installing {}", missing.join(" "));
    // What a person has installed is not ours to remove.
    let log =
        "exec >/dev/null; apt-get update -qq && apt-get install -y -qq --no-install-recommends --no-remove";
    execute(
        Command::new("sh")
            .args(["-c", &format!("{log} {}", missing.join(" "))])
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
}

/// A Python that can make environments, which Debian packs apart from Python itself.
pub(crate) fn python() -> Result<&'static str> {
    need(&[("python3", "python3")])?;
    let makes_environments =
        || output(Command::new("python3").args(["-c", "import venv, ensurepip"])).is_ok();
    if !makes_environments() {
        need(&[("python3 -m venv", "python3-venv")])?;
    }
    Ok("python3")
}

/// A program of a Debian package that is not to be installed, since installing it would start a service: the one that
/// is here, or out of the package, unpacked in the target folder.
pub(crate) fn fetch(program: &str, package: &str) -> Result<PathBuf> {
    let folder = target().join("packages").join(package);
    let unpacked = folder.join("usr/bin").join(program);
    if is_installed(program) {
        return Ok(program.into());
    }
    if !unpacked.exists() {
        std::fs::create_dir_all(&folder)?;
        let script = format!(
            "apt-get download -qq {package} && dpkg-deb --extract {package}_*.deb . && rm {package}_*.deb"
        );
        execute(Command::new("sh").args(["-c", &script]).current_dir(&folder))?;
    }
    Ok(unpacked)
}

/// Whether we may install packages and start an engine.
pub(crate) fn is_root() -> bool {
    output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

/// The codename of a Debian or Ubuntu, such as `bookworm`.
pub(crate) fn debian_codename() -> Option<String> {
    let release = std::fs::read_to_string("/etc/os-release").ok()?;
    let value = |key: &str| {
        let line = release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
        Some(line.trim_matches('"').to_owned())
    };
    let is_debian = ["ID", "ID_LIKE"].iter().any(|key| value(key).is_some_and(|ids| ids.contains("debian")));
    value("VERSION_CODENAME").filter(|_| is_debian)
}
