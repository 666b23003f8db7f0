//! The network rules of an account: which are valid, and whom they let through.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::State;
use crate::arm::addresses::Range;
use crate::arm::gate::Call;
use crate::arm::refusal::Refusal;
use crate::arm::roles;

/// The service endpoint by which an account sees that somebody calls from a subnet.
pub(super) const ENDPOINT: &str = "Microsoft.Storage";

/// Where a caller is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// In a subnet, whose id the account gets to see.
    Subnet(String),
    /// Somewhere else, with this address.
    Elsewhere(IpAddr),
}

/// Whether rules let somebody through.
pub(super) fn allow(acls: &Value, origin: &Origin) -> bool {
    if !acls["defaultAction"].as_str().is_some_and(|action| action.eq_ignore_ascii_case("Deny")) {
        return true;
    }
    let texts = |list: &str, member: &'static str| {
        acls[list].as_array().into_iter().flatten().filter_map(move |rule| rule[member].as_str())
    };
    match origin {
        Origin::Subnet(id) => texts("virtualNetworkRules", "id").any(|known| known.eq_ignore_ascii_case(id)),
        Origin::Elsewhere(address) => texts("ipRules", "value").any(|known| holds(known, *address)),
    }
}

/// Whether an address or a range is, or holds, an address.
fn holds(known: &str, address: IpAddr) -> bool {
    let range = |text: &str| Range::parse(text).or_else(|| Range::parse(&format!("{text}/32")));
    match (range(known), range(&address.to_string())) {
        (Some(known), Some(address)) => known.covers(address),
        _ => false,
    }
}

/// Network rules out of a body, checked and complete.
pub(super) fn read(state: &State, call: &Call, acls: &Value) -> Result<Value, Refusal> {
    let action = acls["defaultAction"].as_str().unwrap_or("Allow");
    if !["Allow", "Deny"].iter().any(|known| known.eq_ignore_ascii_case(action)) {
        let problem =
            format!("'{action}' is not a default action. Path 'properties.networkAcls.defaultAction'");
        return Err(Refusal::content(&problem));
    }
    let list = |name: &str| acls[name].as_array().cloned().unwrap_or_default();
    let mut subnets = Vec::new();
    for rule in list("virtualNetworkRules") {
        let id = rule["id"].as_str().unwrap_or_default();
        check_subnet(state, call, id)?;
        subnets.push(json!({"id": id, "action": "Allow", "state": "Succeeded"}));
    }
    let mut addresses = Vec::new();
    for rule in list("ipRules") {
        let value = rule["value"].as_str().unwrap_or_default();
        if Range::parse(value).is_none() && value.parse::<std::net::Ipv4Addr>().is_err() {
            let message = format!(
                "Validation of network acls failure: InvalidIpRule:{value} is not an IPv4 address or range."
            );
            return Err(Refusal::new(400, "NetworkAclsValidationFailure", message));
        }
        addresses.push(json!({"value": value, "action": "Allow"}));
    }
    Ok(json!({
        "bypass": acls["bypass"].as_str().unwrap_or("AzureServices"), "defaultAction": action,
        "virtualNetworkRules": subnets, "ipRules": addresses,
    }))
}

/// A rule's subnet must be there, have the service endpoint, and be one that the caller may let in.
fn check_subnet(state: &State, call: &Call, id: &str) -> Result<(), Refusal> {
    let failure = |problem: String| {
        let message = format!("Validation of network acls failure: {problem}");
        Err(Refusal::new(400, "NetworkAclsValidationFailure", message))
    };
    let lower = id.to_ascii_lowercase();
    let (network, name) = lower.split_once("/subnets/").unwrap_or((&lower, ""));
    let network = state.arm.networks.get(network);
    let found = network.and_then(|network| {
        let mut subnets = network.subnets.iter();
        Some((network, subnets.find(|subnet| subnet.name.eq_ignore_ascii_case(name))?))
    });
    let Some((network, subnet)) = found else {
        return failure(format!("SubnetNotFound:The subnet {id} was not found."));
    };
    let action = "Microsoft.Network/virtualNetworks/subnets/joinViaServiceEndpoint/action";
    if !roles::may(&state.arm, call.caller.object_id, action, id) {
        let message = format!(
            "The client '{}' has permission to perform action 'Microsoft.Storage/storageAccounts/write' on the scope of \
             the storage account; however, it does not have permission to perform action '{action}' on the linked \
             scope(s) '{id}' or the linked scope(s) are invalid.",
            call.caller.app_id
        );
        return Err(Refusal::new(403, "LinkedAuthorizationFailed", message));
    }
    if !has_endpoint(&subnet.service_endpoints) {
        return failure(format!(
            "SubnetsHaveNoServiceEndpointsConfigured:Subnets {} of virtual network {} do not have ServiceEndpoints for \
             Microsoft.Storage resources configured. Add Microsoft.Storage to subnet's ServiceEndpoints collection before \
             trying to ACL Microsoft.Storage resources to these subnets.",
            subnet.name, network.id
        ));
    }
    Ok(())
}

/// Whether a subnet has an endpoint for storage; that across regions is one too.
pub(super) fn has_endpoint(endpoints: &[String]) -> bool {
    endpoints.iter().any(|endpoint| {
        endpoint.eq_ignore_ascii_case(ENDPOINT) || endpoint.eq_ignore_ascii_case("Microsoft.Storage.Global")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Origin, allow};

    #[test]
    fn who_is_let_through() {
        let subnet = |id: &str| Origin::Subnet(id.to_owned());
        let address = |text: &str| Origin::Elsewhere(text.parse().expect("an address"));
        let open = json!({"defaultAction": "Allow"});
        let closed = json!({
            "defaultAction": "Deny", "virtualNetworkRules": [{"id": "/Net/subnets/agents"}],
            "ipRules": [{"value": "203.0.113.0/24"}, {"value": "198.51.100.7"}],
        });
        for (acls, origin, through) in [
            (&open, address("192.0.2.1"), true),
            (&open, subnet("/net/subnets/other"), true),
            (&closed, subnet("/net/subnets/agents"), true),
            (&closed, subnet("/net/subnets/other"), false),
            (&closed, address("203.0.113.9"), true),
            (&closed, address("198.51.100.7"), true),
            (&closed, address("198.51.100.8"), false),
            (&closed, address("::1"), false),
        ] {
            assert_eq!(allow(acls, &origin), through, "{acls} {origin:?}");
        }
    }
}
