//! What is said of a pass: for people, for programs, and where not everything went.

use std::time::Duration;

use lifecycle::{Outcome, Planned, Record, Retire, Step, Wait};
use serde_json::{Value, json};

use super::pass::{Item, Pass};
use crate::errors::Failure;
use crate::life_end::{self, LifeEnd};
use crate::report::pipeline::disarm;
use crate::report::table::{duration, table};
use crate::settings::ReapSettings;

/// The pass for people: a line for each thing, and one for all.
pub(super) fn text(pass: &Pass, settings: &ReapSettings) -> String {
    let mut cells: Vec<_> = pass.items.iter().map(|item| row(item, settings)).collect();
    cells.extend(pass.postponed.iter().filter_map(|planned| {
        let lifecycle::Action::Retire(retire) = &planned.action else { return None };
        Some(cells_of(planned, retire, POSTPONED.to_owned(), settings))
    }));
    let summary = summary(pass, settings);
    if cells.is_empty() {
        summary
    } else {
        table(["NAME", "POOL", "AGE", "WHY", "OUTCOME"], &cells) + &summary
    }
}

const POSTPONED: &str = "postponed: the budget of deletions is spent";

fn row(item: &Item, settings: &ReapSettings) -> [String; 5] {
    cells_of(&item.planned, &item.retire, outcome(item), settings)
}

fn cells_of(planned: &Planned, retire: &Retire, outcome: String, settings: &ReapSettings) -> [String; 5] {
    let age = planned.age.map_or_else(|| "-".to_owned(), |age| duration(age.as_secs()));
    let pool = settings.pools[retire.pool].clone();
    [retire.name.to_string(), pool, age, planned.reason.to_string(), outcome]
}

fn outcome(item: &Item) -> String {
    let what = match (&item.retire.agent_id, &item.retire.group) {
        (Some(_), Some(_)) => "agent and container group",
        (Some(_), None) => "agent",
        (None, _) => "container group",
    };
    match item.record.as_ref().map(|record| &record.outcome) {
        None => format!("would remove its {what}"),
        Some(Outcome::Done) => match life_end(item) {
            Some(end) => format!("removed its {what}; {}: {}", end.outcome, end.detail),
            None => format!("removed its {what}"),
        },
        Some(Outcome::Waiting(Wait::JobRunning)) => "waits for its job".to_owned(),
        Some(Outcome::Waiting(_)) => "waits for the next pass".to_owned(),
        Some(Outcome::Failed(_)) => "refused".to_owned(),
    }
}

/// How its life ended, as its supervisor said.
fn life_end(item: &Item) -> Option<LifeEnd> {
    item.record.as_ref()?.log.as_deref().and_then(life_end::find)
}

fn summary(pass: &Pass, settings: &ReapSettings) -> String {
    let requests = pass.requests;
    if pass.is_empty() {
        return format!("Nothing is left over. {requests} requests.");
    }
    if settings.dry_run {
        let (groups, agents) = would_go(pass);
        return format!(
            "Would remove {}; nothing was changed. {requests} requests.",
            counted(groups, agents)
        );
    }
    let count = |step: Step| {
        pass.items
            .iter()
            .filter(|item| item.record.as_ref().is_some_and(|record| record.steps.contains(&step)))
            .count()
    };
    let removed = counted(count(Step::Deleted), count(Step::Unregistered));
    let jobs = waiting_for_jobs(pass);
    let left = left(pass).len();
    let mut text = format!("Removed {removed}");
    if jobs > 0 {
        text = format!("{text}; {jobs} of them run a job by now and go after it");
    }
    if left > 0 {
        text = format!("{text}; {left} not removed");
    }
    format!("{text}. {requests} requests.")
}

fn would_go(pass: &Pass) -> (usize, usize) {
    let groups = pass.items.iter().filter(|item| item.retire.group.is_some()).count();
    let agents = pass.items.iter().filter(|item| item.retire.agent_id.is_some()).count();
    (groups, agents)
}

fn counted(groups: usize, agents: usize) -> String {
    let plural = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    format!("{} and {}", plural(groups, "container group"), plural(agents, "agent"))
}

