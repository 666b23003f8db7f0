//! What happens to a container group once it is accepted: time places it, reports say how it fares, and what it asked
//! for decides what comes next.

use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use super::super::operations::{self, Status};
use super::super::{Due, addresses, networks};
use super::{
    ContainerGroup, Departed, Ended, Event, Phase, ProvisioningState, Report, Step, admission, show,
};
use crate::{Effect, State, compute, journal};

/// How long provisioning takes at least, in milliseconds: long enough to be seen, short enough for a demonstration.
const PROVISIONING_MILLISECONDS: f64 = 400.0;

/// Exit code with which the platform's maintenance ends containers.
const MAINTENANCE: i32 = 7147;

fn find(state: &mut State, key: Uuid) -> Option<&mut ContainerGroup> {
    state.arm.container_groups.values_mut().find(|group| group.key == key)
}

/// Sets a step of a group.
pub(super) fn later(state: &mut State, after: Duration, key: Uuid, step: Step) {
    state.later(after, crate::schedule::Due::Arm(Due::ContainerGroup { key, step }));
}

fn provisioning_time(state: &State) -> Duration {
    let seconds = state.faults.get("arm.provisioning-seconds").and_then(Value::as_f64);
    Duration::from_secs_f64(seconds.unwrap_or(PROVISIONING_MILLISECONDS / 1000.0).clamp(0.0, 3600.0))
}

/// Begins to provision an accepted group.
pub(super) fn provision(state: &mut State, key: Uuid) {
    let placed = state.arm.container_groups.values().find(|group| group.key == key);
    let address = placed.and_then(|group| addresses::free_address(state, group));
    if let Some(group) = find(state, key) {
        group.address = address;
    }
    let whole = provisioning_time(state);
    later(state, whole / 2, key, Step::Place);
    later(state, whole, key, Step::Ready);
}

/// Carries out a step whose time has come.
pub(in crate::arm) fn carry_out(state: &mut State, key: Uuid, step: Step) {
    match step {
        Step::Place => place(state, key),
        Step::Ready => succeed_if_ready(state, key),
        Step::Restart { container } => {
            let waits = find(state, key).is_some_and(|group| !group.is_stopped);
            if waits {
                run(state, key, &container);
            }
        }
        Step::Delete { operation } => {
            let id = find(state, key).map(|group| group.id.to_ascii_lowercase());
            if let Some(id) = id {
                remove(state, &id);
            }
            operations::end(state, operation, Status::Succeeded, None);
        }
    }
}

fn place(state: &mut State, key: Uuid) {
    let late_capacity =
        state.faults.get("arm.capacity").filter(|fault| fault["late"].as_bool() == Some(true)).cloned();
    let stuck = state.faults.is_on("arm.provisioning-stuck");
    let now = state.now;
    let Some(group) = find(state, key) else { return };
    group.provisioning_state = ProvisioningState::Creating;
    if late_capacity.is_some_and(|fault| admission::lacks_capacity(&fault, &group.location)) {
        let message = admission::no_capacity(&group.location, &group.properties);
        note(&mut group.events, now, "Warning", "InsufficientCapacity.", &message);
        return fail(state, key, "ServiceUnavailable", &message);
    }
    if !stuck && pull_goes_on(state, key) {
        state.effects.push(Effect::Compute(compute::Command::Prepare { key }));
    }
}

/// Plays the pull that fails, if a fault asks for one. Says whether the group goes on all the same.
fn pull_goes_on(state: &mut State, key: Uuid) -> bool {
    let Some(fault) = state.faults.get("arm.pull-fails").cloned() else { return true };
    let text = fault["message"].as_str().or(fault.as_str()).unwrap_or_default();
    let first = find(state, key).and_then(|group| group.containers.first()).map(|first| first.name.clone());
    let Some(container) = first else { return true };
    observe(state, key, Report::Pulling { container: container.clone() });
    if fault["recovers"].as_bool() == Some(true) {
        note_failed_pull(state, key, &container, text);
        return true;
    }
    observe(state, key, Report::PullFailed { container, message: text.to_owned() });
    false
}

/// Starts a container, or plays its end if a fault says how it ends.
fn run(state: &mut State, key: Uuid, container: &str) {
    let container = container.to_owned();
    if let Some(code) = state.faults.get("arm.container-exits").and_then(Value::as_i64) {
        observe(state, key, Report::Started { container: container.clone(), address: None });
        let code = i32::try_from(code).unwrap_or(i32::MAX);
        observe(state, key, Report::Exited { container, code });
    } else {
        state.effects.push(Effect::Compute(compute::Command::Run { key, container }));
    }
}

