//! What is to be done: one pure function from what is so to what should be.
//!
//! [`plan`] judges each pair by its [`stage`], and says why. It acts on nothing that it cannot prove to be ours, on no
//! agent with a job, on nothing whose phase it does not know. [`lint`](crate::lint) checks the same from the other
//! side, and refuses a plan that breaks a rule.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::{
    Agent, AgentName, AgentStatus, ComputePhase, Ended, Memory, OwnershipTags, PlacedGroup, Policy,
    Registration, Snapshot, Stage, Timestamp, demands_met, stage,
};

/// Something to do, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// What.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// How old the agent is by then, where that is known.
    pub age: Option<Duration>,
}

/// What can be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Takes an agent down.
    Retire(Retire),
    /// Makes an agent for a waiting job.
    Provision {
        /// Position of the pool among [`Policy::pools`].
        pool: usize,
        /// Id of the job request.
        request: u64,
    },
}

/// Taking down what there is of an agent: marked, disabled, unregistered, deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retire {
    /// Its name.
    pub name: AgentName,
    /// Position of its pool among [`Policy::pools`].
    pub pool: usize,
    /// Id of its agent, where it is registered.
    pub agent_id: Option<u64>,
    /// Its container group, where it is to be deleted.
    pub group: Option<PlacedGroup>,
}

/// Why something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Its container has ended.
    Ended,
    /// It was to go before, and not all of it went.
    Unfinished {
        /// When that was decided, where a mark says so.
        since: Option<Timestamp>,
    },
    /// It may live until a moment that is over.
    Expired {
        /// That moment.
        at: Timestamp,
    },
    /// Its container group is there and its agent is not.
    AgentGone,
    /// Its agent is there and its container group is not.
    GroupGone,
    /// Its container runs and its agent is not online.
    Offline {
        /// For how long, where the service says.
        time: Option<Duration>,
    },
    /// A job waits for an agent.
    JobWaits,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended => f.write_str("its container has ended"),
            Self::Unfinished { since: Some(since) } => {
                write!(f, "it was to go at {since}, and is still there")
            }
            Self::Unfinished { since: None } => {
                f.write_str("its container group is being deleted, and its agent is still there")
            }
            Self::Expired { at } => write!(f, "it expired at {at}"),
            Self::AgentGone => f.write_str("it has no agent in its pool"),
            Self::GroupGone => f.write_str("it has no container group"),
            Self::Offline { time: Some(time) } => {
                write!(f, "its container runs, and its agent has been offline for {} s", time.as_secs())
            }
            Self::Offline { time: None } => f.write_str("its container runs, and its agent is not online"),
            Self::JobWaits => f.write_str("a job waits for an agent"),
        }
    }
}

/// What a pass is to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// To be done, in this order.
    pub now: Vec<Planned>,
    /// To be done too, were there room in the budget of deletions.
    pub later: Vec<Planned>,
}

/// What to do about a snapshot. Planning again after it was done gives nothing.
pub fn plan(policy: &Policy, snapshot: &Snapshot, memory: &Memory) -> Plan {
    let mut over: Vec<_> =
        snapshot.groups.iter().filter_map(|placed| of_group(policy, snapshot, placed)).collect();
    over.extend(orphans(policy, snapshot));
    // What has been there longest first; agents, which cost no deletion, before container groups.
    over.sort_by_key(|planned| match &planned.action {
        Action::Retire(retire) => {
            (retire.group.is_some(), std::cmp::Reverse(planned.age), retire.name.to_string())
        }
        Action::Provision { .. } => (true, std::cmp::Reverse(None), String::new()),
    });
    let mut names = BTreeSet::new();
    over.retain(|planned| match &planned.action {
        Action::Retire(retire) => names.insert(retire.name.clone()),
        Action::Provision { .. } => true,
    });
    let spent = memory.deletes_within_the_hour(snapshot.now);
    let mut plan = within(over, policy.deletes_an_hour.saturating_sub(spent));
    let wanted = provisions(policy, snapshot, memory, &plan);
    plan.now.extend(wanted);
    plan
}

