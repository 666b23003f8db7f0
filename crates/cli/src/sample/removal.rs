//! From what the sample may have made and what is there to what is deleted, what is left, and why. Pure.

use azure_resources::resources::{Found, FoundSubnet, Resource, ResourceKind};

use super::look::{Seen, is_ours};
use super::words;
use crate::errors::Blame;
use crate::provision::preflight::Finding;
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
    let goes: Vec<_> = steps
        .iter()
        .filter_map(|step| match step {
            Removal::Delete(resource) => Some(resource),
            Removal::FreeSubnet(_) | Removal::Leave(..) => None,
        })
        .collect();
    let mut findings: Vec<_> = agents_left(&goes, seen).into_iter().collect();
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

/// Agents that are still there need the network, and may need the identity to take themselves down.
fn agents_left(goes: &[&Resource], seen: &Seen) -> Option<Finding> {
    let needed = |kind: ResourceKind| matches!(kind, ResourceKind::VirtualNetwork | ResourceKind::Identity);
    if !goes.iter().any(|resource| needed(resource.kind())) {
        return None;
    }
    let is_group = |found: &&Found| {
        found.resource_type().eq_ignore_ascii_case("Microsoft.ContainerInstance/containerGroups")
    };
    let names: Vec<_> = seen.contents.iter().filter(is_group).map(Found::name).collect();
    (!names.is_empty()).then(|| Finding {
        what: format!("There are container groups still: {}.", names.join(", ")),
        remedy: format!(
            "wait until they are gone, or take them down: `ephemeral-agents deprovision {}`.",
            names.join(" ")
        ),
        blame: Blame::User,
    })
}
