//! One process of a step: its own group, its lines as they come, and the three signals that end it.
//!
//! Signals, times and the wait for output are those of the official agent's `ProcessInvoker.cs`.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use crate::environment::Environment;

/// After SIGINT.
const INTERRUPT_GRACE: Duration = Duration::from_millis(7500);
/// After SIGTERM, before SIGKILL.
const TERMINATE_GRACE: Duration = Duration::from_millis(2500);
/// How long output is still read after the process ended. A grandchild that keeps the pipe open must not keep the job.
const DRAIN: Duration = Duration::from_secs(5);
/// Marks every process of a job, so that those it leaves behind are found.
pub(crate) const LOOKUP_VARIABLE: &str = "VSTS_PROCESS_LOOKUP_ID";

/// What to run.
pub(crate) struct Invocation {
    pub(crate) program: String,
    pub(crate) arguments: Vec<String>,
    pub(crate) folder: PathBuf,
    pub(crate) environment: Environment,
    /// Who hears of a cancellation.
    pub(crate) reach: SignalReach,
}

/// Whom signals reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignalReach {
    /// The process alone: what it started goes on until it is told, or until the job is over.
    Process,
    /// Its whole group.
    Group,
}

/// Where a line was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Out,
    Error,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// By itself; -1 stands for a signal.
    Code(i32),
    /// By us.
    Canceled,
}

/// Runs a process to its end, or until `canceled` resolves.
///
/// # Errors
/// It could not be started.
pub(crate) async fn run(
    invocation: &Invocation,
    canceled: impl Future<Output = ()>,
    mut on_line: impl FnMut(Stream, &str),
) -> anyhow::Result<Exit> {
    let mut child = spawn(invocation)?;
    let (lines, mut received) = mpsc::channel(256);
    let readers = [
        child.stdout.take().map(|out| tokio::spawn(read_lines(out, Stream::Out, lines.clone()))),
        child.stderr.take().map(|error| tokio::spawn(read_lines(error, Stream::Error, lines.clone()))),
    ];
    drop(lines);
    let mut ending = std::pin::pin!(wait_or_stop(&mut child, invocation.reach, canceled));
    let exit = loop {
        tokio::select! {
            Some((stream, line)) = received.recv() => on_line(stream, &line),
            exit = &mut ending => break exit,
        }
    };
    let rest = async {
        while let Some((stream, line)) = received.recv().await {
            on_line(stream, &line);
        }
    };
    if tokio::time::timeout(DRAIN, rest).await.is_err() {
        readers.iter().flatten().for_each(tokio::task::JoinHandle::abort);
    }
    exit
}

fn spawn(invocation: &Invocation) -> anyhow::Result<Child> {
    let mut command = Command::new(&invocation.program);
    command.args(&invocation.arguments).current_dir(&invocation.folder);
    command.env_clear().envs(invocation.environment.iter());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0).kill_on_drop(true);
    command.spawn().with_context(|| {
        let folder = invocation.folder.display();
        format!("{} could not be started in {folder}", invocation.program)
    })
}

async fn wait_or_stop(
    child: &mut Child,
    reach: SignalReach,
    canceled: impl Future<Output = ()>,
) -> anyhow::Result<Exit> {
    tokio::select! {
        status = child.wait() => {
            let status = status.context("the process was lost")?;
            return Ok(Exit::Code(status.code().unwrap_or(-1)));
        }
        () = canceled => {}
    }
    let process = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
    for (signal, grace) in [(Signal::SIGINT, INTERRUPT_GRACE), (Signal::SIGTERM, TERMINATE_GRACE)] {
        send(process, reach, signal);
        if tokio::time::timeout(grace, child.wait()).await.is_ok() {
            break;
        }
    }
    match reach {
        SignalReach::Process => drop(child.start_kill()),
        // Also when it ended: whatever it started may still be there.
        SignalReach::Group => send(process, reach, Signal::SIGKILL),
    }
    child.wait().await.context("the process was lost")?;
    Ok(Exit::Canceled)
}

fn send(process: Option<Pid>, reach: SignalReach, signal: Signal) {
    let Some(process) = process else { return };
    // It fails when nobody is left to hear it, which is what was wanted.
    let _ = match reach {
        SignalReach::Process => kill(process, signal),
        SignalReach::Group => killpg(process, signal),
    };
}

