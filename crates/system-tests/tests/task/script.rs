//! The task's script: a few lines that find the program of the agent's platform.

use std::path::{Path, PathBuf};
use std::process::Command;

use system_tests::Printed;

const SCRIPT: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../extension/AzureContainerAgentCreate/index.js");

/// The folder of a task with a program for the platforms named, which prints what it was given.
fn task(platforms: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::copy(SCRIPT, folder.path().join("index.js")).expect("a copy");
    for platform in platforms {
        let program = folder.path().join("bin").join(platform).join("ephemeral-agents");
        std::fs::create_dir_all(program.parent().expect("a folder")).expect("a folder");
        // Without an executable bit, as it arrives.
        std::fs::write(&program, "#!/bin/sh\necho \"$0 $* $GIVEN\"\nexit ${CODE:-0}\n").expect("a file");
    }
    folder
}

/// Runs it after these lines of JavaScript, and gives what was printed and the exit code.
fn run(folder: &Path, before: &str, environment: &[(&str, &str)]) -> (String, Option<i32>) {
    let script = folder.join("index.js").display().to_string();
    let output = Command::new("node")
        .args(["-e", &format!("{before}; require({script:?})")])
        .envs(environment.iter().copied())
        .output()
        .expect("node");
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (text, output.status.code())
}

fn has_node() -> bool {
    Command::new("node").arg("--version").output().is_ok()
}

#[test]
fn hands_over_environment_and_exit_code() {
    if !has_node() {
        return;
    }
    let folder = task(&["linux-x64"]);
    let x64 = "Object.defineProperty(process, 'arch', {value: 'x64'})";
    let (text, code) = run(folder.path(), x64, &[("GIVEN", "given"), ("CODE", "3")]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.ends_with("bin/linux-x64/ephemeral-agents task given\n"), "{text}");
}

/// The folder of tasks may belong to somebody else.
#[test]
fn runs_a_copy_where_the_program_cannot_be_made_executable() {
    if !has_node() {
        return;
    }
    let folder = task(&["linux-x64"]);
    let temporary = tempfile::tempdir().expect("a folder");
    let before = "Object.defineProperty(process, 'arch', {value: 'x64'});\
                  const fs = require('fs'); const real = fs.chmodSync;\
                  fs.chmodSync = (path, mode) => { if (path.includes('linux-x64')) throw new Error('EPERM'); real(path, mode); }";
    let path: PathBuf = temporary.path().to_owned();
    let (text, code) = run(folder.path(), before, &[("AGENT_TEMPDIRECTORY", &path.display().to_string())]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.starts_with(&path.display().to_string()), "{text}");
}

#[test]
fn says_plainly_for_which_platforms_there_is_a_program() {
    if !has_node() {
        return;
    }
    let folder = task(&["linux-x64", "linux-arm64"]);
    let (text, code) = run(folder.path(), "Object.defineProperty(process, 'arch', {value: 's390x'})", &[]);
    let printed = Printed { code, output: text.lines().map(str::to_owned).collect(), talk: Vec::new() };
    printed.has_row("task-platform");
    assert!(
        text.contains("##vso[task.logissue type=error]This task has no program for the platform"),
        "{text}"
    );
}
