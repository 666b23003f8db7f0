//! Whether and when to send again: pure decisions.

use std::time::{Duration, SystemTime};

/// Longest wait of our own choosing.
const LONGEST: Duration = Duration::from_secs(30);

/// What one try came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An answer with this status.
    Answered(u16),
    /// No connection, so that nothing was sent.
    NotSent,
    /// Sent, and no answer: it may have been carried out.
    Lost,
    /// Something answers that will be the service soon: a managed identity endpoint that still starts.
    NotReady,
    /// It will fail the same way again: a certificate, a setting.
    Hopeless,
}

/// Everything the decision depends on.
#[derive(Clone, Copy, Debug)]
pub struct Try {
    /// Which try it was, from 1.
    pub number: u32,
    /// How many tries the call may have.
    pub attempts: u32,
    /// How long the call has taken until now.
    pub elapsed: Duration,
    /// How long it may take.
    pub budget: Duration,
    /// Whether sending it twice does no harm.
    pub repeatable: bool,
    /// The service's wait.
    pub server_wait: Option<Duration>,
    /// Our own first wait; each one after it is twice as long.
    pub first_wait: Duration,
    /// Randomness from 0 to 255 that keeps many clients from coming back at once.
    pub jitter: u8,
}

/// What to do after a try that did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Tell the caller.
    GiveUp,
    /// Send again after this wait.
    Again(Duration),
}

/// Decides. The longer of our wait and the service's counts; a wait beyond the budget is not begun.
///
/// What is not repeatable is sent again only when it certainly was not carried out: no connection, or refused for being
/// one too many (429).
pub fn decide(attempt: &Try, outcome: Outcome) -> Next {
    let again = match outcome {
        Outcome::Answered(429) | Outcome::NotSent | Outcome::NotReady => true,
        Outcome::Answered(408 | 500 | 502 | 503 | 504) | Outcome::Lost => attempt.repeatable,
        Outcome::Answered(_) | Outcome::Hopeless => false,
    };
    if !again || attempt.number >= attempt.attempts {
        return Next::GiveUp;
    }
    let wait = backoff(attempt).max(attempt.server_wait.unwrap_or_default());
    if attempt.elapsed + wait >= attempt.budget {
        return Next::GiveUp;
    }
    Next::Again(wait)
}

/// Our own wait: doubling, capped, and between half and all of it by the jitter.
fn backoff(attempt: &Try) -> Duration {
    let doubled = attempt.first_wait.saturating_mul(1 << attempt.number.saturating_sub(1).min(16));
    let full = doubled.min(LONGEST);
    full / 2 + (full / 2) * u32::from(attempt.jitter) / 255
}

