//! The agent's notification socket: when its job starts and when it is over, without reading prose.
//!
//! The agent connects to the address in its settings when it starts to run, sends `Starting job: <guid>` once the
//! worker has the job, and `Finished job: <guid>` as the last act of the dispatch. Each message is 50 bytes and
//! nothing separates them, so they may arrive in pieces or together.

/// What the agent said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notification {
    /// It has connected, which it does when it has a session and begins to wait for a job.
    Listening,
    /// The worker has the job.
    Starting,
    /// The job is over.
    Finished,
}

/// A message is a verb, a colon and blank, and a GUID with dashes.
const GUID_LENGTH: usize = 36;

/// The two messages, up to the GUID.
const PREFIXES: [(&[u8], Notification); 2] =
    [(b"Starting job: ", Notification::Starting), (b"Finished job: ", Notification::Finished)];

/// Puts messages together from what the socket gives.
#[derive(Debug, Default)]
pub struct Parser {
    pending: Vec<u8>,
}

impl Parser {
    /// The messages that these bytes complete. Bytes that cannot belong to a message are skipped.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Notification> {
        self.pending.extend_from_slice(bytes);
        let mut messages = Vec::new();
        while !self.pending.is_empty() {
            match self.head() {
                Head::Message(notification, length) => {
                    self.pending.drain(..length);
                    messages.push(notification);
                }
                Head::Noise => {
                    self.pending.remove(0);
                }
                Head::Incomplete => break,
            }
        }
        messages
    }

    fn head(&self) -> Head {
        for (prefix, notification) in PREFIXES {
            let length = prefix.len() + GUID_LENGTH;
            let known = self.pending.len().min(prefix.len());
            if self.pending[..known] == prefix[..known] {
                let complete = self.pending.len() >= length;
                return if complete { Head::Message(notification, length) } else { Head::Incomplete };
            }
        }
        Head::Noise
    }
}

enum Head {
    Message(Notification, usize),
    Incomplete,
    Noise,
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARTING: &[u8] = b"Starting job: 12345678-1234-1234-1234-123456789abc";
    const FINISHED: &[u8] = b"Finished job: 12345678-1234-1234-1234-123456789abc";

    fn parse(pieces: &[&[u8]]) -> Vec<Notification> {
        let mut parser = Parser::default();
        pieces.iter().flat_map(|piece| parser.push(piece)).collect()
    }

    #[test]
    fn messages_come_apart_and_together() {
        use Notification::{Finished, Starting};
        let both = [STARTING, FINISHED].concat();
        let bytes: Vec<&[u8]> = both.chunks(1).collect();
        assert_eq!(parse(&[STARTING]), [Starting]);
        assert_eq!(parse(&[&both]), [Starting, Finished]);
        assert_eq!(parse(&bytes), [Starting, Finished]);
        assert_eq!(parse(&[&both[..70], &both[70..]]), [Starting, Finished]);
    }

    #[test]
    fn line_ends_and_noise_between_messages_are_skipped() {
        use Notification::{Finished, Starting};
        let noisy = [STARTING, b"\r\n", b"?Start", FINISHED].concat();
        assert_eq!(parse(&[&noisy]), [Starting, Finished]);
    }

    #[test]
    fn half_a_message_is_none() {
        assert_eq!(parse(&[&STARTING[..49]]), []);
    }
}
