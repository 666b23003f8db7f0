//! What will happen, and when: events as data, so that they survive a restart and a test can step over them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An event that is carried out when its moment has come.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Due {
    /// Of Resource Manager: a provisioning step, the end of a deletion.
    Arm(crate::arm::Due),
    /// Of Azure DevOps: a lock that lapses, a session that dies.
    Devops(crate::devops::Due),
    /// Of a pipeline run: a timeout.
    Pipelines(crate::pipelines::Due),
}

/// The events to come, in the order of their moments; events of one moment in the order in which they were set.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Schedule {
    events: Vec<(Timestamp, Due)>,
}

impl Schedule {
    /// Adds an event.
    pub fn at(&mut self, moment: Timestamp, due: Due) {
        let position = self.events.partition_point(|(other, _)| *other <= moment);
        self.events.insert(position, (moment, due));
    }

    /// When the next event is due.
    pub fn next_moment(&self) -> Option<Timestamp> {
        self.events.first().map(|(moment, _)| *moment)
    }

    /// Takes the next event whose moment is not after `now`.
    pub fn take_due(&mut self, now: Timestamp) -> Option<(Timestamp, Due)> {
        self.next_moment().filter(|moment| *moment <= now)?;
        Some(self.events.remove(0))
    }
}
