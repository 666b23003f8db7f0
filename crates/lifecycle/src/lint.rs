//! A second opinion on every plan, before anything of it is done. Written from the rules alone: it uses neither the
//! stage table nor any judgement of `plan`, so that a mistake there does not stand here too.

use std::fmt;

use crate::{
    Action, Agent, AgentStatus, ComputePhase, ContainerGroup, Memory, PlacedGroup, Plan, Policy, Retire,
    Snapshot,
};

/// A rule that a plan breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Never against an agent that has a job.
    HasAJob,
    /// Never against a container group without our tags.
    NotTagged,
    /// Never against another organization's or another pool's.
    NotOurPool,
    /// Never against an agent that nothing proves to be ours.
    NotProvablyOurs,
    /// Never against a phase that we do not know.
    UnknownPhase,
    /// Never against something that is not in the snapshot.
    NotThere,
    /// Never two actions on one name.
    Twice,
    /// Never more than there is room for.
    AboveCapacity,
    /// Never for a job that does not wait.
    NoSuchJob,
    /// Never more deletions than the budget has.
    AboveBudget,
}

/// A rule that is broken, and on what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Breach {
    /// The rule.
    pub rule: Rule,
    /// The agent's name, or what else it is about.
    pub subject: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = &self.subject;
        match self.rule {
            Rule::HasAJob => write!(f, "{subject} has a job"),
            Rule::NotTagged => write!(f, "the container group {subject} does not carry our tags"),
            Rule::NotOurPool => write!(f, "{subject} is of another organization or pool"),
            Rule::NotProvablyOurs => write!(f, "nothing proves that the agent {subject} is ours"),
            Rule::UnknownPhase => {
                write!(f, "the container group {subject} is in a phase that we do not know")
            }
            Rule::NotThere => write!(f, "{subject} is not what was seen"),
            Rule::Twice => write!(f, "two actions on {subject}"),
            Rule::AboveCapacity => write!(f, "more container groups than {subject}"),
            Rule::NoSuchJob => write!(f, "the job request {subject} does not wait"),
            Rule::AboveBudget => write!(f, "more deletions than {subject} an hour"),
        }
    }
}

/// Checks a plan that is to be carried out.
///
/// # Errors
/// Every breach. Nothing of such a plan may be done: it comes from a mistake of ours.
pub fn lint(plan: &Plan, snapshot: &Snapshot, policy: &Policy, memory: &Memory) -> Result<(), Vec<Breach>> {
    let mut breaches = Vec::new();
    let mut note = |rule, subject: String| breaches.push(Breach { rule, subject });
    let (mut seen, mut deletes, mut creates) = (Vec::new(), 0, 0);
    for planned in &plan.now {
        match &planned.action {
            Action::Retire(retire) => {
                if seen.contains(&&retire.name) {
                    note(Rule::Twice, retire.name.to_string());
                }
                seen.push(&retire.name);
                deletes += usize::from(retire.group.is_some());
                for rule in broken_by(retire, snapshot, policy) {
                    note(rule, retire.name.to_string());
                }
            }
            Action::Provision { pool, request } => {
                creates += 1;
                if !waits(snapshot, *pool, *request) {
                    note(Rule::NoSuchJob, request.to_string());
                }
            }
        }
    }
    if deletes > 0 && memory.deletes_within_the_hour(snapshot.now) + deletes > policy.deletes_an_hour {
        note(Rule::AboveBudget, policy.deletes_an_hour.to_string());
    }
    if creates > 0 && groups_of(snapshot, policy) + creates > policy.capacity {
        note(Rule::AboveCapacity, policy.capacity.to_string());
    }
    if breaches.is_empty() { Ok(()) } else { Err(breaches) }
}

fn broken_by(retire: &Retire, snapshot: &Snapshot, policy: &Policy) -> Vec<Rule> {
    let mut broken = Vec::new();
    let same_name = |name: &str| name.eq_ignore_ascii_case(retire.name.as_str());
    // Whichever agent of that name there is, in whichever of the pools: none may have a job.
    let busy = snapshot
        .agents
        .iter()
        .any(|known| same_name(&known.agent.name) && known.agent.assigned_request.is_some());
    if busy {
        broken.push(Rule::HasAJob);
    }
    let groups: Vec<_> = snapshot.groups.iter().filter(|placed| same_name(&placed.group.name)).collect();
    if groups.iter().any(|placed| matches!(placed.group.phase, ComputePhase::Unrecognized(_))) {
        broken.push(Rule::UnknownPhase);
    }
    if let Some(doomed) = &retire.group {
        broken.extend(of_group(doomed, retire, &groups, policy));
    }
    match retire.agent_id {
        Some(id) => broken.extend(of_agent(id, retire, &groups, (snapshot, policy))),
        None if retire.group.is_none() => broken.push(Rule::NotThere),
        None => {}
    }
    broken
}

