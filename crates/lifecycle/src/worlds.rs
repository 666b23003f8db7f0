//! Every small world, and what no plan may do in any of them. One pair in every state that both services can show,
//! and every pair of pairs; what holds between plans is held by carrying them out, whole and cut in the middle.

use std::collections::BTreeMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::{
    Action, Agent, AgentName, AgentStatus, ComputePhase, ContainerGroup, JobRequest, KEPT_UNTIL, Memory,
    Offer, OwnershipTags, PlacedGroup, Plan, Planned, Policy, PooledAgent, PooledRequest, RETIRING, Reason,
    Retire, Snapshot, Timestamp, lint, plan,
};

pub(crate) const NOW: Timestamp = Timestamp(1_795_478_400);
const ORGANIZATION: &str = "https://dev.azure.com/contoso";
const POOL: &str = "private";
const MINUTE: u64 = 60;

/// What is done by a future that never has to wait.
pub(crate) fn at_once<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("nothing in memory waits"),
    }
}

pub(crate) fn policy() -> Policy {
    Policy {
        organization: ORGANIZATION.to_owned(),
        pools: vec![POOL.to_owned()],
        start_deadline: Duration::from_mins(15),
        offline_limit: Duration::from_mins(10),
        grace: Duration::from_mins(10),
        deletes_an_hour: 270,
        capacity: 2,
        offer: None,
    }
}

pub(crate) fn tags(created_at: Timestamp) -> OwnershipTags {
    OwnershipTags {
        organization: ORGANIZATION.to_owned(),
        pool: POOL.to_owned(),
        run: None,
        agent_id: None,
        created_at,
        expires_at: created_at.after(Duration::from_hours(6)),
        version: "0.1.0".to_owned(),
    }
}

/// Whose a container group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Ours,
    OtherPool,
    OtherOrganization,
    Untagged,
}

/// One pair in one state.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is one of the things that are tried in both ways")]
struct Pair {
    minted: bool,
    /// Whether the group's tag names this agent's id.
    tagged_id: bool,
    old: bool,
    compute: Option<ComputePhase>,
    agent: Option<(AgentStatus, Option<u64>)>,
    whose: Whose,
    marked: bool,
    expired: bool,
    kept: bool,
}

impl Pair {
    fn created_at(&self) -> Timestamp {
        Timestamp(NOW.0 - if self.old { 60 * MINUTE } else { MINUTE })
    }

    fn name(&self, index: u64) -> String {
        if self.minted {
            AgentName::mint("a", Some(index), self.created_at(), index).expect("valid").to_string()
        } else {
            format!("placeholder-{index}")
        }
    }

    fn add_to(&self, snapshot: &mut Snapshot, index: u64) {
        let name = self.name(index);
        if let Some(phase) = &self.compute {
            let mut ownership = tags(self.created_at());
            ownership.agent_id = self.tagged_id.then_some(index);
            if self.expired {
                ownership.expires_at = Timestamp(NOW.0 - 1);
            }
            match self.whose {
                Whose::OtherPool => ownership.pool = "public".to_owned(),
                Whose::OtherOrganization => ownership.organization = "https://dev.azure.com/x".to_owned(),
                Whose::Ours | Whose::Untagged => {}
            }
            let mut tags = if self.whose == Whose::Untagged { BTreeMap::new() } else { ownership.to_map() };
            if self.marked {
                tags.insert(RETIRING.to_owned(), Timestamp(NOW.0 - MINUTE).to_string());
            }
            if self.kept {
                tags.insert(KEPT_UNTIL.to_owned(), Timestamp(NOW.0 + MINUTE).to_string());
            }
            let group = ContainerGroup { name: name.clone(), phase: phase.clone(), tags };
            snapshot.groups.push(PlacedGroup { place: 0, group });
        }
        if let Some((status, assigned_request)) = self.agent {
            let agent = Agent {
                id: index,
                name,
                enabled: true,
                status,
                assigned_request,
                status_since: Some(self.created_at()),
            };
            snapshot.agents.push(PooledAgent { pool: 0, agent });
        }
    }
}

fn phases() -> Vec<Option<ComputePhase>> {
    let unknown = ComputePhase::Unrecognized("Repairing".to_owned());
    vec![
        None,
        Some(ComputePhase::Creating),
        Some(ComputePhase::Running),
        Some(ComputePhase::Exited),
        Some(ComputePhase::Deleting),
        Some(unknown),
    ]
}

const AGENTS: [Option<(AgentStatus, Option<u64>)>; 5] = [
    None,
    Some((AgentStatus::Offline, None)),
    Some((AgentStatus::Online, None)),
    Some((AgentStatus::Online, Some(9))),
    Some((AgentStatus::Offline, Some(9))),
];

