//! A resource as it was found.

use std::collections::BTreeMap;

use serde_json::Value;

/// What Resource Manager shows of a resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Found(pub(crate) Value);

impl Found {
    /// From what the service shows; also for tests of those who use this.
    pub fn new(shown: Value) -> Self {
        Self(shown)
    }

    /// Its resource id.
    pub fn id(&self) -> &str {
        self.0["id"].as_str().unwrap_or_default()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.0["name"].as_str().unwrap_or_default()
    }

    /// Its type, as `Microsoft.Network/virtualNetworks`.
    pub fn resource_type(&self) -> &str {
        self.0["type"].as_str().unwrap_or_default()
    }

    /// Its region, where it has one.
    pub fn location(&self) -> Option<&str> {
        self.0["location"].as_str()
    }

    /// Its tags.
    pub fn tags(&self) -> BTreeMap<String, String> {
        let tags = self.0["tags"].as_object().into_iter().flatten();
        tags.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
    }

    /// All of it.
    pub fn body(&self) -> &Value {
        &self.0
    }

    /// The number of the role that is assigned.
    pub fn role_number(&self) -> Option<&str> {
        self.0["properties"]["roleDefinitionId"].as_str()?.rsplit('/').next()
    }

    /// The id of what a role is assigned over.
    pub fn scope(&self) -> Option<&str> {
        self.0["properties"]["scope"].as_str()
    }

    /// The principal of an identity, or who a role is assigned to.
    pub fn principal(&self) -> Option<&str> {
        self.0["properties"]["principalId"].as_str()
    }

    /// Where a registry is pushed to and pulled from.
    pub fn login_server(&self) -> Option<&str> {
        self.0["properties"]["loginServer"].as_str()
    }

    /// The ranges of addresses of a virtual network.
    pub fn address_prefixes(&self) -> Vec<String> {
        let prefixes = self.0["properties"]["addressSpace"]["addressPrefixes"].as_array();
        prefixes.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// The subnets of a virtual network.
    pub fn subnets(&self) -> impl Iterator<Item = FoundSubnet<'_>> {
        self.0["properties"]["subnets"].as_array().into_iter().flatten().map(FoundSubnet)
    }

    /// Whether making it, or changing it, was tried and did not work.
    pub fn is_failed(&self) -> bool {
        self.is_settled() && !self.state().eq_ignore_ascii_case("succeeded")
    }

    /// Whether Resource Manager is done with it: a state that is not said is no state in between.
    pub(crate) fn is_settled(&self) -> bool {
        ["succeeded", "failed", "canceled"].contains(&self.state().to_ascii_lowercase().as_str())
    }

    /// How far Resource Manager is with it; what says nothing is done.
    pub(crate) fn state(&self) -> &str {
        self.0["properties"]["provisioningState"].as_str().unwrap_or("Succeeded")
    }
}

/// A subnet, as it was found in its network.
#[derive(Clone, Copy)]
pub struct FoundSubnet<'a>(&'a Value);

impl<'a> FoundSubnet<'a> {
    /// Its name.
    pub fn name(self) -> &'a str {
        self.0["name"].as_str().unwrap_or_default()
    }

    /// Its ranges of addresses, of which some versions show one, and some a list.
    pub fn prefixes(self) -> Vec<&'a str> {
        let properties = &self.0["properties"];
        let all = properties["addressPrefixes"].as_array().into_iter().flatten();
        let mut all: Vec<_> = all.filter_map(Value::as_str).collect();
        let one = properties["addressPrefix"].as_str();
        all.extend(one.filter(|one| !all.contains(one)));
        all
    }

    /// Whether Azure Container Instances holds on to it.
    pub fn is_held_by_container_instances(self) -> bool {
        let links = self.0["properties"]["serviceAssociationLinks"].as_array();
        links.into_iter().flatten().any(|link| {
            let held_for = link["properties"]["linkedResourceType"].as_str().unwrap_or_default();
            held_for.to_ascii_lowercase().starts_with("microsoft.containerinstance/")
        })
    }

    /// Ids of what has an address in it.
    pub fn users(self) -> Vec<String> {
        let users = self.0["properties"]["ipConfigurations"].as_array();
        users.into_iter().flatten().filter_map(|user| user["id"].as_str()).map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Found, FoundSubnet};

    #[test]
    fn what_goes_on_is_not_settled() {
        for (state, expected) in [
            (json!("Updating"), false),
            (json!("Creating"), false),
            (json!("Succeeded"), true),
            (json!("Failed"), true),
            (json!(null), true),
        ] {
            let found = Found::new(json!({ "properties": { "provisioningState": state } }));
            assert_eq!(found.is_settled(), expected, "{state}");
        }
    }

    #[test]
    fn a_subnet_says_who_holds_it() {
        let link =
            json!({ "properties": { "linkedResourceType": "Microsoft.ContainerInstance/containerGroups" } });
        let other = json!({ "properties": { "linkedResourceType": "Microsoft.Web/serverFarms" } });
        let network = Found::new(json!({ "properties": { "subnets": [
            { "name": "a", "properties": { "serviceAssociationLinks": [other, link] } },
            { "name": "b", "properties": { "ipConfigurations": [{ "id": "/nic" }] } },
        ] } }));
        let held: Vec<_> = network.subnets().map(FoundSubnet::is_held_by_container_instances).collect();
        assert_eq!(held, [true, false]);
        assert_eq!(network.subnets().nth(1).expect("two").users(), ["/nic"]);
    }
}
