//! Addresses in virtual networks: which one a container group gets, and what it is connected to.

use std::net::{IpAddr, Ipv4Addr};

use super::container_groups::ContainerGroup;
use super::networks::{self, Subnet, VirtualNetwork};
use super::refusal::Refusal;
use crate::State;
use crate::compute::{GroupNetwork, JoinedNetwork};

/// The first addresses of a subnet are the network's, its gateway's and its name servers'.
const FIRST: u32 = 4;

/// So many of a subnet's addresses Azure keeps for itself: those, and the last.
const RESERVED: u64 = FIRST as u64 + 1;

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    first: u32,
    bits: u32,
}

impl Range {
    /// Reads `10.0.0.0/16`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (first, bits) = text.split_once('/')?;
        let first: Ipv4Addr = first.parse().ok()?;
        let bits = bits.parse().ok().filter(|bits| *bits <= 32)?;
        Some(Self { first: u32::from(first), bits })
    }

    fn size(self) -> u64 {
        1 << (32 - self.bits)
    }

    pub(super) fn covers(self, other: Self) -> bool {
        let (first, end) = (u64::from(self.first), u64::from(self.first) + self.size());
        u64::from(other.first) >= first && u64::from(other.first) + other.size() <= end
    }

    /// How long its prefix is.
    pub(super) fn bits(self) -> u32 {
        self.bits
    }

    /// Whether it has an address with another in common.
    pub(super) fn overlaps(self, other: Self) -> bool {
        self.covers(other) || other.covers(self)
    }

    /// The range of that length which holds its first address: the same, where it begins as its length asks.
    fn aligned(self) -> Self {
        let size = u32::try_from(self.size()).unwrap_or(0);
        Self { first: if size == 0 { 0 } else { self.first & !(size - 1) }, ..self }
    }

    /// Refuses a range whose first address is not one for its length.
    pub(super) fn require_aligned(self, prefix: &str, of: &str) -> Result<(), Refusal> {
        let aligned = self.aligned();
        if aligned == self {
            return Ok(());
        }
        let message = format!(
            "The address prefix {prefix} in resource {of} has an invalid CIDR notation. For the given prefix length, \
             the address prefix should be {}/{}.",
            Ipv4Addr::from(aligned.first),
            self.bits
        );
        Err(Refusal::new(400, "InvalidCIDRNotation", message))
    }

    /// The addresses that Azure gives out: all but the first four and the last.
    fn free_addresses(self) -> impl Iterator<Item = IpAddr> {
        let last = u64::from(self.first) + self.size() - 1;
        (u64::from(self.first + FIRST)..last)
            .filter_map(|address| u32::try_from(address).ok())
            .map(|address| IpAddr::V4(Ipv4Addr::from(address)))
    }
}

/// Whether who calls from an address is a container group whose subnet has no way out: Azure DevOps, Entra ID and
/// Resource Manager are outside. Known where groups have addresses of their own, on Docker.
pub(crate) fn has_no_way_here(state: &State, address: IpAddr) -> bool {
    let joined = group_at(&state.arm, address).and_then(|group| joined(state, group));
    joined.is_some_and(|(_, subnet)| !networks::has_way_out(state, subnet))
}

/// The group whose containers call the emulator from an address.
pub(super) fn group_at(arm: &super::State, address: IpAddr) -> Option<&ContainerGroup> {
    arm.container_groups.values().find(|group| group.service_address == Some(address))
}

/// The subnet that a group has joined, with its network.
pub(super) fn joined<'a>(
    state: &'a State,
    group: &ContainerGroup,
) -> Option<(&'a VirtualNetwork, &'a Subnet)> {
    let id = group.subnets().next()?.to_ascii_lowercase();
    let (network, name) = id.split_once("/subnets/")?;
    let network = state.arm.networks.get(network)?;
    Some((network, network.subnets.iter().find(|subnet| subnet.name.eq_ignore_ascii_case(name))?))
}