/// 6 phases, 5 agents, young and old.
fn plain_pairs() -> Vec<Pair> {
    let mut pairs = Vec::new();
    for compute in phases() {
        for agent in AGENTS {
            for old in [false, true] {
                pairs.push(Pair {
                    minted: true,
                    tagged_id: false,
                    old,
                    compute: compute.clone(),
                    agent,
                    whose: Whose::Ours,
                    marked: false,
                    expired: false,
                    kept: false,
                });
            }
        }
    }
    pairs
}

/// The same in every combination of whose it is, its name and its tags.
fn every_pair() -> Vec<Pair> {
    let mut pairs = Vec::new();
    for plain in plain_pairs() {
        for whose in [Whose::Ours, Whose::OtherPool, Whose::OtherOrganization, Whose::Untagged] {
            for bits in 0..32_u32 {
                let bit = |position: u32| bits >> position & 1 == 1;
                pairs.push(Pair {
                    minted: bit(0),
                    tagged_id: bit(1),
                    marked: bit(2),
                    expired: bit(3),
                    kept: bit(4),
                    whose,
                    ..plain.clone()
                });
            }
        }
    }
    pairs
}

fn world(pairs: &[&Pair], waiting: u64) -> Snapshot {
    let request = |id| PooledRequest {
        pool: 0,
        request: JobRequest { id, demands: vec![], reserved_agent: None, result: None },
    };
    let requests = Some((1..=waiting).map(request).collect());
    let mut snapshot = Snapshot { now: NOW, groups: vec![], agents: vec![], requests };
    for (index, pair) in pairs.iter().enumerate() {
        pair.add_to(&mut snapshot, index as u64 + 1);
    }
    snapshot
}

fn serving() -> Policy {
    Policy { offer: Some(Offer { pool: 0, capabilities: BTreeMap::new() }), ..policy() }
}

fn retirements(plan: &Plan) -> impl Iterator<Item = &Retire> {
    plan.now.iter().chain(&plan.later).filter_map(|planned| match &planned.action {
        Action::Retire(retire) => Some(retire),
        Action::Provision { .. } => None,
    })
}

fn provisions(plan: &Plan) -> usize {
    plan.now.iter().filter(|planned| matches!(planned.action, Action::Provision { .. })).count()
}

/// How far an action comes before it is cut.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Until {
    Marked,
    Unregistered,
    Deleted,
}

/// Carries out what is to be done, so far.
fn apply(plan: &Plan, snapshot: &Snapshot, until: Until) -> Snapshot {
    let mut after = snapshot.clone();
    for (index, planned) in plan.now.iter().enumerate() {
        match &planned.action {
            Action::Retire(retire) => {
                let name = retire.name.as_str();
                if retire.group.is_some() {
                    let seems_to_start = |placed: &&mut PlacedGroup| {
                        let phase = &placed.group.phase;
                        let starts = matches!(phase, ComputePhase::Creating | ComputePhase::Running);
                        placed.group.name == name && starts
                    };
                    for placed in after.groups.iter_mut().filter(seems_to_start) {
                        placed.group.tags = placed.group.tags_marked(NOW);
                    }
                }
                if until >= Until::Unregistered {
                    after.agents.retain(|known| Some(known.agent.id) != retire.agent_id);
                }
                if until >= Until::Deleted && retire.group.is_some() {
                    after.groups.retain(|placed| placed.group.name != name);
                }
            }
            Action::Provision { .. } => {
                let new = AgentName::mint("new", None, NOW, index as u64).expect("valid");
                let group = ContainerGroup {
                    name: new.to_string(),
                    phase: ComputePhase::Creating,
                    tags: tags(NOW).to_map(),
                };
                after.groups.push(PlacedGroup { place: 0, group });
            }
        }
    }
    after
}

#[test]
fn no_plan_in_any_small_world_breaks_a_rule() {
    for pair in every_pair() {
        for policy in [policy(), serving()] {
            let snapshot = world(&[&pair], 1);
            let plan = plan(&policy, &snapshot, &Memory::default());
            assert_eq!(lint(&plan, &snapshot, &policy, &Memory::default()), Ok(()), "{pair:?}");
            for retire in retirements(&plan) {
                let about = format!("{pair:?}: {retire:?}");
                assert!(!matches!(pair.agent, Some((_, Some(_)))), "it has a job: {about}");
                assert!(pair.compute.is_none() || pair.whose == Whose::Ours, "not ours: {about}");
                let unknown = matches!(pair.compute, Some(ComputePhase::Unrecognized(_)));
                assert!(!unknown, "unknown: {about}");
                let by_us = pair.minted || (pair.tagged_id && pair.compute.is_some());
                assert!(retire.agent_id.is_none() || by_us, "somebody's agent: {about}");
                let at_work = matches!(pair.agent, Some((AgentStatus::Online, _)));
                let is_healthy = matches!(pair.compute, Some(ComputePhase::Creating | ComputePhase::Running));
                assert!(!(at_work && is_healthy) || pair.expired || pair.marked, "healthy: {about}");
                assert!(pair.old || pair.expired || pair.marked || is_deleting(&pair), "just made: {about}");
            }
        }
    }
}

