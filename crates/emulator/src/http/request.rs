//! What a client asks.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use base64::Engine as _;
use hyper::Method;
use hyper::header::HeaderMap;
use serde::de::DeserializeOwned;

/// A request, read to its end.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its method.
    pub method: Method,
    /// Its path as sent, still percent-encoded.
    pub path: String,
    /// Its query.
    pub query: Query,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
    /// `https://host:port` as the client wrote it: URLs in the reply begin with it, so that they lead back to us
    /// whatever name the client knows us by.
    pub base_url: String,
    /// Where it came from.
    pub peer: SocketAddr,
    /// The variable parts of the path, by the names that the route gives them.
    pub params: BTreeMap<String, String>,
}

impl Request {
    /// A variable part of the path, as the client wrote it (decoded); empty where the route has none of that name.
    pub fn param(&self, name: &str) -> &str {
        self.params.get(name).map_or("", String::as_str)
    }

    /// A header that is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }

    /// The body as a form.
    pub fn form(&self) -> BTreeMap<String, String> {
        url::form_urlencoded::parse(&self.body).into_owned().collect()
    }

    /// The token of `Authorization: Bearer`.
    pub fn bearer(&self) -> Option<&str> {
        self.credentials("bearer")
    }

    /// User and password of `Authorization: Basic`.
    pub fn basic(&self) -> Option<(String, String)> {
        let decoded = base64::engine::general_purpose::STANDARD.decode(self.credentials("basic")?).ok()?;
        let text = String::from_utf8(decoded).ok()?;
        text.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
    }

    /// The password of `Authorization: Basic`; the user does not matter.
    pub fn basic_password(&self) -> Option<String> {
        self.basic().map(|(_, password)| password)
    }

    fn credentials(&self, scheme: &str) -> Option<&str> {
        let (found, rest) = self.header("authorization")?.split_once(' ')?;
        found.eq_ignore_ascii_case(scheme).then(|| rest.trim())
    }
}

/// A query: names without regard to case, as the services read them.
#[derive(Clone, Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the part after `?`.
    pub fn parse(text: &str) -> Self {
        let pairs = url::form_urlencoded::parse(text.as_bytes());
        Self(pairs.map(|(name, value)| (name.to_ascii_lowercase(), value.into_owned())).collect())
    }

    /// The first value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// A number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }

    /// Whether a name is there with `true` or without a value.
    pub fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.is_empty() || value.eq_ignore_ascii_case("true"))
    }
}
