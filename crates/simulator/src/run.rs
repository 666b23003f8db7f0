//! One run: a world from a seed, until nothing is left of it; and the least of it that still goes wrong.

use std::cmp::Reverse;
use std::sync::{Arc, Mutex};

use crate::faults::Strike;
use crate::promise::Violation;
use crate::reaper::Reaper;
use crate::services::lock;
use crate::world::{BEGIN, Event, World};

/// How long things go wrong, in virtual seconds.
pub(crate) const TROUBLE: u64 = 3_600;

/// How long it may take from then until all is settled, in virtual seconds. The longest way: what was created at the
/// last moment lives its hour, is kept for 40 minutes of it, its job for half an hour more; and with a budget of four
/// deletions an hour and two reapers, twenty things that are over take another two hours and a half.
pub const SETTLES_WITHIN: u64 = 5 * 3_600;

/// What is run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Everything comes from it.
    pub seed: u64,
    /// Only these faults strike; `None`: all that the seed gives.
    pub only: Option<Vec<Strike>>,
    /// How many jobs, at most.
    pub jobs: Option<u64>,
    /// Keep the last lines of what happens.
    pub trace: bool,
    #[cfg(test)]
    pub(crate) bug: Option<crate::bug::Bug>,
}

/// How a run went.
#[derive(Clone, Debug)]
pub struct Run {
    /// Agents that were made.
    pub lives: u64,
    /// All that went wrong, in its order.
    pub struck: Vec<Strike>,
    /// From the last fault until all was settled, in virtual seconds.
    pub settled_after: u64,
    /// The promise that was broken.
    pub violation: Option<Violation>,
    /// The last lines, where they are kept.
    pub trace: Vec<String>,
}

/// Runs it.
pub fn run(options: &Options) -> Run {
    let world = Arc::new(Mutex::new(World::new(options)));
    let mut reapers = [Reaper::new(0), Reaper::new(1)];
    begin(&mut lock(&world), options);
    let end = BEGIN + TROUBLE + SETTLES_WITHIN;
    loop {
        let Some(event) = next(&mut lock(&world), end) else { break };
        if let Event::Reaper(who) = event {
            reapers[who].turn(&world);
        } else {
            lock(&world).happen(event);
        }
        lock(&world).check();
    }
    let mut world = lock(&world);
    Run {
        lives: world.lives,
        struck: world.faults.struck().to_vec(),
        settled_after: world.now.saturating_sub(BEGIN + TROUBLE),
        violation: world.violation.take(),
        trace: world.trace.take().map(Vec::from).unwrap_or_default(),
    }
}

/// What is going to happen, whatever else does.
fn begin(world: &mut World, options: &Options) {
    for who in 0..2 {
        let first = world.between(1, 60);
        world.after(first, Event::Reaper(who));
    }
    let jobs = world.between(6, 14);
    for _ in 0..options.jobs.unwrap_or(jobs).min(jobs) {
        let at = world.between(1, TROUBLE - 600);
        world.after(at, Event::JobArrives);
    }
    // Some come when all is calm: these are not to wait in vain.
    for _ in 0..options.jobs.unwrap_or(5).min(5) {
        let at = world.between(TROUBLE + 3_600, TROUBLE + 4_500);
        world.after(at, Event::JobArrives);
    }
    for minutes in (5..60).step_by(5) {
        world.after(minutes * 60, Event::Human);
    }
    world.after(TROUBLE, Event::FaultsEnd);
}

/// What happens next; nothing, where a promise is broken or all is settled.
fn next(world: &mut World, end: u64) -> Option<Event> {
    if world.violation.is_some() {
        return None;
    }
    if BEGIN + TROUBLE + 4_500 < world.now {
        match world.unsettled() {
            None => return None,
            Some(violation) if end < world.now => {
                world.violation = Some(violation);
                return None;
            }
            Some(_) => {}
        }
    }
    let Reverse((at, _, event)) = world.events.pop()?;
    world.now = at;
    Some(event)
}

/// Leaves out one fault after another, and jobs, for as long as the same promise is broken.
pub fn shrunk(options: &Options, run: &Run) -> (Options, Run) {
    let mut least = Options { only: Some(run.struck.clone()), trace: true, ..options.clone() };
    let Some(promise) = run.violation.as_ref().map(|violation| violation.promise) else {
        return (least, run.clone());
    };
    let fails = |options: &Options| {
        let again = self::run(options);
        let same = again.violation.as_ref().is_some_and(|violation| violation.promise == promise);
        same.then_some(again)
    };
    let mut shown = fails(&least).unwrap_or_else(|| run.clone());
    loop {
        let before = (least.only.as_ref().map(Vec::len), least.jobs);
        for candidate in smaller(&least) {
            if let Some(again) = fails(&candidate) {
                (least, shown) = (candidate, again);
                break;
            }
        }
        if before == (least.only.as_ref().map(Vec::len), least.jobs) {
            return (least, shown);
        }
    }
}

/// Everything that is one step smaller: without half of the faults, without one, with a job less.
fn smaller(options: &Options) -> Vec<Options> {
    let strikes = options.only.clone().unwrap_or_default();
    let mut candidates = Vec::new();
    let mut without = |from: usize, to: usize| {
        let mut only = strikes.clone();
        only.drain(from..to);
        candidates.push(Options { only: Some(only), ..options.clone() });
    };
    let half = strikes.len() / 2;
    if half > 1 {
        without(half, strikes.len());
        without(0, half);
    }
    for index in (0..strikes.len()).rev() {
        without(index, index + 1);
    }
    let jobs = options.jobs.unwrap_or(14);
    if jobs > 1 {
        candidates.push(Options { jobs: Some(jobs - 1), ..options.clone() });
    }
    candidates
}