fn is_deleting(pair: &Pair) -> bool {
    pair.compute == Some(ComputePhase::Deleting)
}

/// What is left over for certain, in words that are not the plan's.
fn has_to_go(pair: &Pair) -> bool {
    let busy = matches!(pair.agent, Some((_, Some(_))));
    let offline = matches!(pair.agent, Some((AgentStatus::Offline, None)));
    match &pair.compute {
        None => pair.minted && pair.old && offline,
        Some(ComputePhase::Unrecognized(_)) => false,
        Some(_) if busy || pair.whose != Whose::Ours => false,
        Some(ComputePhase::Deleting) => pair.agent.is_some() && (pair.minted || pair.tagged_id),
        Some(_) if pair.marked => true,
        Some(_) if pair.kept => false,
        Some(_) if pair.expired => true,
        Some(ComputePhase::Exited) => pair.old,
        Some(_) => pair.old && (pair.agent.is_none() || offline),
    }
}

#[test]
fn everything_that_is_left_over_is_found_and_nothing_else() {
    for pair in every_pair() {
        let plan = plan(&policy(), &world(&[&pair], 0), &Memory::default());
        assert_eq!(retirements(&plan).count() == 1, has_to_go(&pair), "{pair:?}: {plan:?}");
    }
}

#[test]
fn no_plan_for_two_pairs_goes_above_the_capacity() {
    let pairs = plain_pairs();
    for first in &pairs {
        for second in &pairs {
            for waiting in 0..=3 {
                let (policy, snapshot) = (serving(), world(&[first, second], waiting));
                let plan = plan(&policy, &snapshot, &Memory::default());
                assert_eq!(lint(&plan, &snapshot, &policy, &Memory::default()), Ok(()));
                assert!(provisions(&plan) <= usize::try_from(waiting).expect("small"));
                assert!(provisions(&plan) == 0 || snapshot.groups.len() + provisions(&plan) <= 2);
            }
        }
    }
}

#[test]
fn planning_again_after_it_was_done_gives_nothing() {
    let pairs = plain_pairs();
    for first in &pairs {
        for second in &pairs {
            let (policy, snapshot) = (serving(), world(&[first, second], 1));
            let before = plan(&policy, &snapshot, &Memory::default());
            let after = apply(&before, &snapshot, Until::Deleted);
            let again = plan(&policy, &after, &Memory::default());
            assert_eq!(retirements(&again).count(), 0, "{first:?} {second:?}: {again:?}");
            let first_served = provisions(&before) == 0 || provisions(&again) == 0;
            assert!(first_served, "one job, one agent: {before:?} {again:?}");
        }
    }
}

/// A healthy agent is to go, for whatever reason, and that is cut in the middle. Without the mark a group whose agent
/// is unregistered looks exactly like one that starts, and a job waits for it until the start deadline.
#[test]
fn what_was_cut_in_the_middle_goes_on_and_serves_nobody() {
    let healthy = every_pair().into_iter().filter(|pair| {
        let runs = matches!(pair.compute, Some(ComputePhase::Creating | ComputePhase::Running));
        let idle = matches!(pair.agent, Some((AgentStatus::Online, None)));
        runs && idle && pair.whose == Whose::Ours && !(pair.marked || pair.kept)
    });
    for pair in healthy {
        for until in [Until::Marked, Until::Unregistered] {
            let policy = serving();
            let snapshot = world(&[&pair], 1);
            let name = AgentName::new(pair.name(1)).expect("valid");
            let group = snapshot.groups.first().cloned();
            let action = Action::Retire(Retire { name: name.clone(), pool: 0, agent_id: Some(1), group });
            let retire = Planned { action, reason: Reason::JobWaits, age: None };
            let cut = apply(&Plan { now: vec![retire], later: vec![] }, &snapshot, until);
            let again = plan(&policy, &cut, &Memory::default());
            let names: Vec<_> = retirements(&again).map(|retire| &retire.name).collect();
            assert_eq!(names, [&name], "{pair:?}");
            assert_eq!(provisions(&again), 1, "the job is not left to what is leaving: {pair:?}");
        }
    }
}

#[test]
fn the_budget_of_deletions_is_kept_and_the_oldest_go_first() {
    let over = |old| Pair { old, marked: true, ..plain_pairs().swap_remove(10) };
    let (young, old) = (over(false), over(true));
    let snapshot = world(&[&young, &old], 0);
    let mut memory = Memory::default();
    for spent in 0..=3 {
        let policy = Policy { deletes_an_hour: 2, ..policy() };
        let plan = plan(&policy, &snapshot, &memory);
        assert_eq!(lint(&plan, &snapshot, &policy, &memory), Ok(()));
        assert_eq!((plan.now.len(), plan.later.len()), (2_usize.saturating_sub(spent), spent.min(2)));
        if let [Planned { action: Action::Retire(retire), .. }] = plan.now.as_slice() {
            assert_eq!(retire.name.as_str(), old.name(2), "the oldest goes first");
        }
        memory.note_delete(NOW);
    }
}

