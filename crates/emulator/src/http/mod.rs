//! TLS, routing without regard to case, requests and replies.

mod reply;
mod request;
mod router;
mod routers;
mod server;

pub use reply::Reply;
pub use request::{Query, Request};
pub use router::{Router, Service};
pub use routers::Routers;
pub(crate) use server::{serve, serve_identity};

use crate::faults::Knob;

/// Faults of the wire, for every service alike. Each takes how many requests it is to hit; a value of the form
/// `{"count": 2, "path": "containergroups", "method": "PUT"}` hits only requests whose path holds that text.
pub const KNOBS: &[Knob] = &[
    Knob {
        name: "http.throttle",
        meaning: "429 with Retry-After: {count, path, method, retry_after_seconds (1), without_header}",
    },
    Knob { name: "http.unavailable", meaning: "an error of the server: {count, path, method, status (503)}" },
    Knob {
        name: "http.hold",
        meaning: "the request is carried out, and its reply held back, until the knob is turned back: {path, method}",
    },
    Knob {
        name: "http.lose-reply",
        meaning: "the request is carried out and the connection closed without a reply: {count, path, method}",
    },
    Knob {
        name: "http.not-json",
        meaning: "an HTML page in place of the reply: {count, path, method, status (200)}",
    },
];
