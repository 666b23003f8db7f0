//! Ranges of addresses that are in each other's way. Pure.

use azure_resources::resources::{Found, FoundSubnet, Resource, ResourceKind};

use super::look::{Seen, is_ours};
use crate::errors::Blame;
use crate::errors::Finding;
use crate::settings::sample::Sample;

/// The first and the last address of a range.
type Range = Option<(u32, u32)>;

/// Every range that keeps the network from being made.
pub(super) fn in_the_way(sample: &Sample, wanted: &[Resource], seen: &Seen) -> Vec<Finding> {
    let mut findings = of_other_networks(sample, seen);
    let network = wanted.iter().find(|resource| resource.kind() == ResourceKind::VirtualNetwork);
    let there = network.and_then(|network| Some((network, seen.get(network.id())?)));
    // Somebody else's is refused whatever its addresses are.
    if let Some((network, found)) = there.filter(|(network, found)| is_ours(network.kind(), found)) {
        match other_space(sample, found) {
            Some(finding) => findings.push(finding),
            None => findings.extend(of_subnets(sample, network, found)),
        }
    }
    findings
}

/// The network's addresses, as they are written.
fn space(sample: &Sample) -> String {
    let (first, second) = sample.addresses;
    format!("{first}.{second}.0.0/16")
}

fn finding(what: String, remedy: String) -> Finding {
    Finding { what, remedy, blame: Blame::User }
}

/// Networks of the same resource group that have some of the same addresses: they can never be joined to ours.
fn of_other_networks(sample: &Sample, seen: &Seen) -> Vec<Finding> {
    let ours = space(sample);
    let others = seen.networks.iter().filter(|network| !network.name().eq_ignore_ascii_case(&sample.network));
    let overlapping = others.filter_map(|network| {
        let mut prefixes = network.address_prefixes().into_iter();
        let prefix = prefixes.find(|prefix| overlap(range(&ours), range(prefix)))?;
        Some((network.name().to_owned(), prefix))
    });
    let finding = |(name, prefix)| {
        let group = &sample.network_group;
        finding(
            format!(
                "The addresses {ours} overlap with {prefix} of the virtual network {name} in {group}, so that the \
                 two could never be joined."
            ),
            "choose another range (--address-space), such as 10.20.0.0/16.".to_owned(),
        )
    };
    overlapping.map(finding).collect()
}

/// Our network as an earlier run made it, with other addresses. What is in it has some of them.
fn other_space(sample: &Sample, found: &Found) -> Option<Finding> {
    let (wanted, has) = (space(sample), found.address_prefixes());
    if has.iter().any(|prefix| covers(range(prefix), range(&wanted))) {
        return None;
    }
    let keep = has.iter().find(|prefix| prefix.ends_with(".0.0/16"));
    let keep = keep.map(|prefix| format!("keep what it has (--address-space {prefix}), or "));
    Some(finding(
        format!(
            "The virtual network {} has the addresses {}, and not {wanted}: a network that is there is not moved.",
            sample.network,
            has.join(", ")
        ),
        format!("{}delete it first: `ephemeral-agents sample network delete`.", keep.unwrap_or_default()),
    ))
}

/// Subnets that have what one of ours is to have: under its name another range, or another's name and some of its
/// range.
fn of_subnets(sample: &Sample, network: &Resource, found: &Found) -> Vec<Finding> {
    let mut findings = Vec::new();
    for wanted in network.body()["properties"]["subnets"].as_array().into_iter().flatten() {
        let name = wanted["name"].as_str().unwrap_or_default();
        let wants = wanted["properties"]["addressPrefix"].as_str().unwrap_or_default();
        for subnet in found.subnets() {
            let is_it = subnet.name().eq_ignore_ascii_case(name);
            let has = subnet.prefixes();
            let clashes = if is_it {
                has.iter().all(|prefix| *prefix != wants)
            } else {
                has.iter().any(|prefix| overlap(range(prefix), range(wants)))
            };
            if clashes {
                findings.push(subnet_in_the_way(sample, (name, wants), subnet));
            }
        }
    }
    findings
}

fn subnet_in_the_way(sample: &Sample, (name, wants): (&str, &str), subnet: FoundSubnet<'_>) -> Finding {
    let (network, other, has) = (&sample.network, subnet.name(), subnet.prefixes().join(", "));
    let what = if other.eq_ignore_ascii_case(name) {
        format!("The subnet {name} of {network} has the addresses {has}, and {wants} are wanted.")
    } else {
        format!(
            "The subnet {name} of {network} is to have the addresses {wants}, and the subnet {other} has {has}."
        )
    };
    finding(
        what,
        format!(
            "delete it if nothing needs it (`az network vnet subnet delete --resource-group {} --vnet-name {network} \
             --name {other}`), or make another network (--vnet-name and --address-space).",
            sample.network_group
        ),
    )
}

fn range(prefix: &str) -> Range {
    let (address, bits) = prefix.split_once('/')?;
    let bits = bits.parse::<u32>().ok().filter(|bits| *bits <= 32)?;
    let first = u32::from(address.parse::<std::net::Ipv4Addr>().ok()?);
    let size = u32::MAX.checked_shr(bits).unwrap_or(0);
    Some((first & !size, first | size))
}

fn overlap(one: Range, other: Range) -> bool {
    one.zip(other).is_some_and(|(one, other)| one.0 <= other.1 && other.0 <= one.1)
}

fn covers(outer: Range, inner: Range) -> bool {
    outer.zip(inner).is_some_and(|(outer, inner)| outer.0 <= inner.0 && inner.1 <= outer.1)
}

#[cfg(test)]
mod tests {
    use super::{covers, overlap, range};

    #[test]
    fn ranges_overlap_or_not() {
        let table = [
            ("10.10.0.0/16", "10.10.254.0/23", true),
            ("10.0.0.0/8", "10.10.0.0/16", true),
            ("10.10.0.0/16", "10.11.0.0/16", false),
            ("10.10.0.0/16", "10.9.255.0/24", false),
            ("0.0.0.0/0", "10.10.0.0/16", true),
            ("10.10.0.0/16", "fd00::/8", false),
            ("10.10.0.1/32", "10.10.0.1/32", true),
        ];
        for (one, other, expected) in table {
            assert_eq!(overlap(range(one), range(other)), expected, "{one} {other}");
        }
    }

    #[test]
    fn a_range_covers_what_is_in_it_whole() {
        for (outer, inner, expected) in [
            ("10.0.0.0/8", "10.10.0.0/16", true),
            ("10.10.0.0/16", "10.10.0.0/16", true),
            ("10.10.0.0/17", "10.10.0.0/16", false),
            ("10.20.0.0/16", "10.10.0.0/16", false),
        ] {
            assert_eq!(covers(range(outer), range(inner)), expected, "{outer} {inner}");
        }
    }
}