async fn read_lines(source: impl AsyncRead + Unpin, stream: Stream, lines: mpsc::Sender<(Stream, String)>) {
    let mut source = BufReader::new(source);
    let mut line = Vec::new();
    while source.read_until(b'\n', &mut line).await.is_ok_and(|length| length > 0) {
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches('\n').trim_end_matches('\r').to_owned();
        if lines.send((stream, text)).await.is_err() {
            return;
        }
        line.clear();
    }
}

/// Ends the processes a job left behind: those whose environment carries its mark. Returns what they were.
pub(crate) fn end_leftovers(mark: &str) -> Vec<String> {
    let wanted = format!("{LOOKUP_VARIABLE}={mark}");
    let carries_mark = |folder: &Path| {
        std::fs::read(folder.join("environ")).is_ok_and(|environment| {
            environment.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes())
        })
    };
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| {
            let id: i32 = entry.file_name().to_str()?.parse().ok()?;
            if !carries_mark(&entry.path()) {
                return None;
            }
            let name = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            nix::sys::signal::kill(Pid::from_raw(id), Signal::SIGKILL).ok()?;
            Some(format!("{id} ({})", name.trim()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bash(script: &str) -> Invocation {
        Invocation {
            program: "/bin/bash".into(),
            arguments: vec!["-c".into(), script.into()],
            folder: "/".into(),
            environment: [("PATH".to_owned(), "/usr/bin:/bin".to_owned())].into_iter().collect(),
            reach: SignalReach::Group,
        }
    }

    async fn collect(script: &str) -> (Exit, Vec<(Stream, String)>) {
        let mut lines = Vec::new();
        let never = std::future::pending();
        let exit =
            run(&bash(script), never, |stream, line| lines.push((stream, line.to_owned()))).await.unwrap();
        (exit, lines)
    }

    #[tokio::test]
    async fn lines_and_code_arrive() {
        let (exit, lines) = collect(r"printf 'a\r\nb\xff'; exit 3").await;
        assert_eq!(exit, Exit::Code(3));
        assert_eq!(lines, [(Stream::Out, "a".to_owned()), (Stream::Out, "b\u{fffd}".to_owned())]);
    }

    #[tokio::test]
    async fn an_orphan_that_holds_the_pipe_does_not_hold_the_step() {
        let begun = std::time::Instant::now();
        let (exit, lines) = collect("setsid sleep 30 & echo $!").await;
        assert_eq!(exit, Exit::Code(0));
        assert!(begun.elapsed() < Duration::from_secs(20));
        let orphan: i32 = lines[0].1.parse().unwrap();
        nix::sys::signal::kill(Pid::from_raw(orphan), Signal::SIGKILL).unwrap();
    }

    #[tokio::test]
    async fn cancelling_interrupts_the_whole_group() {
        let (ready, started) = tokio::sync::oneshot::channel::<()>();
        let mut ready = Some(ready);
        let mut seen = Vec::new();
        let canceled = async {
            drop(started.await);
        };
        let script = "trap 'echo interrupted; exit 1' INT; echo ready; sleep 60 & wait";
        let invocation = bash(script);
        let exit = run(&invocation, canceled, |_, line| {
            seen.push(line.to_owned());
            drop(ready.take());
        });
        assert_eq!(exit.await.unwrap(), Exit::Canceled);
        assert_eq!(seen, ["ready", "interrupted"]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_hears_no_signal_is_killed_after_ten_seconds() {
        for reach in [SignalReach::Process, SignalReach::Group] {
            let (ready, started) = tokio::sync::oneshot::channel::<()>();
            let mut ready = Some(ready);
            let canceled = async { drop(started.await) };
            let invocation =
                Invocation { reach, ..bash("trap '' INT TERM; echo ready; while :; do :; done") };
            // The clock stands still until nothing is left to do but wait, and goes on by itself then.
            let begun = tokio::time::Instant::now();
            let exit = run(&invocation, canceled, |_, _| drop(ready.take())).await.unwrap();
            assert_eq!(exit, Exit::Canceled, "{reach:?}");
            assert_eq!(begun.elapsed().as_secs(), 10, "{reach:?}");
        }
    }

    #[tokio::test]
    async fn leftovers_are_found_by_their_mark() {
        let mark = format!("vsts_{}", uuid::Uuid::new_v4());
        let mut child =
            std::process::Command::new("sleep").arg("60").env(LOOKUP_VARIABLE, &mark).spawn().unwrap();
        let ended = end_leftovers(&mark);
        assert_eq!(ended, [format!("{} (sleep)", child.id())]);
        assert!(!child.wait().unwrap().success());
    }
}
