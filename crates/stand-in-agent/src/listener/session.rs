//! The session: opened with patience, polled for messages, opened again when it expires, closed at the end.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::RngExt as _;
use tokio::time::Instant;
use uuid::Uuid;

use crate::capabilities;
use crate::configuration::files::AgentSettings;
use crate::configuration::key::AgentKey;
use crate::installation::Installation;
use crate::wire::models::{Agent, AgentMessage, NewSession};
use crate::wire::pools::PoolClient;
use crate::wire::service::CallError;
use crate::wire::session::Cipher;

/// Between two attempts to open a session.
const RETRY_PAUSE: Duration = Duration::from_secs(30);
/// How long another session of the same agent is waited out.
const CONFLICT_PATIENCE: Duration = Duration::from_mins(4);
/// How long a clock that is wrong is waited out.
const SKEW_PATIENCE: Duration = Duration::from_mins(30);

/// Why there is no message, and never will be.
#[derive(Debug)]
pub(crate) enum SessionEnd {
    /// The agent's registration or key is gone: exit code 0.
    Unregistered,
    /// The server refuses this agent a session: exit code 1.
    Refused(String),
    /// Anything else: exit code 2.
    Broken(String),
}

/// A message, readable.
pub(crate) struct Message {
    /// Its number.
    pub(crate) id: i64,
    /// Its type.
    pub(crate) kind: String,
    /// Its JSON text.
    pub(crate) text: String,
}

/// What to do about a failure to open a session.
#[derive(Debug, PartialEq, Eq)]
enum Opening {
    RetryFor(Duration),
    RetryForEver,
    GiveUp,
}

/// The agent's session with its pool.
pub(crate) struct Sessions {
    installation: Installation,
    settings: AgentSettings,
    client: Arc<PoolClient>,
    key: Option<AgentKey>,
    current: Mutex<(Uuid, Arc<Cipher>)>,
    last_message: AtomicI64,
}

impl Sessions {
    /// Opens the first session.
    ///
    /// # Errors
    /// The server refuses for good.
    pub(crate) async fn open(
        installation: Installation,
        settings: AgentSettings,
        client: Arc<PoolClient>,
        key: Option<AgentKey>,
    ) -> Result<Self, SessionEnd> {
        let current = Mutex::new((Uuid::nil(), Arc::default()));
        let sessions = Self { installation, settings, client, key, current, last_message: AtomicI64::new(0) };
        sessions.reopen().await?;
        Ok(sessions)
    }

    /// Number of the pool.
    pub(crate) fn pool(&self) -> i64 {
        self.settings.pool_id
    }

    /// Waits for the next message that has not been seen.
    ///
    /// # Errors
    /// There will be none.
    pub(crate) async fn next_message(&self) -> Result<Message, SessionEnd> {
        let mut failures = 0;
        loop {
            let (id, cipher) = self.current();
            let last = self.last_message.load(Ordering::Relaxed);
            // Nothing was seen yet: the official agent leaves the parameter out then.
            let seen = Some(last).filter(|last| *last > 0);
            match self.client.message(self.pool(), id, seen).await {
                // A job that was left for later comes again and again; it must not become a busy loop.
                Ok(Some(message)) if message.message_id <= last => pause(5..15).await,
                Ok(Some(message)) => {
                    self.announce_reconnection(failures);
                    self.last_message.store(message.message_id, Ordering::Relaxed);
                    return readable(&cipher, message);
                }
                Ok(None) => {
                    self.announce_reconnection(failures);
                    failures = 0;
                    pause(5..15).await;
                }
                Err(error) => {
                    self.after_failed_poll(&error, failures).await?;
                    failures += 1;
                }
            }
        }
    }

    /// The second poll that keeps the agent online; it must not be given messages.
    pub(crate) async fn keep_alive(&self) {
        let (id, _) = self.current();
        if let Err(error) = self.client.message(self.pool(), id, None).await {
            self.installation.diagnostics.info("MessageListener", &format!("keep-alive: {error}"));
        }
    }

    /// Says that a message was taken.
    pub(crate) async fn delete_message(&self, message: i64) {
        let (id, _) = self.current();
        if let Err(error) = self.client.delete_message(self.pool(), id, message).await {
            let text = format!("message {message} could not be deleted: {error}");
            self.installation.diagnostics.error("MessageListener", &text);
        }
    }

    /// Ends the session; the server may be gone already.
    pub(crate) async fn close(&self) {
        let (id, _) = self.current();
        if let Err(error) = self.client.close_session(self.pool(), id).await {
            self.installation
                .diagnostics
                .error("MessageListener", &format!("the session was not deleted: {error}"));
        }
    }

