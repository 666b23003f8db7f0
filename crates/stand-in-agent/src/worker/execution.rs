//! Running what a step is: a script, a Node task, or the checkout.

use std::time::Duration;

use anyhow::{Context as _, bail};

use super::checkout;
use super::child::{self, Exit, Invocation, LOOKUP_VARIABLE, SignalReach, Stream};
use super::command::Command;
use super::effects::Reach;
use super::job::Job;
use super::message::Step;
use super::node::{self, Contract};
use super::restrictions::Policy;
use super::script::{self, Shell};
use super::step::{Attempt, Running};
use super::task::{self, Manifest, Task};
use super::variables::environment_name;
use crate::capabilities::find_program;
use crate::environment::Environment;
use crate::wire::models::TimelineRecord;

/// The line between header and output.
const OUTPUT_BEGINS: &str = "========================== Starting Command Output ===========================";

impl Job {
    /// Runs a downloaded task.
    ///
    /// # Errors
    /// It could not be started.
    pub(super) async fn run_task(
        &mut self,
        running: &mut Running<'_>,
        task: &Task,
    ) -> anyhow::Result<Attempt> {
        let inputs = task::inputs(&task.manifest, running.step, &self.variables, &self.folders);
        let mut environment = self.step_environment(running.step);
        let path = environment.get("PATH").unwrap_or_default().to_owned();
        let shell = running.step.reference.as_ref().and_then(|reference| Shell::of_task(&reference.id));
        let (plan, who) = if let Some(shell) = shell {
            running.log.write("Generating script.");
            (shell.plan(&inputs, &self.folders, &path)?, shell.name())
        } else {
            let contract = Contract {
                inputs: &inputs,
                resources: &self.message.resources,
                variables: &self.variables,
                task_variables: &running.effects.task_variables,
            };
            node::add_task_contract(&mut environment, &contract);
            let id = running.step.reference.as_ref().map(|reference| reference.id.as_str());
            if id.is_some_and(|id| id.eq_ignore_ascii_case(script::AZURE_CLI)) {
                (script::azure_cli(&task.folder, &self.folders, &path)?, "python3")
            } else {
                (self.node_plan(task, &path)?, "node")
            }
        };
        running.log.write(OUTPUT_BEGINS);
        let script::Plan { program, arguments, folder, fail_on_stderr } = plan;
        if shell.is_some() {
            running.log.write(&format!("{program} {}", arguments.join(" ")));
        }
        // The official agent signals the process it started and nobody else. For a script that is a Node task, which
        // hands the signal on to its shell; here the shell's group stands for both.
        let reach = if shell.is_some() { SignalReach::Group } else { SignalReach::Process };
        let invocation = Invocation { program, arguments, folder, environment, reach };
        let attempt = self.run_process(running, &invocation, fail_on_stderr).await?;
        Ok(Attempt { who, ..attempt })
    }

    /// The official agent has a Node of its own for each kind of handler; here the one in `PATH` runs them all.
    fn node_plan(&self, task: &Task, path: &str) -> anyhow::Result<script::Plan> {
        let program = find_program("node", path).context(
            "node was not found in PATH. The stand-in agent brings none along: install Node.js to run tasks.",
        )?;
        let handler = task.node_handler(&self.variables)?;
        if !handler.target.is_file() {
            bail!("The task's script is missing: {}", handler.target.display());
        }
        let arguments = vec![handler.target.to_string_lossy().into_owned()];
        let folder = handler.folder.unwrap_or_else(|| self.folders.sources.clone());
        Ok(script::Plan { program, arguments, folder, fail_on_stderr: false })
    }