/// Takes in what the one that runs it says about a group. Reports about a group that is gone change nothing.
pub(crate) fn observe(state: &mut State, key: Uuid, report: Report) {
    let now = state.now;
    let Some(group) = find(state, key) else { return };
    match report {
        Report::Pulling { container } => {
            note_of(group, &container, now, "Normal", "Pulling", "pulling image");
        }
        Report::Pulled { container } => {
            note_of(group, &container, now, "Normal", "Pulled", "Successfully pulled image");
        }
        Report::PullFailed { container, message } => pull_failed(state, key, &container, &message),
        Report::Prepared => run_next(state, key),
        Report::Started { container, address } => {
            started(group, &container, address, now);
            let name = group.name.clone();
            state.note(&name, journal::Event::ContainerStarted);
            succeed_if_ready(state, key);
        }
        Report::StartFailed { container, message } => start_failed(state, key, &container, &message),
        Report::Exited { container, code } => exited(state, key, &container, code),
    }
    publish_events(state, key);
}

fn started(
    group: &mut ContainerGroup,
    container: &str,
    address: Option<std::net::IpAddr>,
    now: jiff::Timestamp,
) {
    group.started.get_or_insert(now);
    group.service_address = address.or(group.service_address);
    if let Some(container) = group.container_mut(container) {
        container.phase = Phase::Running { since: now };
        note(&mut container.events, now, "Normal", "Started", "Started container");
    }
}

/// Starts what is to start now: the first init container that has not ended well, or all the others.
fn run_next(state: &mut State, key: Uuid) {
    let Some(group) = find(state, key) else { return };
    let waits = |container: &&super::ContainerState| matches!(container.phase, Phase::Waiting { .. });
    let next_init = group.containers.iter().find(|container| container.is_init && waits(container));
    let names: Vec<String> = match next_init {
        Some(container) => vec![container.name.clone()],
        None => group
            .containers
            .iter()
            .filter(|container| !container.is_init && waits(container))
            .map(|container| container.name.clone())
            .collect(),
    };
    for name in names {
        run(state, key, &name);
    }
}

/// Whether the end of a container is answered with another start.
fn restarts(policy: &str, code: i32) -> bool {
    match policy {
        "Never" => false,
        "OnFailure" => code != 0,
        _ => true,
    }
}

/// How long after its end a container is started again: at once the first time, then later and later.
fn back_off(restarts: u32) -> Duration {
    match restarts {
        0 => Duration::from_millis(200),
        times => Duration::from_secs(300.min(10 << times.min(5))),
    }
}

fn exited(state: &mut State, key: Uuid, name: &str, code: i32) {
    let now = state.now;
    let Some(group) = find(state, key) else { return };
    let (policy, stopped) = (group.text("restartPolicy").to_owned(), group.is_stopped);
    let Some(container) = group.container_mut(name) else { return };
    let started = match &container.phase {
        Phase::Running { since } => *since,
        Phase::Waiting { .. } => now,
        Phase::Terminated(_) => return,
    };
    container.phase = Phase::Terminated(Ended { started, finished: now, exit_code: code });
    let is_init = container.is_init;
    if stopped {
        return;
    }
    if is_init && code == 0 {
        return run_next(state, key);
    }
    if restarts(&policy, code) || state.faults.take_one("arm.restart-after-exit") {
        return restart_later(state, key, name);
    }
    if is_init {
        let message = format!("The init container '{name}' ended with exit code {code}.");
        return fail(state, key, "InitContainerFailed", &message);
    }
    // A group without a restart is provisioned although its container failed: that is the group's state to tell.
    succeed_if_ready(state, key);
}

fn restart_later(state: &mut State, key: Uuid, name: &str) {
    let Some(container) = find(state, key).and_then(|group| group.container_mut(name)) else { return };
    let wait = back_off(container.restarts);
    let reason = format!("CrashLoopBackOff: Back-off restarting failed container in {} s", wait.as_secs());
    if let Phase::Terminated(ended) = std::mem::replace(&mut container.phase, Phase::Waiting { reason }) {
        container.previous = Some(ended);
    }
    container.restarts += 1;
    later(state, wait, key, Step::Restart { container: name.to_owned() });
}

