//! The one masker of a run: everything that prints shares it, so that a secret learned late is masked everywhere.

use std::sync::{Arc, Mutex, PoisonError};

use redact::{Secret, SecretMasker};

/// A masker that can be shared and learns.
#[derive(Clone, Default)]
pub(crate) struct Masker(Arc<Mutex<SecretMasker>>);

impl Masker {
    /// Learns a secret.
    pub(crate) fn add(&self, secret: &Secret) {
        // A thread that panicked while it masked leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).add(secret);
    }

    /// `text` without any secret it knows.
    pub(crate) fn mask(&self, text: &str) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).mask(text)
    }
}

#[cfg(test)]
mod tests {
    use redact::Secret;

    use super::Masker;

    #[test]
    fn what_one_learns_the_others_know() {
        let masker = Masker::default();
        let other = masker.clone();
        masker.add(&Secret::new("hunter2"));
        assert_eq!(other.mask("a hunter2"), "a ***");
    }
}
