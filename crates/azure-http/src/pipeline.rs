//! The way of a call: request id, retry, rate budget, authentication, log, transport.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use redact::SecretMasker;
use tokio::time::Instant;
use uuid::Uuid;

use crate::authentication::Token;
use crate::classify::outcome;
use crate::interpret::{Answer, clock_ahead, interpret};
use crate::retry::{Next, Try, decide};
use crate::throttle::{Throttle, concerns_everybody, lane};
use crate::transport::{Target, Transport};
use crate::{Auth, Dialect, HttpError, Method, Request, Response};

/// Redirects that a download follows.
const MOST_REDIRECTS: u32 = 5;

/// How many ids of calls are kept for who asks for them.
const MOST_IDS: usize = 64;

/// What a pipeline is made from.
#[derive(Clone, Debug)]
pub struct PipelineOptions {
    /// Who we are: `program/version`.
    pub user_agent: String,
    /// PEM bundles of certificate authorities to trust besides the system's.
    pub extra_ca_pem: Vec<Vec<u8>>,
    /// How long connecting may take, TLS and proxy included.
    pub connect_timeout: Duration,
    /// How long one try may take; for downloads, how long no byte may come.
    pub timeout: Duration,
    /// Our own wait before the second try; later ones are longer.
    pub first_wait: Duration,
    /// Largest body that is read into memory, in bytes.
    pub largest_response: usize,
}

impl PipelineOptions {
    /// The defaults, for a program that calls itself `user_agent`.
    pub fn new(user_agent: impl Into<String>) -> Self {
        Self {
            user_agent: user_agent.into(),
            extra_ca_pem: Vec::new(),
            connect_timeout: Duration::from_secs(15),
            timeout: Duration::from_mins(1),
            first_wait: Duration::from_millis(500),
            largest_response: 16 * 1024 * 1024,
        }
    }
}

/// The one way out. Cheap to clone; clones share connections, waits and the count of requests.
#[derive(Clone)]
pub struct Pipeline(Arc<Inner>);

struct Inner {
    transport: Transport,
    throttle: Throttle,
    first_wait: Duration,
    sent: AtomicU64,
    changes: Mutex<Vec<String>>,
    ahead: Mutex<Option<i64>>,
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pipeline({} requests sent)", self.requests_sent())
    }
}

/// What a call has come to so far.
struct Call {
    id: String,
    began: Instant,
    number: u32,
    /// The token of the last try.
    token: Option<Token>,
}

impl Pipeline {
    /// Reads the system's trusted roots and the proxy variables (`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`).
    pub fn new(options: PipelineOptions) -> Result<Self, HttpError> {
        let first_wait = options.first_wait;
        let transport = Transport::new(options)?;
        let (throttle, sent) = (Throttle::default(), AtomicU64::new(0));
        let (changes, ahead) = (Mutex::default(), Mutex::default());
        Ok(Self(Arc::new(Inner { transport, throttle, first_wait, sent, changes, ahead })))
    }

    /// How many requests went out since it was made: every try, token requests included.
    pub fn requests_sent(&self) -> u64 {
        self.0.sent.load(Ordering::Relaxed)
    }