#[test]
fn a_name_that_two_have_is_left_alone() {
    let [over] = [Pair { marked: true, ..plain_pairs().swap_remove(10) }];
    let mut snapshot = world(&[&over], 0);
    assert_eq!(retirements(&plan(&policy(), &snapshot, &Memory::default())).count(), 1);
    let mut twin = snapshot.groups[0].clone();
    twin.place = 1;
    twin.group.tags.clear();
    snapshot.groups.push(twin);
    let plan = plan(&policy(), &snapshot, &Memory::default());
    assert_eq!(plan, Plan::default());
}

/// The one pair of that index in an old world, whose agent is offline since then.
fn offline_since(compute: Option<ComputePhase>, old: bool, since: Option<u64>) -> usize {
    let agent = Some((AgentStatus::Offline, None));
    let pair = Pair { old, compute, agent, ..plain_pairs().swap_remove(0) };
    let mut snapshot = world(&[&pair], 0);
    snapshot.agents[0].agent.status_since = since.map(|ago| Timestamp(NOW.0 - ago));
    retirements(&plan(&policy(), &snapshot, &Memory::default())).count()
}

/// An agent that loses its connection for a moment comes back.
#[test]
fn an_agent_may_be_offline_for_as_long_as_the_limit_says() {
    for compute in [Some(ComputePhase::Running), None] {
        for (since, goes) in
            [(Some(MINUTE), 0), (Some(10 * MINUTE), 0), (Some(10 * MINUTE + 1), 1), (None, 1)]
        {
            assert_eq!(offline_since(compute.clone(), true, since), goes, "{compute:?} {since:?}");
        }
    }
}

/// It is registered first, and its container group is asked for then: in between it is in the hands of who makes it.
#[test]
fn an_agent_without_a_container_group_is_left_alone_while_it_is_young() {
    assert_eq!(offline_since(None, false, None), 0);
    assert_eq!(offline_since(None, true, None), 1);
}

/// Seed 79 of the simulator: a controller began anew just after it had created, and lists did not show that yet.
#[test]
fn who_is_registered_and_not_listed_counts_although_memory_is_lost() {
    let registered = Pair { agent: AGENTS[1], ..plain_pairs().swap_remove(0) };
    assert_eq!((&registered.compute, registered.old), (&None, false), "just registered");
    let one = Policy { capacity: 1, ..serving() };
    let none = provisions(&plan(&one, &world(&[&registered], 2), &Memory::default()));
    assert_eq!(none, 0, "one is coming, and one is the most");
    let mut memory = Memory::default();
    memory.note_creation(AgentName::new(registered.name(1)).expect("valid"), NOW);
    let two = provisions(&plan(&serving(), &world(&[&registered], 3), &memory));
    assert_eq!(two, 1, "who is remembered and registered counts once");
    let old = Pair { old: true, ..registered };
    assert_eq!(
        provisions(&plan(&one, &world(&[&old], 1), &Memory::default())),
        1,
        "it will not come any more"
    );
}

/// Seed 5 of the simulator: jobs waited for an agent that had come, served its job and gone.
#[test]
fn who_was_listed_and_is_gone_is_not_waited_for() {
    let pair = plain_pairs().swap_remove(10);
    let mut memory = Memory::default();
    memory.note_creation(AgentName::new(pair.name(1)).expect("valid"), NOW);
    let later = world(&[], 1);
    memory.note_listed(&later);
    assert_eq!(provisions(&plan(&serving(), &later, &memory)), 0, "it is still to come");
    memory.note_listed(&world(&[&pair], 1));
    assert_eq!(provisions(&plan(&serving(), &later, &memory)), 1, "it was there, and is gone");
}

/// Seed 23786 of the simulator: a supervisor that had unregistered its agent, and not deleted its group yet, was taken
/// for one that starts.
#[test]
fn who_was_registered_first_and_is_gone_does_not_come() {
    let starts = plain_pairs().swap_remove(10);
    assert_eq!((&starts.compute, &starts.agent), (&Some(ComputePhase::Creating), &None));
    assert_eq!(
        provisions(&plan(&serving(), &world(&[&starts], 1), &Memory::default())),
        0,
        "it registers itself"
    );
    let leaves = Pair { tagged_id: true, ..starts };
    assert_eq!(provisions(&plan(&serving(), &world(&[&leaves], 1), &Memory::default())), 1);
}
