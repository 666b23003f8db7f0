//! Names to addresses without the C library: a statically linked program has no name service switch.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context as _, bail};
use hickory_resolver::TokioResolver;

/// The addresses of a host, at least one. Literal addresses and `localhost` need no name server; everything else is
/// looked up in `/etc/hosts`, then asked of the name servers in `/etc/resolv.conf`.
///
/// # Errors
/// The name is unknown, or nobody could be asked.
pub(crate) async fn addresses(host: &str) -> anyhow::Result<Vec<IpAddr>> {
    if let Some(addresses) = without_asking(host) {
        return Ok(addresses);
    }
    // Here rather than in the resolver, which does not work at all where /etc/resolv.conf names no server.
    let known = listed(&std::fs::read_to_string("/etc/hosts").unwrap_or_default(), host);
    if !known.is_empty() {
        return Ok(known);
    }
    let resolver = TokioResolver::builder_tokio()
        .and_then(hickory_resolver::ResolverBuilder::build)
        .with_context(|| format!("{host} cannot be looked up: /etc/resolv.conf names no usable server"))?;
    let found: Vec<_> = resolver
        .lookup_ip(host)
        .await
        .with_context(|| format!("The host name {host} could not be resolved"))?
        .iter()
        .collect();
    if found.is_empty() {
        bail!("The host name {host} has no address");
    }
    Ok(found)
}

/// What needs no look-up.
fn without_asking(host: &str) -> Option<Vec<IpAddr>> {
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = literal.parse() {
        return Some(vec![address]);
    }
    let local = host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost");
    local.then(|| vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()])
}

/// The addresses that the text of a hosts file lists for a name.
fn listed(hosts: &str, name: &str) -> Vec<IpAddr> {
    let entries = hosts.lines().map(|line| line.split('#').next().unwrap_or_default().split_whitespace());
    entries
        .filter_map(|mut words| {
            let address = words.next()?.parse().ok()?;
            words.any(|word| word.eq_ignore_ascii_case(name)).then_some(address)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_file_is_read() {
        let hosts = "127.0.0.1 localhost\n10.0.0.5\temulator emulator.local # test\n# 10.0.0.6 emulator\nfe80::1 Emulator\nbroken emulator\n";
        let expected: Vec<IpAddr> = vec!["10.0.0.5".parse().unwrap(), "fe80::1".parse().unwrap()];
        assert_eq!(listed(hosts, "EMULATOR"), expected);
        assert!(listed(hosts, "test").is_empty());
    }

    #[test]
    fn literals_and_localhost_need_no_server() {
        let one = |address: &str| Some(vec![address.parse().unwrap()]);
        assert_eq!(without_asking("10.1.2.3"), one("10.1.2.3"));
        assert_eq!(without_asking("[::1]"), one("::1"));
        assert_eq!(without_asking("LocalHost").map(|all| all.len()), Some(2));
        assert_eq!(without_asking("dev.azure.com"), None);
    }
}
