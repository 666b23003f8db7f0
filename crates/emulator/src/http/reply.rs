//! What goes back to a client.

use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;

/// A reply: status, headers, body.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
    /// Whether the connection is closed in its place, as if nobody were there.
    pub closes_connection: bool,
}

impl Reply {
    /// Nothing but a status.
    pub fn status(status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, headers: HeaderMap::new(), body: Vec::new(), closes_connection: false }
    }

    /// No reply at all: the connection is closed.
    pub fn connection_closed() -> Self {
        Self { closes_connection: true, ..Self::status(503) }
    }

    /// A JSON body.
    pub fn json(status: u16, body: &impl Serialize) -> Self {
        let reply = Self::status(status).header("content-type", "application/json; charset=utf-8");
        match serde_json::to_vec(body) {
            Ok(body) => Self { body, ..reply },
            Err(error) => Self::text(500, "text/plain", &error.to_string()),
        }
    }

    /// A body of text.
    pub fn text(status: u16, content_type: &str, body: &str) -> Self {
        Self::bytes(status, content_type, body.as_bytes().to_vec())
    }

    /// A body of bytes.
    pub fn bytes(status: u16, content_type: &str, body: Vec<u8>) -> Self {
        Self { body, ..Self::status(status).header("content-type", content_type) }
    }

    /// Adds a header; one that HTTP cannot carry is left out.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            self.headers.append(name, value);
        }
        self
    }
}
