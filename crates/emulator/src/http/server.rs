//! Connections: TLS, reading a request, playing the faults of the wire, handing it to its service.

use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::routers::Routers;
use super::{Query, Reply, Request, Router, Service};
use crate::observer::Exchange;
use crate::{Emulator, State};

/// Largest request body: pages of job logs are the largest that clients send.
const LARGEST_BODY: usize = 64 << 20;

/// What is behind a port.
enum Door {
    /// Every service.
    Services(Box<Routers>),
    /// The managed identity endpoint, which has a port of its own since it is without TLS.
    Identity(Router),
}

impl Door {
    fn scheme(&self) -> &'static str {
        match self {
            Self::Services(_) => "https",
            Self::Identity(_) => "http",
        }
    }
}

/// Takes connections until the emulator goes.
pub(crate) async fn serve(emulator: Arc<Emulator>, listener: TcpListener, tls: Arc<rustls::ServerConfig>) {
    let acceptor = TlsAcceptor::from(tls);
    let door = Arc::new(Door::Services(Box::default()));
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let (emulator, acceptor, door) = (Arc::clone(&emulator), acceptor.clone(), Arc::clone(&door));
                tokio::spawn(async move { secure_connection(emulator, door, acceptor, stream, peer).await });
            }
            Err(error) => tracing::warn!("a connection was not taken: {error}"),
        }
    }
}

/// Takes connections to the managed identity endpoint until the emulator goes.
pub(crate) async fn serve_identity(emulator: Arc<Emulator>, listener: TcpListener) {
    let mut router = Router::default();
    crate::entra::identity_routes(&mut router);
    let door = Arc::new(Door::Identity(router));
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                tokio::spawn(connection(Arc::clone(&emulator), Arc::clone(&door), stream, peer));
            }
            Err(error) => tracing::warn!("a connection was not taken: {error}"),
        }
    }
}

async fn secure_connection(
    emulator: Arc<Emulator>,
    door: Arc<Door>,
    tls: TlsAcceptor,
    stream: TcpStream,
    peer: SocketAddr,
) {
    let _ = stream.set_nodelay(true);
    match tls.accept(stream).await {
        Ok(stream) => connection(emulator, door, stream, peer).await,
        Err(error) => tracing::debug!(%peer, "TLS was not agreed on: {error}"),
    }
}

async fn connection<S>(emulator: Arc<Emulator>, door: Arc<Door>, stream: S, peer: SocketAddr)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let (emulator, door) = (Arc::clone(&emulator), Arc::clone(&door));
        async move { answer(emulator, &door, request, peer).await }
    });
    // A reply that is lost on purpose ends the connection with an error; that is all there is to it.
    if let Err(error) =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
    {
        tracing::debug!(%peer, "connection ended: {error}");
    }
}

/// The connection is dropped without a reply.
#[derive(Debug, thiserror::Error)]
enum NotHeard {
    /// On purpose.
    #[error("the reply is lost, as a fault asks")]
    LostReply,
    /// The caller's subnet has no way out, and the services are outside.
    #[error("the caller's subnet has no way out")]
    NoWay,
}

