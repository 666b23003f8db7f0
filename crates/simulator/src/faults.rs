//! What goes wrong, how often, and which of it may go wrong at all.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// A way in which something goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A list does not show yet what was created.
    LateInList,
    /// A list still shows what was deleted.
    StillInList,
    /// A list breaks off: an error, never half of it.
    PartialList,
    /// The service wants no calls for a while.
    Throttled,
    /// The service does not work right now.
    Unavailable,
    /// A request is lost: nothing was done, and nobody says so.
    LostRequest,
    /// A reply is lost: it was done, and nobody says so.
    LostReply,
    /// The caller's token is refused for a while.
    TokenExpired,
    /// A container group takes long to start.
    SlowStart,
    /// A container group never starts.
    StuckStart,
    /// A container group comes back that was deleted while it was created.
    ComesBack,
    /// A reaper's clock is wrong.
    ClockSkew,
    /// A reaper ends between two calls.
    ReaperCut,
    /// A reaper forgets what it did.
    MemoryLost,
    /// Who provisions ends between two steps.
    ProvisionerCut,
    /// The supervisor ends between two steps.
    SupervisorCrash,
    /// The supervisor does nothing any more.
    SupervisorHang,
    /// A container ends by itself.
    ContainerDies,
    /// A container starts again after it ended.
    Restart,
    /// Somebody deletes a container group or an agent.
    HumanDeletes,
    /// Somebody disables an agent.
    HumanDisables,
    /// Somebody keeps a container group for a look.
    HumanKeeps,
    /// A job is cancelled.
    JobCancelled,
}

/// Every fault with its word and its rate: how many of ten thousand opportunities it takes.
pub const FAULTS: [(Fault, &str, u64); 23] = [
    (Fault::LateInList, "late-in-list", 2_000),
    (Fault::StillInList, "still-in-list", 2_000),
    (Fault::PartialList, "partial-list", 150),
    (Fault::Throttled, "throttled", 150),
    (Fault::Unavailable, "unavailable", 150),
    (Fault::LostRequest, "lost-request", 150),
    (Fault::LostReply, "lost-reply", 300),
    (Fault::TokenExpired, "token-expired", 20),
    (Fault::SlowStart, "slow-start", 1_500),
    (Fault::StuckStart, "stuck-start", 400),
    (Fault::ComesBack, "comes-back", 3_000),
    (Fault::ClockSkew, "clock-skew", 5_000),
    (Fault::ReaperCut, "reaper-cut", 100),
    (Fault::MemoryLost, "memory-lost", 150),
    (Fault::ProvisionerCut, "provisioner-cut", 400),
    (Fault::SupervisorCrash, "supervisor-crash", 300),
    (Fault::SupervisorHang, "supervisor-hang", 200),
    (Fault::ContainerDies, "container-dies", 100),
    (Fault::Restart, "restart", 1_000),
    (Fault::HumanDeletes, "human-deletes", 500),
    (Fault::HumanDisables, "human-disables", 500),
    (Fault::HumanKeeps, "human-keeps", 500),
    (Fault::JobCancelled, "job-cancelled", 500),
];

/// One fault of a run: its kind, and which opportunity for it that was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Strike(pub Fault, pub u64);

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = FAULTS.iter().find(|(fault, ..)| *fault == self.0).map_or("", |(_, word, _)| word);
        write!(f, "{word}:{}", self.1)
    }
}

impl FromStr for Strike {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no fault; they look like lost-reply:3");
        let (word, number) = text.split_once(':').ok_or_else(wrong)?;
        let known = FAULTS.iter().find(|(_, known, _)| *known == word).ok_or_else(wrong)?;
        Ok(Self(known.0, number.parse().map_err(|_| wrong())?))
    }
}

/// Decides about every opportunity for a fault. Whether one strikes depends on the seed and on its own number alone, so
/// that leaving one out does not move the others.
#[derive(Debug)]
pub(crate) struct Faults {
    seed: u64,
    only: Option<Vec<Strike>>,
    opportunities: BTreeMap<Fault, u64>,
    struck: Vec<Strike>,
    over: bool,
}

impl Faults {
    pub(crate) fn new(seed: u64, only: Option<Vec<Strike>>) -> Self {
        Self { seed, only, opportunities: BTreeMap::new(), struck: Vec::new(), over: false }
    }

    /// Whether this opportunity is taken.
    pub(crate) fn strikes(&mut self, fault: Fault) -> bool {
        let opportunity = self.opportunities.entry(fault).or_default();
        *opportunity += 1;
        let strike = Strike(fault, *opportunity);
        let rate = FAULTS.iter().find(|(known, ..)| *known == fault).map_or(0, |(.., rate)| *rate);
        let strikes = !self.over
            && match &self.only {
                Some(only) => only.contains(&strike),
                None => mixed(self.seed, fault as u64, strike.1) % 10_000 < rate,
            };
        if strikes {
            self.struck.push(strike);
        }
        strikes
    }

    /// From now on nothing goes wrong.
    pub(crate) fn stop(&mut self) {
        self.over = true;
    }

    /// All that went wrong.
    pub(crate) fn struck(&self) -> &[Strike] {
        &self.struck
    }
}

/// A number that looks like chance (the last step of the generator that is known as splitmix).
fn mixed(seed: u64, kind: u64, number: u64) -> u64 {
    [kind, number].iter().fold(mix(seed), |state, part| mix(state ^ mix(*part)))
}

fn mix(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::{FAULTS, Faults, Strike};

    #[test]
    fn a_strike_reads_back() {
        for (fault, ..) in FAULTS {
            assert_eq!(Strike(fault, 7).to_string().parse(), Ok(Strike(fault, 7)));
        }
        assert!("lost-reply".parse::<Strike>().is_err());
        assert!("lost:1".parse::<Strike>().is_err());
    }

    #[test]
    fn each_fault_strikes_at_its_rate_and_what_struck_can_be_repeated() {
        let mut faults = Faults::new(7, None);
        for (fault, word, rate) in FAULTS {
            let struck = (0..100_000).filter(|_| faults.strikes(fault)).count() as u64;
            assert!(struck.abs_diff(rate * 10) < 20 + rate, "{word}: {struck} of {}", rate * 10);
        }
        let only = faults.struck()[..3].to_vec();
        let mut again = Faults::new(7, Some(only.clone()));
        for _ in 0..100_000 {
            again.strikes(FAULTS[0].0);
        }
        assert_eq!(again.struck(), only);
        again.stop();
        assert!(!again.strikes(FAULTS[0].0));
    }
}
