//! The subnet that container groups join.

use super::{Notes, Subject};
use crate::services::{Answer, Subnet, SubnetLookup};
use crate::settings::Network;

/// What a subnet has to be delegated to.
const DELEGATION: &str = "Microsoft.ContainerInstance/containerGroups";

/// What was found, and what to do.
type Reason = (String, String);

/// Whether that many container groups can join the subnet, and whether it may have a way out.
pub(crate) fn judge_subnet(
    network: &Network,
    subnet: &Answer<SubnetLookup>,
    (location, count): (Option<&str>, u32),
    notes: &mut Notes,
) {
    let Network { resource_group, name: virtual_network, subnet: name } = network;
    let update = format!(
        "az network vnet subnet update --resource-group {resource_group} --vnet-name {virtual_network} --name {name} \
         --delegations {DELEGATION}"
    );
    match subnet {
        Err(error) => notes.refused(Subject::Subnet, "look at the subnet", error),
        Ok(SubnetLookup::Missing) => notes.fail(
            Subject::Subnet,
            format!(
                "There is no subnet `{name}` in a virtual network `{virtual_network}` of `{resource_group}`."
            ),
            "correct --vnet-name, --subnet-name or --vnet-resource-group; the network has to be in the same \
             subscription.",
        ),
        Ok(SubnetLookup::Found(subnet)) => {
            let reasons = [
                delegation_finding(subnet, name, &update),
                room_finding(subnet, name, count),
                region_finding(subnet, virtual_network, location),
            ];
            let fine = reasons.iter().all(Option::is_none);
            for (what, remedy) in reasons.into_iter().flatten() {
                notes.fail(Subject::Subnet, what, remedy);
            }
            if fine {
                notes.ok(Subject::Subnet, as_it_is(subnet, virtual_network, name));
            }
            if !subnet.has_way_out {
                notes.warn(
                    Subject::WayOut,
                    format!(
                        "the subnet {virtual_network}/{name} has no NAT gateway and no routes: its agents may not \
                         reach Azure DevOps"
                    ),
                    "give the subnet a NAT gateway with a public address, or routes to a firewall, unless a proxy in \
                     the network leads out.",
                );
            }
        }
    }
}

fn as_it_is(subnet: &Subnet, network: &str, name: &str) -> String {
    let free = subnet.free.map_or_else(String::new, |free| format!(", with {free} free addresses"));
    format!("{network}/{name} is in {}, for container groups alone{free}.", subnet.location)
}

/// A subnet in which other things live cannot be delegated any more, so that its remedy is another one.
fn delegation_finding(subnet: &Subnet, name: &str, update: &str) -> Option<Reason> {
    if subnet.delegations.iter().any(|delegation| delegation.eq_ignore_ascii_case(DELEGATION)) {
        return None;
    }
    if let Some(first) = subnet.others.first() {
        return Some(shared_finding(subnet.others.len(), first, name));
    }
    let what = match subnet.delegations.first() {
        None => format!("The subnet `{name}` is not delegated to container groups."),
        Some(other) => format!("The subnet `{name}` is delegated to {other}, not to container groups."),
    };
    Some((what, format!("use a subnet for agents alone, and delegate it: `{update}`.")))
}

fn shared_finding(count: usize, first: &str, name: &str) -> Reason {
    // `…/networkInterfaces/{name}/ipConfigurations/{name}`: the resource is what people know.
    let resource = first.split("/ipConfigurations/").next().unwrap_or(first);
    let mut parts = resource.rsplit('/');
    let (resource, kind) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
    (
        format!(
            "The subnet `{name}` holds other things ({kind} {resource}{more}); container groups need one for \
             themselves."
        ),
        format!(
            "make another subnet, for agents alone: `az network vnet subnet create … --delegations {DELEGATION}`."
        ),
    )
}

fn room_finding(subnet: &Subnet, name: &str, count: u32) -> Option<Reason> {
    let free = subnet.free.filter(|free| *free < u64::from(count))?;
    let left = match free {
        0 => "no address left for another container group".to_owned(),
        free => format!("{free} free addresses, and {count} are needed"),
    };
    Some((
        format!("The subnet `{name}` has {left}."),
        "take down agents that are not needed (`ephemeral-agents list`), or use a larger subnet.".to_owned(),
    ))
}

fn region_finding(subnet: &Subnet, network: &str, location: Option<&str>) -> Option<Reason> {
    let location = location?;
    (!subnet.location.eq_ignore_ascii_case(location)).then(|| {
        (
            format!(
                "The virtual network `{network}` is in {}, and the agent would be in {location}; a container group \
                 can only join a network of its own region.",
                subnet.location
            ),
            format!("use --location {}, or leave --location out.", subnet.location),
        )
    })
}
