//! Somebody who sees every request and its reply, as tests do that hold them against what the services publish.

use std::sync::OnceLock;

/// A request and its reply. Bodies may hold secrets: whoever sees them keeps them to themselves.
#[derive(Clone, Copy)]
pub struct Exchange<'a> {
    /// The request's method.
    pub method: &'a str,
    /// Its path, as it was sent.
    pub path: &'a str,
    /// The version of the API that its query asks for.
    pub api_version: Option<&'a str>,
    /// What its client calls itself.
    pub user_agent: Option<&'a str>,
    /// Its body.
    pub request: &'a [u8],
    /// The reply's status.
    pub status: u16,
    /// The reply's body.
    pub reply: &'a [u8],
}

impl std::fmt::Debug for Exchange<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.method, self.path, self.status)
    }
}

type See = dyn Fn(&Exchange<'_>) + Send + Sync;

/// The one who sees, if there is one.
#[derive(Default)]
pub(crate) struct Observer(OnceLock<Box<See>>);

impl Observer {
    /// Lets somebody see what comes from now on; the first stays.
    pub(crate) fn set(&self, see: impl Fn(&Exchange<'_>) + Send + Sync + 'static) {
        let _ = self.0.set(Box::new(see));
    }

    /// Whether there is one.
    pub(crate) fn is_there(&self) -> bool {
        self.0.get().is_some()
    }

    pub(crate) fn sees(&self, exchange: &Exchange<'_>) {
        if let Some(see) = self.0.get() {
            see(exchange);
        }
    }
}

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Observer(..)")
    }
}