    /// Ids of the calls since the last time this was asked that change something at a service, the latest 64. Azure has
    /// them in its activity log as `clientRequestId`.
    pub fn take_ids_of_changes(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.changes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// By how many seconds this machine's clock is ahead of the services' (behind, where it is negative): the smallest
    /// difference to what any answer said. `None` where none has said what time it is.
    pub fn clock_ahead(&self) -> Option<i64> {
        *self.0.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_clock(&self, answer: &Answer, now: SystemTime) {
        let Some(ahead) = clock_ahead(answer, now) else { return };
        let mut known = self.0.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_none_or(|known| ahead.abs() < known.abs()) {
            *known = Some(ahead);
        }
    }

    /// The addresses of a host, as this machine's DNS knows them.
    ///
    /// # Errors
    /// [`HttpError::NotResolved`].
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, HttpError> {
        let found = self.0.transport.addresses(host).await;
        found.map_err(|detail| HttpError::NotResolved { host: host.to_owned(), detail })
    }

    fn note_change(&self, request: &Request, id: &str) {
        let reads = matches!(request.method, Method::Get | Method::Head);
        if reads || !matches!(request.dialect, Dialect::DevOps | Dialect::ResourceManager) {
            return;
        }
        let mut changes = self.0.changes.lock().unwrap_or_else(PoisonError::into_inner);
        if changes.len() == MOST_IDS {
            changes.remove(0);
        }
        changes.push(id.to_owned());
    }

    /// Sends `request` until it succeeds, will not succeed, or its budget is spent.
    ///
    /// # Errors
    /// The last try's; [`HttpError::Throttled`] where the service's wait does not fit into the budget.
    pub async fn send(&self, request: Request) -> Result<Response, HttpError> {
        self.call(&request, &mut Target::Memory).await
    }

    /// Like [`Pipeline::send`], for a body that is too large for memory: `take` gets it piece by piece. Redirects are
    /// followed, without credentials to another host. Once a piece was taken nothing is tried again: begin anew.
    ///
    /// Returns how many bytes there were.
    pub async fn download(
        &self,
        mut request: Request,
        take: &mut (dyn FnMut(&[u8]) -> io::Result<()> + Send),
    ) -> Result<u64, HttpError> {
        for _ in 0..=MOST_REDIRECTS {
            let mut target = Target::Sink { take: &mut *take, taken: 0 };
            let response = self.call(&request, &mut target).await?;
            let Some(location) = response.header("location").filter(|_| response.status() >= 300) else {
                return Ok(if let Target::Sink { taken, .. } = target { taken } else { 0 });
            };
            let next = request.url.join(location).map_err(|error| HttpError::Unreadable {
                host: request.host(),
                detail: format!("it redirects to no address: {error}"),
            })?;
            if next.scheme() != request.url.scheme() {
                return Err(HttpError::NotTrusted {
                    host: request.host(),
                    problem: crate::CertificateProblem::Other("it redirects from https to http".to_owned()),
                });
            }
            if next.origin() != request.url.origin() {
                request.auth = Auth::None;
            }
            request.url = next;
        }
        Err(HttpError::Unreadable { host: request.host(), detail: "it redirects in circles".to_owned() })
    }

    async fn call(&self, request: &Request, target: &mut Target<'_>) -> Result<Response, HttpError> {
        request.auth.check_channel(&request.url)?;
        let id = Uuid::new_v4().to_string();
        self.note_change(request, &id);
        let mut call = Call { id, began: Instant::now(), number: 0, token: None };
        loop {
            call.number += 1;
            self.wait_for_turn(request, &call).await?;
            let error = match self.attempt(request, &mut call, target).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            if target.has_taken() {
                return Err(error);
            }
            if refuses_token(&error)
                && let Some(token) = call.token.take()
                && request.auth.renew(&token, call.began).await
            {
                continue;
            }
            match call.next(request, &error, self.0.first_wait) {
                Next::GiveUp => return Err(last_word(error)),
                Next::Again(wait) => {
                    tracing::debug!(id = call.id, ?wait, "trying again");
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// Keeps the wait that another call to this host was told.
    async fn wait_for_turn(&self, request: &Request, call: &Call) -> Result<(), HttpError> {
        let host = request.host();
        let wait = self.0.throttle.wait(&lane(request.dialect, &host, request.method));
        if wait.is_zero() {
            return Ok(());
        }
        if call.began.elapsed() + wait >= request.budget {
            return Err(HttpError::Throttled { host, retry_after: wait });
        }
        tracing::debug!(id = call.id, host, ?wait, "waiting as the service asked");
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// One try: token, exchange, log, meaning.
    async fn attempt(
        &self,
        request: &Request,
        call: &mut Call,
        target: &mut Target<'_>,
    ) -> Result<Response, HttpError> {
        call.token = None;
        call.token = request.auth.token().await?;
        let limit = request.budget.saturating_sub(call.began.elapsed());
        self.0.sent.fetch_add(1, Ordering::Relaxed);
        let began = Instant::now();
        let answer = self.0.transport.exchange(request, call.token.as_ref(), &call.id, limit, target).await;
        let (method, url) = (request.method.as_str(), crate::sanitize::url(&request.url));
        let took = began.elapsed();
        let answer = match answer {
            Ok(answer) => {
                tracing::debug!(
                    id = call.id,
                    attempt = call.number,
                    status = answer.status,
                    ?took,
                    "{method} {url}"
                );
                answer
            }
            Err(error) => {
                tracing::debug!(id = call.id, attempt = call.number, %error, ?took, "{method} {url}");
                return Err(error);
            }
        };
        let now = SystemTime::now();
        self.note_clock(&answer, now);
        if request.takes_challenge && answer.status == 401 {
            let Answer { host, status, headers, body } = answer;
            return Ok(Response { host, status, headers, body });
        }
        if concerns_everybody(request.dialect, answer.status)
            && let Some(wait) = answer.wait(now)
        {
            self.0.throttle.note(&lane(request.dialect, &answer.host, request.method), wait);
        }
        interpret(request.dialect, answer, &masker(request, call.token.as_ref()), now)
    }
}

impl Call {
    fn next(&self, request: &Request, error: &HttpError, first_wait: Duration) -> Next {
        let attempt = Try {
            number: self.number,
            attempts: request.attempts,
            elapsed: self.began.elapsed(),
            budget: request.budget,
            repeatable: request.repeatable,
            server_wait: error.service().and_then(|error| error.retry_after),
            first_wait,
            jitter: Uuid::new_v4().as_bytes()[0],
        };
        decide(&attempt, outcome(request.dialect, error))
    }
}

fn refuses_token(error: &HttpError) -> bool {
    matches!(error, HttpError::AuthenticationFailed { .. } | HttpError::ClockSkew { .. })
}

/// What the caller hears when no more tries are made.
fn last_word(error: HttpError) -> HttpError {
    match error {
        HttpError::Service(error) if error.status == 429 => HttpError::Throttled {
            host: error.host,
            retry_after: error.retry_after.unwrap_or(Duration::from_secs(30)),
        },
        other => other,
    }
}

/// Hides what the request carried from what the service says about it.
fn masker(request: &Request, token: Option<&Token>) -> SecretMasker {
    let mut masker = SecretMasker::new();
    for secret in request.hidden.iter().chain(token.map(Token::secret)) {
        masker.add(secret);
    }
    masker
}
