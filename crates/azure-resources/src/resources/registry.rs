//! Microsoft.ContainerRegistry.

use serde_json::json;

use super::{Place, Resource, ResourceGroupId, ResourceKind};

/// A registry of the cheapest sort, into which no password leads: identities with a role push and pull.
pub fn registry(group: &ResourceGroupId, name: &str, place: &Place) -> Resource {
    let mut body = place.body(&json!({ "adminUserEnabled": false }));
    body["sku"] = json!({ "name": "Basic" });
    Resource::new(ResourceKind::Registry, group.resource(ResourceKind::Registry, name), body)
}

#[cfg(test)]
mod tests {
    use super::registry;
    use crate::resources::tests::{group, place};

    #[test]
    fn a_registry() {
        insta::assert_json_snapshot!(registry(&group(), "images", &place()).body());
    }
}