fn of_group(
    doomed: &PlacedGroup,
    retire: &Retire,
    same_name: &[&PlacedGroup],
    policy: &Policy,
) -> Option<Rule> {
    if doomed.group.name != retire.name.as_str() || !same_name.contains(&doomed) {
        return Some(Rule::NotThere);
    }
    if doomed.group.tags.get("managed-by").map(String::as_str) != Some(crate::MANAGED_BY) {
        return Some(Rule::NotTagged);
    }
    (!is_in_pool(&doomed.group, retire.pool, policy)).then_some(Rule::NotOurPool)
}

fn of_agent(
    id: u64,
    retire: &Retire,
    same_name: &[&PlacedGroup],
    (snapshot, policy): (&Snapshot, &Policy),
) -> Option<Rule> {
    let known = snapshot.agents.iter().find(|known| known.pool == retire.pool && known.agent.id == id);
    let Some(agent) = known.map(|known| &known.agent) else { return Some(Rule::NotThere) };
    if !agent.name.eq_ignore_ascii_case(retire.name.as_str()) {
        return Some(Rule::NotThere);
    }
    let proven = if same_name.is_empty() {
        retire.name.is_minted() && agent.status == AgentStatus::Offline
    } else {
        let ours = |placed: &&PlacedGroup| is_in_pool(&placed.group, retire.pool, policy);
        let is_its = retire.name.is_minted() || same_name.iter().any(|placed| knows(placed, agent));
        is_its && same_name.iter().all(ours)
    };
    (!proven).then_some(Rule::NotProvablyOurs)
}

fn knows(placed: &PlacedGroup, agent: &Agent) -> bool {
    placed.group.ownership().is_some_and(|ownership| ownership.agent_id == Some(agent.id))
}

fn is_in_pool(group: &ContainerGroup, pool: usize, policy: &Policy) -> bool {
    let Some(ownership) = group.ownership() else { return false };
    let plain = |url: &str| url.trim_end_matches('/').to_ascii_lowercase();
    let wanted = policy.pools.get(pool).map(|name| name.to_ascii_lowercase());
    plain(&ownership.organization) == plain(&policy.organization)
        && wanted == Some(ownership.pool.to_ascii_lowercase())
}

fn waits(snapshot: &Snapshot, pool: usize, request: u64) -> bool {
    let mut requests = snapshot.requests.iter().flatten();
    requests.any(|known| {
        known.pool == pool
            && known.request.id == request
            && known.request.reserved_agent.is_none()
            && known.request.result.is_none()
    })
}

/// How many container groups there are of all the policy's pools, in whatever phase.
fn groups_of(snapshot: &Snapshot, policy: &Policy) -> usize {
    let is_ours =
        |group: &ContainerGroup| (0..policy.pools.len()).any(|pool| is_in_pool(group, pool, policy));
    snapshot.groups.iter().filter(|placed| is_ours(&placed.group)).count()
}

#[cfg(test)]
mod tests {
    use super::{Breach, Rule, lint};
    use crate::worlds::{NOW, policy, tags};
    use crate::{
        Action, Agent, AgentName, AgentStatus, ComputePhase, ContainerGroup, JobRequest, Memory, PlacedGroup,
        Plan, Planned, Policy, PooledAgent, PooledRequest, Reason, Retire, Snapshot,
    };

    const MINTED: &str = "agent7-20261124000000-yypnqa";

    /// A pair, and a plan to retire it, in which a test changes one thing.
    struct Case {
        snapshot: Snapshot,
        policy: Policy,
        retire: Retire,
    }

    impl Default for Case {
        fn default() -> Self {
            let group = ContainerGroup {
                name: MINTED.to_owned(),
                phase: ComputePhase::Exited,
                tags: tags(NOW).to_map(),
            };
            let agent = Agent {
                id: 7,
                name: MINTED.to_owned(),
                enabled: true,
                status: AgentStatus::Offline,
                assigned_request: None,
                status_since: None,
            };
            let placed = PlacedGroup { place: 0, group };
            Self {
                snapshot: Snapshot {
                    now: NOW,
                    groups: vec![placed.clone()],
                    agents: vec![PooledAgent { pool: 0, agent }],
                    requests: None,
                },
                policy: policy(),
                retire: Retire {
                    name: AgentName::new(MINTED).expect("valid"),
                    pool: 0,
                    agent_id: Some(7),
                    group: Some(placed),
                },
            }
        }
    }

    impl Case {
        /// The group, as it was seen and as it is to be deleted.
        fn tagged(mut self, change: impl Fn(&mut ContainerGroup)) -> Self {
            change(&mut self.snapshot.groups[0].group);
            self.retire.group = Some(self.snapshot.groups[0].clone());
            self
        }

        fn without_group(mut self) -> Self {
            self.snapshot.groups.clear();
            self.retire.group = None;
            self
        }

        fn broken(self) -> Vec<Rule> {
            self.with_planned(1, &Memory::default())
        }

        fn with_planned(self, times: usize, memory: &Memory) -> Vec<Rule> {
            let planned = Planned { action: Action::Retire(self.retire), reason: Reason::Ended, age: None };
            let plan = Plan { now: vec![planned; times], later: vec![] };
            let checked = lint(&plan, &self.snapshot, &self.policy, memory);
            checked.err().unwrap_or_default().into_iter().map(|Breach { rule, .. }| rule).collect()
        }
    }

