//! Runs the simulator: one seed, many, or for some minutes.

#![expect(clippy::print_stdout, reason = "a program for a person at a terminal")]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Parser;
use simulator::{FAULTS, Fault, Options, Run, Strike, run, shrunk};

/// Agents in worlds where everything goes wrong, against the real core.
#[derive(Parser)]
#[command(name = "cargo xtask sim", bin_name = "cargo xtask sim")]
struct Arguments {
    /// Run this seed alone, or begin with it
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Run this many seeds
    #[arg(long, conflicts_with = "minutes")]
    runs: Option<u64>,
    /// Run seeds for so many minutes
    #[arg(long)]
    minutes: Option<u64>,
    /// Only these faults strike, such as lost-reply:3,reaper-cut:1; "" for none
    #[arg(long)]
    only: Option<String>,
    /// No more jobs than that
    #[arg(long)]
    jobs: Option<u64>,
}

/// What is added up over all runs.
#[derive(Default)]
struct Sum {
    lives: u64,
    runs: u64,
    faults: BTreeMap<Fault, u64>,
    longest: u64,
    failed: Option<(u64, Run)>,
}

impl Sum {
    fn add(&mut self, seed: u64, run: Run) {
        self.lives += run.lives;
        self.runs += 1;
        self.longest = self.longest.max(run.settled_after);
        for Strike(fault, _) in &run.struck {
            *self.faults.entry(*fault).or_default() += 1;
        }
        if run.violation.is_some() && self.failed.as_ref().is_none_or(|(known, _)| seed < *known) {
            self.failed = Some((seed, run));
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match only(&arguments) {
        Ok(only) if arguments.runs.is_none() && arguments.minutes.is_none() => one(&arguments, only),
        Ok(only) => many(&arguments, only.as_ref()),
        Err(wrong) => {
            println!("sim: {wrong}");
            ExitCode::FAILURE
        }
    }
}

fn only(arguments: &Arguments) -> Result<Option<Vec<Strike>>, String> {
    let Some(text) = &arguments.only else { return Ok(None) };
    text.split(',').filter(|word| !word.is_empty()).map(str::parse).collect::<Result<_, _>>().map(Some)
}

fn options(arguments: &Arguments, seed: u64, only: Option<Vec<Strike>>) -> Options {
    let mut options = Options { seed, only, ..Options::default() };
    options.jobs = arguments.jobs;
    options
}

fn one(arguments: &Arguments, only: Option<Vec<Strike>>) -> ExitCode {
    let mut options = options(arguments, arguments.seed, only);
    options.trace = true;
    let begin = Instant::now();
    let done = run(&options);
    if done.violation.is_none() {
        for line in &done.trace {
            println!("{line}");
        }
    }
    let mut sum = Sum::default();
    sum.add(options.seed, done);
    tell(&sum, begin.elapsed(), arguments)
}

/// On as many cores as there are; each run is alone in its world.
fn many(arguments: &Arguments, only: Option<&Vec<Strike>>) -> ExitCode {
    let begin = Instant::now();
    let end = arguments.minutes.map(|minutes| begin + Duration::from_secs(60 * minutes));
    let last = arguments.seed.saturating_add(arguments.runs.unwrap_or(u64::MAX));
    let (next, sum) = (AtomicU64::new(arguments.seed), Mutex::new(Sum::default()));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if last <= seed || end.is_some_and(|end| end < Instant::now()) {
                        break;
                    }
                    let done = run(&options(arguments, seed, only.cloned()));
                    let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
                    sum.add(seed, done);
                    if sum.failed.is_some() {
                        break;
                    }
                }
            });
        }
    });
    tell(&sum.into_inner().unwrap_or_else(PoisonError::into_inner), begin.elapsed(), arguments)
}

fn tell(sum: &Sum, time: Duration, arguments: &Arguments) -> ExitCode {
    println!("faults, by how often they struck:");
    for (fault, word, rate) in FAULTS {
        let count = sum.faults.get(&fault).copied().unwrap_or_default();
        println!("  {word:17} {count:>10}   {rate:>5} of 10,000 opportunities");
    }
    let rate = sum.lives.saturating_mul(60_000) / u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
    println!(
        "{} lifecycles in {} runs, {:.1} s: {rate} lifecycles a minute; settled {} virtual minutes after the last \
         fault, at the latest",
        sum.lives,
        sum.runs,
        time.as_secs_f64(),
        sum.longest / 60,
    );
    let Some((seed, failed)) = &sum.failed else {
        println!("no promise was broken");
        return ExitCode::SUCCESS;
    };
    failure(*seed, failed, arguments);
    ExitCode::FAILURE
}

fn failure(seed: u64, failed: &Run, arguments: &Arguments) {
    let (least, shown) = shrunk(&options(arguments, seed, None), failed);
    println!("\nseed {seed} breaks a promise. The last lines of the least of it that does:");
    for line in &shown.trace {
        println!("  {line}");
    }
    if let Some(violation) = &shown.violation {
        println!("{violation}");
    }
    let strikes: Vec<_> = least.only.iter().flatten().map(ToString::to_string).collect();
    let jobs = least.jobs.map_or_else(String::new, |jobs| format!(" --jobs {jobs}"));
    println!("\nagain: cargo xtask sim --seed {seed} --only \"{}\"{jobs}", strikes.join(","));
}