fn waiting_for_jobs(pass: &Pass) -> usize {
    let waits = |item: &&Item| {
        matches!(&item.record, Some(Record { outcome: Outcome::Waiting(Wait::JobRunning), .. }))
    };
    pass.items.iter().filter(waits).count()
}

/// What is left over and could not be removed, a line each. What runs a job is not: nobody wants it removed.
pub(super) fn left(pass: &Pass) -> Vec<String> {
    let of_item = |item: &Item| match &item.record.as_ref()?.outcome {
        Outcome::Done | Outcome::Waiting(Wait::JobRunning) => None,
        Outcome::Waiting(wait) => Some(format!("{}: {wait}", item.retire.name)),
        Outcome::Failed(why) => Some(format!("{}: {why}", item.retire.name)),
    };
    let mut left: Vec<_> = pass.items.iter().filter_map(of_item).collect();
    left.extend(pass.postponed.iter().filter_map(|planned| match &planned.action {
        lifecycle::Action::Retire(retire) => Some(format!("{}: {POSTPONED}", retire.name)),
        lifecycle::Action::Provision { .. } => None,
    }));
    left
}

/// What to do about what is left.
pub(super) fn remedy(pass: &Pass) -> String {
    let refused = |item: &Item| matches!(&item.record, Some(Record { outcome: Outcome::Failed(_), .. }));
    if pass.items.iter().any(refused) {
        "remove the lock, or give whoever reaps the role that the message names, and run the same command again."
            .to_owned()
    } else {
        "run the same command again later; what was begun is gone on with.".to_owned()
    }
}

/// Stopped by a signal, after these.
pub(super) fn interrupted(done: &[Item]) -> Failure {
    let removed = |item: &Item| {
        let record = item.record.as_ref()?;
        (record.outcome == Outcome::Done).then(|| format!("{}: {}", item.retire.name, outcome(item)))
    };
    Failure::Unfinished {
        cause: Box::new(Failure::Interrupted { taken_down: None }),
        done: done.iter().filter_map(removed).collect(),
        remedy: "run the same command again: it goes on where it was stopped.".to_owned(),
    }
}

/// The pass for programs.
pub(super) fn json(pass: &Pass, settings: &ReapSettings) -> Value {
    let mut agents: Vec<_> = pass.items.iter().map(|item| json_item(item, settings)).collect();
    agents.extend(pass.postponed.iter().filter_map(|planned| {
        let lifecycle::Action::Retire(retire) = &planned.action else { return None };
        Some(json_of(planned, retire, ("postponed", Some(POSTPONED.to_owned())), settings))
    }));
    json!({ "version": 1, "dryRun": settings.dry_run, "requests": pass.requests, "agents": agents })
}

fn json_item(item: &Item, settings: &ReapSettings) -> Value {
    let outcome = match item.record.as_ref().map(|record| &record.outcome) {
        None => ("planned", None),
        Some(Outcome::Done) => ("removed", None),
        Some(Outcome::Waiting(Wait::JobRunning)) => ("job-running", None),
        Some(Outcome::Waiting(wait)) => ("waiting", Some(wait.to_string())),
        Some(Outcome::Failed(why)) => ("refused", Some(why.clone())),
    };
    let mut value = json_of(&item.planned, &item.retire, outcome, settings);
    let log = item.record.as_ref().and_then(|record| record.log.as_deref());
    value["lifeEnd"] =
        json!(life_end(item).map(|end| json!({ "outcome": end.outcome, "detail": end.detail })));
    // A container may have printed what a pipeline takes for a command.
    value["log"] = json!(log.map(disarm));
    value
}

fn json_of(
    planned: &Planned,
    retire: &Retire,
    (outcome, detail): (&str, Option<String>),
    settings: &ReapSettings,
) -> Value {
    let place = retire.group.as_ref().map(|group| &settings.resource_groups[group.place]);
    json!({
        "name": retire.name.as_str(),
        "pool": settings.pools[retire.pool],
        "agentId": retire.agent_id,
        "containerGroup": retire.group.is_some(),
        "resourceGroup": place,
        "ageSeconds": seconds(planned.age),
        "reason": planned.reason.to_string(),
        "outcome": outcome,
        "detail": detail,
    })
}

/// A length of time for programs.
pub(super) fn seconds(time: Option<Duration>) -> Option<u64> {
    time.map(|time| time.as_secs())
}
