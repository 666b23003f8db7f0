//! What a caller of the crate sees, with real processes.

#![cfg(target_os = "linux")]

use std::{fs, path::Path, time::Duration};

use process::{Child, Command, Exit, Lines, Reach, Reaper, Signal, SpawnError, Stream};

/// Long enough that a test which needs it all has failed.
const NEVER: Duration = Duration::from_mins(1);

fn shell(script: &str) -> Command {
    Command::new("/bin/sh").arguments(["-c", script]).environment([("PATH", "/usr/local/bin:/usr/bin:/bin")])
}

async fn text(mut lines: Lines) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(line) = lines.next().await {
        all.push(line.text);
    }
    all
}

/// Runs a script to its end.
async fn run(command: Command) -> (Exit, Vec<String>) {
    let (child, lines) = command.spawn().expect("it starts");
    let lines = text(lines).await;
    (child.wait().await, lines)
}

fn alive(id: u32) -> bool {
    // A zombie is not alive.
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// Waits until the process is gone: killing it only starts its end.
async fn gone(id: u32) {
    tokio::time::timeout(NEVER, async {
        while alive(id) {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the process is still there");
}

#[tokio::test]
async fn exit_codes_and_signals_are_told_apart() {
    assert_eq!(run(shell("exit 4")).await.0, Exit::Code(4));
    assert_eq!(run(shell("kill -TERM $$")).await.0, Exit::Signal(15));
    assert!(run(shell("true")).await.0.is_success());
}

#[tokio::test]
async fn the_environment_is_exactly_what_is_given_and_standard_input_is_empty() {
    let command = Command::new("/usr/bin/env").environment([("ONLY", "this")]);
    assert_eq!(run(command).await.1, ["ONLY=this"]);
    assert_eq!(run(shell("cat; echo end")).await.1, ["end"]);
}

#[tokio::test]
async fn both_streams_are_read_and_told_apart() {
    let (_, mut lines) = shell("echo out; echo err >&2").spawn().unwrap();
    let mut seen = Vec::new();
    while let Some(line) = lines.next().await {
        seen.push((line.text, line.stream));
    }
    seen.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(seen, [("err".to_owned(), Stream::Error), ("out".to_owned(), Stream::Output)]);
}

#[tokio::test]
async fn a_missing_program_is_named_with_a_remedy() {
    let error = Command::new("/nowhere/Agent").spawn().unwrap_err();
    assert!(matches!(error, SpawnError::Missing { .. }));
    assert!(error.to_string().starts_with("/nowhere/Agent does not exist"), "{error}");
    let error = Command::new("/etc/passwd").spawn().unwrap_err();
    assert!(error.to_string().contains("executable bit"), "{error}");
}

#[tokio::test]
async fn an_orphan_that_holds_the_pipe_open_does_not_block_us() {
    let (child, lines) = shell("sleep 600 & echo $!; exit 3").spawn().unwrap();
    let lines = tokio::time::timeout(NEVER, text(lines)).await.expect("the lines must end with the child");
    assert_eq!(child.wait().await, Exit::Code(3));
    child.kill_tree();
    gone(lines[0].parse().unwrap()).await;
}

#[tokio::test]
async fn output_closed_early_is_no_exit() {
    let (child, lines) = shell("exec >&- 2>&-; read x < /dev/zero & wait").spawn().unwrap();
    assert!(text(lines).await.is_empty());
    assert_eq!(child.exit(), None);
    child.kill_tree();
    assert_eq!(child.wait().await, Exit::Signal(9));
}

#[tokio::test]
async fn nobody_listening_does_not_kill_the_child() {
    let (child, lines) =
        shell("i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i+1)); done; exit 7").spawn().unwrap();
    drop(lines);
    assert_eq!(child.wait().await, Exit::Code(7));
}

/// A child that says when it is ready and then waits.
async fn ready(script: &str) -> (Child, Lines) {
    let (child, mut lines) = shell(script).spawn().expect("it starts");
    assert_eq!(lines.next().await.expect("a line").text, "ready");
    (child, lines)
}

#[tokio::test]
async fn a_child_that_ends_when_asked_is_not_killed() {
    let (child, _lines) = ready("trap 'exit 5' INT; echo ready; while :; do sleep 0.01; done").await;
    assert_eq!(child.stop(Signal::Interrupt, Reach::Process, NEVER).await, Exit::Code(5));
}

#[tokio::test]
async fn a_child_that_does_not_listen_is_killed_after_its_grace() {
    let (child, _lines) = ready("trap '' INT TERM; echo ready; while :; do sleep 0.01; done").await;
    assert_eq!(child.stop(Signal::Terminate, Reach::Group, Duration::from_millis(50)).await, Exit::Signal(9));
}

#[tokio::test]
async fn a_grandchild_in_a_session_of_its_own_is_killed_with_the_tree() {
    let (child, mut lines) = ready("echo ready; setsid sh -c 'echo $$; exec sleep 600'; true").await;
    let grandchild = lines.next().await.unwrap().text.parse().unwrap();
    child.kill_tree();
    gone(grandchild).await;
}

#[tokio::test]
async fn the_child_has_a_process_group_of_its_own() {
    let (child, mut lines) = shell("cat /proc/self/stat; read x < /dev/null").spawn().unwrap();
    let stat = lines.next().await.unwrap().text;
    let group = stat.rsplit_once(") ").unwrap().1.split(' ').nth(2).unwrap().to_owned();
    assert_eq!(group, child.id().to_string());
}

#[tokio::test]
async fn blocked_signals_are_not_inherited() {
    use nix::sys::signal::{SigSet, Signal};
    let mut set = SigSet::empty();
    set.add(Signal::SIGINT);
    set.thread_block().unwrap();
    let (_, lines) = run(Command::new("/bin/grep").arguments(["SigBlk", "/proc/self/status"])).await;
    assert_eq!(lines, ["SigBlk:\t0000000000000000"]);
    assert!(SigSet::thread_get_mask().unwrap().contains(Signal::SIGINT), "our own mask must be as before");
    set.thread_unblock().unwrap();
}

/// The test binary starts itself, with signals ignored, to run this one.
#[tokio::test]
async fn ignored_signals_are_not_inherited() {
    const INNER: &str = "PROCESS_TEST_INNER";
    if std::env::var_os(INNER).is_some() {
        let (_, lines) = run(Command::new("/bin/grep").arguments(["SigIgn", "/proc/self/status"])).await;
        fs::write(std::env::var_os(INNER).unwrap(), lines.concat()).unwrap();
        return;
    }
    let answer = tempfile::NamedTempFile::new().unwrap();
    let ourselves = std::env::current_exe().unwrap();
    let script = format!(
        "trap '' INT QUIT HUP TERM USR1; exec {} --exact ignored_signals_are_not_inherited",
        ourselves.display()
    );
    // Started by the crate: a reaper of another test would take the exit of a child that it does not know.
    let inner = answer.path().display().to_string();
    let command = Command::new("/bin/sh").arguments(["-c", &script]).environment([(INNER, inner)]);
    let (exit, lines) = run(command).await;
    assert!(exit.is_success(), "{lines:?}");
    let answer = fs::read_to_string(answer.path()).unwrap();
    let mask = u64::from_str_radix(answer.strip_prefix("SigIgn:").unwrap().trim(), 16).unwrap();
    assert_eq!(mask & 0x7fff_ffff, 0, "standard signals are still ignored: {answer}");
}

#[tokio::test]
async fn the_reaper_collects_orphans_and_steals_no_exit() {
    let reaper = Reaper::start().unwrap();
    for round in 0..20 {
        // The inner shell ends first and leaves an orphan that ends at once: a zombie of ours.
        let (exit, lines) = run(shell(&format!("sh -c 'true & echo $!'; exit {round}"))).await;
        assert_eq!(exit, Exit::Code(round));
        let orphan: u32 = lines[0].parse().unwrap();
        tokio::time::timeout(NEVER, async {
            while Path::new(&format!("/proc/{orphan}")).exists() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("a zombie stays");
    }
    drop(reaper);
}

/// As where another thread starts something in the moment in which the program was written: its child holds the file.
#[tokio::test]
async fn a_program_that_is_still_being_written_is_waited_for() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("program");
    fs::write(&program, "#!/bin/sh\nexit 7\n").expect("a program");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("its mode");
    let held = fs::OpenOptions::new().append(true).open(&program).expect("it opens");
    let closer = std::thread::spawn(move || {
        for _ in 0..1000 {
            std::thread::yield_now();
        }
        drop(held);
    });
    assert_eq!(run(Command::new(&program)).await.0, Exit::Code(7));
    closer.join().expect("it was closed");
}
