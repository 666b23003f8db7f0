//! One job: lock it, start a worker for it, keep the lock, pass orders on, and tell who must know how it ended.

use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::notification::Notifier;
use crate::channel::Order;
use crate::configuration::files::AgentSettings;
use crate::installation::Installation;
use crate::wire::models::TaskResult;
use crate::wire::pools::PoolClient;
use crate::wire::transport::Transport;
use crate::worker::message::JobMessage;

/// Attempts to lock the job before it starts.
const FIRST_RENEWALS: u32 = 5;
/// Between two of them.
const RENEWAL_PAUSE: Duration = Duration::from_secs(1);
/// Between two renewals of a running job.
const RENEWAL_PERIOD: Duration = Duration::from_mins(1);
/// How long after the lock ran out renewing is still tried.
const LOCK_GRACE: Duration = Duration::from_mins(5);
/// The least a cancelled job gets to end.
const CANCEL_PATIENCE_MIN: u64 = 60;
/// The plan version from which the worker, not the listener, ends the job.
const EVENTS_SINCE: i64 = 8;

/// Starts jobs.
#[derive(Clone)]
pub(crate) struct Dispatcher {
    pub(crate) installation: Installation,
    pub(crate) settings: AgentSettings,
    pub(crate) client: Arc<PoolClient>,
    pub(crate) transport: Arc<Transport>,
    pub(crate) notifier: Arc<Notifier>,
    /// The agent was started with `--once`.
    pub(crate) once: bool,
}

/// The job that runs.
pub(crate) struct RunningJob {
    /// Id of the job.
    pub(crate) id: String,
    orders: mpsc::UnboundedSender<Order>,
    end: JoinHandle<()>,
}

impl RunningJob {
    /// Waits for the end of the job, if there is one, and forgets it. Waits for ever if there is none.
    pub(crate) async fn end(job: &mut Option<Self>) {
        match job {
            Some(running) => {
                // It ends by panic at worst, which has been reported by the runtime.
                drop((&mut running.end).await);
                *job = None;
            }
            None => std::future::pending().await,
        }
    }

    /// The server cancelled it. `timeout` is `hh:mm:ss`.
    pub(crate) fn cancel(&self, timeout: &str) {
        let timeout_seconds = seconds_of(timeout).max(CANCEL_PATIENCE_MIN);
        self.send(Order::Cancel { timeout_seconds });
    }

    /// The agent was told to stop.
    pub(crate) fn shut_down(&self) {
        self.send(Order::Shutdown);
    }

    /// Live lines are wanted more or less often.
    pub(crate) fn change_pace(&self, feed_milliseconds: u64) {
        self.send(Order::Pace { feed_milliseconds });
    }

    fn send(&self, order: Order) {
        // Nobody takes it when the job has just ended, and nobody needs to.
        drop(self.orders.send(order));
    }
}

impl Dispatcher {
    /// Starts a job. The second value resolves when the lock was renewed for the first time, or could not be.
    ///
    /// # Errors
    /// The message is not a job.
    pub(crate) fn start(&self, body: Value) -> anyhow::Result<(RunningJob, oneshot::Receiver<()>)> {
        let message: JobMessage =
            serde_json::from_value(body.clone()).context("the job message cannot be read")?;
        let (orders, received) = mpsc::unbounded_channel();
        let (locked, dispatched) = oneshot::channel();
        let id = message.job_id.clone();
        let dispatcher = self.clone();
        let end = tokio::spawn(async move { dispatcher.run(message, body, received, locked).await });
        Ok((RunningJob { id, orders, end }, dispatched))
    }

    async fn run(
        self,
        message: JobMessage,
        body: Value,
        orders: mpsc::UnboundedReceiver<Order>,
        locked: oneshot::Sender<()>,
    ) {
        let until = self.lock(message.request_id).await;
        // The receiver is gone when the listener is stopping.
        let _ = locked.send(());
        let Some(until) = until else {
            self.log(&format!("job {} never started: it could not be locked", message.job_id));
            return;
        };
        let console = &self.installation.console;
        console.stamped(&format!("Running job: {}", message.job_display_name));
        let result = match self.work(&message, body, until, orders).await {
            Ok(result) => result,
            Err(error) => {
                self.log(&format!("the worker failed: {error:#}"));
                self.fail_for_worker(&message).await;
                TaskResult::Failed
            }
        };
        if message.plan.version < EVENTS_SINCE {
            let finished = self.client.finish_job(self.settings.pool_id, message.request_id, result).await;
            finished.unwrap_or_else(|error| self.log(&format!("the job request was not finished: {error}")));
        }
        let name = &message.job_display_name;
        console.stamped(&format!("Job {name} completed with result: {result:?}"));
        self.notifier.job_finished(&message.job_id).await;
    }

    /// Renews the lock for the first time. The time until which the job is ours, or nothing if it is not.
    async fn lock(&self, request: i64) -> Option<Timestamp> {
        for attempt in 1..=FIRST_RENEWALS {
            match self.client.renew_job(self.settings.pool_id, request).await {
                Ok(renewed) => return renewed.locked_until.and_then(|time| time.parse().ok()),
                Err(error) if is_gone(error.type_key()) => return None,
                Err(error) => self.log(&format!("renewal {attempt} failed: {error}")),
            }
            tokio::time::sleep(RENEWAL_PAUSE).await;
        }
        None
    }