/// The service's wait, from whichever header it uses: milliseconds (`x-ms-retry-after-ms`, `retry-after-ms`),
/// seconds, or a date.
pub fn server_wait<'h>(header: impl Fn(&str) -> Option<&'h str>, now: SystemTime) -> Option<Duration> {
    let milliseconds = ["x-ms-retry-after-ms", "retry-after-ms"]
        .iter()
        .find_map(|name| header(name)?.trim().parse().ok())
        .map(Duration::from_millis);
    milliseconds.or_else(|| {
        let text = header("retry-after")?.trim();
        if let Ok(seconds) = text.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let at = SystemTime::from(azure_core::time::parse_rfc7231(text).ok()?);
        Some(at.duration_since(now).unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{Next, Outcome, Try, decide, server_wait};

    const FIRST_TRY: Try = Try {
        number: 1,
        attempts: 5,
        elapsed: Duration::ZERO,
        budget: Duration::from_secs(100),
        repeatable: true,
        server_wait: None,
        first_wait: Duration::from_millis(500),
        jitter: 255,
    };

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn sends_again_by_class() {
        let posted = Try { repeatable: false, ..FIRST_TRY };
        let half_a_second = Next::Again(Duration::from_millis(500));
        let table = [
            // outcome, what is repeatable, what is not
            (Outcome::Answered(408), half_a_second, Next::GiveUp),
            (Outcome::Answered(429), half_a_second, half_a_second),
            (Outcome::Answered(500), half_a_second, Next::GiveUp),
            (Outcome::Answered(502), half_a_second, Next::GiveUp),
            (Outcome::Answered(503), half_a_second, Next::GiveUp),
            (Outcome::Answered(504), half_a_second, Next::GiveUp),
            (Outcome::Answered(400), Next::GiveUp, Next::GiveUp),
            (Outcome::Answered(401), Next::GiveUp, Next::GiveUp),
            (Outcome::Answered(404), Next::GiveUp, Next::GiveUp),
            (Outcome::Answered(409), Next::GiveUp, Next::GiveUp),
            (Outcome::Answered(501), Next::GiveUp, Next::GiveUp),
            (Outcome::NotSent, half_a_second, half_a_second),
            (Outcome::NotReady, half_a_second, half_a_second),
            (Outcome::Lost, half_a_second, Next::GiveUp),
            (Outcome::Hopeless, Next::GiveUp, Next::GiveUp),
        ];
        for (outcome, repeatable, not_repeatable) in table {
            assert_eq!(decide(&FIRST_TRY, outcome), repeatable, "{outcome:?}");
            assert_eq!(decide(&posted, outcome), not_repeatable, "{outcome:?}, not repeatable");
        }
    }

    #[test]
    fn the_longer_wait_counts() {
        let told = |wait| Try { server_wait: Some(wait), ..FIRST_TRY };
        let busy = Outcome::Answered(503);
        assert_eq!(decide(&told(seconds(17)), busy), Next::Again(seconds(17)));
        assert_eq!(decide(&told(Duration::ZERO), busy), Next::Again(Duration::from_millis(500)));
    }

    #[test]
    fn waits_twice_as_long_each_time_but_never_longer_than_half_a_minute() {
        let waits: Vec<_> = (1..=9)
            .map(|number| Try { number, attempts: 99, budget: seconds(1000), ..FIRST_TRY })
            .map(|attempt| decide(&attempt, Outcome::NotSent))
            .collect();
        let expected = [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000];
        assert_eq!(waits, expected.map(|wait| Next::Again(Duration::from_millis(wait))));
        let unlucky = Try { jitter: 0, ..FIRST_TRY };
        assert_eq!(decide(&unlucky, Outcome::NotSent), Next::Again(Duration::from_millis(250)));
    }

    #[test]
    fn stops_at_the_number_of_tries_and_before_the_budget_is_over() {
        let last = Try { number: 5, ..FIRST_TRY };
        assert_eq!(decide(&last, Outcome::NotSent), Next::GiveUp);
        let late = Try { elapsed: Duration::from_millis(99_600), ..FIRST_TRY };
        assert_eq!(decide(&late, Outcome::NotSent), Next::GiveUp);
        let told = Try { server_wait: Some(seconds(1200)), ..FIRST_TRY };
        assert_eq!(decide(&told, Outcome::Answered(429)), Next::GiveUp);
    }

    #[test]
    fn reads_each_way_a_service_says_wait() {
        let now = SystemTime::UNIX_EPOCH + seconds(784_111_777);
        let read = |name: &'static str, value: &'static str| {
            server_wait(|asked| (asked == name).then_some(value), now)
        };
        assert_eq!(read("retry-after", "17"), Some(seconds(17)));
        assert_eq!(read("retry-after", "Sun, 06 Nov 1994 08:50:00 GMT"), Some(seconds(23)));
        assert_eq!(read("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(read("retry-after-ms", "250"), Some(Duration::from_millis(250)));
        assert_eq!(read("x-ms-retry-after-ms", "1500"), Some(Duration::from_millis(1500)));
        assert_eq!(read("retry-after", "soon"), None);
        assert_eq!(server_wait(|_| None, now), None);
    }
}
