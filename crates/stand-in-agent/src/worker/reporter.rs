//! What the server is told while a job runs: changed timeline records and live lines, in batches, in the background.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::masker::Masker;
use crate::diagnostics::Diagnostics;
use crate::wire::models::TimelineRecord;
use crate::wire::plans::PlanClient;

/// Records per call.
const RECORDS_MAX: usize = 25;
/// Live lines per call.
const LINES_MAX: usize = 100;
/// Characters per live line.
const LINE_LENGTH_MAX: usize = 1024;
/// Between two batches, until the server asks for another pace.
const PACE: Duration = Duration::from_millis(500);

/// What waits to be sent.
#[derive(Default)]
struct Waiting {
    /// The newest state of each record, by id, and the order in which they changed.
    records: BTreeMap<String, TimelineRecord>,
    changed: VecDeque<String>,
    /// Lines of a record and the number of the first of them.
    lines: VecDeque<(String, usize, Vec<String>)>,
    finished: bool,
}

/// Collects news and sends it.
pub(crate) struct Reporter {
    plans: Arc<PlanClient>,
    masker: Masker,
    diagnostics: Diagnostics,
    waiting: Mutex<Waiting>,
    pace: Mutex<Duration>,
    flush: Notify,
}

impl Reporter {
    /// A reporter, and the task that sends for it until [`Self::finish`].
    pub(crate) fn start(
        plans: Arc<PlanClient>,
        masker: Masker,
        diagnostics: Diagnostics,
    ) -> (Arc<Self>, JoinHandle<()>) {
        let reporter = Arc::new(Self {
            plans,
            masker,
            diagnostics,
            waiting: Mutex::default(),
            pace: Mutex::new(PACE),
            flush: Notify::new(),
        });
        let sender = Arc::clone(&reporter);
        let sending = tokio::spawn(async move { sender.send_all().await });
        (reporter, sending)
    }

    /// A record changed.
    pub(crate) fn record(&self, record: &TimelineRecord) {
        let mut masked = record.clone();
        masked.name = self.masker.mask(&record.name);
        for issue in &mut masked.issues {
            issue.message = self.masker.mask(&issue.message);
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.records.insert(record.id.clone(), masked).is_none() {
            waiting.changed.push_back(record.id.clone());
        }
    }

    /// A line, masked already, for whoever is watching. `number` counts from 1.
    pub(crate) fn line(&self, record: &str, number: usize, line: &str) {
        let line: String = line.chars().take(LINE_LENGTH_MAX).collect();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match waiting.lines.back_mut() {
            Some((last, _, lines)) if last == record && lines.len() < LINES_MAX => lines.push(line),
            _ => waiting.lines.push_back((record.to_owned(), number, vec![line])),
        }
    }

    /// Sends more or less often from now on.
    pub(crate) fn change_pace(&self, pace: Duration) {
        *self.pace.lock().unwrap_or_else(PoisonError::into_inner) = pace;
        self.flush.notify_one();
    }

    /// Sends what is left and ends the sending task.
    pub(crate) async fn finish(&self, sending: JoinHandle<()>) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).finished = true;
        self.flush.notify_one();
        if let Err(error) = sending.await {
            self.diagnostics.error("JobServerQueue", &format!("sending ended early: {error}"));
        }
    }

    async fn send_all(&self) {
        loop {
            // Looked at first: what is added while a batch is sent is then part of another round.
            let finished = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).finished;
            self.send_waiting().await;
            if finished {
                return;
            }
            let pace = *self.pace.lock().unwrap_or_else(PoisonError::into_inner);
            // Either it is time, or somebody is waiting.
            drop(tokio::time::timeout(pace, self.flush.notified()).await);
        }
    }

    async fn send_waiting(&self) {
        while let Some(records) = self.take_records() {
            if let Err(error) = self.plans.update_records(&records).await {
                self.diagnostics.error("JobServerQueue", &format!("records were not taken: {error}"));
            }
        }
        while let Some((record, first, lines)) = self.take_lines() {
            // Live lines may be lost: the log is uploaded as a whole later.
            if let Err(error) = self.plans.feed(&record, first, &lines).await {
                self.diagnostics.info("JobServerQueue", &format!("live lines were not taken: {error}"));
            }
        }
    }

    fn take_records(&self) -> Option<Vec<TimelineRecord>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waiting.changed.len().min(RECORDS_MAX);
        let ids: Vec<_> = waiting.changed.drain(..count).collect();
        let records: Vec<_> = ids.iter().filter_map(|id| waiting.records.remove(id)).collect();
        (!records.is_empty()).then_some(records)
    }

    fn take_lines(&self) -> Option<(String, usize, Vec<String>)> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).lines.pop_front()
    }
}
