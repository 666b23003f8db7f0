//! Killing a process and everything that came from it.
//!
//! A process group is not enough: build tools and daemons make groups and sessions of their own. Parentage is not
//! enough either: an orphan changes its parent. So both are followed, and everything found is stopped before anything
//! is killed, or a process could start another between the look and the blow.

use std::{collections::BTreeSet, fs, path::Path};

use nix::sys::signal::{self, Signal};

use super::pid;

/// Looks taken before the killing starts. Every look but the last stops at least one more process, so only a tree that
/// grows faster than we can read it needs more.
const LOOKS_MAX: usize = 64;

/// One line of the process table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    id: u32,
    parent: u32,
    group: u32,
}

/// Kills the process `root`, all that descends from it, and all in process groups that any of these lead.
pub(crate) fn kill_tree(root: u32) {
    kill(BTreeSet::from([root]), None);
}

/// Kills every process that descends from this one, but not this one. Orphans count if this process is their parent
/// now, as it is for the first process of a container and with a [`crate::Reaper`].
pub fn kill_descendants() {
    let ourselves = std::process::id();
    kill(BTreeSet::from([ourselves]), Some(ourselves));
}

fn kill(mut tree: BTreeSet<u32>, spared: Option<u32>) {
    let mut stopped = BTreeSet::new();
    for _ in 0..LOOKS_MAX {
        tree = members(&process_table(Path::new("/proc")), tree, spared);
        let new: Vec<u32> =
            tree.iter().copied().filter(|id| Some(*id) != spared && !stopped.contains(id)).collect();
        if new.is_empty() {
            break;
        }
        for id in new {
            send(id, Signal::SIGSTOP);
            stopped.insert(id);
        }
    }
    for id in stopped {
        send(id, Signal::SIGKILL);
    }
}

/// What cannot be signalled is gone, or not ours to signal.
fn send(id: u32, signal: Signal) {
    if let Some(pid) = pid(id) {
        let _ = signal::kill(pid, signal);
    }
}

/// All of `tree` and whatever in the table has a parent in it, or is in a process group that a member (other than the
/// spared one, whose group may hold its own parents) leads.
fn members(table: &[Entry], mut tree: BTreeSet<u32>, spared: Option<u32>) -> BTreeSet<u32> {
    loop {
        let before = tree.len();
        for entry in table {
            let led = tree.contains(&entry.group) && Some(entry.group) != spared;
            if tree.contains(&entry.parent) || led {
                tree.insert(entry.id);
            }
        }
        if tree.len() == before {
            return tree;
        }
    }
}

/// The process table. A process that ends while we read is left out.
fn process_table(proc: &Path) -> Vec<Entry> {
    let Ok(folders) = fs::read_dir(proc) else { return Vec::new() };
    folders
        .filter_map(Result::ok)
        .filter(|folder| folder.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit))
        .filter_map(|folder| fs::read(folder.path().join("stat")).ok())
        .filter_map(|stat| parse(&String::from_utf8_lossy(&stat)))
        .collect()
}

/// Reads `id (name) state parent group …`; the name may hold anything, parentheses and line breaks too.
fn parse(stat: &str) -> Option<Entry> {
    let (id, rest) = stat.split_once(' ')?;
    let (_, rest) = rest.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(1);
    Some(Entry {
        id: id.parse().ok()?,
        parent: fields.next()?.parse().ok()?,
        group: fields.next()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_may_hold_anything() {
        let entry = Entry { id: 42, parent: 7, group: 40 };
        for name in ["sleep", "a b", "((x) R 1 1", "x) S 3 4 (y"] {
            assert_eq!(parse(&format!("42 ({name}) S 7 40 40 0 -1")), Some(entry), "{name}");
        }
        assert_eq!(parse(""), None);
    }

    /// 10 started 11 and 12; 11 made a group of its own, started 13 and ended, so 13 hangs on 1 now. 20 is a stranger.
    const TABLE: [Entry; 5] = [
        Entry { id: 10, parent: 5, group: 10 },
        Entry { id: 12, parent: 10, group: 10 },
        Entry { id: 13, parent: 1, group: 11 },
        Entry { id: 5, parent: 1, group: 5 },
        Entry { id: 20, parent: 5, group: 5 },
    ];

    #[test]
    fn a_tree_is_followed_by_parentage_and_by_groups_its_members_led() {
        let ids = |tree: BTreeSet<u32>| tree.into_iter().collect::<Vec<_>>();
        assert_eq!(ids(members(&TABLE, BTreeSet::from([10]), None)), [10, 12]);
        assert_eq!(ids(members(&TABLE, BTreeSet::from([10, 11]), None)), [10, 11, 12, 13]);
    }

    #[test]
    fn the_group_of_the_spared_process_is_not_the_tree() {
        // A shell (4) that started us in its own group must not die with our children.
        let table = [
            Entry { id: 4, parent: 1, group: 5 },
            Entry { id: 5, parent: 4, group: 5 },
            Entry { id: 6, parent: 5, group: 6 },
        ];
        assert_eq!(members(&table, BTreeSet::from([5]), Some(5)), BTreeSet::from([5, 6]));
    }
}
