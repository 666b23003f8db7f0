//! Names to addresses, without the C library: a static program cannot use its resolver.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::LookupIpStrategy;
use hickory_resolver::net::NetError;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Resolves as the system is set up: `/etc/hosts` first, then the servers of `/etc/resolv.conf`. Unlike reqwest's
/// own, it never falls back to somebody's public servers: names of a private network are nobody else's business.
#[derive(Clone, Default)]
pub(crate) struct Resolver(Arc<OnceLock<TokioResolver>>);

/// A name has no address, and why.
#[derive(Debug)]
pub(crate) struct NotResolved(pub(crate) String);

impl fmt::Display for NotResolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotResolved {}

impl Resolver {
    /// Made at the first use, inside the runtime.
    fn resolver(&self) -> Result<&TokioResolver, NotResolved> {
        if let Some(resolver) = self.0.get() {
            return Ok(resolver);
        }
        let made = TokioResolver::builder_tokio()
            .and_then(|mut builder| {
                builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
                builder.build()
            })
            .map_err(|error| NotResolved(format!("the system's DNS settings cannot be read: {error}")))?;
        Ok(self.0.get_or_init(|| made))
    }

    /// The addresses of a host.
    pub(crate) async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, NotResolved> {
        let found = self.resolver()?.lookup_ip(host).await;
        Ok(found.map_err(|error| NotResolved(in_words(&error)))?.iter().collect())
    }
}

/// That there is no such name is all that the answer says; the query in it is for programmers.
fn in_words(error: &NetError) -> String {
    if error.is_nx_domain() || error.is_no_records_found() {
        "DNS knows no such name".to_owned()
    } else {
        error.to_string()
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let addresses = resolver.addresses(name.as_str()).await?.into_iter();
            Ok(Box::new(addresses.map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}