/// How many addresses of a subnet are taken, and how many there are.
pub(super) fn usage(state: &State, network: &VirtualNetwork, subnet: &Subnet) -> (u64, u64) {
    let id = format!("{}/subnets/{}", network.id, subnet.name);
    let groups = state.arm.container_groups.values();
    let groups =
        groups.filter(|group| group.subnets().any(|joined| joined.eq_ignore_ascii_case(&id))).count();
    let used = u64::try_from(groups + subnet.ip_configurations.len()).unwrap_or(u64::MAX);
    let all = Range::parse(&subnet.address_prefix).map_or(0, |range| range.size().saturating_sub(RESERVED));
    (used, all)
}

/// The public addresses that groups get: some that are for documentation, so that nobody has them.
const PUBLIC: &str = "198.51.100.0/24";

/// The address that a group gets, in its subnet or a public one: the first that no other group has.
pub(super) fn free_address(state: &State, group: &ContainerGroup) -> Option<IpAddr> {
    let prefix = match joined(state, group) {
        Some((_, subnet)) => subnet.address_prefix.as_str(),
        None if group.properties["ipAddress"]["type"] == "Public" => PUBLIC,
        None => return None,
    };
    let taken: Vec<IpAddr> = state.arm.container_groups.values().filter_map(|other| other.address).collect();
    Range::parse(prefix)?.free_addresses().find(|address| !taken.contains(address))
}

/// What a group is connected to. Outside of a virtual network a group may call out, as in Azure.
pub(crate) fn network_of(state: &State, group: &ContainerGroup) -> GroupNetwork {
    let servers = group.properties["dnsConfig"]["nameServers"].as_array().into_iter().flatten();
    let found = joined(state, group);
    GroupNetwork {
        joined: found.and_then(|(network, subnet)| {
            Some(JoinedNetwork {
                network: network.id.to_ascii_lowercase(),
                address_space: address_space(network, subnet)?,
                address: group.address?,
            })
        }),
        has_way_out: found.is_none_or(|(_, subnet)| networks::has_way_out(state, subnet)),
        dns_servers: servers.filter_map(|server| server.as_str().map(str::to_owned)).collect(),
    }
}

/// The part of a network's address space that a subnet lies in.
fn address_space(network: &VirtualNetwork, subnet: &Subnet) -> Option<String> {
    let inner = Range::parse(&subnet.address_prefix)?;
    let parts = network.properties["addressSpace"]["addressPrefixes"].as_array()?;
    let covers = |part: &&str| Range::parse(part).is_some_and(|range| range.covers(inner));
    parts.iter().filter_map(|part| part.as_str()).find(covers).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::Range;

    #[test]
    fn azure_keeps_five_addresses_of_a_subnet() {
        let range = Range::parse("10.10.254.0/29").expect("a range");
        let free: Vec<_> = range.free_addresses().map(|address| address.to_string()).collect();
        assert_eq!(free, ["10.10.254.4", "10.10.254.5", "10.10.254.6"]);
    }

    #[test]
    fn ranges_overlap_and_begin_where_their_length_asks() {
        let range = |text| Range::parse(text).expect("a range");
        assert!(range("10.10.0.0/21").overlaps(range("10.10.7.0/24")));
        assert!(range("10.10.7.0/24").overlaps(range("10.10.0.0/21")));
        assert!(!range("10.10.0.0/21").overlaps(range("10.10.8.0/21")));
        assert!(range("0.0.0.0/0").require_aligned("", "").is_ok());
        let refused = range("10.10.1.0/21").require_aligned("10.10.1.0/21", "it").expect_err("not aligned");
        assert!(refused.message.ends_with("10.10.0.0/21."), "{}", refused.message);
    }

    #[test]
    fn a_range_covers_what_lies_within() {
        let range = |text| Range::parse(text).expect("a range");
        assert!(range("10.10.0.0/16").covers(range("10.10.254.0/23")));
        assert!(!range("10.10.0.0/16").covers(range("10.11.0.0/24")));
        assert!(range("0.0.0.0/0").covers(range("255.255.255.255/32")));
        assert_eq!(Range::parse("10.0.0.0"), None);
        assert_eq!(Range::parse("10.0.0.0/33"), None);
    }
}
