//! Ctrl-C, and how a pipeline cancels: signals as something that can be waited for.

use tokio::sync::watch;

/// How often the user, or the pipeline, asked to stop.
#[derive(Clone)]
pub(crate) struct Interrupts(watch::Receiver<u32>);

/// Counts the requests to stop.
pub(crate) struct InterruptCounter(watch::Sender<u32>);

impl InterruptCounter {
    /// Notes one more.
    pub(crate) fn add(&self) {
        self.0.send_modify(|count| *count += 1);
    }
}

impl Interrupts {
    /// None so far, and the counter that says otherwise.
    pub(crate) fn new() -> (InterruptCounter, Self) {
        let (sender, receiver) = watch::channel(0);
        (InterruptCounter(sender), Self(receiver))
    }

    /// Listens to this process's signals from now on.
    pub(crate) fn of_process() -> std::io::Result<Self> {
        let (counter, interrupts) = Self::new();
        let mut signals = Signals::new()?;
        tokio::spawn(async move {
            loop {
                signals.next().await;
                counter.add();
            }
        });
        Ok(interrupts)
    }

    /// Whether there was one.
    pub(crate) fn happened(&self) -> bool {
        *self.0.borrow() >= 1
    }

    /// Waits for the first.
    pub(crate) async fn first(&self) {
        self.reached(1).await;
    }

    /// Waits for the second: stop at once.
    pub(crate) async fn second(&self) {
        self.reached(2).await;
    }

    async fn reached(&self, wanted: u32) {
        if self.0.clone().wait_for(|count| *count >= wanted).await.is_err() {
            // Nobody counts any more: it will not come.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// A pipeline's agent on Windows cancels with Ctrl-C, and a moment later with Ctrl-Break.
#[cfg(windows)]
struct Signals {
    interrupt: tokio::signal::windows::CtrlC,
    terminate: tokio::signal::windows::CtrlBreak,
}

#[cfg(windows)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::windows::{ctrl_break, ctrl_c};
        Ok(Self { interrupt: ctrl_c()?, terminate: ctrl_break()? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Interrupts;

    #[tokio::test]
    async fn the_first_is_not_the_second() {
        let (counter, interrupts) = Interrupts::new();
        assert!(!interrupts.happened());
        counter.add();
        interrupts.first().await;
        assert!(interrupts.happened());
        tokio::select! {
            biased;
            () = interrupts.second() => panic!("there was one only"),
            () = std::future::ready(()) => {}
        }
        counter.add();
        interrupts.second().await;
    }
}
