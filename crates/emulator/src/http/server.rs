//! Connections: TLS, reading a request, playing the faults of the wire, handing it to its service.

use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{Query, Reply, Request, Router, Service};
use crate::Emulator;

/// Largest request body: pages of job logs are the largest that clients send.
const LARGEST_BODY: usize = 64 << 20;

/// The routes of every service.
pub(crate) struct Routers {
    entra: Router,
    arm: Router,
    devops: Router,
    control: Router,
}

impl Routers {
    fn new() -> Self {
        let mut routers = Self {
            entra: Router::default(),
            arm: Router::default(),
            devops: Router::default(),
            control: Router::default(),
        };
        crate::entra::routes(&mut routers.entra);
        crate::arm::routes(&mut routers.arm);
        crate::devops::routes(&mut routers.devops);
        crate::pipelines::routes(&mut routers.devops);
        crate::pipelines::control_routes(&mut routers.control);
        crate::control::routes(&mut routers.control);
        routers
    }
}

/// Takes connections until the emulator goes.
pub(crate) async fn serve(emulator: Arc<Emulator>, listener: TcpListener, tls: rustls::ServerConfig) {
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let routers = Arc::new(Routers::new());
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let (emulator, acceptor, routers) =
                    (Arc::clone(&emulator), acceptor.clone(), Arc::clone(&routers));
                tokio::spawn(async move { connection(emulator, routers, acceptor, stream, peer).await });
            }
            Err(error) => tracing::warn!("a connection was not taken: {error}"),
        }
    }
}

async fn connection(
    emulator: Arc<Emulator>,
    routers: Arc<Routers>,
    tls: TlsAcceptor,
    stream: TcpStream,
    peer: SocketAddr,
) {
    let _ = stream.set_nodelay(true);
    let stream = match tls.accept(stream).await {
        Ok(stream) => stream,
        Err(error) => return tracing::debug!(%peer, "TLS was not agreed on: {error}"),
    };
    let service = service_fn(move |request| {
        let (emulator, routers) = (Arc::clone(&emulator), Arc::clone(&routers));
        async move { answer(emulator, &routers, request, peer).await }
    });
    // A reply that is lost on purpose ends the connection with an error; that is all there is to it.
    if let Err(error) =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
    {
        tracing::debug!(%peer, "connection ended: {error}");
    }
}

/// The reply was lost on purpose: the connection is dropped without one.
#[derive(Debug, thiserror::Error)]
#[error("the reply is lost, as a fault asks")]
struct LostReply;

async fn answer(
    emulator: Arc<Emulator>,
    routers: &Routers,
    request: hyper::Request<Incoming>,
    peer: SocketAddr,
) -> Result<hyper::Response<Full<Bytes>>, LostReply> {
    let (parts, body) = request.into_parts();
    let host =
        parts.headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or("localhost").to_owned();
    let mut request = Request {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: Query::parse(parts.uri.query().unwrap_or_default()),
        headers: parts.headers,
        body: Vec::new(),
        base_url: format!("https://{host}"),
        peer,
        params: std::collections::BTreeMap::new(),
    };
    match Limited::new(body, LARGEST_BODY).collect().await {
        Ok(body) => request.body = body.to_bytes().to_vec(),
        Err(error) => return Ok(response(Reply::text(413, "text/plain", &error.to_string()))),
    }
    let (method, path) = (request.method.clone(), request.path.clone());
    let lose = matching_fault(&emulator, &request, "http.lose-reply").is_some();
    let reply = match fault_reply(&emulator, &request) {
        Some(reply) => reply,
        None => route(&emulator, routers, request).await,
    };
    emulator.note_request(&method, &path, reply.status.as_u16());
    if lose { Err(LostReply) } else { Ok(response(reply)) }
}

async fn route(emulator: &Arc<Emulator>, routers: &Routers, mut request: Request) -> Reply {
    let service =
        emulator.read(|state| Service::of(&request.path, |name| state.devops.is_organization(name)));
    let router = match service {
        Service::Entra => &routers.entra,
        Service::Arm => &routers.arm,
        Service::Devops => &routers.devops,
        Service::Control => &routers.control,
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
        let status =
            fault.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
        let body =
            json!({"error": {"code": "ServiceUnavailable", "message": "The service is unavailable now."}});
        return Some(Reply::json(status.unwrap_or(503), &body));
    }
    matching_fault(emulator, request, "http.not-json").map(|_| {
        Reply::text(
            200,
            "text/html; charset=utf-8",
            "<html><body>A page in place of an answer.</body></html>",
        )
    })
}

/// Takes one of a fault that hits this request.
fn matching_fault(emulator: &Emulator, request: &Request, knob: &str) -> Option<Value> {
    if request.path.starts_with("/emulator/") || emulator.read(|state| state.faults.get(knob).is_none()) {
        return None;
    }
    emulator.change(|state| {
        let fault = state.faults.get(knob)?.clone();
        let part = fault.get("path").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
        let method = fault.get("method").and_then(Value::as_str).unwrap_or(request.method.as_str());
        if !request.path.to_ascii_lowercase().contains(&part) || method != request.method.as_str() {
            return None;
        }
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

fn response(reply: Reply) -> hyper::Response<Full<Bytes>> {
    let mut response = hyper::Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    response
}
