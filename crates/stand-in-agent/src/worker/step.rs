//! One step: whether it runs, what it runs, and what came of it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::cancel::Stage;
use super::checkout;
use super::child::{self, Exit, Invocation, LOOKUP_VARIABLE, Stream};
use super::command::Command;
use super::condition::{self, Circumstances};
use super::effects::{Reach, StepEffects, Upload};
use super::job::Job;
use super::log::Log;
use super::message::Step;
use super::node;
use super::script::{self, Shell};
use super::task::{self, Manifest, Task};
use super::variables::environment_name;
use crate::capabilities::find_program;
use crate::clock;
use crate::environment::Environment;
use crate::wire::models::{TaskOfRecord, TaskResult, TimelineRecord};

/// The line between header and output.
const OUTPUT_BEGINS: &str = "========================== Starting Command Output ===========================";

/// A frame of the header.
const FRAME: &str = "==============================================================================";

/// How one attempt ended, before `continueOnError`.
struct Attempt {
    exit: Exit,
    timed_out: bool,
    /// Who exited, in messages.
    who: &'static str,
    wrote_errors: bool,
}

impl Job {
    /// The record of a step before it starts.
    pub(super) fn step_record(&self, step: &Step, order: usize) -> TimelineRecord {
        TimelineRecord {
            id: step.id.clone(),
            parent_id: Some(self.message.job_id.clone()),
            kind: "Task",
            name: self.variables.expand(&step.title()),
            ref_name: Some(step.name.clone()).filter(|name| !name.is_empty()),
            state: "pending",
            order: Some(order),
            task: step.reference.as_ref().map(|reference| TaskOfRecord {
                id: reference.id.clone(),
                name: reference.name.clone(),
                version: reference.version.clone(),
            }),
            ..TimelineRecord::default()
        }
    }

    /// Runs a step, or skips it, and reports on it.
    pub(super) async fn run_step(&mut self, step: &Step, task: Option<&Task>, order: usize) {
        let mut record = self.step_record(step, order);
        record.start_time = Some(clock::wire_stamp());
        let wanted = self.is_wanted(step);
        if matches!(wanted, Ok(false)) {
            record.state = "completed";
            record.result = Some(TaskResult::Skipped);
            record.result_code =
                Some(format!("Evaluating: {}", step.condition.as_deref().unwrap_or("succeeded()")));
            record.finish_time = Some(clock::wire_stamp());
            return self.reporter.record(&record);
        }
        record.state = "inProgress";
        self.reporter.record(&record);
        let log = Log::new(&step.id, &self.pages(), &self.masker, &self.reporter);
        log.write(&format!("##[section]Starting: {}", record.name));
        write_header(&log, step, task);
        let mut effects = StepEffects::default();
        let result = match wanted {
            Ok(_) => self.attempts(step, task, &record, &log, &mut effects).await,
            Err(error) => fail(&log, &mut effects, &format!("{error:#}")),
        };
        let forgiven = result == TaskResult::Failed && step.continue_on_error;
        let result = if forgiven { TaskResult::SucceededWithIssues } else { result };
        self.upload(&record.id, &mut effects, &log).await;
        self.settle(step, &mut record, effects, result);
        self.close_own_record(record, &log, result).await;
    }

    fn is_wanted(&self, step: &Step) -> anyhow::Result<bool> {
        let circumstances = Circumstances { status: self.status(), variables: &self.variables };
        Ok(step.enabled && condition::is_met(step.condition.as_deref().unwrap_or_default(), &circumstances)?)
    }

    /// Takes over what the step left behind.
    fn settle(&mut self, step: &Step, record: &mut TimelineRecord, effects: StepEffects, result: TaskResult) {
        for (name, value) in &effects.outputs {
            self.outputs.insert(format!("{}.{name}", step.name), value.clone());
        }
        record.issues = effects.issues;
        record.error_count = effects.error_count;
        record.warning_count = effects.warning_count;
        record.variables = effects.outputs;
        if result != TaskResult::Skipped && result as u8 > self.worst as u8 {
            self.worst = result;
        }
    }

    async fn attempts(
        &mut self,
        step: &Step,
        task: Option<&Task>,
        record: &TimelineRecord,
        log: &Log,
        effects: &mut StepEffects,
    ) -> TaskResult {
        let begun = self.cancel.stage();
        for attempt in 1..=step.retry_count_on_task_failure {
            let result = self.attempt(step, task, record, log, effects).await;
            if result != TaskResult::Failed || self.cancel.stage() > begun {
                return result;
            }
            log.write(&format!(
                "##[warning]RetryHelper encountered task failure, will retry (attempt #: {attempt})"
            ));
            effects.result = None;
            tokio::time::sleep(Duration::from_secs(1 << attempt.min(4))).await;
        }
        self.attempt(step, task, record, log, effects).await
    }

