//! What to do next while an agent is on its way: a pure function of what was seen last.

use std::time::Duration;

use lifecycle::{Agent, AgentStatus, ComputePhase};

use crate::services::GroupView;

/// Between two looks, at first. An agent on a small image needs 20 to 70 s.
const EARLY: Duration = Duration::from_secs(1);
/// Between two looks, when it takes long.
const LATE: Duration = Duration::from_secs(5);
/// When looks become rarer.
const LONG: Duration = Duration::from_secs(90);
/// How long a container group may be unknown after its creation was accepted (assumed: reads may lag behind).
const LAG: Duration = Duration::from_secs(15);

/// What was seen last.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    /// The agent in its pool.
    pub(crate) agent: Option<&'a Agent>,
    /// Whether it was there at an earlier look. Lists lag behind, but not backwards.
    pub(crate) agent_was_there: bool,
    /// The container group.
    pub(crate) group: Option<&'a GroupView>,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The agent is there: done.
    Online,
    /// Look again after this long.
    Wait(Duration),
    /// It will not come.
    GiveUp(Why),
}

/// Why an agent will not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Azure could not make its container group.
    ProvisioningFailed,
    /// Its container ended.
    ContainerEnded,
    /// Its container group is gone.
    GroupGone,
    /// The agent was in its pool and is not any more: its supervisor gave up, or somebody removed it.
    AgentGone,
    /// It took longer than was allowed.
    TimedOut(Duration),
}

/// Decides.
pub(crate) fn next(seen: Seen<'_>, waited: Duration, limit: Duration) -> Next {
    if let Some(agent) = seen.agent
        && (agent.status == AgentStatus::Online || agent.assigned_request.is_some())
    {
        return Next::Online;
    }
    match seen.group {
        None if waited >= LAG || (seen.agent.is_none() && seen.agent_was_there) => {
            return Next::GiveUp(Why::GroupGone);
        }
        Some(group) if group.phase == ComputePhase::Deleting => return Next::GiveUp(Why::GroupGone),
        Some(group) if group.provisioning_state.eq_ignore_ascii_case("Failed") => {
            return Next::GiveUp(Why::ProvisioningFailed);
        }
        Some(group) if group.phase == ComputePhase::Exited || ended(group) => {
            return Next::GiveUp(Why::ContainerEnded);
        }
        Some(_) if seen.agent.is_none() && seen.agent_was_there => return Next::GiveUp(Why::AgentGone),
        // A warning event, even `Failed to pull image`, is no end: groups that had one end up running.
        Some(_) | None => {}
    }
    if waited >= limit {
        return Next::GiveUp(Why::TimedOut(limit));
    }
    let pause = if waited < LONG { EARLY } else { LATE };
    Next::Wait(pause.min(limit.saturating_sub(waited)))
}

fn ended(group: &GroupView) -> bool {
    group.container.as_ref().is_some_and(|container| container.state.eq_ignore_ascii_case("Terminated"))
}

/// One line on where a container group is, for who waits.
pub(crate) fn progress(group: Option<&GroupView>) -> String {
    let Some(group) = group else { return "container group requested".to_owned() };
    let container = match &group.container {
        Some(container) if container.detail.is_empty() => format!("container {}", container.state),
        Some(container) => format!("container {} ({})", container.state, container.detail),
        None => "no container yet".to_owned(),
    };
    let latest = group.events.iter().filter(|event| event.at.is_some()).max_by_key(|event| event.at);
    let event = latest.map_or_else(String::new, |event| format!(", {}", event.name));
    format!("container group {}, {container}{event}", group.provisioning_state)
}

