//! What a container printed, within the limits of the service: 4 MB while it runs, and once it has stopped the last
//! 16 KB or 1000 lines, whichever is less.

use std::collections::VecDeque;

use jiff::Timestamp;

/// Bytes kept while the container runs.
const RUNNING_BYTES: usize = 4 << 20;
/// Bytes kept once it has stopped.
const STOPPED_BYTES: usize = 16 << 10;
/// Lines kept once it has stopped.
const STOPPED_LINES: usize = 1000;

/// The lines that are kept.
#[derive(Debug, Default)]
pub(super) struct LogBuffer {
    lines: VecDeque<(Timestamp, String)>,
    bytes: usize,
}

impl LogBuffer {
    /// Adds a line, and drops the oldest ones that no longer fit.
    pub(super) fn push(&mut self, at: Timestamp, line: String) {
        self.bytes += line.len() + 1;
        self.lines.push_back((at, line));
        self.shrink(RUNNING_BYTES, usize::MAX);
    }

    /// The container has stopped: much is dropped.
    pub(super) fn stop(&mut self) {
        self.shrink(STOPPED_BYTES, STOPPED_LINES);
    }

    fn shrink(&mut self, bytes: usize, lines: usize) {
        while self.bytes > bytes || self.lines.len() > lines {
            let Some((_, line)) = self.lines.pop_front() else { return };
            self.bytes -= line.len() + 1;
        }
    }

    /// The last `tail` lines, or all; each with its time, if that is wanted.
    pub(super) fn text(&self, tail: Option<usize>, timestamps: bool) -> String {
        let skipped = tail.map_or(0, |tail| self.lines.len().saturating_sub(tail));
        let mut text = String::new();
        for (at, line) in self.lines.iter().skip(skipped) {
            if timestamps {
                text.push_str(&at.to_string());
                text.push(' ');
            }
            text.push_str(line);
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::LogBuffer;

    fn filled(count: usize, line: &str) -> LogBuffer {
        let mut buffer = LogBuffer::default();
        for number in 0..count {
            buffer.push(Timestamp::UNIX_EPOCH, format!("{number} {line}"));
        }
        buffer
    }

    #[test]
    fn a_stopped_container_keeps_its_last_thousand_lines() {
        let mut buffer = filled(1500, "x");
        buffer.stop();
        let text = buffer.text(None, false);
        assert_eq!(text.lines().count(), 1000);
        assert_eq!(text.lines().next(), Some("500 x"));
    }

    #[test]
    fn a_stopped_container_keeps_no_more_than_16_kilobytes() {
        let mut buffer = filled(100, &"y".repeat(1000));
        buffer.stop();
        let text = buffer.text(None, false);
        assert!(text.len() <= 16 << 10 && text.len() > 15 << 10, "{}", text.len());
        assert!(text.lines().last().is_some_and(|line| line.starts_with("99 ")));
    }

    #[test]
    fn a_running_container_keeps_no_more_than_4_megabytes() {
        let buffer = filled(5000, &"z".repeat(1000));
        let length = buffer.text(None, false).len();
        assert!(length <= 4 << 20 && length > (4 << 20) - 2000, "{length}");
    }

    #[test]
    fn the_tail_is_the_end_and_may_carry_times() {
        let buffer = filled(3, "x");
        assert_eq!(buffer.text(Some(1), false), "2 x\n");
        assert_eq!(buffer.text(Some(1), true), "1970-01-01T00:00:00Z 2 x\n");
    }
}
