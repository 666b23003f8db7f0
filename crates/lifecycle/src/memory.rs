//! What a program remembers from one pass to the next. It may be lost at any moment: that costs time, and never
//! correctness.

use std::collections::VecDeque;
use std::time::Duration;

use crate::{AgentName, Snapshot, Timestamp};

/// The span that budgets are counted over.
const HOUR: Duration = Duration::from_hours(1);

/// The recent past, as far as plans need it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    deletes: VecDeque<Timestamp>,
    creations: Vec<(AgentName, Timestamp)>,
}

impl Memory {
    /// The deletion of a container group was asked for.
    pub fn note_delete(&mut self, at: Timestamp) {
        self.deletes.push_back(at);
    }

    /// A container group was asked for, which lists may not show yet.
    pub fn note_creation(&mut self, name: AgentName, at: Timestamp) {
        self.creations.push((name, at));
    }

    /// What lists show by now need not be remembered: once it is gone again, its place is free.
    pub fn note_listed(&mut self, snapshot: &Snapshot) {
        let is_listed = |name: &AgentName| {
            snapshot.groups.iter().any(|placed| placed.group.name.eq_ignore_ascii_case(name.as_str()))
        };
        self.creations.retain(|(name, _)| !is_listed(name));
    }

    /// How many deletions were asked for within the hour before `now`.
    pub fn deletes_within_the_hour(&self, now: Timestamp) -> usize {
        self.deletes.iter().filter(|at| now.since(**at) < HOUR).count()
    }

    /// Names that were asked for no longer than `within` ago.
    pub fn recent_creations(&self, now: Timestamp, within: Duration) -> impl Iterator<Item = &AgentName> {
        self.creations.iter().filter(move |(_, at)| now.since(*at) <= within).map(|(name, _)| name)
    }

    /// Forgets what no plan asks for any more.
    pub fn forget(&mut self, now: Timestamp) {
        self.deletes.retain(|at| now.since(*at) < HOUR);
        self.creations.retain(|(_, at)| now.since(*at) < HOUR);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Memory;
    use crate::{AgentName, Timestamp};

    #[test]
    fn an_hour_later_nothing_counts_any_more() {
        let mut memory = Memory::default();
        memory.note_delete(Timestamp(0));
        memory.note_delete(Timestamp(1_800));
        memory.note_creation(AgentName::new("a").expect("valid"), Timestamp(0));
        assert_eq!(memory.deletes_within_the_hour(Timestamp(3_599)), 2);
        assert_eq!(memory.deletes_within_the_hour(Timestamp(3_600)), 1);
        let recent =
            |memory: &Memory, now| memory.recent_creations(Timestamp(now), Duration::from_mins(1)).count();
        assert_eq!((recent(&memory, 60), recent(&memory, 61)), (1, 0));
        memory.forget(Timestamp(5_400));
        assert_eq!(memory, Memory::default());
    }
}
