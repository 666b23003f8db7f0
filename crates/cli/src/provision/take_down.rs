//! Taking a pair down: disable, unregister, delete the group until it is gone. Used after a failure or an
//! interruption, and by `deprovision`.

use std::cell::Cell;
use std::time::Duration;

use lifecycle::{AgentName, Removal};
use tokio::time::{Instant, sleep};

use crate::services::{Answer, ErrorKind, Groups, Pools, ServiceError, Services};

/// Before the second look at a group that is being deleted; later ones are rarer.
const LOOK_FIRST: Duration = Duration::from_millis(500);
/// Between two looks at a group that takes long to go.
const LOOK_AGAIN: Duration = Duration::from_secs(3);
/// How long a group may take to go. Usually seconds; a group that is still being created takes longest.
const GONE_WITHIN: Duration = Duration::from_mins(3);

/// What may exist of an agent in its pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AgentRecord {
    /// Nothing, for certain.
    None,
    /// It was asked for, by us or by its container: if there is one of that name, it is this.
    Asked,
    /// There is one of this id.
    Known(u64),
}

/// A pair that exists in part. What is taken down is struck off as it goes, so that an interruption can say what is
/// left.
pub(crate) struct Pair {
    /// Its name.
    pub(crate) name: AgentName,
    /// Its pool, if that is known.
    pub(crate) pool_id: Option<u64>,
    /// Its agent.
    pub(crate) agent: Cell<AgentRecord>,
    /// Whether it may have a container group.
    pub(crate) group: Cell<bool>,
}

/// How far taking down came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TakenDown {
    /// Nothing is left.
    Done,
    /// Its agent runs a job: disabled, and otherwise left alone.
    JobRunning,
    /// Something is left, with the reasons.
    Left(Vec<String>),
}

impl Pair {
    /// What is left of it, in words, by what is known without asking.
    pub(crate) fn remains(&self) -> Vec<String> {
        let mut left = Vec::new();
        if self.agent.get() != AgentRecord::None {
            left.push(format!("the agent {} in its pool", self.name));
        }
        if self.group.get() {
            left.push(format!("the container group {}", self.name));
        }
        left
    }
}

/// Takes a pair down. A failure with the agent does not keep the group alive, which costs money; a job does.
pub(crate) async fn take_down(services: &impl Services, pair: &Pair) -> TakenDown {
    let mut left = Vec::new();
    let asked = pair.agent.get() == AgentRecord::Asked;
    if !retire(services, pair, &mut left).await {
        return TakenDown::JobRunning;
    }
    let had_group = pair.group.get();
    match delete_group(services, pair).await {
        Ok(()) => pair.group.set(false),
        Err(error) => left.push(format!("the container group {}: {}", pair.name, error.what)),
    }
    // Until it was gone, its container may have registered the agent that was looked for in vain.
    if asked && had_group && left.is_empty() {
        pair.agent.set(AgentRecord::Asked);
        if !retire(services, pair, &mut left).await {
            return TakenDown::JobRunning;
        }
    }
    if left.is_empty() { TakenDown::Done } else { TakenDown::Left(left) }
}

/// Retires the agent, and notes where that fails. Says whether its group may go: not while it runs a job.
async fn retire(services: &impl Services, pair: &Pair, left: &mut Vec<String>) -> bool {
    match retire_agent(services, pair).await {
        Ok(Removal::JobRunning) => return false,
        Ok(Removal::Removed | Removal::AlreadyGone) => pair.agent.set(AgentRecord::None),
        Err(error) => left.push(format!("the agent {} in its pool: {}", pair.name, error.what)),
    }
    true
}

async fn retire_agent(services: &impl Services, pair: &Pair) -> Answer<Removal> {
    let Some(pool_id) = pair.pool_id else { return Ok(Removal::AlreadyGone) };
    let agent_id = match pair.agent.get() {
        AgentRecord::None => return Ok(Removal::AlreadyGone),
        AgentRecord::Known(id) => id,
        AgentRecord::Asked => match services.pools().agent(pool_id, &pair.name).await? {
            Some(agent) => agent.id,
            None => return Ok(Removal::AlreadyGone),
        },
    };
    pair.agent.set(AgentRecord::Known(agent_id));
    // Removing is what counts; disabling first only keeps a job from coming in between.
    if let Err(error) = services.pools().disable(pool_id, agent_id).await {
        tracing::debug!(agent_id, %error, "not disabled");
    }
    services.pools().remove(pool_id, agent_id).await
}

/// Whether the same call may work in a moment: a group that is "still transitioning" refuses, and goes later.
fn may_pass(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Indeterminate | ErrorKind::Transient | ErrorKind::Unavailable)
}

async fn delete_group(services: &impl Services, pair: &Pair) -> Answer<()> {
    if !pair.group.get() {
        return Ok(());
    }
    let (begin, mut pause) = (Instant::now(), LOOK_FIRST);
    loop {
        // Deleting once is not enough where the group was still being created: it may come into being afterwards.
        let asked = services.groups().delete(&pair.name).await;
        let is_last = begin.elapsed() >= GONE_WITHIN;
        match asked {
            Ok(()) => {}
            Err(error) if may_pass(error.kind) && !is_last => {
                tracing::debug!(name = %pair.name, %error, "not deleted yet");
            }
            Err(error) => return Err(error),
        }
        match services.groups().group(&pair.name).await {
            Ok(None) => return Ok(()),
            Ok(Some(_)) if is_last => {
                return Err(ServiceError {
                    kind: ErrorKind::Unavailable,
                    what: format!("still there {} s after it was deleted", GONE_WITHIN.as_secs()),
                    remedy: "look again later.".to_owned(),
                });
            }
            Ok(Some(_)) => {}
            Err(error) if may_pass(error.kind) && !is_last => {}
            Err(error) => return Err(error),
        }
        sleep(pause).await;
        pause = (pause * 2).min(LOOK_AGAIN);
    }
}
