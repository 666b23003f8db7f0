//! The notification socket: tells a supervisor when a job starts and ends. 50 bytes each, no newline.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use crate::diagnostics::Diagnostics;

/// How long to wait for whoever listens.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// The connection, if one was asked for and came about.
pub(crate) struct Notifier {
    socket: Mutex<Option<TcpStream>>,
    diagnostics: Diagnostics,
}

impl Notifier {
    /// Connects to `IP:PORT`. Failure is logged, and everything goes on without.
    pub(crate) async fn connect(address: Option<&str>, diagnostics: Diagnostics) -> Self {
        let mut socket = None;
        if let Some(address) = address {
            match open(address).await {
                Ok(stream) => socket = Some(stream),
                Err(error) => {
                    diagnostics.error("JobNotification", &format!("no connection to {address}: {error:#}"));
                }
            }
        }
        Self { socket: Mutex::new(socket), diagnostics }
    }

    /// The worker has the job.
    pub(crate) async fn job_started(&self, job: &str) {
        self.send(&format!("Starting job: {job}")).await;
    }

    /// The very last act of a job.
    pub(crate) async fn job_finished(&self, job: &str) {
        self.send(&format!("Finished job: {job}")).await;
    }

    async fn send(&self, text: &str) {
        let mut socket = self.socket.lock().await;
        if let Some(stream) = socket.as_mut()
            && let Err(error) = stream.write_all(text.as_bytes()).await
        {
            self.diagnostics.error("JobNotification", &format!("'{text}' was not sent: {error}"));
        }
    }
}

async fn open(address: &str) -> anyhow::Result<TcpStream> {
    let address: SocketAddr = address.parse()?;
    let stream = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn messages_are_fifty_bytes_without_newline() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let notifier = Notifier::connect(Some(&address), Diagnostics::default()).await;
        let (mut peer, _) = listener.accept().await.unwrap();
        let job = uuid::Uuid::nil().to_string();
        notifier.job_started(&job).await;
        notifier.job_finished(&job).await;
        drop(notifier);
        let mut text = String::new();
        peer.read_to_string(&mut text).await.unwrap();
        assert_eq!(text.len(), 100);
        assert_eq!(text, format!("Starting job: {job}Finished job: {job}"));
    }

    #[tokio::test]
    async fn nobody_listening_is_not_a_failure() {
        let notifier = Notifier::connect(Some("not an address"), Diagnostics::default()).await;
        notifier.job_started("x").await;
        assert!(notifier.socket.lock().await.is_none());
    }
}
