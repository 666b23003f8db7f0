//! Microsoft.ManagedIdentity and Microsoft.Authorization.

use serde_json::{Value, json};

use super::{Place, Resource, ResourceGroupId, ResourceKind};

/// `AcrPull`: the built-in role that pulls images.
pub const ACR_PULL: &str = "7f951dda-4ed3-4680-a7ca-43fe172d538d";

/// `Storage Blob Data Contributor`: the built-in role that reads, writes and deletes blobs.
pub const BLOB_DATA_CONTRIBUTOR: &str = "ba92f5b4-2d11-453d-a403-e96b0029c9fe";

/// What an identity in a container has to be allowed, to delete the container group that it runs in.
pub const TAKE_DOWN_ACTIONS: [&str; 2] = [
    "Microsoft.ContainerInstance/containerGroups/read",
    "Microsoft.ContainerInstance/containerGroups/delete",
];

/// What whoever provisions has to be allowed over the resource group of the agents.
pub const PROVISION_ACTIONS: [&str; 9] = [
    "Microsoft.ContainerInstance/containerGroups/read",
    "Microsoft.ContainerInstance/containerGroups/write",
    "Microsoft.ContainerInstance/containerGroups/delete",
    "Microsoft.ContainerInstance/containerGroups/containers/logs/read",
    "Microsoft.ContainerInstance/locations/usages/read",
    "Microsoft.Network/virtualNetworks/read",
    "Microsoft.Network/virtualNetworks/subnets/join/action",
    "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action",
    "Microsoft.Resources/subscriptions/resourceGroups/read",
];

/// Beginning and end of what stands for an identity's principal, which is known only once the identity is there.
const PRINCIPAL_OF: (&str, &str) = ("principalId(", ")");

/// A user-assigned identity.
pub fn identity(group: &ResourceGroupId, name: &str, place: &Place) -> Resource {
    let body = json!({ "location": place.location, "tags": place.tags });
    Resource::new(ResourceKind::Identity, group.resource(ResourceKind::Identity, name), body)
}

/// What stands in a body for the principal of the identity with that id.
pub fn principal_of(identity: &str) -> String {
    format!("{}{identity}{}", PRINCIPAL_OF.0, PRINCIPAL_OF.1)
}

/// The identity whose principal a text stands for.
pub fn identity_behind(text: &str) -> Option<&str> {
    text.strip_prefix(PRINCIPAL_OF.0)?.strip_suffix(PRINCIPAL_OF.1)
}

/// The words of which the number of a role of ours is made, besides the subscription.
fn role_words<'a>(group: &'a ResourceGroupId, key: &'a str) -> [&'a str; 2] {
    [group.name(), key]
}

/// A role for the resource group `home`, to be given there and in the `elsewhere`. `key` tells it from other roles of
/// ours; the name that people see has to be the only one of its sort in the tenant.
pub fn role_definition(
    home: &ResourceGroupId,
    (key, what_it_is): (&str, &str),
    elsewhere: &[&ResourceGroupId],
    actions: &[&str],
) -> Resource {
    let mut scopes = vec![home.id()];
    scopes.extend(elsewhere.iter().map(|group| group.id()).filter(|id| *id != home.id()));
    let name = format!("{what_it_is} ({} in {})", home.name(), home.subscription());
    let body = json!({ "properties": {
        "roleName": name,
        "description": format!("{what_it_is}. Made by ephemeral-agents sample."),
        "type": "CustomRole",
        "assignableScopes": scopes,
        "permissions": [{ "actions": actions, "notActions": [], "dataActions": [], "notDataActions": [] }],
    } });
    let id = home.resource(ResourceKind::RoleDefinition, &home.guid(&role_words(home, key)));
    Resource::new(ResourceKind::RoleDefinition, id, body)
        .called(format!("\"{what_it_is}\""))
        .made_of(&role_words(home, key))
}

/// A role to be given, over what, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Id of the resource or resource group that it is for.
    pub scope: String,
    /// Id of the role.
    pub role: String,
    /// What tells the role from others of ours.
    pub key: String,
    /// Object id of who gets it, or [`principal_of`] an identity.
    pub principal: String,
    /// In words, as "pulls images, for x".
    pub label: String,
}

/// The words of which the number of a grant is made, besides the subscription.
fn grant_words(grant: &Grant) -> [&str; 3] {
    let last = |id: &str| id.rfind('/').map_or(0, |slash| slash + 1);
    let principal = identity_behind(&grant.principal).unwrap_or(&grant.principal);
    [&grant.scope[last(&grant.scope)..], &grant.role[last(&grant.role)..], &principal[last(principal)..]]
}

/// The assignment of a role. Its number is made of what is known beforehand, so that a second one is the same.
pub fn role_assignment(home: &ResourceGroupId, grant: &Grant) -> Resource {
    let id = format!(
        "{}/providers/{}/{}",
        grant.scope,
        ResourceKind::RoleAssignment.resource_type(),
        home.guid(&grant_words(grant))
    );
    let body = json!({ "properties": {
        "roleDefinitionId": grant.role,
        "principalId": grant.principal,
        // Without it a principal that was made a moment ago is not found.
        "principalType": "ServicePrincipal",
    } });
    Resource::new(ResourceKind::RoleAssignment, id, body)
        .called(format!("\"{}\"", grant.label))
        .made_of(&grant_words(grant))
}