impl Why {
    /// Completes "the agent did not come online: ".
    pub(crate) fn words(self) -> String {
        match self {
            Self::ProvisioningFailed => "its container group could not be provisioned".to_owned(),
            Self::ContainerEnded => "its container ended".to_owned(),
            Self::GroupGone => "its container group is gone".to_owned(),
            Self::AgentGone => "it is gone from its pool".to_owned(),
            Self::TimedOut(limit) => format!("not within {} s", limit.as_secs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lifecycle::{Agent, AgentStatus, ComputePhase};

    use super::{Next, Seen, Why, next, progress};
    use crate::fake;
    use crate::services::{ContainerState, GroupView};

    fn agent(status: AgentStatus, assigned_request: Option<u64>) -> Agent {
        Agent { status, assigned_request, ..fake::agent("a") }
    }

    fn group(provisioning: &str, phase: ComputePhase, container: &str) -> GroupView {
        let state = ContainerState { state: container.to_owned(), ..ContainerState::default() };
        GroupView {
            provisioning_state: provisioning.to_owned(),
            phase,
            container: (!container.is_empty()).then_some(state),
            ..fake::group_view()
        }
    }

    fn decide(agent: Option<&Agent>, group: Option<&GroupView>, waited: u64) -> Next {
        next(
            Seen { agent, agent_was_there: false, group },
            Duration::from_secs(waited),
            Duration::from_mins(4),
        )
    }

    #[test]
    fn what_comes_next() {
        let offline = agent(AgentStatus::Offline, None);
        let pending = group("Pending", ComputePhase::Creating, "");
        let waiting = group("Creating", ComputePhase::Creating, "Waiting");
        let running = group("Succeeded", ComputePhase::Running, "Running");
        let unrecognized = group("Repairing", ComputePhase::Unrecognized("Repairing".to_owned()), "Running");
        let exited = group("Succeeded", ComputePhase::Exited, "Terminated");
        let terminated = group("Succeeded", ComputePhase::Running, "Terminated");
        let failed = group("Failed", ComputePhase::Exited, "");
        let deleting = group("Deleting", ComputePhase::Deleting, "Running");
        let soon = Next::Wait(Duration::from_secs(1));
        let late = Next::Wait(Duration::from_secs(5));
        let timed_out = Next::GiveUp(Why::TimedOut(Duration::from_mins(4)));
        let table = [
            (Some(&offline), None, 0, soon),
            (Some(&offline), None, 20, Next::GiveUp(Why::GroupGone)),
            (None, Some(&pending), 0, soon),
            (Some(&offline), Some(&waiting), 89, soon),
            (Some(&offline), Some(&waiting), 90, late),
            (Some(&offline), Some(&running), 239, Next::Wait(Duration::from_secs(1))),
            (Some(&offline), Some(&running), 240, timed_out),
            (Some(&offline), Some(&unrecognized), 3, soon),
            (Some(&offline), Some(&exited), 3, Next::GiveUp(Why::ContainerEnded)),
            (Some(&offline), Some(&terminated), 3, Next::GiveUp(Why::ContainerEnded)),
            (Some(&offline), Some(&failed), 3, Next::GiveUp(Why::ProvisioningFailed)),
            (Some(&offline), Some(&deleting), 3, Next::GiveUp(Why::GroupGone)),
        ];
        for (row, (agent, group, waited, expected)) in table.into_iter().enumerate() {
            assert_eq!(decide(agent, group, waited), expected, "row {row}");
        }
    }

    #[test]
    fn an_agent_that_is_there_is_there_whatever_its_group_looks_like() {
        let exited = group("Succeeded", ComputePhase::Exited, "Terminated");
        for there in [agent(AgentStatus::Online, None), agent(AgentStatus::Offline, Some(9))] {
            for group in [None, Some(&exited)] {
                assert_eq!(decide(Some(&there), group, 500), Next::Online);
            }
        }
    }

    #[test]
    fn an_agent_that_was_there_and_is_not_any_more_will_not_come() {
        let running = group("Succeeded", ComputePhase::Running, "Running");
        let decide = |agent_was_there, group| {
            next(Seen { agent: None, agent_was_there, group }, Duration::from_secs(2), Duration::from_mins(4))
        };
        assert_eq!(decide(true, Some(&running)), Next::GiveUp(Why::AgentGone));
        assert_eq!(decide(true, None), Next::GiveUp(Why::GroupGone));
        assert_eq!(decide(false, Some(&running)), Next::Wait(Duration::from_secs(1)));
        assert_eq!(decide(false, None), Next::Wait(Duration::from_secs(1)), "lists lag");
    }

    #[test]
    fn progress_in_words() {
        assert_eq!(progress(None), "container group requested");
        let waiting = group("Creating", ComputePhase::Creating, "Waiting");
        assert_eq!(progress(Some(&waiting)), "container group Creating, container Waiting");
        let pending = group("Pending", ComputePhase::Creating, "");
        assert_eq!(progress(Some(&pending)), "container group Pending, no container yet");
    }
}