/// Splits what is to be done where the budget of deletions ends.
fn within(over: Vec<Planned>, mut deletes: usize) -> Plan {
    let mut plan = Plan::default();
    for planned in over {
        let deletes_a_group = matches!(&planned.action, Action::Retire(Retire { group: Some(_), .. }));
        match (deletes_a_group, deletes) {
            (true, 0) => plan.later.push(planned),
            (true, _) => {
                deletes -= 1;
                plan.now.push(planned);
            }
            (false, _) => plan.now.push(planned),
        }
    }
    plan
}

/// What is to be done about a container group, and the agent of its name.
fn of_group(policy: &Policy, snapshot: &Snapshot, placed: &PlacedGroup) -> Option<Planned> {
    let ownership = placed.group.ownership()?;
    let pool = policy.pool_of(&ownership)?;
    let name = AgentName::new(placed.group.name.as_str()).ok()?;
    if !snapshot.is_alone(&name) {
        return None;
    }
    let agent = snapshot.agent(pool, name.as_str());
    let age = snapshot.now.since(ownership.created_at);
    let reason = why_over(policy, snapshot.now, (placed, &ownership), agent)?;
    // A group that is being deleted goes by itself; its agent does not.
    let goes = placed.group.phase == ComputePhase::Deleting;
    let agent_id = agent.filter(|agent| is_of_group(&name, &ownership, agent)).map(|agent| agent.id);
    if goes && agent_id.is_none() {
        return None;
    }
    let group = (!goes).then(|| placed.clone());
    let retire = Retire { name, pool, agent_id, group };
    Some(Planned { action: Action::Retire(retire), reason, age: Some(age) })
}

/// Whether an agent is the one that the group was made for: nobody else uses names of our form, and where somebody
/// chose a name, the group knows its agent's id.
fn is_of_group(name: &AgentName, ownership: &OwnershipTags, agent: &Agent) -> bool {
    name.is_minted() || ownership.agent_id == Some(agent.id)
}

/// Why a pair has no future, if it has none.
fn why_over(
    policy: &Policy,
    now: Timestamp,
    (placed, ownership): (&PlacedGroup, &OwnershipTags),
    agent: Option<&Agent>,
) -> Option<Reason> {
    let group = &placed.group;
    let age = now.since(ownership.created_at);
    let overdue = age > policy.start_deadline;
    let at = ownership.expires_at;
    let expired = now >= at;
    let stage = stage(Some(&group.phase), registration(agent), overdue);
    if matches!(stage, Stage::Assigned | Stage::Unrecognized) {
        return None;
    }
    if group.phase == ComputePhase::Deleting {
        return agent.map(|_| Reason::Unfinished { since: group.retiring_since() });
    }
    if let since @ Some(_) = group.retiring_since() {
        return Some(Reason::Unfinished { since });
    }
    if group.kept_until().is_some_and(|until| now < until) {
        return None;
    }
    match stage {
        // Who made it may still be reading why it ended.
        Stage::Over(Ended::Finished) if age > policy.grace => Some(Reason::Ended),
        _ if expired => Some(Reason::Expired { at }),
        Stage::Over(Ended::StartDeadline) => match agent {
            None => Some(Reason::AgentGone),
            Some(agent) => is_offline_too_long(policy, now, agent),
        },
        _ => None,
    }
}

/// An agent that loses its connection comes back by itself; one that was never online does not.
fn is_offline_too_long(policy: &Policy, now: Timestamp, agent: &Agent) -> Option<Reason> {
    let time = agent.status_since.map(|since| now.since(since));
    time.is_none_or(|time| time > policy.offline_limit).then_some(Reason::Offline { time })
}

