//! What happened to whom, and when: the lives of agents as the emulator saw them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Entries kept; the oldest go first.
const MOST: usize = 10_000;

/// Something that happened in the life of an agent or container group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Event {
    /// The agent was registered in its pool.
    AgentRegistered,
    /// The container group was asked for.
    GroupCreated,
    /// Its container started.
    ContainerStarted,
    /// The agent opened its session.
    AgentOnline,
    /// The job that it took was queued.
    JobQueued,
    /// The job was given to it.
    JobAssigned,
    /// It took the job up.
    JobStarted,
    /// The job was over.
    JobFinished,
    /// The agent was removed from its pool.
    AgentUnregistered,
    /// The deletion of the container group was asked for.
    GroupDeleteAsked,
    /// The container group was gone.
    GroupDeleted,
}

/// One line of the journal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// Name of the agent and container group.
    pub name: String,
    /// What.
    pub event: Event,
}

/// The journal, oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Journal(std::collections::VecDeque<Entry>);

impl Journal {
    /// Adds a line.
    pub fn note(&mut self, at: Timestamp, name: &str, event: Event) {
        self.0.push_back(Entry { at, name: name.to_owned(), event });
        if self.0.len() > MOST {
            self.0.pop_front();
        }
    }

    /// All lines, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter()
    }
}
