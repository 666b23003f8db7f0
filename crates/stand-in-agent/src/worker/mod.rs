//! The worker: a process of its own that runs one job and ends with 100 + its result.

mod cancel;
mod checkout;
mod child;
mod command;
mod condition;
mod effects;
mod execution;
mod folders;
mod job;
mod log;
mod masker;
pub(crate) mod message;
mod node;
mod reporter;
mod restrictions;
mod script;
mod step;
mod task;
mod variables;

use std::os::fd::AsFd as _;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::net::unix::pipe;
use tokio::sync::watch;

use crate::channel::Order;
use crate::exit;
use crate::installation::Installation;
use crate::misbehaviour::Misbehaviour;
use cancel::{Canceler, Stage};
use job::Job;

/// Clean-up steps are stopped this long before a cancelled job's time is over.
const FLUSH_MARGIN: Duration = Duration::from_secs(15);

/// What a job gets to end when the agent is told to stop.
const SHUTDOWN_PATIENCE: Duration = Duration::from_mins(1);

/// The orders of the listener.
type Orders = Lines<BufReader<pipe::Receiver>>;

/// Runs the job that arrives on standard input. Returns the exit code.
pub(crate) async fn main(installation: Installation) -> u8 {
    let diagnostics = installation.diagnostics.clone();
    match work(installation).await {
        Ok(code) => code,
        Err(error) => {
            diagnostics.error("Worker", &format!("{error:#}"));
            exit::TERMINATED
        }
    }
}

async fn work(installation: Installation) -> anyhow::Result<u8> {
    let mut orders = open_orders()?;
    let first = orders.next_line().await.context("the listener cannot be heard")?.context("no job came")?;
    let Order::Run { message, run_once } =
        serde_json::from_str(&first).context("the first order is not a job")?
    else {
        bail!("the first order is not a job");
    };
    let misbehaviour = installation.misbehaviour.clone();
    let (canceler, cancel) = cancel::channel();
    let (pace, feed_pace) = watch::channel(None);
    let obeying = tokio::spawn(obey(orders, canceler, pace));
    let job = Job::prepare(installation, message, run_once, cancel.clone(), feed_pace)?;
    let result = job.run().await?;
    dawdle(&misbehaviour, cancel.stage()).await;
    obeying.abort();
    Ok(result.exit_code())
}

/// Standard input as a pipe: reading it must not keep a thread, which would keep the process.
fn open_orders() -> anyhow::Result<Orders> {
    let input = std::io::stdin().as_fd().try_clone_to_owned().context("there is no standard input")?;
    let pipe = pipe::Receiver::from_owned_fd(input).context("the worker is started by the listener only")?;
    Ok(BufReader::new(pipe).lines())
}

/// Takes orders until the listener is gone, which counts as one to stop.
async fn obey(mut orders: Orders, canceler: Canceler, pace: watch::Sender<Option<Duration>>) {
    let patience = loop {
        let line = orders.next_line().await.ok().flatten();
        match line.map(|line| serde_json::from_str(&line)) {
            Some(Ok(Order::Cancel { timeout_seconds })) => break Duration::from_secs(timeout_seconds),
            Some(Ok(Order::Pace { feed_milliseconds })) => {
                pace.send_replace(Some(Duration::from_millis(feed_milliseconds)));
            }
            Some(Ok(Order::Run { .. }) | Err(_)) => {}
            Some(Ok(Order::Shutdown)) | None => break SHUTDOWN_PATIENCE,
        }
    };
    canceler.advance(Stage::Canceled);
    tokio::time::sleep(patience.saturating_sub(FLUSH_MARGIN)).await;
    canceler.advance(Stage::Flushing);
    // The canceler must outlive the job, or nobody could wait for it.
    std::future::pending::<()>().await;
}

async fn dawdle(misbehaviour: &Misbehaviour, stage: Stage) {
    if let Some(seconds) = misbehaviour.number("slow-worker").filter(|_| stage > Stage::Running) {
        tokio::time::sleep(Duration::from_secs(seconds.into())).await;
    }
}
