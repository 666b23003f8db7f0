//! From what the sample may have made and what is there to what is deleted, what is left, and why. Pure.

use std::collections::{BTreeMap, BTreeSet};

use azure_resources::resources::{Found, FoundSubnet, Resource, ResourceKind, group_of};

use super::look::{Seen, is_ours};
use super::words;
use crate::errors::Blame;
use crate::errors::Finding;
use crate::settings::sample::Sample;

/// What is to be done about a resource.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Removal {
    /// Azure Container Instances is to let go of this subnet first.
    FreeSubnet(String),
    /// It goes.
    Delete(Resource),
    /// It stays, for this reason.
    Leave(Resource, String),
}

/// What goes, in an order in which it can, or every reason not to begin. What is not there is not mentioned.
pub(super) fn removal(
    sample: &Sample,
    wanted: &[Resource],
    seen: &Seen,
) -> Result<Vec<Removal>, Vec<Finding>> {
    let mut steps = Vec::new();
    for resource in wanted.iter().rev() {
        let Some(found) = seen.get(resource.id()) else { continue };
        steps.extend(one(sample, resource, found, (wanted, seen, &steps)));
    }
    // Whether the subnet can be freed is known only by trying: nothing else is deleted before.
    steps.sort_by_key(|step| !matches!(step, Removal::FreeSubnet(_)));
    let goes: Vec<_> = steps
        .iter()
        .filter_map(|step| match step {
            Removal::Delete(resource) => Some(resource),
            Removal::FreeSubnet(_) | Removal::Leave(..) => None,
        })
        .collect();
    let mut findings: Vec<_> = agents_left(sample, &goes, seen);
    let locks =
        seen.locks.iter().filter(|lock| goes.iter().any(|gone| words::is_locked_by(gone.id(), &lock.id)));
    findings.extend(locks.map(|lock| words::locked(&lock.id, "deleted")));
    if findings.is_empty() { Ok(steps) } else { Err(findings) }
}

fn one(
    sample: &Sample,
    resource: &Resource,
    found: &Found,
    (wanted, seen, before): (&[Resource], &Seen, &[Removal]),
) -> Vec<Removal> {
    let leave = |why: String| vec![Removal::Leave(resource.clone(), why)];
    if !is_ours(resource.kind(), found) {
        return leave("the sample did not make it".to_owned());
    }
    match resource.kind() {
        // It goes with its account, or stays with it.
        ResourceKind::BlobContainer => Vec::new(),
        ResourceKind::VirtualNetwork => network(sample, resource, found),
        ResourceKind::RoleDefinition if is_had_by_others(resource, wanted, seen) => {
            leave("somebody gave it to others".to_owned())
        }
        ResourceKind::ResourceGroup => match others(resource, wanted, (seen, before)) {
            none if none.is_empty() => vec![Removal::Delete(resource.clone())],
            some => leave(format!("it holds {}", some.join(", "))),
        },
        ResourceKind::NetworkSecurityGroup | ResourceKind::NatGateway | ResourceKind::PublicIpAddress => {
            let network_stays = before.iter().any(
                |step| matches!(step, Removal::Leave(left, _) if left.kind() == ResourceKind::VirtualNetwork),
            );
            if network_stays {
                return leave("the virtual network needs it".to_owned());
            }
            vec![Removal::Delete(resource.clone())]
        }
        _ => vec![Removal::Delete(resource.clone())],
    }
}

/// Whether somebody has a role who did not get it from the sample.
fn is_had_by_others(role: &Resource, wanted: &[Resource], seen: &Seen) -> bool {
    let mut grants = seen
        .grants
        .iter()
        .filter(|grant| grant.role_number().is_some_and(|number| number.eq_ignore_ascii_case(role.name())));
    grants.any(|grant| !wanted.iter().any(|known| known.id().eq_ignore_ascii_case(grant.id())))
}