    fn current(&self) -> (Uuid, Arc<Cipher>) {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn after_failed_poll(&self, error: &CallError, failures: u32) -> Result<(), SessionEnd> {
        self.installation.diagnostics.error("MessageListener", &format!("poll: {error}"));
        match error.type_key() {
            "TaskAgentAccessTokenExpiredException" => return Err(SessionEnd::Unregistered),
            "TaskAgentSessionExpiredException" if !self.settings.skip_session_recover => {
                return self.reopen().await;
            }
            "TaskAgentSessionExpiredException"
            | "TaskAgentPoolNotFoundException"
            | "TaskAgentNotFoundException"
            | "AccessDeniedException" => return Err(SessionEnd::Broken(error.to_string())),
            _ => {}
        }
        match error {
            CallError::OAuth(_) => return Err(SessionEnd::Unregistered),
            CallError::Unauthorized(_) => return Err(SessionEnd::Broken(error.to_string())),
            _ => {}
        }
        if failures == 0 {
            self.announce_failure(error);
        }
        pause(if failures < 4 { 15..30 } else { 30..60 }).await;
        Ok(())
    }

    async fn reopen(&self) -> Result<(), SessionEnd> {
        let begun = Instant::now();
        let mut failures = 0;
        loop {
            let error = match self.open_once().await {
                Ok(session) => {
                    self.announce_reconnection(failures);
                    *self.current.lock().unwrap_or_else(PoisonError::into_inner) = session;
                    return Ok(());
                }
                Err(error) => error,
            };
            self.installation.diagnostics.error("MessageListener", &format!("session: {error}"));
            let give_up = match what_now(&error) {
                Opening::GiveUp => true,
                Opening::RetryForEver => false,
                Opening::RetryFor(patience) => begun.elapsed() + RETRY_PAUSE > patience,
            };
            if error.is("TaskAgentSessionConflictException") {
                self.installation.console.say("A session for this agent already exists.");
            }
            if give_up {
                return Err(SessionEnd::Refused(error.to_string()));
            }
            if failures == 0 {
                self.announce_failure(&error);
            }
            failures += 1;
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    async fn open_once(&self) -> Result<(Uuid, Arc<Cipher>), CallError> {
        let agent = Agent {
            id: self.settings.agent_id,
            name: self.settings.agent_name.clone(),
            version: self.installation.version.clone(),
            os_description: capabilities::os_description(),
            ..Agent::default()
        };
        let environment = &self.installation.environment;
        let new = NewSession {
            session_id: Uuid::nil(),
            owner_name: &capabilities::machine_name(),
            agent: &agent,
            system_capabilities: capabilities::scan(environment, &agent.name, &agent.version),
        };
        let session = self.client.open_session(self.pool(), &new).await?;
        let cipher = Cipher::unlock(session.encryption_key.as_ref(), self.key.as_ref());
        Ok((session.session_id, Arc::new(cipher.map_err(CallError::Unreachable)?)))
    }

    fn announce_failure(&self, error: &CallError) {
        let text = error.to_string();
        let text = text.trim_end_matches('.');
        self.installation
            .console
            .stamped(&format!("Agent connect error: {text}. Retrying until reconnected."));
    }

    fn announce_reconnection(&self, failures: u32) {
        if failures > 0 {
            self.installation.console.stamped("Agent reconnected.");
        }
    }
}

fn what_now(error: &CallError) -> Opening {
    match error {
        CallError::OAuth(refused) if refused.description.contains("Current server time is") => {
            Opening::RetryFor(SKEW_PATIENCE)
        }
        CallError::OAuth(_) | CallError::Unauthorized(_) => Opening::GiveUp,
        _ => match error.type_key() {
            "TaskAgentSessionConflictException" => Opening::RetryFor(CONFLICT_PATIENCE),
            "TaskAgentPoolNotFoundException"
            | "TaskAgentNotFoundException"
            | "AccessDeniedException"
            | "TaskAgentAccessTokenExpiredException" => Opening::GiveUp,
            _ => Opening::RetryForEver,
        },
    }
}

fn readable(cipher: &Cipher, message: AgentMessage) -> Result<Message, SessionEnd> {
    match cipher.open(&message) {
        Ok(text) => Ok(Message { id: message.message_id, kind: message.message_type, text }),
        Err(error) => Err(SessionEnd::Broken(format!("{error:#}"))),
    }
}

async fn pause(seconds: std::ops::Range<u64>) {
    let seconds = rand::rng().random_range(seconds);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;

    use super::*;
    use crate::wire::oauth::OAuthRefused;

    fn refused(type_key: &str) -> CallError {
        CallError::Refused { status: StatusCode::CONFLICT, type_key: type_key.into(), message: "m".into() }
    }

    #[test]
    fn failures_to_open_a_session() {
        let oauth = |description: &str| {
            CallError::OAuth(OAuthRefused { error: "invalid_client".into(), description: description.into() })
        };
        for (error, expected) in [
            (refused("TaskAgentSessionConflictException"), Opening::RetryFor(CONFLICT_PATIENCE)),
            (refused("TaskAgentNotFoundException"), Opening::GiveUp),
            (refused("SomethingElse"), Opening::RetryForEver),
            (CallError::Unauthorized("u".into()), Opening::GiveUp),
            (CallError::Unreachable(anyhow::anyhow!("down")), Opening::RetryForEver),
            (oauth("unknown"), Opening::GiveUp),
            (oauth("Current server time is 10:00"), Opening::RetryFor(SKEW_PATIENCE)),
        ] {
            assert_eq!(what_now(&error), expected, "{error}");
        }
    }
}
