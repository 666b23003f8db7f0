//! The three script tasks, run natively, and the task of the Azure CLI.
//!
//! The real `CmdLine`, Bash and PowerShell tasks are JavaScript that cannot be had here. The server still has to
//! serve an archive with their `task.json` (defaults and the header in the log come from it), but what their
//! JavaScript does (write the script to a file, start the shell on it, judge the exit code) is done by this module.
//! `AzureCLI` comes with its work in Python, which is there wherever the Azure CLI is; Node need not be.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::folders::Folders;
use crate::capabilities::find_program;

/// What a script task amounts to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) program: String,
    pub(crate) arguments: Vec<String>,
    pub(crate) folder: PathBuf,
    /// Anything on standard error fails the step.
    pub(crate) fail_on_stderr: bool,
}

/// Id of the task `AzureCLI`.
pub(crate) const AZURE_CLI: &str = "46e4be58-730b-4389-8a2f-ea10b3e5e815";

/// How that task runs, out of its folder.
///
/// # Errors
/// Python is missing, or the task's script is.
pub(crate) fn azure_cli(task: &Path, folders: &Folders, path: &str) -> anyhow::Result<Plan> {
    let program = find_program("python3", path)
        .context("python3 was not found in PATH. The task AzureCLI needs it, as the Azure CLI does.")?;
    let script = task.join("azure-cli.py");
    if !script.is_file() {
        bail!("The task's script is missing: {}", script.display());
    }
    let arguments = vec![script.to_string_lossy().into_owned()];
    Ok(Plan { program, arguments, folder: folders.sources.clone(), fail_on_stderr: false })
}

/// Which shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shell {
    /// `script:` in YAML.
    CmdLine,
    /// `bash:`.
    Bash,
    /// `pwsh:` and `powershell:`.
    Pwsh,
}

impl Shell {
    /// The shell of a task, if it is a script task.
    pub(crate) fn of_task(id: &str) -> Option<Self> {
        match id.to_ascii_lowercase().as_str() {
            "d9bafed4-0b18-4f58-968d-86655b4d2ce9" => Some(Self::CmdLine),
            "6c731c3c-3c68-459a-a5c9-bde6e6595b5b" => Some(Self::Bash),
            "e213ff0f-5d5c-4791-802d-52ea3e7be1f1" => Some(Self::Pwsh),
            _ => None,
        }
    }

