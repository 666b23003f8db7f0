//! The waits that services asked for, remembered for every call to the same host.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::Dialect;

/// Who may not be called before when. Shared by all calls of a pipeline, so that the second call does not run into the
/// wall that the first one found.
#[derive(Default)]
pub(crate) struct Throttle(Mutex<HashMap<String, Instant>>);

impl Throttle {
    /// Remembers that `host` wants no call before `wait` is over.
    pub(crate) fn note(&self, host: &str, wait: Duration) {
        let until = Instant::now() + wait;
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = hosts.entry(host.to_owned()).or_insert(until);
        *known = (*known).max(until);
    }

    /// How long a call to `host` has to wait.
    pub(crate) fn wait(&self, host: &str) -> Duration {
        let hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.get(host).map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }
}

/// Whether a wait in an answer is meant for every call to the host. Azure DevOps sends `Retry-After` with any status
/// once it slows an identity down; Resource Manager sends it with accepted operations too, where it is only the pace
/// of asking for that operation.
pub(crate) fn concerns_everybody(dialect: Dialect, status: u16) -> bool {
    status == 429 || dialect == Dialect::DevOps
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Throttle, concerns_everybody};
    use crate::Dialect;

    #[tokio::test(start_paused = true)]
    async fn the_longest_wait_holds_until_it_is_over() {
        let throttle = Throttle::default();
        throttle.note("a", Duration::from_secs(10));
        throttle.note("a", Duration::from_secs(5));
        assert_eq!(throttle.wait("a"), Duration::from_secs(10));
        assert_eq!(throttle.wait("b"), Duration::ZERO);
        tokio::time::advance(Duration::from_secs(11)).await;
        assert_eq!(throttle.wait("a"), Duration::ZERO);
    }

    #[test]
    fn the_pace_of_one_operation_slows_nobody_else() {
        assert!(concerns_everybody(Dialect::DevOps, 200));
        assert!(concerns_everybody(Dialect::ResourceManager, 429));
        assert!(!concerns_everybody(Dialect::ResourceManager, 201));
        assert!(!concerns_everybody(Dialect::ResourceManager, 503));
    }
}
