//! One exchange over the network, with our TLS, DNS and proxy settings.

use std::io;
use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT, HeaderName, HeaderValue};
use reqwest::{Client, redirect};

use crate::authentication::Token;
use crate::classify::{Circumstances, classify};
use crate::dns::Resolver;
use crate::interpret::Answer;
use crate::tls::{Trust, trust};
use crate::{Dialect, HttpError, Method, PipelineOptions, Request};

/// Most of a refusal's body that is read: envelopes are small, pages help nobody.
const LONGEST_REFUSAL: usize = 64 * 1024;

/// Where the body of a success goes.
pub(crate) enum Target<'t> {
    /// Into the response.
    Memory,
    /// To whoever asked, piece by piece.
    Sink {
        /// Takes a piece.
        take: &'t mut (dyn FnMut(&[u8]) -> io::Result<()> + Send),
        /// How many bytes it was given.
        taken: u64,
    },
}

impl Target<'_> {
    /// Whether a piece is out of our hands, so that beginning again would repeat it.
    pub(crate) fn has_taken(&self) -> bool {
        matches!(self, Self::Sink { taken: 1.., .. })
    }
}

/// The clients, and what they were made from.
pub(crate) struct Transport {
    /// Through the proxy that the environment names, if it names one.
    client: Client,
    /// Never through a proxy; made when it is first needed.
    direct: OnceLock<Client>,
    trust: Trust,
    resolver: Resolver,
    options: PipelineOptions,
}

impl Transport {
    pub(crate) fn new(options: PipelineOptions) -> Result<Self, HttpError> {
        let trust = trust(&options.extra_ca_pem)?;
        let resolver = Resolver::default();
        let client = client(&options, &trust, &resolver, Way::AsTheEnvironmentSays)?;
        Ok(Self { client, direct: OnceLock::new(), trust, resolver, options })
    }

    /// Sends `request` once and reads the answer, whatever it says.
    pub(crate) async fn exchange(
        &self,
        request: &Request,
        token: Option<&Token>,
        id: &str,
        limit: Duration,
        target: &mut Target<'_>,
    ) -> Result<Answer, HttpError> {
        let limit = limit.min(self.options.timeout);
        let fail = |error: &reqwest::Error| {
            let has_roots = self.trust.has_roots;
            classify(error, Circumstances { host: request.host(), limit, has_roots })
        };
        let built = build(request, token, id, limit, target)?;
        let mut response = self.client_for(request.dialect)?.execute(built).await.map_err(|e| fail(&e))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = BytesMut::new();
        let most = if status.is_success() { self.options.largest_response } else { LONGEST_REFUSAL };
        while let Some(chunk) = response.chunk().await.map_err(|e| fail(&e))? {
            match target {
                Target::Sink { take, taken } if status.is_success() => {
                    *taken += chunk.len() as u64;
                    take(&chunk).map_err(|error| not_taken(&error))?;
                }
                _ if body.len() + chunk.len() <= most => body.extend_from_slice(&chunk),
                _ if status.is_success() => {
                    return Err(HttpError::TooLarge { host: request.host(), limit: most });
                }
                _ => break,
            }
        }
        Ok(Answer { host: request.host(), status: status.as_u16(), headers, body: body.freeze() })
    }

    /// The addresses of a host, or why there are none.
    pub(crate) async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, String> {
        self.resolver.addresses(host).await.map_err(|error| error.0)
    }

    fn client_for(&self, dialect: Dialect) -> Result<&Client, HttpError> {
        if dialect != Dialect::InstanceMetadata {
            return Ok(&self.client);
        }
        if let Some(direct) = self.direct.get() {
            return Ok(direct);
        }
        let made = client(&self.options, &self.trust, &self.resolver, Way::Direct)?;
        Ok(self.direct.get_or_init(|| made))
    }
}

fn build(
    request: &Request,
    token: Option<&Token>,
    id: &str,
    limit: Duration,
    target: &Target<'_>,
) -> Result<reqwest::Request, HttpError> {
    let mut built = reqwest::Request::new(method(request.method), request.url.clone());
    let headers = built.headers_mut();
    headers.clone_from(&request.headers);
    headers.entry(ACCEPT).or_insert(HeaderValue::from_static("application/json"));
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(HeaderName::from_static("x-ms-client-request-id"), id);
    }
    if request.dialect == Dialect::DevOps {
        // Without it a refused token is answered with a sign-in page and status 203.
        headers
            .insert(HeaderName::from_static("x-tfs-fedauthredirect"), HeaderValue::from_static("Suppress"));
    }
    if let Some(token) = token {
        let (name, value) = token.header()?;
        headers.insert(name, value);
    }
    *built.body_mut() = request.body.clone().or_else(|| empty_body(request.method)).map(Into::into);
    if matches!(target, Target::Memory) {
        *built.timeout_mut() = Some(limit);
    }
    Ok(built)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    AsTheEnvironmentSays,
    Direct,
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that makes HTTP clients")]
fn client(
    options: &PipelineOptions,
    trust: &Trust,
    resolver: &Resolver,
    way: Way,
) -> Result<Client, HttpError> {
    let mut builder = Client::builder()
        .tls_backend_preconfigured(trust.config.clone())
        .dns_resolver(resolver.clone())
        .redirect(redirect::Policy::none())
        // The pipeline decides what is sent again.
        .retry(reqwest::retry::never())
        .connect_timeout(options.connect_timeout)
        .read_timeout(options.timeout)
        .pool_max_idle_per_host(2)
        .user_agent(&options.user_agent);
    if way == Way::Direct {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| HttpError::Settings {
        what: "the HTTP client's setting (user agent or proxy)".to_owned(),
        detail: error.to_string(),
    })
}

/// A `POST`, `PUT` or `PATCH` without content still says how long it is; some services answer 411 otherwise.
fn empty_body(method: Method) -> Option<Bytes> {
    matches!(method, Method::Post | Method::Put | Method::Patch).then(Bytes::new)
}

fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
        Method::Post => reqwest::Method::POST,
        Method::Delete => reqwest::Method::DELETE,
        Method::Head => reqwest::Method::HEAD,
    }
}

fn not_taken(error: &io::Error) -> HttpError {
    HttpError::Settings { what: "the place to download to".to_owned(), detail: error.to_string() }
}
