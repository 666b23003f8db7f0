//! A server that the tests script: reads a request, records it, answers as told or hangs up.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use azure_http::{Pipeline, PipelineOptions};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use url::Url;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// Method and target.
    pub(crate) line: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    /// As text.
    pub(crate) body: String,
}

impl Received {
    /// A header's value, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What the server does with a request.
pub(crate) enum Reply {
    /// Answers.
    Answer {
        /// The status code.
        status: u16,
        /// Header lines.
        headers: Vec<String>,
        /// The body.
        body: String,
    },
    /// Begins to answer, then closes the connection.
    Half(String),
    /// Closes the connection without an answer.
    HangUp,
}

/// An answer in JSON.
pub(crate) fn json(status: u16, body: &str) -> Reply {
    Reply::Answer {
        status,
        headers: vec!["content-type: application/json".to_owned()],
        body: body.to_owned(),
    }
}

/// An answer with these header lines.
pub(crate) fn with(status: u16, headers: &[&str], body: &str) -> Reply {
    let headers = headers.iter().map(ToString::to_string).collect();
    Reply::Answer { status, headers, body: body.to_owned() }
}

/// A running server. It ends with the test's runtime.
pub(crate) struct Server {
    address: SocketAddr,
    scheme: &'static str,
    /// The certificate it shows, to be trusted.
    pub(crate) ca: Vec<u8>,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Server {
    /// Over TLS, with a certificate for `localhost`.
    pub(crate) async fn start(handler: impl FnMut(&Received) -> Reply + Send + 'static) -> Self {
        Self::for_name("localhost", handler).await
    }

    /// Over TLS, with a certificate for `name`.
    pub(crate) async fn for_name(
        name: &str,
        handler: impl FnMut(&Received) -> Reply + Send + 'static,
    ) -> Self {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a configuration");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self::serve("https", made.cert.pem().into_bytes(), Some(acceptor), handler).await
    }

    /// Without TLS.
    pub(crate) async fn plain(handler: impl FnMut(&Received) -> Reply + Send + 'static) -> Self {
        Self::serve("http", Vec::new(), None, handler).await
    }

    async fn serve(
        scheme: &'static str,
        ca: Vec<u8>,
        tls: Option<TlsAcceptor>,
        mut handler: impl FnMut(&Received) -> Reply + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let received = Arc::<Mutex<Vec<Received>>>::default();
        let log = Arc::clone(&received);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                match &tls {
                    Some(acceptor) => {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            converse(stream, &log, &mut handler).await;
                        }
                    }
                    None => converse(stream, &log, &mut handler).await,
                }
            }
        });
        Self { address, scheme, ca, received }
    }

    /// An address on this server.
    pub(crate) fn url(&self, path: &str) -> Url {
        format!("{}://localhost:{}{path}", self.scheme, self.address.port()).parse().expect("an address")
    }

    /// Everything that arrived.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().expect("not poisoned").clone()
    }

    /// A pipeline that trusts it and does not wait long.
    pub(crate) fn pipeline(&self) -> Pipeline {
        pipeline(&[&self.ca])
    }
}

/// A pipeline that trusts these and does not wait long.
pub(crate) fn pipeline(trusted: &[&[u8]]) -> Pipeline {
    Pipeline::new(PipelineOptions {
        extra_ca_pem: trusted.iter().filter(|pem| !pem.is_empty()).map(|pem| pem.to_vec()).collect(),
        first_wait: Duration::from_millis(2),
        largest_response: 100_000,
        ..PipelineOptions::new("tests/1.0")
    })
    .expect("a pipeline")
}

/// One request and one answer.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    log: &Mutex<Vec<Received>>,
    handler: &mut (impl FnMut(&Received) -> Reply + Send),
) {
    let mut stream = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        match stream.read_line(&mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) if line.trim().is_empty() => break,
            Ok(_) => lines.push(line.trim().to_owned()),
        }
    }
    let headers: BTreeMap<_, _> = lines[1..]
        .iter()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    if stream.read_exact(&mut body).await.is_err() {
        return;
    }
    let line = lines[0].trim_end_matches(" HTTP/1.1").to_owned();
    let received = Received { line, headers, body: String::from_utf8_lossy(&body).into_owned() };
    log.lock().expect("not poisoned").push(received.clone());
    let reply = handler(&received);
    if let Reply::Half(body) = &reply {
        let text = format!("HTTP/1.1 200 X\r\ncontent-length: {}\r\n\r\n{body}", 2 * body.len());
        let _ = stream.write_all(text.as_bytes()).await;
        let _ = stream.shutdown().await;
    }
    if let Reply::Answer { status, headers, body } = reply {
        let headers: String = headers.iter().flat_map(|line| [line.as_str(), "\r\n"]).collect();
        let text = format!(
            "HTTP/1.1 {status} X\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        // The client may have hung up by now, as it does on an answer that is too large.
        let _ = stream.write_all(text.as_bytes()).await;
        let _ = stream.shutdown().await;
    }
}