    async fn attempt(
        &mut self,
        step: &Step,
        task: Option<&Task>,
        record: &TimelineRecord,
        log: &Log,
        effects: &mut StepEffects,
    ) -> TaskResult {
        let begun = self.cancel.stage();
        let outcome = match task {
            None => self.check_out(step, begun, record, log, effects).await,
            Some(task) => self.run_task(step, task, begun, record, log, effects).await,
        };
        match outcome {
            Ok(attempt) => judge(&attempt, log, effects),
            Err(error) => fail(log, effects, &format!("{error:#}")),
        }
    }

    async fn run_task(
        &mut self,
        step: &Step,
        task: &Task,
        begun: Stage,
        record: &TimelineRecord,
        log: &Log,
        effects: &mut StepEffects,
    ) -> anyhow::Result<Attempt> {
        let inputs = task::inputs(&task.manifest, step, &self.variables, &self.folders);
        let mut environment = self.step_environment(step);
        let path = environment.get("PATH").unwrap_or_default().to_owned();
        let shell = step.reference.as_ref().and_then(|reference| Shell::of_task(&reference.id));
        let (plan, who) = if let Some(shell) = shell {
            log.write("Generating script.");
            (shell.plan(&inputs, &self.folders, &path)?, shell.name())
        } else {
            node::add_task_contract(
                &mut environment,
                &inputs,
                &self.message.resources.endpoints,
                &self.variables,
            );
            let program = find_program("node", &path).ok_or_else(|| {
                anyhow::anyhow!("node was not found in PATH. The stand-in agent brings none: install Node.js to run tasks.")
            })?;
            let target = task.node_target(&self.variables)?.to_string_lossy().into_owned();
            let folder = self.folders.sources.clone();
            (script::Plan { program, arguments: vec![target], folder, fail_on_stderr: false }, "node")
        };
        log.write(OUTPUT_BEGINS);
        if shell.is_some() {
            log.write(&format!("{} {}", plan.program, plan.arguments.join(" ")));
        }
        let fail_on_stderr = plan.fail_on_stderr;
        let script::Plan { program, arguments, folder, .. } = plan;
        let invocation = Invocation { program, arguments, folder, environment };
        let mut attempt =
            self.run_process(step, &invocation, begun, record, log, effects, fail_on_stderr).await?;
        attempt.who = who;
        Ok(attempt)
    }