    #[test]
    fn what_is_ours_may_go() {
        assert_eq!(Case::default().broken(), []);
        assert_eq!(Case::default().without_group().broken(), []);
    }

    #[test]
    fn every_rule_is_held() {
        let busy = |mut case: Case| {
            case.snapshot.agents[0].agent.assigned_request = Some(9);
            case.broken()
        };
        assert_eq!(busy(Case::default()), [Rule::HasAJob]);
        assert_eq!(busy(Case::default().without_group()), [Rule::HasAJob]);
        let untagged = Case::default().tagged(|group| group.tags.clear()).broken();
        assert_eq!(untagged, [Rule::NotTagged, Rule::NotProvablyOurs]);
        for key in ["ephemeral-agents-pool", "ephemeral-agents-organization"] {
            let other = |group: &mut ContainerGroup| drop(group.tags.insert(key.to_owned(), "x".to_owned()));
            let broken = Case::default().tagged(other).broken();
            assert_eq!(broken, [Rule::NotOurPool, Rule::NotProvablyOurs], "{key}");
        }
        let unknown = |group: &mut ContainerGroup| group.phase = ComputePhase::Unrecognized("x".to_owned());
        assert_eq!(Case::default().tagged(unknown).broken(), [Rule::UnknownPhase]);
        assert_eq!(Case::default().with_planned(2, &Memory::default()), [Rule::Twice]);
    }

    #[test]
    fn an_agent_without_proof_is_left_alone() {
        let mut online = Case::default().without_group();
        online.snapshot.agents[0].agent.status = AgentStatus::Online;
        assert_eq!(online.broken(), [Rule::NotProvablyOurs]);
        let named = |mut case: Case| {
            case.retire.name = AgentName::new("build-machine").expect("valid");
            "build-machine".clone_into(&mut case.snapshot.agents[0].agent.name);
            case
        };
        assert_eq!(named(Case::default().without_group()).broken(), [Rule::NotProvablyOurs]);
        let with_group = |id: Option<u64>| {
            named(Case::default()).tagged(|group| {
                "build-machine".clone_into(&mut group.name);
                let ownership = crate::OwnershipTags { agent_id: id, ..tags(NOW) };
                group.tags = ownership.to_map();
            })
        };
        assert_eq!(with_group(Some(7)).broken(), []);
        assert_eq!(with_group(Some(8)).broken(), [Rule::NotProvablyOurs], "the group was made for another");
        let mut foreign = Case::default();
        foreign.snapshot.groups[0].group.tags.clear();
        foreign.retire.group = None;
        assert_eq!(foreign.broken(), [Rule::NotProvablyOurs], "a foreign group has that name");
    }

    #[test]
    fn what_was_not_seen_is_not_touched() {
        let mut gone = Case::default();
        gone.snapshot.groups.clear();
        assert!(gone.broken().contains(&Rule::NotThere));
        let mut renamed = Case::default();
        "agent8-20261124000000-yypnqa".clone_into(&mut renamed.snapshot.agents[0].agent.name);
        assert_eq!(renamed.broken(), [Rule::NotThere]);
        let mut other_id = Case::default();
        other_id.retire.agent_id = Some(8);
        assert_eq!(other_id.broken(), [Rule::NotThere]);
        let mut nothing = Case::default();
        (nothing.retire.agent_id, nothing.retire.group) = (None, None);
        assert_eq!(nothing.broken(), [Rule::NotThere]);
    }

    #[test]
    fn budgets_and_capacity() {
        let mut memory = Memory::default();
        let case = |deletes_an_hour| {
            let policy = Policy { deletes_an_hour, ..policy() };
            Case { policy, ..Case::default() }
        };
        assert_eq!(case(0).with_planned(1, &memory), [Rule::AboveBudget]);
        memory.note_delete(NOW);
        assert_eq!(case(1).with_planned(1, &memory), [Rule::AboveBudget], "one was spent");
        assert_eq!(case(2).with_planned(1, &memory), []);
        assert_eq!(case(0).without_group().with_planned(1, &memory), [], "agents cost no deletion");

        let request = JobRequest { id: 3, demands: vec![], reserved_agent: None, result: None };
        let snapshot =
            Snapshot { requests: Some(vec![PooledRequest { pool: 0, request }]), ..Case::default().snapshot };
        let provision = |request, times| {
            let action = Action::Provision { pool: 0, request };
            Plan { now: vec![Planned { action, reason: Reason::JobWaits, age: None }; times], later: vec![] }
        };
        let broken = |plan: &Plan| {
            let checked = lint(plan, &snapshot, &policy(), &Memory::default());
            checked.err().unwrap_or_default().into_iter().map(|breach| breach.rule).collect::<Vec<_>>()
        };
        assert_eq!(broken(&provision(3, 1)), []);
        assert_eq!(broken(&provision(4, 1)), [Rule::NoSuchJob]);
        assert_eq!(broken(&provision(3, 2)), [Rule::AboveCapacity], "one is there, and two is the most");
    }
}
