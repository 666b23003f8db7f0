//! Cancelling a job, in two stages: first the step that runs, then, when time is running out, also those that run in
//! spite of it (`always()`, `canceled()`).

use tokio::sync::watch;

/// How far the cancelling has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Not cancelled.
    Running,
    /// The job was cancelled; its clean-up may run.
    Canceled,
    /// The time for clean-up is over.
    Flushing,
}

/// Where the stage is read.
#[derive(Clone)]
pub(crate) struct Cancel(watch::Receiver<Stage>);

/// Where the stage is set.
pub(crate) struct Canceler(watch::Sender<Stage>);

/// A job that is not cancelled, and the means to do so.
pub(crate) fn channel() -> (Canceler, Cancel) {
    let (sender, receiver) = watch::channel(Stage::Running);
    (Canceler(sender), Cancel(receiver))
}

impl Canceler {
    /// Moves on to a stage; never back.
    pub(crate) fn advance(&self, stage: Stage) {
        self.0.send_if_modified(|current| {
            let later = stage > *current;
            if later {
                *current = stage;
            }
            later
        });
    }
}

impl Cancel {
    /// The stage now.
    pub(crate) fn stage(&self) -> Stage {
        *self.0.borrow()
    }

    /// Waits until a later stage than `begun` is reached. For ever, if nobody can set one any more.
    pub(crate) async fn after(&self, begun: Stage) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|stage| *stage > begun).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_step_begun_after_the_cancelling_waits_for_the_second_stage() {
        let (canceler, cancel) = channel();
        canceler.advance(Stage::Canceled);
        cancel.after(Stage::Running).await;
        let begun = cancel.stage();
        tokio::select! {
            biased;
            () = cancel.after(begun) => panic!("it was cancelled by the stage it began in"),
            () = std::future::ready(()) => {}
        }
        canceler.advance(Stage::Flushing);
        cancel.after(begun).await;
        canceler.advance(Stage::Canceled);
        assert_eq!(cancel.stage(), Stage::Flushing, "never back");
    }
}