/// A network goes if nobody else uses it; the subnet of agents may have to be freed.
fn network(sample: &Sample, resource: &Resource, found: &Found) -> Vec<Removal> {
    let made = |subnet: &FoundSubnet<'_>| {
        let subnets = resource.body()["properties"]["subnets"].as_array().into_iter().flatten();
        subnets
            .into_iter()
            .any(|known| known["name"].as_str().is_some_and(|name| name.eq_ignore_ascii_case(subnet.name())))
    };
    if let Some(other) = found.subnets().find(|subnet| !made(subnet)) {
        let why = format!("it has a subnet {}, which the sample did not make", other.name());
        return vec![Removal::Leave(resource.clone(), why)];
    }
    if let Some((subnet, user)) =
        found.subnets().find_map(|subnet| Some((subnet, subnet.users().into_iter().next()?)))
    {
        let why = format!("its subnet {} is in use by {user}", subnet.name());
        return vec![Removal::Leave(resource.clone(), why)];
    }
    let held = found.subnets().any(FoundSubnet::is_held_by_container_instances);
    let free = held.then(|| Removal::FreeSubnet(sample.agents_subnet()));
    free.into_iter().chain([Removal::Delete(resource.clone())]).collect()
}

/// What a resource group holds that does not go: of others, of another part, or left for a reason.
fn others(group: &Resource, wanted: &[Resource], (seen, before): (&Seen, &[Removal])) -> Vec<String> {
    let inside = |id: &str| {
        let (id, group) = (id.to_lowercase(), group.id().to_lowercase());
        id.strip_prefix(&group).is_some_and(|rest| rest.starts_with('/'))
    };
    let goes = |id: &str| {
        before.iter().any(|step| matches!(step, Removal::Delete(gone) if gone.id().eq_ignore_ascii_case(id)))
            || wanted.iter().any(|known| {
                known.kind() == ResourceKind::BlobContainer && known.id().eq_ignore_ascii_case(id)
            })
    };
    let stay = seen.contents.iter().filter(|found| inside(found.id()) && !goes(found.id()));
    stay.map(|found| {
        let kind = found.resource_type().rsplit('/').next().unwrap_or_default().to_owned();
        format!("{kind}/{}", found.name())
    })
    .collect()
}

/// Agents that are still there need the network, wherever they are, and may need the identity to take themselves down.
fn agents_left(sample: &Sample, goes: &[&Resource], seen: &Seen) -> Vec<Finding> {
    let has = |kind: ResourceKind| goes.iter().any(|resource| resource.kind() == kind);
    let (network, identity) = (has(ResourceKind::VirtualNetwork), has(ResourceKind::Identity));
    if !network && !identity {
        return Vec::new();
    }
    let is_group = |found: &&Found| {
        found.resource_type().eq_ignore_ascii_case("Microsoft.ContainerInstance/containerGroups")
    };
    let ours: Vec<_> = seen.contents.iter().filter(is_group).collect();
    let is_new = |found: &&Found| !ours.iter().any(|known| known.id().eq_ignore_ascii_case(found.id()));
    let joined = seen.container_groups.iter().filter(|found| network && joins(found, sample)).filter(is_new);
    let mut by_group: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for found in ours.iter().copied().chain(joined) {
        let place = group_of(found.id()).map(|group| group.name().to_owned()).unwrap_or_default();
        by_group.entry(place).or_default().insert(found.name());
    }
    by_group.into_iter().map(|(group, names)| agents_in(&group, &Vec::from_iter(names))).collect()
}

/// Whether a container group is in the network.
fn joins(found: &Found, sample: &Sample) -> bool {
    let network = sample.network_group().resource(ResourceKind::VirtualNetwork, &sample.network);
    let network = format!("{}/", network.to_lowercase());
    let subnets = found.body()["properties"]["subnetIds"].as_array().into_iter().flatten();
    subnets
        .into_iter()
        .any(|subnet| subnet["id"].as_str().is_some_and(|id| id.to_lowercase().starts_with(&network)))
}

fn agents_in(group: &str, names: &[&str]) -> Finding {
    Finding {
        what: format!(
            "There are container groups still, in the resource group {group}: {}.",
            names.join(", ")
        ),
        remedy: format!(
            "wait until they are gone, or take them down: `ephemeral-agents deprovision {} --resource-group {group}`.",
            names.join(" ")
        ),
        blame: Blame::User,
    }
}