    async fn check_out(
        &mut self,
        step: &Step,
        begun: Stage,
        record: &TimelineRecord,
        log: &Log,
        effects: &mut StepEffects,
    ) -> anyhow::Result<Attempt> {
        let inputs = task::inputs(&Manifest::default(), step, &self.variables, &self.folders);
        let environment = self.step_environment(step);
        let token = self.variables.get("system.accessToken");
        let repositories = &self.message.resources.repositories;
        let done = Attempt { exit: Exit::Code(0), timed_out: false, who: "git", wrote_errors: false };
        match checkout::plan(&inputs, repositories, &self.folders, &environment, token.as_deref())? {
            checkout::Plan::Nothing => {}
            checkout::Plan::Copy { from, to } => {
                log.write(&format!("Syncing repository: {} (Folder)", from.display()));
                checkout::empty(&to)?;
                let files = checkout::copy(&from, &to)?;
                log.write(&format!("{files} files copied to {}", to.display()));
            }
            checkout::Plan::Git { to, commands } => {
                checkout::empty(&to)?;
                for command in &commands {
                    log.write(&format!("##[command]git {}", command.arguments.join(" ")));
                    let attempt = self.run_process(step, command, begun, record, log, effects, false).await?;
                    if attempt.exit != Exit::Code(0) {
                        return Ok(Attempt { who: "git", ..attempt });
                    }
                }
            }
        }
        Ok(done)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "each is a different thing of the step, named at the only two calls"
    )]
    async fn run_process(
        &mut self,
        step: &Step,
        invocation: &Invocation,
        begun: Stage,
        record: &TimelineRecord,
        log: &Log,
        effects: &mut StepEffects,
        errors_matter: bool,
    ) -> anyhow::Result<Attempt> {
        let mut timed_out = false;
        let mut wrote_errors = false;
        let limit = time_limit(step.timeout_in_minutes);
        let cancel = self.cancel.clone();
        let canceled = async {
            tokio::select! {
                () = cancel.after(begun) => {}
                () = tokio::time::sleep(limit) => timed_out = true,
            }
        };
        let mut reach = Reach {
            step_name: &step.name,
            variables: &mut self.variables,
            path: &mut self.path,
            masker: &self.masker,
            effects,
        };
        let reporter = &self.reporter;
        let exit = child::run(invocation, canceled, |stream, line| {
            if let Some(command) = Command::parse(line) {
                if let Some(shown) = reach.apply(&command) {
                    log.write(&shown);
                }
                if let Some((percent, operation)) = reach.effects.progress.take() {
                    let current_operation = Some(operation).filter(|text| !text.is_empty());
                    let percent_complete = Some(percent);
                    reporter.record(&TimelineRecord {
                        current_operation,
                        percent_complete,
                        ..record.clone()
                    });
                }
            } else if errors_matter && stream == Stream::Error {
                wrote_errors = true;
                log.write(&format!("##[error]{line}"));
            } else {
                log.write(line);
            }
        })
        .await?;
        Ok(Attempt { exit, timed_out, who: "git", wrote_errors })
    }

    /// What a process of this step finds: the agent's environment, the variables that are not secret, and the step's own.
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

    /// Does what commands of the step asked for and takes a call to the server. A failure is a warning.
    async fn upload(&self, record: &str, effects: &mut StepEffects, log: &Log) {
        let build = self.variables.get("build.buildId").unwrap_or_default();
        for upload in std::mem::take(&mut effects.uploads) {
            let outcome = match &upload {
                Upload::BuildTag(tag) => self.plans.add_build_tag(&build, tag).await,
                Upload::BuildNumber(number) => self.plans.rename_build(&build, number).await,
                Upload::Attachment { kind, name, path } => match std::fs::read(path) {
                    Ok(content) => self.plans.attach(record, kind, name, content).await,
                    // It was there when the command came; whoever removed it does not want it uploaded.
                    Err(_) => Ok(()),
                },
            };
            if let Err(error) = outcome {
                let text = format!("The server did not take it: {error}");
                log.write(&format!("##[warning]{text}"));
                effects.add_issue("warning", &text, BTreeMap::new());
            }
        }
    }
}

fn write_header(log: &Log, step: &Step, task: Option<&Task>) {
    let (Some(task), Some(reference)) = (task, &step.reference) else { return };
    let manifest = &task.manifest;
    let name = if manifest.friendly_name.is_empty() { &reference.name } else { &manifest.friendly_name };
    log.write(FRAME);
    for (label, text) in [
        ("Task        ", name),
        ("Description ", &manifest.description),
        ("Version     ", &reference.version),
        ("Author      ", &manifest.author),
        ("Help        ", &manifest.help_mark_down),
    ] {
        log.write(&format!("{label} : {text}"));
    }
    log.write(FRAME);
}

fn fail(log: &Log, effects: &mut StepEffects, text: &str) -> TaskResult {
    log.write(&format!("##[error]{text}"));
    effects.add_issue("error", text, BTreeMap::new());
    TaskResult::Failed
}

fn judge(attempt: &Attempt, log: &Log, effects: &mut StepEffects) -> TaskResult {
    match attempt.exit {
        Exit::Canceled if attempt.timed_out => fail(log, effects, "The task has timed out."),
        Exit::Canceled => {
            log.write("##[error]The operation was canceled.");
            TaskResult::Canceled
        }
        Exit::Code(0) if attempt.wrote_errors => fail(
            log,
            effects,
            &format!("{} wrote one or more lines to the standard error stream.", attempt.who),
        ),
        Exit::Code(0) => effects.result.unwrap_or(TaskResult::Succeeded),
        Exit::Code(code) => fail(log, effects, &format!("{} exited with code '{code}'.", attempt.who)),
    }
}

/// The time a step may take; 0 stands for no limit.
fn time_limit(minutes: f64) -> Duration {
    const FOR_EVER: Duration = Duration::from_secs(u32::MAX as u64);
    if minutes > 0.0 { Duration::try_from_secs_f64(minutes * 60.0).unwrap_or(FOR_EVER) } else { FOR_EVER }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_time_limit_is_a_long_one() {
        assert!(time_limit(0.0) > Duration::from_secs(1_000_000_000));
        assert_eq!(time_limit(0.5), Duration::from_secs(30));
    }
}
