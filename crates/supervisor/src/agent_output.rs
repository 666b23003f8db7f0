//! What the agent's own lines mean.
//!
//! The agent starts each with a time (`2026-08-21 10:00:00Z: Listening for Jobs`). They are in English because we start
//! it with the invariant culture; an agent that speaks another language all the same is understood through the
//! notification socket, which this only backs up.

/// A line that has a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// It has a session and waits for a job.
    Listening,
    /// It has been given a job.
    JobStarted,
    /// Its job is over, with whatever result.
    JobFinished,
}

/// The meaning of a line, if it has one.
pub fn classify(line: &str) -> Option<Said> {
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
