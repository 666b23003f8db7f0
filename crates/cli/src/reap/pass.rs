//! One look at everything, and what is done about it.

use std::time::Duration;

use lifecycle::{
    Action, ComputeError, ComputePhase, Executor, Memory, ObserveError, Outcome, Plan, Planned, Policy,
    PoolError, Reading, Record, Retire, Snapshot, lint, observe, plan,
};

use super::{Estate, Telling, policy, words};
use crate::errors::Failure;
use crate::services::{ErrorKind, ServiceError};
use crate::settings::ReapSettings;

/// What came of one look.
pub(crate) struct Pass {
    /// What was done, or would have been.
    pub(super) items: Vec<Item>,
    /// What is left over too, and has to wait for the budget of deletions.
    pub(super) postponed: Vec<Planned>,
    /// How many requests it took.
    pub(super) requests: u64,
    /// How long a service wants to be left alone.
    pub(super) not_before: Option<Duration>,
}

/// Something that is left over, and what became of it.
pub(super) struct Item {
    pub(super) planned: Planned,
    pub(super) retire: Retire,
    /// `None` where nothing was to be changed.
    pub(super) record: Option<Record>,
}

/// A look that did not come to its end.
#[derive(Debug)]
pub(super) struct Stopped {
    /// Why.
    pub(super) failure: Failure,
    /// How long the service wants to be left alone.
    pub(super) not_before: Option<Duration>,
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self { failure, not_before: None }
    }
}

impl Pass {
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty() && self.postponed.is_empty()
    }
}

/// Looks, judges, and removes what is left over.
///
/// # Errors
/// Something could not be read, or it was told to stop half-way.
pub(super) async fn one_pass<E: Estate>(
    estate: &E,
    settings: &ReapSettings,
    memory: &mut Memory,
    telling: &Telling<'_>,
) -> Result<Pass, Stopped> {
    let (policy, sent) = (policy(settings), estate.requests_sent());
    telling.report.progress("looking at container groups and agents");
    let snapshot = tokio::select! {
        biased;
        () = telling.interrupts.first() => return Err(words::interrupted(&[]).into()),
        seen = observe(estate.places(), estate.pools(), &policy, estate.now()) => seen,
    };
    let snapshot = match snapshot {
        Ok(snapshot) => snapshot,
        Err(error) => return Err(not_read(estate, settings, &error).await),
    };
    warn_of_unknown(&snapshot, &policy, telling);
    let plan = plan(&policy, &snapshot, memory);
    if let Err(breaches) = lint(&plan, &snapshot, &policy, memory) {
        let breaches: Vec<_> = breaches.iter().map(ToString::to_string).collect();
        return Err(Failure::Internal(format!(
            "a plan of ours broke a rule, and nothing of it was done: {}",
            breaches.join("; ")
        ))
        .into());
    }
    // What was sent before is not of this pass.
    drop(estate.take_ids_of_changes());
    let mut executor = Executor::new(estate.places(), estate.pools());
    let Plan { now, later } = plan;
    let mut pass = Pass { items: Vec::new(), postponed: later, requests: 0, not_before: None };
    for planned in now {
        let Action::Retire(retire) = planned.action.clone() else { continue };
        let record = if settings.dry_run {
            None
        } else {
            Some(
                remove(estate, (&mut executor, memory), (&planned, &retire), &pass, (settings, telling))
                    .await?,
            )
        };
        pass.items.push(Item { planned, retire, record });
    }
    pass.not_before = executor.not_before();
    pass.requests = estate.requests_sent() - sent;
    Ok(pass)
}

/// Removes one thing. Who stops it waits for this one; who stops it twice does not.
async fn remove<E: Estate>(
    estate: &E,
    (executor, memory): (&mut Executor<'_, E::Compute, E::Pool>, &mut Memory),
    (planned, retire): (&Planned, &Retire),
    pass: &Pass,
    (settings, telling): (&ReapSettings, &Telling<'_>),
) -> Result<Record, Failure> {
    if telling.interrupts.happened() {
        return Err(words::interrupted(&pass.items));
    }
    telling.report.progress(&format!("removing {}: {}", retire.name, planned.reason));
    let at = estate.now();
    let record = tokio::select! {
        biased;
        () = telling.interrupts.second() => return Err(words::interrupted(&pass.items)),
        record = executor.retire(retire, at) => record,
    };
    if record.spends_a_delete {
        memory.note_delete(at);
    }
    let ids = estate.take_ids_of_changes();
    telling.audit.write(planned, retire, &record, (at, &ids), (settings, telling.report))?;
    if let Outcome::Failed(why) = &record.outcome {
        tracing::debug!(name = %retire.name, why, "not removed");
    }
    Ok(record)
}

/// Groups whose phase is a word that we do not know are told, and left alone.
fn warn_of_unknown(snapshot: &Snapshot, policy: &Policy, telling: &Telling<'_>) {
    for placed in &snapshot.groups {
        let group = &placed.group;
        let ours = group.ownership().is_some_and(|ownership| policy.pool_of(&ownership).is_some());
        if let (true, ComputePhase::Unrecognized(word)) = (ours, &group.phase) {
            telling.report.warning(&format!(
                "the container group {} is {word:?}, a word that this version does not know: it is left alone",
                group.name
            ));
        }
    }
}

async fn not_read(estate: &impl Estate, settings: &ReapSettings, error: &ObserveError) -> Stopped {
    let (ObserveError::Compute(reading, _) | ObserveError::Pool(reading, _)) = error;
    let in_group = |place: &usize| format!("in the resource group {}", settings.resource_groups[*place]);
    let doing = match reading {
        Reading::Groups(place) => format!("list the container groups {}", in_group(place)),
        Reading::Group(place) => format!("look at a container group {}", in_group(place)),
        Reading::Agents(pool) => format!("list the agents of the pool {}", settings.pools[*pool]),
        Reading::Requests(pool) => format!("list what waits in the pool {}", settings.pools[*pool]),
    };
    let not_before = wanted_wait(error);
    let own_words = || ServiceError {
        kind: kind(error),
        what: error.to_string(),
        remedy: match not_before {
            Some(wait) => format!("try again in {} s; nothing was changed.", wait.as_secs()),
            None => "run the same command again; nothing was changed.".to_owned(),
        },
    };
    // Who wants no calls is not asked for its reasons.
    let explained = if not_before.is_some() { None } else { estate.explain(*reading).await };
    let error = explained.unwrap_or_else(own_words);
    Stopped { failure: Failure::Service { doing, error }, not_before }
}

/// How long the service that was read wants to be left alone.
fn wanted_wait(error: &ObserveError) -> Option<Duration> {
    match error {
        ObserveError::Compute(_, ComputeError::Throttled { retry_after })
        | ObserveError::Pool(_, PoolError::Throttled { retry_after }) => Some(*retry_after),
        _ => None,
    }
}

fn kind(error: &ObserveError) -> ErrorKind {
    match error {
        ObserveError::Compute(_, ComputeError::Throttled { .. })
        | ObserveError::Pool(_, PoolError::Throttled { .. }) => ErrorKind::Throttled,
        ObserveError::Compute(_, ComputeError::Unauthorized(_) | ComputeError::Rejected(_))
        | ObserveError::Pool(_, PoolError::Unauthorized(_) | PoolError::Rejected(_)) => ErrorKind::Refused,
        _ => ErrorKind::Unavailable,
    }
}
