//! Making what is missing.

use std::collections::BTreeMap;
use std::time::Duration;

use azure_resources::resources::{Found, Resource, ResourceKind};
use serde_json::Value;
use tokio::time::sleep;

use super::look::{Seen, before_creating};
use super::plan::{Action, Step, plan, with_principals};
use super::wanted::{Part, resources};
use super::{Store, StoreError, Told, words};
use crate::errors::Failure;
use crate::interrupts::Interrupts;
use crate::report::Report;
use crate::services::{ErrorKind, ServiceError};
use crate::settings::sample::Sample;

/// Between two tries of what passes.
const AGAIN: Duration = Duration::from_secs(5);

/// How often what passes is tried: two minutes, the longest that a new identity was seen to take.
const TRIES: u32 = 24;

/// Makes these parts, or says what it would make.
pub(crate) async fn run(
    store: &impl Store,
    (sample, parts, dry): (&Sample, &[Part], bool),
    report: &Report,
    interrupts: &Interrupts,
) -> Result<(String, Value), Failure> {
    let wanted = resources(sample, parts);
    report.progress("looking at what is there");
    let looking = Box::pin(before_creating(store, sample, &wanted));
    let seen = tokio::select! {
        biased;
        () = interrupts.first() => return Err(Failure::Interrupted { taken_down: None }),
        seen = looking => seen.map_err(|refused| not_looked(refused.error))?,
    };
    let steps = plan(sample, (&wanted, parts), &seen).map_err(Failure::Preflight)?;
    let commands = if sample.without_roles { commands_of_owner(sample, parts) } else { Vec::new() };
    if dry {
        return Ok(words::created(&steps, true, &commands));
    }
    carry_out(store, &steps, &seen, (report, interrupts)).await?;
    Ok(words::created(&steps, false, &commands))
}

pub(super) fn not_looked(error: ServiceError) -> Failure {
    Failure::Service { doing: "look at what is there".to_owned(), error }
}

/// What an owner has to run for the roles that were left out.
fn commands_of_owner(sample: &Sample, parts: &[Part]) -> Vec<String> {
    let with_roles = Sample { without_roles: false, ..sample.clone() };
    let all = resources(&with_roles, parts);
    all.iter().filter(|resource| words::is_role(resource.kind())).map(words::command_of_owner).collect()
}

/// Does one step after the other. Stopped or refused, it says what was done.
async fn carry_out(
    store: &impl Store,
    steps: &[Step],
    seen: &Seen,
    (report, interrupts): (&Report, &Interrupts),
) -> Result<(), Failure> {
    let mut done = Vec::new();
    let mut made = BTreeMap::new();
    for step in steps.iter().filter(|step| !matches!(step.action, Action::Keep | Action::Borrow)) {
        report.progress(&format!("making {}", step.resource.in_words()));
        let principal = |identity: &str| {
            let new: Option<&Found> = made.get(&identity.to_lowercase());
            new.and_then(Found::principal).or_else(|| seen.principal(identity)).map(str::to_owned)
        };
        let outcome = match with_principals(step.resource.body(), principal) {
            Some(body) => {
                let resource = step.resource.with_body(body);
                tokio::select! {
                    biased;
                    () = interrupts.first() => Err(interrupted(step, &mut done)),
                    outcome = patiently(store, &resource, step, seen) => {
                        outcome.map_err(|refused| failed(step, words::refused(refused, &resource)))
                    }
                }
            }
            None => Err(failed(step, no_principal())),
        };
        match outcome {
            Ok(found) => {
                made.insert(step.resource.id().to_lowercase(), found);
                done.push(words::line(step, false));
            }
            Err(cause) => return Err(unfinished(cause, done)),
        }
    }
    Ok(())
}

/// What is being made when a signal comes is made by the service all the same.
fn interrupted(step: &Step, done: &mut Vec<String>) -> Failure {
    done.push(format!("{}: asked for, and not waited for", step.resource.in_words()));
    Failure::Interrupted { taken_down: None }
}

fn failed(step: &Step, error: ServiceError) -> Failure {
    Failure::Service { doing: format!("make the {}", step.resource.in_words()), error }
}

fn no_principal() -> ServiceError {
    ServiceError {
        kind: ErrorKind::Unavailable,
        what: "its identity was made without a principal".to_owned(),
        remedy: "run the same command again.".to_owned(),
    }
}

fn unfinished(cause: Failure, done: Vec<String>) -> Failure {
    if done.is_empty() {
        return cause;
    }
    let remedy =
        "run the same command again, which goes on from here, or `ephemeral-agents sample down`, which \
                  deletes what was made."
            .to_owned();
    Failure::Unfinished { cause: Box::new(cause), done, remedy }
}

/// One step, again and again while that may help.
async fn patiently(store: &impl Store, resource: &Resource, step: &Step, seen: &Seen) -> Told<Found> {
    let mut tries = TRIES;
    loop {
        match once(store, resource, step, seen).await {
            Err(refused) if words::passes(&refused) && tries > 1 => {
                tries -= 1;
                sleep(AGAIN).await;
            }
            outcome => return outcome,
        }
    }
}

async fn once(store: &impl Store, resource: &Resource, step: &Step, seen: &Seen) -> Told<Found> {
    match (&step.action, seen.get(resource.id())) {
        (Action::Update(_), Some(found)) => store.update(resource, found).await,
        (Action::Replace, _) => {
            store.delete(resource.kind(), resource.id()).await?;
            create(store, resource).await
        }
        _ => create(store, resource).await,
    }
}

/// A role that somebody gave already, under another number, does as well.
async fn create(store: &impl Store, resource: &Resource) -> Told<Found> {
    match store.create(resource).await {
        Err(StoreError { code, .. })
            if resource.kind() == ResourceKind::RoleAssignment && code == "RoleAssignmentExists" =>
        {
            Ok(Found::new(resource.body().clone()))
        }
        outcome => outcome,
    }
}