async fn answer(
    emulator: Arc<Emulator>,
    door: &Door,
    request: hyper::Request<Incoming>,
    peer: SocketAddr,
) -> Result<hyper::Response<Full<Bytes>>, NotHeard> {
    let (parts, body) = request.into_parts();
    let host =
        parts.headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or("localhost").to_owned();
    let mut request = Request {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: Query::parse(parts.uri.query().unwrap_or_default()),
        headers: parts.headers,
        body: Vec::new(),
        base_url: format!("{}://{host}", door.scheme()),
        peer,
        params: std::collections::BTreeMap::new(),
    };
    match Limited::new(body, LARGEST_BODY).collect().await {
        Ok(body) => request.body = body.to_bytes().to_vec(),
        Err(error) => return Ok(response(Reply::text(413, "text/plain", &error.to_string()))),
    }
    if matches!(door, Door::Services(_))
        && emulator.read(|state| crate::arm::has_no_way_here(state, peer.ip()))
    {
        return Err(NotHeard::NoWay);
    }
    if emulator.read(|state| service_of(state, &request.path)) == Service::Arm {
        request.path = single_slashes(&request.path);
    }
    let (method, path) = (request.method.clone(), request.path.clone());
    // What only looks at the state sees the present too.
    emulator.change(|_| ());
    let lose = matching_fault(&emulator, &request, "http.lose-reply").is_some();
    let hold = is_hit(&emulator, &request, "http.hold");
    let reply = match fault_reply(&emulator, &request) {
        Some(reply) => reply,
        None => route_seen(&emulator, door, request).await,
    };
    if hold {
        hold_back(&emulator).await;
    }
    emulator.note_request(&method, &path, reply.status.as_u16());
    if lose || reply.closes_connection {
        Err(NotHeard::LostReply)
    } else {
        Ok(response(dated(&emulator, reply)))
    }
}

/// What an observer sees of a request; its handler takes the request itself.
struct Seen {
    method: hyper::Method,
    path: String,
    api_version: Option<String>,
    user_agent: Option<String>,
    body: Vec<u8>,
}

impl Seen {
    fn of(request: &Request) -> Self {
        Self {
            method: request.method.clone(),
            path: request.path.clone(),
            api_version: request.query.get("api-version").map(str::to_owned),
            user_agent: request.header("user-agent").map(str::to_owned),
            body: request.body.clone(),
        }
    }

    fn with<'a>(&'a self, reply: &'a Reply) -> Exchange<'a> {
        Exchange {
            method: self.method.as_str(),
            path: &self.path,
            api_version: self.api_version.as_deref(),
            user_agent: self.user_agent.as_deref(),
            request: &self.body,
            status: reply.status.as_u16(),
            reply: &reply.body,
        }
    }
}

/// Routes where the observer sees it, if there is one. Faults of the wire are not the services' own replies.
async fn route_seen(emulator: &Arc<Emulator>, door: &Door, request: Request) -> Reply {
    let seen = emulator.observer.is_there().then(|| Seen::of(&request));
    let reply = route(emulator, door, request).await;
    if let Some(seen) = seen {
        emulator.observer.sees(&seen.with(&reply));
    }
    reply
}

fn service_of(state: &State, path: &str) -> Service {
    Service::of(path, |name| state.devops.is_organization(name))
}

/// Resource Manager takes several slashes for one: the Azure CLI puts two in the path of a container group that comes
/// from a file.
fn single_slashes(path: &str) -> String {
    let mut single = String::with_capacity(path.len());
    for letter in path.chars() {
        if letter != '/' || !single.ends_with('/') {
            single.push(letter);
        }
    }
    single
}

async fn route(emulator: &Arc<Emulator>, door: &Door, mut request: Request) -> Reply {
    let service = emulator.read(|state| service_of(state, &request.path));
    let (service, router) = match (door, service) {
        (Door::Identity(router), _) => (Service::Entra, router),
        (Door::Services(routers), Service::Entra) => (service, &routers.entra),
        (Door::Services(routers), Service::Arm) => (service, &routers.arm),
        (Door::Services(routers), Service::Devops) => (service, &routers.devops),
        (Door::Services(routers), Service::Control) => (service, &routers.control),
    };
    match router.find(&mut request) {
        Ok(handler) => handler(Arc::clone(emulator), request).await.unwrap_or_else(|refusal| refusal),
        Err(known_path) => match service {
            Service::Arm => crate::arm::no_route(&request, known_path),
            Service::Devops => crate::devops::no_route(&request, known_path),
            Service::Entra | Service::Control => {
                let message = format!("no such endpoint: {} {}", request.method, request.path);
                Reply::json(
                    if known_path { 405 } else { 404 },
                    &json!({"error": "not_found", "error_description": message}),
                )
            }
        },
    }
}