/// Agents without any container group. No tag says whose they are, so that only what we alone can have made counts:
/// a name of our form, of a moment long past, and nobody at work under it.
fn orphans(policy: &Policy, snapshot: &Snapshot) -> Vec<Planned> {
    let taken: BTreeSet<_> =
        snapshot.groups.iter().map(|placed| placed.group.name.to_ascii_lowercase()).collect();
    let orphan = |known: &crate::PooledAgent| {
        let agent = &known.agent;
        let name = AgentName::new(agent.name.as_str()).ok()?;
        let age = snapshot.now.since(name.minted_at()?);
        let quiet = registration(Some(agent)) == Registration::Offline
            && is_offline_too_long(policy, snapshot.now, agent).is_some();
        if !quiet || age <= policy.grace || taken.contains(name.as_str()) || !snapshot.is_alone(&name) {
            return None;
        }
        let retire = Retire { name, pool: known.pool, agent_id: Some(agent.id), group: None };
        Some(Planned { action: Action::Retire(retire), reason: Reason::GroupGone, age: Some(age) })
    };
    snapshot.agents.iter().filter_map(orphan).collect()
}

/// Agents for waiting jobs that no agent at hand will take: as many as are missing, and as there is room for.
fn provisions(policy: &Policy, snapshot: &Snapshot, memory: &Memory, plan: &Plan) -> Vec<Planned> {
    let (Some(offer), Some(requests)) = (&policy.offer, &snapshot.requests) else { return Vec::new() };
    let leaving: BTreeSet<&str> = plan
        .now
        .iter()
        .chain(&plan.later)
        .filter_map(|planned| match &planned.action {
            Action::Retire(retire) => Some(retire.name.as_str()),
            Action::Provision { .. } => None,
        })
        .collect();
    let ours = snapshot.groups.iter().filter_map(|placed| {
        let ownership = placed.group.ownership()?;
        Some((placed, policy.pool_of(&ownership)?, ownership.agent_id))
    });
    let (mut there, mut ready) = (0, 0);
    for (placed, pool, registered) in ours {
        there += 1;
        let agent = snapshot.agent(pool, &placed.group.name);
        let comes = matches!(placed.group.phase, ComputePhase::Creating | ComputePhase::Running)
            && placed.group.retiring_since().is_none()
            && !leaving.contains(placed.group.name.as_str());
        // Who was registered first and is not any more is on its way out, marked or not.
        let takes_a_job = match agent {
            Some(agent) => agent.enabled && agent.assigned_request.is_none(),
            None => registered.is_none(),
        };
        ready += usize::from(comes && takes_a_job && pool == offer.pool);
    }
    let unlisted = unlisted(policy, offer.pool, snapshot, memory);
    let waiting = requests.iter().filter(|known| {
        let request = &known.request;
        known.pool == offer.pool
            && request.reserved_agent.is_none()
            && request.result.is_none()
            // The name of an agent that is not there yet is nobody's to demand.
            && demands_met("", &offer.capabilities, &request.demands)
    });
    let room = policy.capacity.saturating_sub(there + unlisted);
    let provision = |known: &crate::PooledRequest| Planned {
        action: Action::Provision { pool: known.pool, request: known.request.id },
        reason: Reason::JobWaits,
        age: None,
    };
    waiting.skip(ready + unlisted).take(room).map(provision).collect()
}

/// How many agents are coming whose container group no list shows yet. Memory may be lost, and then the pool still
/// knows whom we have just registered.
fn unlisted(policy: &Policy, pool: usize, snapshot: &Snapshot, memory: &Memory) -> usize {
    let listed: BTreeSet<_> =
        snapshot.groups.iter().map(|placed| placed.group.name.to_ascii_lowercase()).collect();
    let registered = snapshot.agents.iter().filter(|known| known.pool == pool).filter_map(|known| {
        let name = AgentName::new(known.agent.name.as_str()).ok()?;
        let is_new = snapshot.now.since(name.minted_at()?) <= policy.start_deadline;
        is_new.then_some(name)
    });
    let mut names: BTreeSet<_> = registered.collect();
    names.extend(memory.recent_creations(snapshot.now, policy.start_deadline).cloned());
    names.iter().filter(|name| !listed.contains(name.as_str())).count()
}

/// What the pool says of a pair's agent.
pub fn registration(agent: Option<&Agent>) -> Registration {
    match agent {
        None => Registration::None,
        Some(agent) if agent.assigned_request.is_some() => Registration::Assigned,
        Some(agent) if agent.status == AgentStatus::Online => Registration::Idle,
        Some(_) => Registration::Offline,
    }
}
