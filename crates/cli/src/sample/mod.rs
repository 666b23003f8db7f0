//! `sample`: what the samples need, made and removed. Repeatable; only what carries the sample's tag is changed or
//! deleted.
//!
//! [`wanted`] says what is to be there, as data; [`look`] asks what is; [`plan`] and [`removal`] make steps of the
//! two, or refuse, without asking anybody; [`create`] and [`delete`] do the steps. [`template`] writes the same data
//! down for other tools.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod pool;
pub(crate) mod template;
pub(crate) mod wanted;

mod addresses;
mod look;
mod plan;
mod removal;
mod store;
mod words;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

pub(crate) use store::{Store, StoreError, Told};

use crate::arguments::Global;
use crate::arguments::sample::{PartCommand, PoolCommand, SampleArguments, SampleCommand, WholeArguments};
use crate::errors::Failure;
use crate::interrupts::Interrupts;
use crate::report::Report;
use crate::settings::Azure;
use crate::settings::environment::Environment;
use crate::settings::sample::{self as settings, SamplePool};
use crate::settings::secrets_of;
use crate::wiring::{AzureStore, DevOpsPools};
use wanted::Part;

/// Where a command works, and whom it tells.
type Around<'a> = (&'a Environment, &'a Report, &'a Interrupts);

/// Does what a command line says.
pub(crate) async fn run(global: &Global, command: &SampleCommand, around: Around<'_>) -> Result<(), Failure> {
    let (environment, report, interrupts) = around;
    match command {
        SampleCommand::Network(verb) => part(global, verb, &[Part::Network], around).await,
        SampleCommand::Registry(verb) => part(global, verb, &[Part::Registry], around).await,
        SampleCommand::Storage(verb) => part(global, verb, &[Part::Storage], around).await,
        SampleCommand::Up(given) => Box::pin(up(global, given, around)).await,
        SampleCommand::Down(given) => Box::pin(down(global, given, around)).await,
        SampleCommand::Pool(PoolCommand::Create(given)) => {
            let (azure, pool) = settings::pool(global, given, environment)?;
            report.learn(&secrets_of(&azure, Some(&pool.devops)));
            let pools = DevOpsPools::connect(&azure, &pool.devops, environment).await?;
            let done = pool::create(&pools, &pool, report, interrupts).await?;
            report.result(&done, &serde_json::json!({ "version": 1, "pool": done }));
            Ok(())
        }
        SampleCommand::Template(given) => {
            let sample = settings::template(given)?;
            let template = template::template(given.tool, &sample);
            report.document(&template);
            Ok(())
        }
    }
}

async fn part(
    global: &Global,
    verb: &PartCommand,
    parts: &[Part],
    (environment, report, interrupts): Around<'_>,
) -> Result<(), Failure> {
    let (PartCommand::Create(given) | PartCommand::Delete(given)) = verb;
    let creates = matches!(verb, PartCommand::Create(_));
    let (azure, sample) = settings::part(global, given, environment, creates)?;
    report.learn(&secrets_of(&azure, None));
    let store = AzureStore::connect(&azure, environment).await?;
    let (text, json) = if creates {
        create::run(&store, (&sample, parts, dry(given)), report, interrupts).await?
    } else {
        delete::run(&store, (&sample, parts, dry(given)), report, interrupts).await?
    };
    report.result(&text, &json);
    Ok(())
}

fn dry(given: &SampleArguments) -> bool {
    given.dry_run.unwrap_or_default()
}

/// The organization's pools, where the pool is to be seen to: asked first, since a token that does not work is known
/// before anything is done.
async fn pools(
    azure: &Azure,
    (pool, creates): (Option<&SamplePool>, bool),
    (environment, interrupts): (&Environment, &Interrupts),
) -> Result<Option<DevOpsPools>, Failure> {
    let Some(pool) = pool else { return Ok(None) };
    let pools = DevOpsPools::connect(azure, &pool.devops, environment).await?;
    pool::look(&pools, (pool, creates), interrupts).await?;
    Ok(Some(pools))
}

/// What is said of a pool that could not be seen to, after all else was.
fn without_pool(cause: Failure, text: &str, changed: bool) -> Failure {
    if !changed {
        return cause;
    }
    let done = text.lines().map(str::to_owned).collect();
    let remedy = "run the same command again, which goes on from here.".to_owned();
    Failure::Unfinished { cause: Box::new(cause), done, remedy }
}

async fn up(
    global: &Global,
    given: &WholeArguments,
    (environment, report, interrupts): Around<'_>,
) -> Result<(), Failure> {
    let (azure, sample, pool) = settings::whole(global, given, environment, true)?;
    report.learn(&secrets_of(&azure, pool.as_ref().map(|pool| &pool.devops)));
    let store = AzureStore::connect(&azure, environment).await?;
    let dry = dry(&given.sample);
    let pools = pools(&azure, (pool.as_ref().filter(|_| !dry), true), (environment, interrupts)).await?;
    let wish = (&sample, Part::ALL.as_slice(), dry);
    let (mut text, mut json) = create::run(&store, wish, report, interrupts).await?;
    let about_pool = match (&pool, &pools) {
        (Some(pool), Some(pools)) => {
            let outcome = pool::create(pools, pool, report, interrupts).await;
            let changed = json["changed"] == true;
            outcome.map_err(|cause| without_pool(cause, &text, changed))?
        }
        (Some(pool), None) => format!("would create the agent pool {} if it is missing", pool.name),
        (None, _) => pool::LEFT_OUT.to_owned(),
    };
    words::add_pool(&mut text, &mut json, &about_pool);
    report.result(&text, &json);
    Ok(())
}

async fn down(
    global: &Global,
    given: &WholeArguments,
    (environment, report, interrupts): Around<'_>,
) -> Result<(), Failure> {
    let (azure, sample, pool) = settings::whole(global, given, environment, false)?;
    report.learn(&secrets_of(&azure, pool.as_ref().map(|pool| &pool.devops)));
    let store = AzureStore::connect(&azure, environment).await?;
    let dry = dry(&given.sample);
    let pools = pools(&azure, (pool.as_ref().filter(|_| !dry), false), (environment, interrupts)).await?;
    let wish = (&sample, Part::ALL.as_slice(), dry);
    let (mut text, mut json) = delete::run(&store, wish, report, interrupts).await?;
    let about_pool = match (&pool, &pools) {
        (Some(pool), Some(pools)) => {
            let outcome = pool::delete(pools, pool, report, interrupts).await;
            let mut resources = json["resources"].as_array().into_iter().flatten();
            let changed = resources.any(|one| one["outcome"] != "left");
            outcome.map_err(|cause| without_pool(cause, &text, changed))?
        }
        (Some(pool), None) => format!("would delete the agent pool {} if `up` made it", pool.name),
        (None, _) => pool::LEFT_OUT.to_owned(),
    };
    words::add_pool(&mut text, &mut json, &about_pool);
    report.result(&text, &json);
    Ok(())
}
