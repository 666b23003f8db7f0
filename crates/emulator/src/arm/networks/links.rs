//! Service association links: by them container groups hold their subnet. One can be left over when the last group is
//! gone; then it is to be deleted by its own call, or time takes it.

use hyper::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::subnets::named;
use super::{DELEGATE, Subnet, VirtualNetwork};
use crate::State;
use crate::arm::container_groups::ContainerGroup;
use crate::arm::gate::{Call, on};
use crate::arm::refusal::Refusal;
use crate::http::{Reply, Router};

/// The container groups in a subnet.
pub(super) fn groups<'a>(
    state: &'a State,
    network: &VirtualNetwork,
    subnet: &Subnet,
) -> impl Iterator<Item = &'a ContainerGroup> + use<'a> {
    let id = network.id_of(subnet);
    let is_in = move |group: &&ContainerGroup| group.subnets().any(|joined| joined.eq_ignore_ascii_case(&id));
    state.arm.container_groups.values().filter(is_in)
}

/// Whether a link holds a subnet although no group is in it any more.
pub(super) fn is_left_over(state: &State, subnet: &Subnet) -> bool {
    subnet.leftover_link.is_some_and(|until| until > state.now)
}

/// Whether a link holds a subnet.
pub(super) fn is_held(state: &State, network: &VirtualNetwork, subnet: &Subnet) -> bool {
    is_left_over(state, subnet) || groups(state, network, subnet).next().is_some()
}

pub(super) fn show(network: &VirtualNetwork, subnet: &Subnet) -> Value {
    json!({
        "name": "acisal", "id": format!("{}/serviceAssociationLinks/acisal", network.id_of(subnet)),
        "type": "Microsoft.Network/virtualNetworks/subnets/serviceAssociationLinks",
        "properties": {
            "provisioningState": "Succeeded", "linkedResourceType": DELEGATE,
            "enabledForArmDeployments": false, "allowDelete": true, "locations": [network.location],
        },
    })
}

/// A subnet that something is in is not deleted.
pub(super) fn refuse_used(state: &State, network: &VirtualNetwork, subnet: &Subnet) -> Result<(), Refusal> {
    let user = match subnet.ip_configurations.first() {
        _ if is_held(state, network, subnet) => {
            format!("{}/serviceAssociationLinks/acisal", network.id_of(subnet))
        }
        Some(other) => other.clone(),
        None => return Ok(()),
    };
    let message = format!(
        "Subnet {} is in use by {user} and cannot be deleted. In order to delete the subnet, delete all the resources \
         within the subnet. See aka.ms/deletesubnet.",
        subnet.name
    );
    Err(Refusal::new(400, "InUseSubnetCannotBeDeleted", message))
}

/// After a container group is gone: its subnets keep their link if no other group is in them and a fault asks for it,
/// for so many seconds or until the link is deleted.
pub(in crate::arm) fn group_left(state: &mut State, group: &ContainerGroup) {
    if !state.faults.is_on("arm.leftover-association-link") {
        return;
    }
    let until = match state.faults.number("arm.leftover-association-link") {
        Some(seconds) => state.now.checked_add(SignedDuration::from_secs(seconds.cast_signed())).ok(),
        None => Some(Timestamp::MAX),
    };
    for id in group.subnets() {
        let is_used = |other: &ContainerGroup| other.subnets().any(|joined| joined.eq_ignore_ascii_case(id));
        if state.arm.container_groups.values().any(is_used) {
            continue;
        }
        let lower = id.to_ascii_lowercase();
        let Some((network, name)) = lower.split_once("/subnets/") else { continue };
        let network = state.arm.networks.get_mut(network);
        let mut subnets = network.into_iter().flat_map(|network| &mut network.subnets);
        if let Some(subnet) = subnets.find(|subnet| subnet.name.eq_ignore_ascii_case(name)) {
            subnet.leftover_link = until;
        }
    }
}

pub(super) fn routes(router: &mut Router) {
    let subnet = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Network/virtualNetworks/{name}/subnets/{subnet}";
    on(
        router,
        Method::GET,
        &format!("{subnet}/serviceAssociationLinks"),
        "Microsoft.Network/virtualNetworks/subnets/serviceAssociationLinks/read",
        list,
    );
    on(
        router,
        Method::DELETE,
        &format!("{subnet}/providers/Microsoft.ContainerInstance/serviceAssociationLinks/{{link}}"),
        "Microsoft.ContainerInstance/serviceAssociationLinks/delete",
        delete,
    );
}

fn list(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let (network, subnet) = named(state, call)?;
    let shown = if is_held(state, network, subnet) { vec![show(network, subnet)] } else { Vec::new() };
    Ok(Reply::json(200, &json!({ "value": shown })))
}

/// Assumed: status, code and text while container groups are in the subnet.
fn delete(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let (network, subnet) = named(state, call)?;
    if let Some(group) = groups(state, network, subnet).next() {
        let message = format!(
            "The service association link of subnet '{}' cannot be deleted since the container group '{}' uses it.",
            network.id_of(subnet),
            group.id
        );
        return Err(Refusal::new(409, "ServiceAssociationLinkInUse", message));
    }
    if !is_left_over(state, subnet) {
        return Ok(Reply::status(204));
    }
    let (id, name) = (network.id.to_ascii_lowercase(), subnet.name.clone());
    let subnets = state.arm.networks.get_mut(&id).into_iter().flat_map(|network| &mut network.subnets);
    for subnet in subnets.filter(|subnet| subnet.name == name) {
        subnet.leftover_link = None;
    }
    Ok(Reply::status(200))
}
