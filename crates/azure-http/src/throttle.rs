//! The waits that services asked for, remembered for every call to the same host.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::{Dialect, Method};

/// Who may not be called before when. Shared by all calls of a pipeline, so that the second call does not run into the
/// wall that the first one found.
#[derive(Default)]
pub(crate) struct Throttle(Mutex<HashMap<String, Instant>>);

impl Throttle {
    /// Remembers that `lane` wants no call before `wait` is over.
    pub(crate) fn note(&self, lane: &str, wait: Duration) {
        let until = Instant::now() + wait;
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = hosts.entry(lane.to_owned()).or_insert(until);
        *known = (*known).max(until);
    }

    /// How long a call in `lane` has to wait.
    pub(crate) fn wait(&self, lane: &str) -> Duration {
        let hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.get(lane).map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }
}

/// Whom a wait concerns: the host, and where that counts reads, writes and deletions apart, as Resource Manager does,
/// only calls of that sort. Who may create nothing more for a while may still look, and clean up.
pub(crate) fn lane(dialect: Dialect, host: &str, method: Method) -> String {
    let sort = match (dialect, method) {
        (Dialect::ResourceManager, Method::Get | Method::Head) => " reads",
        (Dialect::ResourceManager, Method::Delete) => " deletes",
        (Dialect::ResourceManager, _) => " writes",
        _ => "",
    };
    format!("{host}{sort}")
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

    use super::{Throttle, concerns_everybody, lane};
    use crate::{Dialect, Method};

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
    fn who_may_not_write_may_still_look_and_delete() {
        let of = |dialect, method| lane(dialect, "h", method);
        let writes = of(Dialect::ResourceManager, Method::Put);
        assert_eq!(writes, of(Dialect::ResourceManager, Method::Patch));
        assert_ne!(writes, of(Dialect::ResourceManager, Method::Get));
        assert_ne!(writes, of(Dialect::ResourceManager, Method::Delete));
        assert_eq!(of(Dialect::DevOps, Method::Post), of(Dialect::DevOps, Method::Get), "one budget for all");
    }

    #[test]
    fn the_pace_of_one_operation_slows_nobody_else() {
        assert!(concerns_everybody(Dialect::DevOps, 200));
        assert!(concerns_everybody(Dialect::ResourceManager, 429));
        assert!(!concerns_everybody(Dialect::ResourceManager, 201));
        assert!(!concerns_everybody(Dialect::ResourceManager, 503));
    }
}
