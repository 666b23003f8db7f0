//! Listens in front of a service: TLS, who may come in, and handing on.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Either, Full, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_rustls::TlsAcceptor;

use super::Kind;
use crate::Emulator;
use crate::arm;
use crate::http::{Query, Reply, Request};

/// Largest body that is read here and not handed on: forms.
const LARGEST_FORM: usize = 1 << 20;

/// Where a service is.
#[derive(Clone, Debug)]
pub(crate) enum Address {
    /// A socket that is a file.
    Socket(PathBuf),
    /// A port.
    Port(SocketAddr),
}

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It is handed on.
    Forward,
    /// It is answered here.
    Answer(Reply),
}

/// What a front needs to know.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) emulator: Arc<Emulator>,
    pub(super) kind: Kind,
    /// The resource that it is of.
    pub(super) id: String,
    pub(super) address: Address,
}

type Answer = hyper::Response<Either<Full<Bytes>, Incoming>>;

/// Why a request was not handed on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ForwardError {
    #[error("the service behind does not answer: {0}")]
    Connect(#[from] std::io::Error),
    #[error("the service behind: {0}")]
    Http(#[from] hyper::Error),
}

/// Takes connections until it is ended.
pub(super) async fn serve(door: Door, listener: TcpListener) {
    let acceptor = TlsAcceptor::from(Arc::clone(&door.emulator.tls));
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let (door, acceptor) = (door.clone(), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor.accept(stream).await {
                        Ok(stream) => connection(door, stream, peer).await,
                        Err(error) => tracing::debug!(%peer, "TLS was not agreed on: {error}"),
                    }
                });
            }
            Err(error) => tracing::warn!("a connection was not taken: {error}"),
        }
    }
}

async fn connection<S>(door: Door, stream: S, peer: SocketAddr)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let door = door.clone();
        async move { Ok::<_, std::convert::Infallible>(answer(&door, request, peer).await) }
    });
    let served =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    if let Err(error) = served {
        tracing::debug!(%peer, "connection ended: {error}");
    }
}

async fn answer(door: &Door, request: hyper::Request<Incoming>, peer: SocketAddr) -> Answer {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let answer = match judge(door, request, peer).await {
        Ok(request) => forward(&door.address, request).await.map(|answer| answer.map(Either::Right)),
        Err(reply) => Ok(own(reply)),
    };
    let answer = answer.unwrap_or_else(|error| own(Reply::text(502, "text/plain", &error.to_string())));
    door.emulator.note_request(&method, &path, answer.status().as_u16());
    answer
}

fn own(reply: Reply) -> Answer {
    let mut answer = hyper::Response::new(Either::Left(Full::new(Bytes::from(reply.body))));
    *answer.status_mut() = reply.status;
    *answer.headers_mut() = reply.headers;
    answer
}

/// Gives the request to be handed on, or what is answered in its place.
async fn judge(
    door: &Door,
    request: hyper::Request<Incoming>,
    peer: SocketAddr,
) -> Result<hyper::Request<Incoming>, Reply> {
    let (parts, body) = request.into_parts();
    let host = parts.headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let mut seen = Request {
        method: parts.method.clone(),
        path: parts.uri.path().to_owned(),
        query: Query::parse(parts.uri.query().unwrap_or_default()),
        headers: parts.headers.clone(),
        body: Vec::new(),
        base_url: format!("https://{host}"),
        peer,
        params: std::collections::BTreeMap::new(),
    };
    let is_form = door.kind == Kind::Registry && seen.path.starts_with("/oauth2/");
    if is_form {
        let form = Limited::new(body, LARGEST_FORM).collect().await;
        seen.body =
            form.map_err(|error| Reply::text(413, "text/plain", &error.to_string()))?.to_bytes().to_vec();
        return Err(arm::registry_token(&door.emulator, &door.id, &seen));
    }
    let verdict = match door.kind {
        Kind::Registry => arm::registry_door(&door.emulator, &door.id, &seen),
        Kind::Storage => arm::storage_door(&door.emulator, &door.id, &seen),
    };
    match verdict {
        Verdict::Forward => Ok(hyper::Request::from_parts(parts, body)),
        Verdict::Answer(reply) => Err(reply),
    }
}

/// Hands a request on.
async fn forward(
    address: &Address,
    mut request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Incoming>, ForwardError> {
    // The client was told to go on by us; its way of connecting is its own.
    for header in ["expect", "connection", "keep-alive"] {
        request.headers_mut().remove(header);
    }
    ask(address, request).await
}

/// Asks a service something, on a connection of its own.
pub(crate) async fn ask<B>(
    address: &Address,
    request: hyper::Request<B>,
) -> Result<hyper::Response<Incoming>, ForwardError>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match address {
        Address::Socket(path) => over(UnixStream::connect(path).await?, request).await,
        Address::Port(address) => over(TcpStream::connect(address).await?, request).await,
    }
}

async fn over<S, B>(stream: S, request: hyper::Request<B>) -> Result<hyper::Response<Incoming>, ForwardError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the reply; what goes wrong with it is seen there.
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?)
}
