//! What a process uses, read from `/proc` while it lives.

use std::collections::BTreeMap;
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

/// Watches a process and all that it starts, but for programs whose names begin so and what they start, until it is
/// gone. Memory is what all of them hold at one moment. What lives for less than a pace may be missed.
pub(super) fn watch_tree(root: u32, without: Option<&str>) -> Usage {
    let mut processor: BTreeMap<u32, f64> = BTreeMap::new();
    let mut most = 0.0;
    while look(root).is_some() {
        let mut held = 0.0;
        for pid in tree(root, without) {
            let Some(now) = look(pid) else { continue };
            processor.insert(pid, now.processor_seconds);
            held += held_now(pid).unwrap_or_default();
        }
        most = f64::max(most, held);
        pause(Duration::from_millis(5));
    }
    Usage { memory_mib: most, processor_seconds: processor.values().sum() }
}

/// Every process of the machine.
fn processes() -> Vec<(u32, Stat)> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| Some((pid, parse_stat(pid)?))).collect()
}

/// A process and all that it started, as far as they live.
fn tree(root: u32, without: Option<&str>) -> Vec<u32> {
    let all = processes();
    let mut tree = vec![root];
    let mut next = 0;
    while let Some(&parent) = tree.get(next) {
        let children = all.iter().filter(|(_, stat)| stat.parent == parent);
        let wanted = children.filter(|(_, stat)| without.is_none_or(|name| !stat.name.starts_with(name)));
        tree.extend(wanted.map(|(pid, _)| *pid));
        next += 1;
    }
    tree
}

/// Memory that a process holds at this moment, in MiB.
fn held_now(pid: u32) -> Option<f64> {
    mebibytes_of(&std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "VmRSS:")
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
    Some(Usage { memory_mib: mebibytes_of(&status, "VmHWM:")?, processor_seconds: nanoseconds / 1e9 })
}

fn mebibytes_of(status: &str, key: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().strip_suffix(" kB")?.parse::<f64>().ok().map(|kibibytes| kibibytes / 1024.0)
}

/// Every child of a process.
pub(super) fn children_of(parent: u32) -> Vec<u32> {
    children(parent, |_| true)
}

/// Children of `parent` whose program is called `program`.
pub(super) fn children_called(parent: u32, program: &str) -> Vec<u32> {
    // The system keeps the beginning of a name.
    children(parent, |name| program.starts_with(name))
}

fn children(parent: u32, is_wanted: impl Fn(&str) -> bool) -> Vec<u32> {
    let of_parent =
        |(pid, stat): (u32, Stat)| (stat.parent == parent && is_wanted(&stat.name)).then_some(pid);
    processes().into_iter().filter_map(of_parent).collect()
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
    use super::{children_called, children_of, look, start_seconds, tree, watch_tree};

    #[test]
    fn this_process_can_be_looked_at() {
        let me = std::process::id();
        let usage = look(me).expect("we live");
        assert!(usage.memory_mib > 0.5 && usage.processor_seconds > 0.0, "{usage:?}");
        assert!(start_seconds(me).expect("we live") > 0.0);
        assert!(look(u32::MAX).is_none());
    }

    #[test]
    fn a_tree_is_watched_to_its_end() {
        // In the foreground, where a shell leaves its standard input to what it starts.
        let script = "cat; true";
        let mut root = std::process::Command::new("bash");
        let mut root = root.args(["-c", script]).stdin(std::process::Stdio::piped()).spawn().expect("bash");
        let id = root.id();
        let watcher = std::thread::spawn(move || watch_tree(id, None));
        while children_called(id, "cat").is_empty() {
            std::thread::yield_now();
        }
        assert_eq!((tree(id, None).len(), tree(id, Some("cat"))), (2, vec![id]));
        drop(root.stdin.take());
        root.wait().expect("bash ends");
        let usage = watcher.join().expect("watched");
        assert!(usage.memory_mib > 1.0 && usage.processor_seconds > 0.0, "{usage:?}");
    }

    #[test]
    fn children_are_found_by_name() {
        let mut child =
            std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().expect("cat");
        assert_eq!(children_called(std::process::id(), "cat"), [child.id()]);
        assert!(children_of(std::process::id()).contains(&child.id()));
        drop(child.stdin.take());
        child.wait().expect("cat ends");
    }
}