/// The code and text for this are assumed: the service refuses most such images before it accepts the group.
fn pull_failed(state: &mut State, key: Uuid, name: &str, message: &str) {
    note_failed_pull(state, key, name, message);
    let Some(group) = find(state, key) else { return };
    let message = format!(
        "The image '{}' in container group '{}' is not accessible. Please check the image and registry credential.",
        image_of(group, name),
        group.name
    );
    fail(state, key, "InaccessibleImage", &message);
}

fn note_failed_pull(state: &mut State, key: Uuid, name: &str, message: &str) {
    let now = state.now;
    let Some(group) = find(state, key) else { return };
    let image = image_of(group, name);
    if let Some(container) = group.container_mut(name) {
        let text = format!("Failed to pull image \"{image}\": {message}");
        note(&mut container.events, now, "Warning", "Failed", &text);
        let text = format!("Back-off pulling image \"{image}\"");
        note(&mut container.events, now, "Warning", "BackOff", &text);
        container.phase = Phase::Waiting { reason: "ImagePullBackOff".to_owned() };
    }
}

/// Assumed: the code.
fn start_failed(state: &mut State, key: Uuid, name: &str, message: &str) {
    let now = state.now;
    if let Some(container) = find(state, key).and_then(|group| group.container_mut(name)) {
        note(&mut container.events, now, "Warning", "Failed", &format!("Error: {message}"));
        container.phase = Phase::Waiting { reason: format!("CrashLoopBackOff: {message}") };
    }
    fail(state, key, "ContainerStartFailed", &format!("Failed to start container {name}: {message}"));
}

fn fail(state: &mut State, key: Uuid, code: &str, message: &str) {
    let Some(group) = find(state, key) else { return };
    if !group.is_transitioning() {
        return;
    }
    group.provisioning_state = ProvisioningState::Failed;
    let operation = group.operation;
    publish_events(state, key);
    operations::end(state, operation, Status::Failed, Some((code.to_owned(), message.to_owned())));
}

/// Provisioning is done when every container has started and its least time is over.
fn succeed_if_ready(state: &mut State, key: Uuid) {
    let (now, whole) = (state.now, provisioning_time(state));
    let Some(group) = find(state, key) else { return };
    let has_started = |container: &super::ContainerState| {
        container.previous.is_some() || !matches!(container.phase, Phase::Waiting { .. })
    };
    let all = group.containers.iter().all(has_started);
    let elapsed = now.duration_since(group.created).unsigned_abs() >= whole;
    if group.provisioning_state != ProvisioningState::Creating || !all || !elapsed {
        return;
    }
    group.provisioning_state = ProvisioningState::Succeeded;
    let operation = group.operation;
    publish_events(state, key);
    operations::end(state, operation, Status::Succeeded, None);
}

/// An operation shows the events of its group so far.
fn publish_events(state: &mut State, key: Uuid) {
    let Some(group) = find(state, key) else { return };
    let all: Vec<Event> = group
        .containers
        .iter()
        .flat_map(|container| &container.events)
        .chain(&group.events)
        .cloned()
        .collect();
    let (operation, events) = (group.operation, show::events(&all));
    let operation = state.arm.operations.iter_mut().find(|other| other.id == operation);
    if let (Some(operation), Value::Array(events)) = (operation, events) {
        operation.events = events;
    }
}

fn image_of(group: &ContainerGroup, name: &str) -> String {
    let lists = ["containers", "initContainers"];
    let mut containers =
        lists.iter().flat_map(|list| group.properties[*list].as_array().into_iter().flatten());
    let container = containers.find(|container| container["name"].as_str() == Some(name));
    let image = container.and_then(|container| container["properties"]["image"].as_str());
    image.unwrap_or_default().to_owned()
}

fn note_of(
    group: &mut ContainerGroup,
    name: &str,
    now: jiff::Timestamp,
    kind: &str,
    event: &str,
    text: &str,
) {
    let text = format!("{text} \"{}\"", image_of(group, name));
    if let Some(container) = group.container_mut(name) {
        note(&mut container.events, now, kind, event, &text);
    }
}

/// Notes an event; one that was there before is counted.
fn note(events: &mut Vec<Event>, now: jiff::Timestamp, kind: &str, name: &str, message: &str) {
    if let Some(known) = events.iter_mut().find(|event| event.name == name && event.message == message) {
        known.count += 1;
        known.last = now;
        return;
    }
    events.push(Event {
        kind: kind.to_owned(),
        name: name.to_owned(),
        message: message.to_owned(),
        count: 1,
        first: now,
        last: now,
    });
}

/// Stops the group of that name, as a person does at the portal.
pub fn stop_container_group(state: &mut State, name: &str) {
    let mut groups = state.arm.container_groups.values();
    if let Some(key) = groups.find(|group| group.name == name).map(|group| group.key) {
        stop(state, key);
    }
}