/// The id by which a role is given: that of the subscription, wherever the role was defined.
pub fn role_id(subscription: &str, number: &str) -> String {
    format!("/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{number}")
}

/// The number of a role that is defined here, by which it is known in the whole tenant.
pub fn number_of(role: &Resource) -> &str {
    role.id().rsplit('/').next().unwrap_or_default()
}

/// Permissions, as Resource Manager lists them: rows of actions, each with exceptions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Permissions(Vec<Value>);

impl Permissions {
    /// From what the service shows; also for tests of those who use this.
    pub fn new(rows: Vec<Value>) -> Self {
        Self(rows)
    }

    /// Whether they allow an action: a row allows what its actions cover and its exceptions do not.
    pub fn allow(&self, action: &str) -> bool {
        let covers = |row: &Value, key: &str| {
            let patterns = row[key].as_array().into_iter().flatten().filter_map(Value::as_str);
            patterns.into_iter().any(|pattern| matches(pattern, action))
        };
        self.0.iter().any(|row| covers(row, "actions") && !covers(row, "notActions"))
    }
}

/// Whether an action fits a pattern, in which `*` stands for anything.
fn matches(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_ascii_lowercase(), action.to_ascii_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| action.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        ACR_PULL, Grant, PROVISION_ACTIONS, Permissions, TAKE_DOWN_ACTIONS, identity, identity_behind,
        matches, number_of, principal_of, role_assignment, role_definition, role_id,
    };
    use crate::resources::ResourceGroupId;
    use crate::resources::tests::{group, place};

    #[test]
    fn an_identity_with_its_role() {
        let identity = identity(&group(), "own", &place());
        let role = role_definition(&group(), ("take-down", "Takes agents down"), &[], &TAKE_DOWN_ACTIONS);
        let grant = Grant {
            scope: group().id(),
            role: role_id("s", number_of(&role)),
            key: "take-down".to_owned(),
            principal: principal_of(identity.id()),
            label: "Takes agents down for own".to_owned(),
        };
        let assignment = role_assignment(&group(), &grant);
        insta::assert_json_snapshot!(identity.body());
        insta::assert_json_snapshot!(role.body());
        insta::assert_json_snapshot!(assignment.body());
        assert!(assignment.id().starts_with(&format!("{}/providers/Microsoft.Authorization/", group().id())));
        let known = Grant { principal: "other".to_owned(), ..grant };
        assert_ne!(role_assignment(&group(), &known).id(), assignment.id());
    }

    #[test]
    fn the_role_of_whoever_provisions_is_the_one_that_the_extension_describes() {
        let page = include_str!("../../../../extension/overview.md");
        let role = page.split("\"Actions\": [").nth(1).and_then(|rest| rest.split(']').next());
        let described: Vec<_> = role.expect("the page has the role").split('"').skip(1).step_by(2).collect();
        assert_eq!(described, PROVISION_ACTIONS);
        let network = ResourceGroupId::new("s", "networks");
        let role = role_definition(&group(), ("k", "Provisions"), &[&network], &PROVISION_ACTIONS);
        assert_eq!(role.body()["properties"]["assignableScopes"], json!([group().id(), network.id()]));
    }

    #[test]
    fn what_stands_for_a_principal_names_its_identity() {
        assert_eq!(identity_behind(&principal_of("/i")), Some("/i"));
        assert_eq!(identity_behind("5e1f"), None);
        assert!(role_id("s", ACR_PULL).ends_with("/roleDefinitions/7f951dda-4ed3-4680-a7ca-43fe172d538d"));
    }

    #[test]
    fn patterns_with_stars() {
        let write = "Microsoft.Authorization/roleAssignments/write";
        for (pattern, expected) in [
            ("*", true),
            ("Microsoft.Authorization/*", true),
            ("microsoft.authorization/*/write", true),
            ("*/write", true),
            (write, true),
            ("*/read", false),
            ("Microsoft.Authorization/*/delete", false),
            ("Microsoft.Authorization/roleAssignments", false),
            ("Microsoft.Network/*", false),
        ] {
            assert_eq!(matches(pattern, write), expected, "{pattern}");
        }
    }

    #[test]
    fn a_contributor_gives_no_roles_and_an_owner_does() {
        let write = "Microsoft.Authorization/roleAssignments/write";
        let contributor = json!({"actions": ["*"], "notActions": ["Microsoft.Authorization/*/Write"]});
        let reader = json!({"actions": ["*/read"], "notActions": []});
        let owner = json!({"actions": ["*"], "notActions": []});
        let allow = |rows: &[&serde_json::Value]| {
            Permissions::new(rows.iter().map(|&row| row.clone()).collect()).allow(write)
        };
        assert!(!allow(&[&contributor, &reader]));
        assert!(allow(&[&contributor, &owner]));
        assert!(!allow(&[]));
    }
}