    /// Gets the sources.
    ///
    /// # Errors
    /// The repository is not there.
    pub(super) async fn check_out(&mut self, running: &mut Running<'_>) -> anyhow::Result<Attempt> {
        let inputs = task::inputs(&Manifest::default(), running.step, &self.variables, &self.folders);
        let environment = self.step_environment(running.step);
        let token = self.variables.get("system.accessToken");
        let repositories = &self.message.resources.repositories;
        let mut last = Attempt { exit: Exit::Code(0), timed_out: false, wrote_errors: false, who: "git" };
        match checkout::plan(&inputs, repositories, &self.folders, &environment, token.as_deref())? {
            checkout::Plan::Nothing => {}
            checkout::Plan::Copy { from, to } => {
                running.log.write(&format!("Syncing repository: {} (Folder)", from.display()));
                checkout::empty(&to)?;
                let files = checkout::copy(&from, &to)?;
                running.log.write(&format!("{files} files copied to {}", to.display()));
            }
            checkout::Plan::Git { to, commands } => {
                checkout::empty(&to)?;
                for command in &commands {
                    running.log.write(&format!("##[command]git {}", command.arguments.join(" ")));
                    last = self.run_process(running, command, false).await?;
                    if last.exit != Exit::Code(0) {
                        break;
                    }
                }
            }
        }
        Ok(Attempt { who: "git", ..last })
    }

    /// Runs one process of a step, carries out the commands it prints, and logs the rest.
    async fn run_process(
        &mut self,
        running: &mut Running<'_>,
        invocation: &Invocation,
        errors_matter: bool,
    ) -> anyhow::Result<Attempt> {
        let Running { step, record, log, begun, effects, restrictions } = running;
        let (mut timed_out, mut wrote_errors) = (false, false);
        let cancel = self.cancel.clone();
        let canceled = async {
            tokio::select! {
                () = cancel.after(*begun) => {}
                () = tokio::time::sleep(time_limit(step.timeout_in_minutes)) => timed_out = true,
            }
        };
        let policy = Policy::new(*restrictions, &self.variables);
        let mut reach = Reach {
            step_name: &step.name,
            variables: &mut self.variables,
            path: &mut self.path,
            masker: &self.masker,
            effects,
            policy,
        };
        let reporter = &self.reporter;
        let exit = child::run(invocation, canceled, |stream, line| {
            if let Some(command) = Command::parse(line) {
                reach.apply(&command).iter().for_each(|shown| log.write(shown));
                if let Some((percent, operation)) = reach.effects.progress.take() {
                    reporter.record(&with_progress(record, percent, operation));
                }
            } else if errors_matter && stream == Stream::Error {
                wrote_errors = true;
                log.write(&format!("##[error]{line}"));
            } else {
                log.write(line);
            }
        })
        .await?;
        Ok(Attempt { exit, timed_out, wrote_errors, who: "" })
    }

    /// What a process of this step finds: the agent's environment, the variables that are not secret, and the step's
    /// own.
    fn step_environment(&self, step: &Step) -> Environment {
        let mut environment = self.installation.environment.clone();
        for (name, value) in self.variables.public() {
            let name = environment_name(name);
            // What the system cannot represent is left out rather than failing the step.
            if !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0') {
                environment.set(name, value);
            }
        }
        let agents_path = environment.get("PATH").unwrap_or_default();
        let path: Vec<_> = self.path.iter().rev().map(String::as_str).chain([agents_path]).collect();
        let path = path.join(":");
        environment.set("PATH", path);
        environment.set("TASK_DISPLAYNAME", self.variables.expand(&step.title()));
        environment.set(LOOKUP_VARIABLE, self.mark.clone());
        for (name, value) in &step.environment {
            environment.set(name.clone(), self.variables.expand(value.as_deref().unwrap_or_default()));
        }
        environment
    }
}

fn with_progress(record: &TimelineRecord, percent: u32, operation: String) -> TimelineRecord {
    TimelineRecord {
        percent_complete: Some(percent),
        current_operation: Some(operation).filter(|text| !text.is_empty()),
        ..record.clone()
    }
}

/// The time a step may take; 0 stands for no limit.
fn time_limit(minutes: f64) -> Duration {
    /// Longer than any agent lives, and still a time a timer can wait for.
    const FOR_EVER: Duration = Duration::from_hours(24 * 365 * 10);
    if minutes > 0.0 { Duration::try_from_secs_f64(minutes * 60.0).unwrap_or(FOR_EVER) } else { FOR_EVER }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_time_limit_is_a_long_one() {
        assert!(time_limit(0.0) > Duration::from_hours(24 * 365));
        assert_eq!(time_limit(0.5), Duration::from_secs(30));
    }
}
