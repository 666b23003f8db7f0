//! What the listener tells the worker: one JSON value per line on the worker's standard input, never in its arguments.
//!
//! The end of the stream means that the listener is gone.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One line.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "order", rename_all = "camelCase")]
pub(crate) enum Order {
    /// First: the job.
    #[serde(rename_all = "camelCase")]
    Run {
        /// The job message as the server sent it.
        message: Value,
        /// The agent was started with `--once`.
        run_once: bool,
    },
    /// The server cancelled the job.
    #[serde(rename_all = "camelCase")]
    Cancel {
        /// How long it may take to end.
        timeout_seconds: u64,
    },
    /// The agent was told to stop.
    Shutdown,
    /// Send live lines more often or less.
    #[serde(rename_all = "camelCase")]
    Pace {
        /// Milliseconds between two posts.
        feed_milliseconds: u64,
    },
}

impl Order {
    /// The line, with its end.
    pub(crate) fn to_line(&self) -> Vec<u8> {
        // String keys and plain values: it cannot fail.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}
