//! Standard output as the official agent writes it.
//!
//! Nothing here fails when nobody reads: a supervisor that closed the pipe must not bring the agent down.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::clock;
use crate::misbehaviour::Misbehaviour;

/// Writes lines to standard output.
#[derive(Debug)]
pub(crate) struct Console {
    misbehaviour: Misbehaviour,
    closed: AtomicBool,
}

impl Console {
    /// A console that dresses its lines up as the misbehaviour has it.
    pub(crate) fn new(misbehaviour: Misbehaviour) -> Self {
        Self { misbehaviour, closed: AtomicBool::new(false) }
    }

    /// Writes one line.
    pub(crate) fn say(&self, text: &str) {
        self.write(self.misbehaviour.line(text).as_bytes());
    }

    /// Writes one line with the time in front: `2026-11-23 10:20:30Z: text`.
    pub(crate) fn stamped(&self, text: &str) {
        self.say(&format!("{}: {text}", clock::console_stamp()));
    }

    /// What the `long-lines` misbehaviour prints.
    pub(crate) fn babble(&self) {
        self.say(&"long ".repeat(20_000));
        self.write(b"not \xff\xfe UTF-8\n");
    }

    /// Writes nothing any more and lets go of the pipe.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        // Point the descriptor elsewhere instead of closing it: a closed one could be handed out again.
        if let Ok(null) = std::fs::OpenOptions::new().write(true).open("/dev/null") {
            let _ = nix::unistd::dup2_stdout(&null);
        }
    }

    fn write(&self, bytes: &[u8]) {
        if !self.closed.load(Ordering::Relaxed) {
            let mut out = std::io::stdout().lock();
            drop(out.write_all(bytes).and_then(|()| out.flush()));
        }
    }
}