    async fn work(
        &self,
        message: &JobMessage,
        body: Value,
        until: Timestamp,
        mut orders: mpsc::UnboundedReceiver<Order>,
    ) -> anyhow::Result<TaskResult> {
        let (mut worker, mut input) = self.start_worker()?;
        let run = Order::Run { message: body, run_once: self.once };
        input.write_all(&run.to_line()).await.context("the worker did not take the job")?;
        self.notifier.job_started(&message.job_id).await;
        let mut renewals = Box::pin(self.keep_locked(message.request_id, until));
        let mut lost = false;
        let mut stopping = false;
        loop {
            let order = tokio::select! {
                status = worker.wait() => return result_of(status.context("the worker was lost")?, lost),
                order = orders.recv(), if !stopping => order.unwrap_or(Order::Shutdown),
                () = &mut renewals, if !lost => {
                    lost = true;
                    Order::Cancel { timeout_seconds: CANCEL_PATIENCE_MIN }
                }
            };
            stopping |= matches!(order, Order::Shutdown);
            if let Err(error) = input.write_all(&order.to_line()).await {
                self.log(&format!("the worker did not take an order: {error}"));
            }
        }
    }

    fn start_worker(&self) -> anyhow::Result<(Child, ChildStdin)> {
        let program = std::env::current_exe().context("the agent does not know its own program")?;
        let mut command = Command::new(program);
        command.arg0("Agent.Worker").arg("spawnclient");
        command.env_clear().envs(self.installation.environment.iter()).current_dir(&self.installation.root);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // Its own group: Ctrl-C at the terminal is for the listener, which then tells the worker.
        let mut worker = command.process_group(0).spawn().context("the worker could not be started")?;
        let input = worker.stdin.take().context("the worker has no standard input")?;
        Ok((worker, input))
    }

    /// Renews until the lock is lost for good.
    async fn keep_locked(&self, request: i64, mut until: Timestamp) {
        loop {
            tokio::time::sleep(RENEWAL_PERIOD).await;
            match self.client.renew_job(self.settings.pool_id, request).await {
                Ok(renewed) => {
                    until = renewed.locked_until.and_then(|time| time.parse().ok()).unwrap_or(until);
                }
                Err(error) => {
                    self.log(&format!("renewal failed: {error}"));
                    if is_gone(error.type_key()) || Timestamp::now() > until + LOCK_GRACE {
                        return;
                    }
                }
            }
        }
    }

    /// Ends a job whose worker crashed: nobody else will say so.
    async fn fail_for_worker(&self, message: &JobMessage) {
        if message.plan.version < EVENTS_SINCE {
            return;
        }
        let said = match message.plan_client(&self.settings, Arc::clone(&self.transport)) {
            Ok(plans) => {
                let outputs = std::collections::BTreeMap::new();
                plans
                    .complete_job(
                        &message.job_id,
                        message.request_id,
                        TaskResult::Failed,
                        &outputs,
                        self.once,
                    )
                    .await
                    .map_err(anyhow::Error::from)
            }
            Err(error) => Err(error),
        };
        said.unwrap_or_else(|error| self.log(&format!("the job could not be ended: {error:#}")));
    }

    fn log(&self, text: &str) {
        self.installation.diagnostics.info("JobDispatcher", text);
    }
}

/// What the worker's exit says. A job whose lock was lost is abandoned, however it ended.
fn result_of(status: ExitStatus, lost: bool) -> anyhow::Result<TaskResult> {
    let result = status
        .code()
        .and_then(TaskResult::from_exit_code)
        .with_context(|| format!("the worker ended with {status}"))?;
    Ok(if lost { TaskResult::Abandoned } else { result })
}

/// Whether the server says that the job is nobody's business any more.
fn is_gone(type_key: &str) -> bool {
    matches!(type_key, "TaskAgentJobNotFoundException" | "TaskAgentJobTokenExpiredException")
}

/// Seconds of `hh:mm:ss`, with or without fractions and days; 0 if it is none.
fn seconds_of(span: &str) -> u64 {
    let (days, time) = match span.split_once('.') {
        Some((days, time)) if time.contains(':') => (days.parse().unwrap_or(0), time),
        _ => (0, span),
    };
    let time = time.split('.').next().unwrap_or_default();
    let parts: Vec<u64> = time.split(':').filter_map(|part| part.parse().ok()).collect();
    match parts.as_slice() {
        [hours, minutes, seconds] => ((days * 24 + hours) * 60 + minutes) * 60 + seconds,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    #[test]
    fn time_spans() {
        for (span, seconds) in
            [("00:05:00", 300), ("01:00:01", 3601), ("1.00:00:00", 86_400), ("00:00:10.5", 10), ("", 0)]
        {
            assert_eq!(seconds_of(span), seconds, "{span}");
        }
    }

    #[test]
    fn worker_exit_codes_are_results() {
        let exited = |code: i32| ExitStatus::from_raw(code << 8);
        assert_eq!(result_of(exited(100), false).unwrap(), TaskResult::Succeeded);
        assert_eq!(result_of(exited(100), true).unwrap(), TaskResult::Abandoned);
        assert!(result_of(exited(1), false).is_err());
        assert!(result_of(ExitStatus::from_raw(9), false).is_err(), "killed");
    }
}
