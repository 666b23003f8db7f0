//! Several agents at once: all of them, or none.

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use lifecycle::AgentName;

use super::run::{Provisioned, Work};
use super::take_down::{AgentRecord, Pair, TakenDown, take_down};
use crate::errors::{Failure, Leftovers};
use crate::services::Services;

/// Provisions that many agents side by side. When one fails the others are not wanted any more: those that wait stop,
/// and those that are online are taken down.
pub(super) async fn provision<S: Services>(
    work: Work<'_, S>,
    count: u32,
) -> Result<Vec<Provisioned>, Failure> {
    let mut running: FuturesUnordered<_> = (0..count).map(|_| Box::pin(work.one_agent())).collect();
    let (mut made, mut failures) = (Vec::new(), Vec::new());
    while let Some(outcome) = running.next().await {
        match outcome {
            Ok(provisioned) => made.push(provisioned),
            Err(failure) => {
                work.abandoned.set(true);
                failures.push(failure);
            }
        }
    }
    if failures.is_empty() {
        made.sort_by(|one, other| one.name.cmp(&other.name));
        return Ok(made);
    }
    let left = take_all_down(work, &made).await;
    let leftovers = (!left.is_empty()).then(|| leftovers(work, &left));
    Err(in_one(failures, count, leftovers))
}

/// Takes down those that were made; the names of those that did not go.
async fn take_all_down<S: Services>(work: Work<'_, S>, made: &[Provisioned]) -> Vec<AgentName> {
    let mut left = Vec::new();
    for provisioned in made {
        let pair = Pair {
            name: provisioned.name.clone(),
            pool_id: Some(work.ready.pool.id),
            agent: AgentRecord::Asked.into(),
            group: true.into(),
        };
        work.report.progress(&format!("taking down {}", pair.name));
        let done = tokio::select! {
            biased;
            () = work.interrupts.second() => false,
            taken_down = take_down(work.services, &pair) => taken_down == TakenDown::Done,
        };
        if !done {
            left.push(provisioned.name.clone());
        }
    }
    left
}

fn leftovers<S: Services>(work: Work<'_, S>, names: &[AgentName]) -> Leftovers {
    let listed: Vec<_> = names.iter().collect();
    Leftovers {
        left: names.iter().map(|name| format!("{name}, whole or in part")).collect(),
        command: work.removing_command(&listed),
    }
}

/// One failure out of several: the first that is not the consequence of another, and everything that is left.
fn in_one(failures: Vec<Failure>, count: u32, mut leftovers: Option<Leftovers>) -> Failure {
    let mut causes = Vec::new();
    for failure in failures {
        match failure {
            Failure::LeftBehind { cause, leftovers: more } => {
                leftovers = Some(leftovers.map_or(more.clone(), |own| own.and(&more)));
                causes.push(*cause);
            }
            other => causes.push(other),
        }
    }
    let cause = match causes.iter().position(|cause| !matches!(cause, Failure::Interrupted { .. })) {
        Some(position) => Failure::OneOfSeveral { cause: Box::new(causes.swap_remove(position)), count },
        None => Failure::Interrupted { taken_down: None },
    };
    match leftovers {
        Some(leftovers) => Failure::LeftBehind { cause: Box::new(cause), leftovers },
        None => cause,
    }
}

#[cfg(test)]
mod tests {
    use lifecycle::AgentName;

    use super::in_one;
    use crate::errors::{Blame, Failure, Leftovers};

    const INTERRUPTED: Failure = Failure::Interrupted { taken_down: None };

    fn left(name: &str) -> Leftovers {
        Leftovers {
            left: vec![name.to_owned()],
            command: format!("ephemeral-agents deprovision {name} --resource-group agents"),
        }
    }

    #[test]
    fn the_cause_is_said_and_not_its_consequences() {
        let cause = Failure::NoSuchAgent(AgentName::new("a").expect("valid"));
        let failure = in_one(vec![INTERRUPTED, cause, INTERRUPTED], 4, None);
        assert_eq!(failure.blame(), Blame::User);
        insta::assert_snapshot!(failure.message(), @"
        There is no container group a of ours in this resource group.
          It was deleted, or it is in another resource group or subscription.
          That was one of 4 agents, and the others are not wanted without it.
        To do: `ephemeral-agents list` shows what there is.
        ");
    }

    #[test]
    fn an_interruption_stays_one() {
        assert_eq!(in_one(vec![INTERRUPTED, INTERRUPTED], 3, None), INTERRUPTED);
        let failure = in_one(vec![INTERRUPTED], 2, Some(left("b")));
        assert_eq!(failure.exit_code(), INTERRUPTED.exit_code());
    }

    #[test]
    fn everything_that_is_left_is_in_one_list() {
        let behind = |name: &str| Failure::LeftBehind { cause: Box::new(INTERRUPTED), leftovers: left(name) };
        let failure = in_one(vec![INTERRUPTED, behind("a"), behind("b")], 4, Some(left("c")));
        insta::assert_snapshot!(failure.message());
    }
}
