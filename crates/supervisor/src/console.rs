//! Our standard output, which is the container's log. Nothing gets there unmasked.

use std::io::Write as _;

use redact::{Secret, SecretMasker};

/// Writes lines, without the secrets it knows.
#[derive(Clone, Debug, Default)]
pub struct Console {
    masker: SecretMasker,
}

impl Console {
    /// Hides these.
    pub fn new(secrets: &[Secret]) -> Self {
        let mut masker = SecretMasker::new();
        for secret in secrets {
            masker.add(secret);
        }
        Self { masker }
    }

    /// Says something ourselves.
    pub fn say(&self, text: &str) {
        self.forward(&format!("agent-supervisor: {text}"));
    }

    /// Passes on a line of the agent, or one for programs.
    pub fn forward(&self, line: &str) {
        let line = self.masker.mask(line);
        // Nobody may be reading; that is no reason not to run the job.
        let _ = writeln!(std::io::stdout().lock(), "{line}");
    }
}
