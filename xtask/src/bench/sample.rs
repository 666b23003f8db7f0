//! What a process uses, read from `/proc` while it lives.

use std::path::Path;
use std::time::Duration;

use crate::emulator::pause;

/// What a process used at most, or in all.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Usage {
    /// Most memory it held, in MiB.
    pub(super) memory_mib: f64,
    /// Processor time, in seconds.
    pub(super) processor_seconds: f64,
}

/// Watches a process until it is gone. What it does after the last look is missed: at most one pace of it.
pub(super) fn watch(pid: u32) -> Usage {
    let mut usage = Usage::default();
    while let Some(now) = look(pid) {
        usage.memory_mib = usage.memory_mib.max(now.memory_mib);
        usage.processor_seconds = usage.processor_seconds.max(now.processor_seconds);
        pause(Duration::from_millis(5));
    }
    usage
}

fn look(pid: u32) -> Option<Usage> {
    let folder = Path::new("/proc").join(pid.to_string());
    let status = std::fs::read_to_string(folder.join("status")).ok()?;
    if status.lines().any(|line| line.starts_with("State:") && line.contains('Z')) {
        return None;
    }
    let mut nanoseconds = 0.0;
    for task in std::fs::read_dir(folder.join("task")).ok()?.flatten() {
        let times = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        nanoseconds += times.split(' ').next().and_then(|time| time.parse::<f64>().ok()).unwrap_or_default();
    }
    Some(Usage { memory_mib: most_memory(&status)?, processor_seconds: nanoseconds / 1e9 })
}

fn most_memory(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<f64>().ok().map(|kibibytes| kibibytes / 1024.0)
}

/// Children of `parent` whose program is called `program`.
pub(super) fn children(parent: u32, program: &str) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        parse_stat(*pid).is_some_and(|stat| stat.parent == parent && program.starts_with(&stat.name))
    })
    .collect()
}

/// When a process started, in seconds since the machine did.
pub(super) fn start_seconds(pid: u32) -> Option<f64> {
    parse_stat(pid).map(|stat| stat.start_seconds)
}

struct Stat {
    name: String,
    parent: u32,
    start_seconds: f64,
}

/// `/proc/PID/stat`: the name in parentheses may hold anything, so what comes after it is read from its end.
fn parse_stat(pid: u32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (head, tail) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = tail.split(' ').collect();
    // Ticks are hundredths of a second on every Linux that we build for.
    Some(Stat {
        name: head.split_once('(')?.1.to_owned(),
        parent: fields.get(1)?.parse().ok()?,
        start_seconds: fields.get(19)?.parse::<f64>().ok()? / 100.0,
    })
}

#[cfg(test)]
mod tests {
    use super::{children, look, start_seconds};

    #[test]
    fn this_process_can_be_looked_at() {
        let me = std::process::id();
        let usage = look(me).expect("we live");
        assert!(usage.memory_mib > 0.5 && usage.processor_seconds > 0.0, "{usage:?}");
        assert!(start_seconds(me).expect("we live") > 0.0);
        assert!(look(u32::MAX).is_none());
    }

    #[test]
    fn children_are_found_by_name() {
        let mut child =
            std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().expect("cat");
        assert_eq!(children(std::process::id(), "cat"), [child.id()]);
        drop(child.stdin.take());
        child.wait().expect("cat ends");
    }
}