/// Stops a group: its containers are killed, its place is given up.
pub(super) fn stop(state: &mut State, key: Uuid) {
    let now = state.now;
    let Some(group) = find(state, key) else { return };
    group.is_stopped = true;
    for container in &mut group.containers {
        if let Phase::Running { since } = container.phase {
            // Assumed: 137, as for anything that is killed.
            container.phase = Phase::Terminated(Ended { started: since, finished: now, exit_code: 137 });
            note(&mut container.events, now, "Normal", "Killing", "Killing container");
        }
    }
    state.effects.push(Effect::Compute(compute::Command::Remove { key }));
}

/// Starts a stopped group anew: with another place, and another address.
pub(super) fn restart(state: &mut State, key: Uuid, operation: Uuid) {
    let (now, new_key) = (state.now, Uuid::new_v4());
    let Some(group) = find(state, key) else { return };
    group.key = new_key;
    group.is_stopped = false;
    group.operation = operation;
    group.created = now;
    group.address = None;
    group.provisioning_state = ProvisioningState::Pending;
    for container in &mut group.containers {
        let ended = std::mem::replace(&mut container.phase, Phase::Waiting { reason: String::new() });
        container.previous = None;
        container.restarts += u32::from(matches!(ended, Phase::Terminated(_)));
    }
    provision(state, new_key);
}

/// Removes a group, whatever it does. `id` is in the lower case.
pub(in crate::arm) fn remove(state: &mut State, id: &str) {
    let Some(group) = state.arm.container_groups.remove(id) else { return };
    state.note(&group.name, journal::Event::GroupDeleted);
    state.effects.push(Effect::Compute(compute::Command::Remove { key: group.key }));
    let error = (
        "Canceled".to_owned(),
        "The operation was canceled since the container group was deleted.".to_owned(),
    );
    operations::end(state, group.operation, Status::Canceled, Some(error));
    networks::group_left(state, &group);
    if let Some(seconds) = state.faults.number("arm.list-lag-seconds") {
        let lag = jiff::SignedDuration::from_secs(seconds.cast_signed());
        let until = state.now.checked_add(lag).unwrap_or(state.now);
        state.arm.departed.push(Departed { group, until });
    }
}

/// The groups that a list shows: without the newest and with some that are gone, as far as lists lag.
pub(super) fn listed(state: &mut State) -> impl Iterator<Item = &ContainerGroup> {
    let now = state.now;
    let lag = state.faults.number("arm.list-lag-seconds").unwrap_or(0);
    state.arm.departed.retain(|departed| departed.until > now);
    let old_enough =
        move |group: &&ContainerGroup| now.duration_since(group.created).as_secs().unsigned_abs() >= lag;
    let here = state.arm.container_groups.values().filter(old_enough);
    here.chain(state.arm.departed.iter().map(|departed| &departed.group))
}

/// After a restart of the emulator: what ran and runs no more was ended by the platform's maintenance.
pub(crate) fn interrupted(state: &mut State, key: Uuid) {
    let now = state.now;
    let Some(group) = find(state, key) else { return };
    if matches!(group.provisioning_state, ProvisioningState::Creating) {
        // It never got to where it was to run; it gets there now.
        return place(state, key);
    }
    let running: Vec<String> = group
        .containers
        .iter_mut()
        .filter(|container| matches!(container.phase, Phase::Running { .. }))
        .map(|container| {
            note(
                &mut container.events,
                now,
                "Normal",
                "Killing",
                "Killing container: the platform was restarted",
            );
            container.name.clone()
        })
        .collect();
    for container in running {
        observe(state, key, Report::Exited { container, code: MAINTENANCE });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{back_off, restarts};

    #[test]
    fn the_policy_decides_about_restarts() {
        for (policy, code, expected) in [
            ("Never", 0, false),
            ("Never", 1, false),
            ("OnFailure", 0, false),
            ("OnFailure", 1, true),
            ("Always", 0, true),
            ("", 1, true),
        ] {
            assert_eq!(restarts(policy, code), expected, "{policy} {code}");
        }
    }

    #[test]
    fn waits_grow_to_five_minutes() {
        let waits: Vec<u64> = (1..=7).map(|times| back_off(times).as_secs()).collect();
        assert_eq!(waits, [20, 40, 80, 160, 300, 300, 300]);
        assert!(back_off(0) < Duration::from_secs(1));
    }
}
