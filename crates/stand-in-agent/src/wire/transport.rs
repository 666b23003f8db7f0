//! HTTP/1.1 over TLS with connections kept for re-use. No redirects, no cookies, no proxy: the agent's calls need none.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::HOST;
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Url;

use super::resolve;

/// How long to wait for a TCP and TLS connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// A request whose body is in memory.
pub(crate) type Request = hyper::Request<Full<Bytes>>;

/// An answer, read to its end.
pub(crate) type Response = hyper::Response<Bytes>;

type Connection = SendRequest<Full<Bytes>>;

/// Where to connect to: scheme, host, port.
type Origin = (String, String, u16);

/// Sends requests and keeps idle connections.
pub(crate) struct Transport {
    tls: TlsConnector,
    idle: Mutex<HashMap<Origin, Vec<Connection>>>,
}

impl Transport {
    /// A transport that trusts whom the configuration trusts.
    pub(crate) fn new(tls: ClientConfig) -> Self {
        Self { tls: TlsConnector::from(Arc::new(tls)), idle: Mutex::default() }
    }

    /// Sends one request to `url` (the request's own URI is overwritten) and reads the whole answer.
    ///
    /// # Errors
    /// The server cannot be reached, is not trusted, or does not answer in time.
    pub(crate) async fn send(
        &self,
        url: &Url,
        request: Request,
        timeout: Duration,
    ) -> anyhow::Result<Response> {
        let exchange = self.exchange(url, request);
        match tokio::time::timeout(timeout, exchange).await {
            Ok(answer) => answer,
            Err(_) => bail!("{} did not answer within {} s", server_of(url), timeout.as_secs()),
        }
    }

    async fn exchange(&self, url: &Url, mut request: Request) -> anyhow::Result<Response> {
        let origin = origin_of(url)?;
        let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
        *request.uri_mut() = target.parse().context("the address is not a valid request target")?;
        let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
        request.headers_mut().insert(HOST, authority.parse().context("the host is not a valid header")?);
        while let Some(mut connection) = self.take_idle(&origin) {
            if connection.ready().await.is_err() {
                continue;
            }
            match connection.try_send_request(request).await {
                Ok(response) => return self.finish(origin, connection, response).await,
                // The server closed the idle connection before it saw the request: take another one.
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(error.into_error()).context(format!("{} hung up", server_of(url))),
                },
            }
        }
        let mut connection = self.connect(url, &origin).await?;
        let response =
            connection.send_request(request).await.with_context(|| format!("{} hung up", server_of(url)))?;
        self.finish(origin, connection, response).await
    }

    async fn finish(
        &self,
        origin: Origin,
        connection: Connection,
        response: hyper::Response<Incoming>,
    ) -> anyhow::Result<Response> {
        let (head, body) = response.into_parts();
        let body = body.collect().await.context("the answer broke off")?.to_bytes();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).entry(origin).or_default().push(connection);
        Ok(Response::from_parts(head, body))
    }

    fn take_idle(&self, origin: &Origin) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let connections = idle.get_mut(origin)?;
        connections.retain(|connection| !connection.is_closed());
        connections.pop()
    }

    async fn connect(&self, url: &Url, origin: &Origin) -> anyhow::Result<Connection> {
        let opening = async {
            let stream = open_tcp(&origin.1, origin.2).await?;
            if origin.0 != "https" {
                return start_http(TokioIo::new(stream)).await;
            }
            let name = ServerName::try_from(origin.1.trim_matches(['[', ']']).to_owned())
                .context("the host name cannot be in a certificate")?;
            let stream = self
                .tls
                .connect(name, stream)
                .await
                .context("The SSL connection could not be established")?;
            start_http(TokioIo::new(stream)).await
        };
        tokio::time::timeout(CONNECT_TIMEOUT, opening)
            .await
            .map_err(|_| anyhow!("no answer within {} s", CONNECT_TIMEOUT.as_secs()))
            .and_then(|result| result)
            .with_context(|| format!("Connecting to {} failed", server_of(url)))
    }
}

async fn open_tcp(host: &str, port: u16) -> anyhow::Result<TcpStream> {
    let mut last = anyhow!("no address");
    for address in resolve::addresses(host).await? {
        match TcpStream::connect(SocketAddr::new(address, port)).await {
            Ok(stream) => {
                stream.set_nodelay(true).context("the socket cannot be set up")?;
                return Ok(stream);
            }
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

async fn start_http<T: Read + Write + Unpin + Send + 'static>(io: T) -> anyhow::Result<Connection> {
    let (sender, connection) = handshake(io).await.context("HTTP could not be started")?;
    // It ends when the server hangs up or the sender is dropped; whoever sends learns of it there.
    tokio::spawn(connection);
    Ok(sender)
}

fn origin_of(url: &Url) -> anyhow::Result<Origin> {
    let host = url.host_str().context("the address names no host")?;
    let port = url.port_or_known_default().context("the address names no port")?;
    Ok((url.scheme().to_owned(), host.to_owned(), port))
}

fn server_of(url: &Url) -> &str {
    &url[..url::Position::BeforePath]
}