    /// What the messages call it.
    pub(crate) fn name(self) -> &'static str {
        if self == Self::Pwsh { "PowerShell" } else { "Bash" }
    }

    /// Writes the script of these inputs to a file and says how to run it. `path` is where programs are looked for.
    ///
    /// # Errors
    /// An input is missing, or the shell is.
    pub(crate) fn plan(
        self,
        inputs: &BTreeMap<String, String>,
        folders: &Folders,
        path: &str,
    ) -> anyhow::Result<Plan> {
        let input = |name: &str| inputs.get(name).map_or("", |value| value.trim_end_matches(['\r', '\n']));
        let folder = match input("workingDirectory") {
            "" => folders.sources.clone(),
            folder => folders.rooted(folder),
        };
        if !folder.is_dir() {
            bail!("Working directory does not exist: {}", folder.display());
        }
        let from_file = input("targetType").eq_ignore_ascii_case("filePath") && !input("filePath").is_empty();
        let script = match (self, from_file) {
            (Self::CmdLine, _) | (_, false) => inputs.get("script").cloned().unwrap_or_default(),
            (Self::Bash, true) => {
                format!(". '{}' {}", input("filePath").replace('\'', r"'\''"), input("arguments"))
            }
            (Self::Pwsh, true) => {
                format!(". '{}' {}", input("filePath").replace('\'', "''"), input("arguments"))
            }
        };
        if script.is_empty() {
            bail!("Input required: script");
        }
        let fail_on_stderr = input("failOnStderr").eq_ignore_ascii_case("true");
        let (program, arguments) = self.invocation(&script, input("errorActionPreference"), folders, path)?;
        Ok(Plan { program, arguments, folder, fail_on_stderr })
    }

    fn invocation(
        self,
        script: &str,
        error_action: &str,
        folders: &Folders,
        path: &str,
    ) -> anyhow::Result<(String, Vec<String>)> {
        let name = uuid::Uuid::new_v4();
        let write = |extension: &str, text: &str| -> anyhow::Result<String> {
            let file = folders.temp.join(format!("{name}.{extension}"));
            std::fs::write(&file, text).with_context(|| format!("{} cannot be written", file.display()))?;
            Ok(file.to_string_lossy().into_owned())
        };
        match self {
            Self::CmdLine | Self::Bash => {
                let program = find_program("bash", path).context("bash was not found in PATH")?;
                let file = write("sh", &format!("{script}\n"))?;
                Ok((program, vec!["--noprofile".into(), "--norc".into(), file]))
            }
            Self::Pwsh => {
                let program = find_program("pwsh", path).context(
                    "pwsh was not found in PATH. PowerShell is not part of this machine: install it, or use a \
                     bash step.",
                )?;
                let preference = if error_action.is_empty() { "stop" } else { error_action };
                let last =
                    "if (!(Test-Path -LiteralPath variable:\\LASTEXITCODE)) { } else { exit $LASTEXITCODE }";
                let file =
                    write("ps1", &format!("$ErrorActionPreference = '{preference}'\n{script}\n{last}\n"))?;
                let arguments = ["-NoLogo", "-NoProfile", "-NonInteractive", "-Command"];
                let dot_sourced = format!(". '{}'", file.replace('\'', "''"));
                Ok((program, arguments.map(str::to_owned).into_iter().chain([dot_sourced]).collect()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders() -> (tempfile::TempDir, Folders) {
        let work = tempfile::tempdir().unwrap();
        let folders = Folders::prepare(work.path().to_owned(), None).unwrap();
        (work, folders)
    }

    fn inputs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn inline_script_goes_to_a_file() {
        let (_work, folders) = folders();
        let inputs = inputs(&[("script", "echo hi"), ("failOnStderr", "True"), ("workingDirectory", "")]);
        let plan = Shell::CmdLine.plan(&inputs, &folders, "/usr/bin:/bin").unwrap();
        assert!(plan.program.ends_with("/bash") && plan.fail_on_stderr);
        assert_eq!(plan.folder, folders.sources);
        assert_eq!(std::fs::read_to_string(&plan.arguments[2]).unwrap(), "echo hi\n");
    }

    #[test]
    fn a_bash_file_is_sourced_with_its_arguments() {
        let (_work, folders) = folders();
        let inputs = inputs(&[("targetType", "filePath"), ("filePath", "/a b.sh"), ("arguments", "x 'y z'")]);
        let plan = Shell::Bash.plan(&inputs, &folders, "/usr/bin:/bin").unwrap();
        assert_eq!(std::fs::read_to_string(&plan.arguments[2]).unwrap(), ". '/a b.sh' x 'y z'\n");
    }

    #[test]
    fn what_is_missing_is_said() {
        let (_work, folders) = folders();
        let error = |shell: Shell, pairs: &[(&str, &str)]| {
            shell.plan(&inputs(pairs), &folders, "/nowhere").unwrap_err().to_string()
        };
        assert_eq!(error(Shell::Bash, &[]), "Input required: script");
        assert!(error(Shell::Pwsh, &[("script", "x")]).starts_with("pwsh was not found in PATH"));
        let folder = [("script", "x"), ("workingDirectory", "/nowhere")];
        assert_eq!(error(Shell::CmdLine, &folder), "Working directory does not exist: /nowhere");
        let (work, prepared) = self::folders();
        let missing = |path| super::azure_cli(work.path(), &prepared, path).unwrap_err().to_string();
        assert!(missing("/nowhere").starts_with("python3 was not found in PATH"));
    }
}
