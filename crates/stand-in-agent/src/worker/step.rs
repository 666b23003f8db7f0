//! One step: whether it runs, how often it is tried, and what came of it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::cancel::Stage;
use super::child::Exit;
use super::condition::{self, Circumstances};
use super::effects::{StepEffects, Upload};
use super::job::Job;
use super::log::Log;
use super::message::Step;
use super::restrictions::Restrictions;
use super::task::Task;
use crate::clock;
use crate::wire::models::{TaskOfRecord, TaskResult, TimelineRecord};

/// A frame of the header.
const FRAME: &str = "==============================================================================";

/// A step that runs.
pub(super) struct Running<'a> {
    pub(super) step: &'a Step,
    pub(super) record: &'a TimelineRecord,
    pub(super) log: &'a Log,
    /// How far the job's cancelling was when the attempt began.
    pub(super) begun: Stage,
    pub(super) effects: StepEffects,
    /// What the task keeps its output from doing.
    pub(super) restrictions: Option<&'a Restrictions>,
}

impl Running<'_> {
    fn fail(&mut self, text: &str) -> TaskResult {
        self.log.write(&format!("##[error]{text}"));
        self.effects.add_issue("error", text, BTreeMap::new());
        TaskResult::Failed
    }

    fn judge(&mut self, attempt: &Attempt) -> TaskResult {
        match attempt.exit {
            Exit::Canceled if attempt.timed_out => self.fail("The task has timed out."),
            Exit::Canceled => {
                self.log.write("##[error]The operation was canceled.");
                TaskResult::Canceled
            }
            Exit::Code(0) if attempt.wrote_errors => {
                self.fail(&format!("{} wrote one or more lines to the standard error stream.", attempt.who))
            }
            Exit::Code(0) => self.effects.result.unwrap_or(TaskResult::Succeeded),
            Exit::Code(code) => self.fail(&format!("{} exited with code '{code}'.", attempt.who)),
        }
    }
}

/// How one attempt ended.
pub(super) struct Attempt {
    pub(super) exit: Exit,
    pub(super) timed_out: bool,
    /// Something was written to standard error, and that matters.
    pub(super) wrote_errors: bool,
    /// Who exited, in messages.
    pub(super) who: &'static str,
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

    /// Runs a step, or skips it, and reports on it. Without a task it is a checkout.
    pub(super) async fn run_step(&mut self, step: &Step, task: Option<&Task>, order: usize) {
        let mut record = self.step_record(step, order);
        record.start_time = Some(clock::wire_stamp());
        let wanted = self.is_wanted(step);
        if matches!(wanted, Ok(false)) {
            return self.skip(step, record);
        }
        record.state = "inProgress";
        self.reporter.record(&record);
        let log = Log::new(&step.id, &self.pages(), &self.masker, &self.reporter);
        log.write(&format!("##[section]Starting: {}", record.name));
        write_header(&log, step, task);
        let begun = self.cancel.stage();
        let restrictions = task.and_then(|task| task.manifest.restrictions.as_ref());
        let effects = StepEffects::default();
        let mut running = Running { step, record: &record, log: &log, begun, effects, restrictions };
        let result = match wanted {
            Ok(_) => self.attempts(&mut running, task).await,
            Err(error) => running.fail(&format!("{error:#}")),
        };
        let forgiven = result == TaskResult::Failed && step.continue_on_error;
        let result = if forgiven { TaskResult::SucceededWithIssues } else { result };
        self.upload(&mut running).await;
        let effects = running.effects;
        self.settle(step, &mut record, effects, result);
        self.close_record(record, &log, result).await;
    }

    fn is_wanted(&self, step: &Step) -> anyhow::Result<bool> {
        let circumstances = Circumstances { status: self.status(), variables: &self.variables };
        Ok(step.enabled && condition::is_met(step.condition.as_deref().unwrap_or_default(), &circumstances)?)
    }

    fn skip(&self, step: &Step, mut record: TimelineRecord) {
        let condition = step.condition.as_deref().filter(|condition| !condition.is_empty());
        record.state = "completed";
        record.result = Some(TaskResult::Skipped);
        record.result_code = Some(format!("Evaluating: {}", condition.unwrap_or("succeeded()")));
        record.finish_time = Some(clock::wire_stamp());
        self.reporter.record(&record);
    }

    /// Tries until it works, the tries are used up, or the job is cancelled.
    async fn attempts(&mut self, running: &mut Running<'_>, task: Option<&Task>) -> TaskResult {
        for attempt in 1..=running.step.retry_count_on_task_failure {
            let result = self.attempt(running, task).await;
            if result != TaskResult::Failed || self.cancel.stage() > running.begun {
                return result;
            }
            let text = format!("##[warning]The task failed and will be tried again (attempt {attempt}).");
            running.log.write(&text);
            running.effects.result = None;
            tokio::time::sleep(Duration::from_secs(1 << attempt.min(4))).await;
        }
        self.attempt(running, task).await
    }

    async fn attempt(&mut self, running: &mut Running<'_>, task: Option<&Task>) -> TaskResult {
        let outcome = match task {
            Some(task) => self.run_task(running, task).await,
            None => self.check_out(running).await,
        };
        match outcome {
            Ok(attempt) => running.judge(&attempt),
            Err(error) => running.fail(&format!("{error:#}")),
        }
    }

    /// Does what commands of the step asked for and takes a call to the server. A failure is a warning.
    async fn upload(&self, running: &mut Running<'_>) {
        let build = self.variables.get("build.buildId").unwrap_or_default();
        for upload in std::mem::take(&mut running.effects.uploads) {
            let outcome = match &upload {
                Upload::BuildTag(tag) => self.plans.add_build_tag(&build, tag).await,
                Upload::BuildNumber(number) => self.plans.rename_build(&build, number).await,
                Upload::Attachment { kind, name, path } => match std::fs::read(path) {
                    Ok(content) => self.plans.attach(&running.record.id, kind, name, content).await,
                    // It was there when the command came; whoever removed it does not want it uploaded.
                    Err(_) => Ok(()),
                },
            };
            if let Err(error) = outcome {
                let text = format!("The server did not take it: {error}");
                running.log.write(&format!("##[warning]{text}"));
                running.effects.add_issue("warning", &text, BTreeMap::new());
            }
        }
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