fn fault_reply(emulator: &Emulator, request: &Request) -> Option<Reply> {
    if let Some(fault) = matching_fault(emulator, request, "http.throttle") {
        let seconds = fault.get("retry_after_seconds").and_then(Value::as_u64).unwrap_or(1);
        let body =
            json!({"error": {"code": "TooManyRequests", "message": "The request is being throttled."}});
        let reply = Reply::json(429, &body);
        let silent = fault.get("without_header").is_some_and(|value| *value == Value::Bool(true));
        return Some(if silent { reply } else { reply.header("retry-after", &seconds.to_string()) });
    }
    if let Some(fault) = matching_fault(emulator, request, "http.unavailable") {
        let body =
            json!({"error": {"code": "ServiceUnavailable", "message": "The service is unavailable now."}});
        return Some(Reply::json(status_of(&fault, 503), &body));
    }
    matching_fault(emulator, request, "http.not-json").map(|fault| {
        Reply::text(
            status_of(&fault, 200),
            "text/html; charset=utf-8",
            "<html><body>A page in place of an answer.</body></html>",
        )
    })
}

/// The status that a fault is to be answered with.
fn status_of(fault: &Value, usual: u16) -> u16 {
    let asked = fault.get("status").and_then(Value::as_u64);
    asked.and_then(|status| u16::try_from(status).ok()).unwrap_or(usual)
}

/// Waits until nothing is held back any more. Counts itself meanwhile, also where the client goes away.
async fn hold_back(emulator: &Emulator) {
    struct Held<'a>(&'a Emulator);
    impl Drop for Held<'_> {
        fn drop(&mut self) {
            self.0.change(|state| state.held -= 1);
        }
    }
    let mut changes = emulator.changes();
    emulator.change(|state| state.held += 1);
    let _held = Held(emulator);
    while emulator.read(|state| state.faults.is_on("http.hold")) && changes.changed().await.is_ok() {}
}

/// Whether a fault is about this request.
fn is_hit(emulator: &Emulator, request: &Request, knob: &str) -> bool {
    let is_about = |fault: &Value| {
        let part = fault.get("path").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
        let method = fault.get("method").and_then(Value::as_str).unwrap_or(request.method.as_str());
        request.path.to_ascii_lowercase().contains(&part) && method == request.method.as_str()
    };
    !request.path.starts_with("/emulator/")
        && emulator.read(|state| state.faults.get(knob).is_some_and(is_about))
}

/// Takes one of a fault that hits this request.
fn matching_fault(emulator: &Emulator, request: &Request, knob: &str) -> Option<Value> {
    if !is_hit(emulator, request, knob) {
        return None;
    }
    emulator.change(|state| {
        let fault = state.faults.get(knob)?.clone();
        let left = fault.as_u64().or_else(|| fault.get("count").and_then(Value::as_u64)).unwrap_or(1);
        if left <= 1 {
            state.faults.clear(Some(knob));
        } else {
            let rest = match fault.clone() {
                Value::Object(mut object) => {
                    object.insert("count".to_owned(), Value::from(left - 1));
                    Value::Object(object)
                }
                _ => Value::from(left - 1),
            };
            state.faults.replace(knob, rest);
        }
        Some(fault)
    })
}

/// By a clock that is off, if a fault says so; else the server itself puts a date on it.
fn dated(emulator: &Emulator, reply: Reply) -> Reply {
    let skew = emulator.read(|state| state.faults.get("http.date-skew-seconds").and_then(Value::as_i64));
    let Some(skew) = skew else { return reply };
    let now = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(skew);
    match jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&now) {
        Ok(date) => reply.header("date", &date),
        Err(_) => reply,
    }
}

fn response(reply: Reply) -> hyper::Response<Full<Bytes>> {
    let mut response = hyper::Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    response
}
