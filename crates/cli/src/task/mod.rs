//! `task`: the work of the pipeline task `AzureContainerAgentCreate`, which hands everything over in its environment.
//!
//! The task's script starts this program without further arguments. Inputs become the options that mean the same
//! (`inputs`, `read`), service connections become credentials (`azure_connection`, `registry_connection`), and then
//! `provision`, `deprovision`, `reap` or `doctor` runs as it does at a terminal. What is said is said in the task's
//! words (`wording`).

mod azure_connection;
mod contract;
mod inputs;
mod read;
mod registry_connection;
mod wording;

#[cfg(test)]
mod library;
#[cfg(test)]
mod tests;

pub(crate) use contract::secrets;
pub(crate) use wording::text as in_its_words;

use crate::app;
use crate::errors::Failure;
use crate::interrupts::Interrupts;
use crate::report::Report;
use crate::settings::environment::Environment;
use crate::wiring;

/// Does what the inputs say.
pub(crate) async fn run(
    environment: &Environment,
    report: &Report,
    interrupts: &Interrupts,
) -> Result<(), Failure> {
    let Some(mut task) = read::read(environment)? else {
        report.section("There is no agent to remove.");
        return Ok(());
    };
    for note in &task.notes {
        report.warning(note);
    }
    if let Some(read::Exchange { server, tenant, credential }) = &task.exchange {
        let cloud = task.arguments.global.cloud.as_deref().unwrap_or_default();
        let asking = wiring::registry_password((cloud, credential), (server, tenant.as_deref()), environment);
        let password = app::unless_interrupted(interrupts, asking).await?;
        report.learn(std::slice::from_ref(&password));
        task.credentials.registry_password = Some(password);
    }
    let environment = environment.with_credentials(task.credentials);
    let done = Box::pin(app::carry_out(&task.arguments, &environment, report, interrupts)).await;
    done.map_err(wording::failure)
}
