//! `reap`: finds what is left over of agents, says why, and removes it. Once, or again and again.
//!
//! What is left over is judged by [`lifecycle::plan`]; here it is asked for, carried out and told: [`pass`] is one
//! look, [`words`] what is said of it, [`audit`] what is written down of it.

mod audit;
mod pass;
mod words;

#[cfg(test)]
mod tests;

use std::time::Duration;

use lifecycle::{AgentPool, ComputeBackend, Memory, Policy, Reading, Timestamp};
use tokio::time::sleep;

pub(crate) use audit::Audit;

use crate::arguments::Output;
use crate::errors::{Blame, Failure};
use crate::interrupts::Interrupts;
use crate::report::Report;
use crate::services::ServiceError;
use crate::settings::ReapSettings;
use pass::{Pass, Stopped, one_pass};

/// What `reap` works on: container groups of some places, agents of some pools, and a clock.
pub(crate) trait Estate {
    /// The container groups of one place.
    type Compute: ComputeBackend;
    /// The agents of one pool.
    type Pool: AgentPool;

    /// In the order of the settings' resource groups.
    fn places(&self) -> &[Self::Compute];
    /// In the order of the settings' pools.
    fn pools(&self) -> &[Self::Pool];
    /// Now.
    fn now(&self) -> Timestamp;
    /// How many requests were sent so far.
    fn requests_sent(&self) -> u64;
    /// Ids of the calls that changed something since this was asked last.
    fn take_ids_of_changes(&self) -> Vec<String>;
    /// Asks again for what was not to be read, and gives the failure with its remedy, if it fails again.
    async fn explain(&self, reading: Reading) -> Option<ServiceError>;
}

/// Where `reap` tells what it does.
pub(crate) struct Telling<'a> {
    /// To whom.
    pub(crate) report: &'a Report,
    /// For later.
    pub(crate) audit: &'a Audit,
    /// Asks to stop.
    pub(crate) interrupts: &'a Interrupts,
}

/// What the settings mean for a plan: no agents are wanted, and none that is healthy goes.
fn policy(settings: &ReapSettings) -> Policy {
    Policy {
        organization: settings.devops.organization.clone(),
        pools: settings.pools.clone(),
        start_deadline: settings.start_deadline,
        offline_limit: settings.offline_limit,
        grace: settings.grace,
        deletes_an_hour: settings.deletes_an_hour,
        capacity: 0,
        offer: None,
    }
}

/// Looks once, or until it is told to stop.
pub(crate) async fn reap(
    estate: &impl Estate,
    settings: &ReapSettings,
    telling: &Telling<'_>,
) -> Result<(), Failure> {
    let mut memory = Memory::default();
    let Some(pause) = settings.every else {
        let pass = one_pass(estate, settings, &mut memory, telling).await;
        let pass = pass.map_err(|stopped| stopped.failure)?;
        return told(&pass, settings, telling);
    };
    let mut is_first = true;
    while !telling.interrupts.happened() {
        let asked = match one_pass(estate, settings, &mut memory, telling).await {
            Ok(pass) => {
                go_on_after(&pass, settings, telling);
                pass.not_before
            }
            Err(Stopped { failure: Failure::Unfinished { .. } | Failure::Interrupted { .. }, .. }) => break,
            // What is wrong from the start does not become right by waiting.
            Err(Stopped { failure, .. }) if is_first && failure.blame() == Blame::User => {
                return Err(failure);
            }
            Err(Stopped { failure, .. }) if matches!(failure, Failure::Internal(_)) => return Err(failure),
            Err(Stopped { failure, not_before }) => {
                telling.report.warning(&failure.message().to_string());
                not_before
            }
        };
        let wait = pause.max(asked.unwrap_or(Duration::ZERO));
        is_first = false;
        memory.forget(estate.now());
        tokio::select! {
            biased;
            () = telling.interrupts.first() => {}
            () = sleep(wait) => {}
        }
    }
    telling.report.progress("stopped");
    Ok(())
}

/// The result of the only pass; a failure where something could not be removed.
fn told(pass: &Pass, settings: &ReapSettings, telling: &Telling<'_>) -> Result<(), Failure> {
    let (text, json) = (words::text(pass, settings), words::json(pass, settings));
    let left = words::left(pass);
    if left.is_empty() {
        telling.report.result(&text, &json);
        return Ok(());
    }
    // A program gets one document, which holds the failure too.
    if telling.report.output() == Output::Text {
        telling.report.result(&text, &json);
    }
    Err(Failure::NotReaped { left, remedy: words::remedy(pass), pass: Box::new(json) })
}

/// One of many passes: said where there was something to do, and never a reason to stop.
fn go_on_after(pass: &Pass, settings: &ReapSettings, telling: &Telling<'_>) {
    if telling.report.output() == Output::Json || !pass.is_empty() {
        telling.report.result(&words::text(pass, settings), &words::json(pass, settings));
    }
    for line in words::left(pass) {
        telling.report.warning(&format!("not removed: {line}"));
    }
}
