//! What the agent's own lines mean.
//!
//! The agent starts each with a time (`2026-08-21 10:00:00Z: Listening for Jobs`). They are in English because we start
//! it with the invariant culture; an agent that speaks another language all the same is understood through the
//! notification socket, which this only backs up.

use crate::outcome::Obstacle;

/// A line that has a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// It has a session and waits for a job.
    Listening,
    /// It has been given a job.
    JobStarted,
    /// Its job is over, with whatever result.
    JobFinished,
    /// It cannot get a session, and tries again.
    Hindered(Obstacle),
}

/// The service's own sentence in the refusal of a signature whose time does not fit; it is in English always.
pub(crate) const SERVER_TIME: &str = "Current server time is";

/// The agent's line when the service has another session of it; without a time.
const SESSION_TAKEN: &str = "A session for this agent already exists.";

/// The meaning of a line, if it has one.
pub fn classify(line: &str) -> Option<Said> {
    if line == SESSION_TAKEN {
        return Some(Said::Hindered(Obstacle::SessionTaken));
    }
    let (time, text) = line.split_once("Z: ")?;
    if !time.bytes().all(|byte| byte.is_ascii_digit() || b"-: ".contains(&byte)) {
        return None;
    }
    if text.starts_with("Listening for Jobs") {
        Some(Said::Listening)
    } else if text.starts_with("Running job: ") {
        Some(Said::JobStarted)
    } else if text.starts_with("Job ") && text.contains(" completed with result: ") {
        Some(Said::JobFinished)
    } else if text.starts_with("Agent connect error: ") && text.contains(SERVER_TIME) {
        Some(Said::Hindered(Obstacle::Clock))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_a_meaning_are_told_from_the_rest() {
        let cases = [
            ("2026-08-21 10:00:00Z: Listening for Jobs", Some(Said::Listening)),
            ("2026-08-21 10:00:00Z: Running job: Build it", Some(Said::JobStarted)),
            ("2026-08-21 10:00:00Z: Job Build it completed with result: Failed", Some(Said::JobFinished)),
            ("Scanning for tool capabilities.", None),
            ("2026-08-21 10:00:00Z: Agent connect error: x. Retrying until reconnected.", None),
            (
                "2026-08-21 10:00:00Z: Agent connect error: x. Current server time is 1. Retrying until reconnected.",
                Some(Said::Hindered(Obstacle::Clock)),
            ),
            ("A session for this agent already exists.", Some(Said::Hindered(Obstacle::SessionTaken))),
            // Without the agent's time it is somebody else's line.
            ("Listening for Jobs", None),
            ("echo XZ: Running job: fake", None),
            ("2026-08-21 10:00:00Z: Auftrag wird ausgeführt: Build", None),
        ];
        for (line, expected) in cases {
            assert_eq!(classify(line), expected, "{line}");
        }
    }
}
