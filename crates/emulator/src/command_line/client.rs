//! Talks to an emulator that runs: the same HTTP as everybody's, with its certificate authority and its tokens.
//!
//! The emulator's own commands are no product: they neither retry nor share the HTTP client of the rest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio_rustls::TlsConnector;
use url::Url;

/// Which emulator.
#[derive(Debug, clap::Args)]
pub(crate) struct Which {
    /// Folder of the emulator, as it was started with; by default what the variables `EMULATOR_*` say, which its
    /// `emulator.env` sets
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<PathBuf>,
}

/// A way to an emulator.
pub(crate) struct Client {
    url: Url,
    tls: TlsConnector,
    settings: BTreeMap<String, String>,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// Who asks: the person at this machine, or a member of the organization.
#[derive(Clone, Copy)]
enum As {
    Control,
    Member,
}

impl Client {
    /// The way to the emulator that is meant. `Err` says what is missing.
    pub(crate) fn find(which: &Which) -> Result<Self, String> {
        let settings = match &which.data {
            Some(folder) => read_settings(&folder.join("emulator.env"))?,
            None => std::env::vars().collect(),
        };
        let setting = |name: &str| {
            settings.get(name).filter(|value| !value.is_empty()).ok_or_else(|| {
                format!(
                    "which emulator is not known ({name} is not set): name its folder with --data, or set the variables \
                     that its emulator.env holds"
                )
            })
        };
        let url: Url = setting("EMULATOR_URL")?
            .parse()
            .map_err(|error| format!("EMULATOR_URL is no address: {error}"))?;
        let tls = connector(Path::new(setting("EMULATOR_CA_FILE")?))?;
        Ok(Self { url, tls, settings })
    }

    fn setting(&self, name: &str) -> &str {
        self.settings.get(name).map_or("", String::as_str)
    }

    /// Asks the emulator's own endpoints. `Err` is the reason that the refusal gives.
    pub(crate) async fn control(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Value, String> {
        let answer = self.send(As::Control, method, &format!("emulator/{path}"), body).await?;
        self.json(&answer)
    }

    /// Asks the project, as its administrator. `Err` is the reason that the refusal gives.
    pub(crate) async fn project(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Value, String> {
        let organization = self.setting("AZURE_DEVOPS_ORG_URL").rsplit('/').next().unwrap_or_default();
        let path = format!("{organization}/{}/_apis/{path}", self.setting("AZURE_DEVOPS_PROJECT"));
        let answer = self.send(As::Member, method, &path, body).await?;
        self.json(&answer)
    }

    fn json(&self, answer: &Answer) -> Result<Value, String> {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        if (200..300).contains(&answer.status) {
            return Ok(body);
        }
        let reason = body["error"].as_str().or_else(|| body["message"].as_str()).map(str::to_owned);
        Err(reason.unwrap_or_else(|| format!("the emulator at {} answered {}", self.url, answer.status)))
    }

    async fn send(&self, who: As, method: Method, path: &str, body: Vec<u8>) -> Result<Answer, String> {
        let authorization = match who {
            As::Control => format!("Bearer {}", self.setting("EMULATOR_CONTROL_TOKEN")),
            As::Member => {
                let pair = format!(":{}", self.setting("AZURE_DEVOPS_EXT_PAT"));
                format!("Basic {}", STANDARD.encode(pair))
            }
        };
        let request = Request::builder()
            .method(method)
            .uri(format!("/{path}"))
            .header(HOST, self.authority())
            .header(AUTHORIZATION, authorization)
            .header(ACCEPT, "application/json;api-version=7.1")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| error.to_string())?;
        self.exchange(request).await.map_err(|error| {
            format!("no emulator answers at {}: {error}; start one with azure-emulator serve", self.url)
        })
    }

    fn authority(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        format!("{host}:{}", self.url.port_or_known_default().unwrap_or(443))
    }

    /// One request on a connection of its own.
    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
        let name = ServerName::try_from(self.url.host_str().unwrap_or_default().to_owned())?;
        let stream = tokio::net::TcpStream::connect(self.authority()).await?;
        let stream = self.tls.connect(name, stream).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the answer, and an error of it shows there.
        let connection = tokio::spawn(connection);
        let answer = sender.send_request(request).await?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await?.to_bytes().to_vec();
        connection.abort();
        Ok(Answer { status, body })
    }
}

fn read_settings(path: &Path) -> Result<BTreeMap<String, String>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        format!("{} cannot be read ({error}): is this the --data folder of an emulator?", path.display())
    })?;
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

fn connector(ca: &Path) -> Result<TlsConnector, String> {
    let unusable = |error: &dyn std::fmt::Display| {
        format!("the certificate authority in {} cannot be used: {error}", ca.display())
    };
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_file(ca).map_err(|error| unusable(&error))?;
    roots.add(certificate).map_err(|error| unusable(&error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config =
        config.map_err(|error| unusable(&error))?.with_root_certificates(roots).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
