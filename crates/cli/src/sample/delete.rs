//! Deleting what was made, and nothing else.

use serde_json::Value;

use super::create::not_looked;
use super::look::before_deleting;
use super::removal::{Removal, removal};
use super::wanted::Part;
use super::{Store, StoreError, words};
use crate::errors::Failure;
use crate::interrupts::Interrupts;
use crate::report::Report;
use crate::settings::sample::Sample;

const GONE: &str = "deleted";

/// Deletes these parts, or says what it would delete.
pub(crate) async fn run(
    store: &impl Store,
    (sample, parts, dry): (&Sample, &[Part], bool),
    report: &Report,
    interrupts: &Interrupts,
) -> Result<(String, Value), Failure> {
    report.progress("looking at what is there");
    let looking = Box::pin(before_deleting(store, sample, parts));
    let (wanted, seen) = tokio::select! {
        biased;
        () = interrupts.first() => return Err(Failure::Interrupted { taken_down: None }),
        seen = looking => seen.map_err(|refused| not_looked(refused.error))?,
    };
    let steps = removal(sample, &wanted, &seen).map_err(Failure::NothingDeleted)?;
    if dry {
        let would: Vec<_> = steps.iter().map(|step| in_words(step, "would be deleted")).collect();
        return Ok(words::deleted(&would, true));
    }
    let done = carry_out(store, &steps, (report, interrupts)).await?;
    Ok(words::deleted(&done, false))
}

fn in_words(step: &Removal, deleted: &'static str) -> (String, &'static str) {
    match step {
        Removal::FreeSubnet(subnet) => (
            format!("subnet {}", subnet.rsplit('/').next().unwrap_or_default()),
            "freed from Azure Container Instances, which had held on to it",
        ),
        Removal::Delete(resource) => (resource.in_words(), deleted),
        Removal::Leave(resource, why) => (format!("{} ({why})", resource.in_words()), "left"),
    }
}

async fn carry_out(
    store: &impl Store,
    steps: &[Removal],
    (report, interrupts): (&Report, &Interrupts),
) -> Result<Vec<(String, &'static str)>, Failure> {
    let mut done = Vec::new();
    for step in steps {
        let (what, _) = in_words(step, GONE);
        match step {
            Removal::Delete(_) => report.progress(&format!("deleting {what}")),
            Removal::FreeSubnet(_) => report.progress(&format!("freeing {what}")),
            Removal::Leave(..) => {}
        }
        let outcome = tokio::select! {
            biased;
            () = interrupts.first() => {
                done.extend(begun(step));
                Err(Failure::Interrupted { taken_down: None })
            }
            outcome = once(store, step) => outcome.map_err(|refused| failed(step, refused)),
        };
        if let Err(cause) = outcome {
            return Err(unfinished(cause, &done));
        }
        done.push(in_words(step, GONE));
    }
    Ok(done)
}

/// What is being deleted when a signal comes is deleted by the service all the same.
fn begun(step: &Removal) -> Option<(String, &'static str)> {
    let begins = !matches!(step, Removal::Leave(..));
    begins.then(|| (in_words(step, GONE).0, "asked to go, and not waited for"))
}

async fn once(store: &impl Store, step: &Removal) -> Result<(), StoreError> {
    match step {
        Removal::FreeSubnet(subnet) => store.free_subnet(subnet).await.map(drop),
        Removal::Delete(resource) => store.delete(resource.kind(), resource.id()).await.map(drop),
        Removal::Leave(..) => Ok(()),
    }
}

fn failed(step: &Removal, refused: StoreError) -> Failure {
    let (what, _) = in_words(step, GONE);
    let error = match step {
        Removal::Delete(resource) => words::refused(refused, resource),
        Removal::FreeSubnet(subnet) => words::not_freed(refused, subnet),
        Removal::Leave(..) => refused.error,
    };
    let doing = match step {
        Removal::FreeSubnet(_) => format!("free the {what}"),
        Removal::Delete(_) | Removal::Leave(..) => format!("delete the {what}"),
    };
    Failure::Service { doing, error }
}

fn unfinished(cause: Failure, done: &[(String, &'static str)]) -> Failure {
    if done.is_empty() {
        return cause;
    }
    let done = done.iter().map(|(what, how)| format!("{what}: {how}")).collect();
    let remedy = "run the same command again, which goes on from here.".to_owned();
    Failure::Unfinished { cause: Box::new(cause), done, remedy }
}
