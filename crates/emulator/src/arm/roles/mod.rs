//! Microsoft.Authorization: role definitions, role assignments, and whether a caller may do something.
//!
//! | module | part |
//! |---|---|
//! | `definitions` | the calls on roles |
//! | `assignments` | the calls on who has which role |
//! | `permissions` | what the caller may do |

mod assignments;
mod definitions;
mod permissions;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::gate::Call;
use super::refusal::Refusal;
use super::resources;
use crate::State;
use crate::entra::Caller;
use crate::http::Router;

/// A role: what it allows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RoleDefinition {
    /// Its id: a guid.
    pub name: String,
    /// What people call it.
    pub role_name: String,
    /// Actions, with `*` for anything.
    pub actions: Vec<String>,
    /// Actions taken out again.
    pub not_actions: Vec<String>,
    /// Whether it was defined in this subscription.
    pub is_custom: bool,
    /// What its maker wrote about it.
    #[serde(default)]
    pub description: String,
    /// Over what it may be assigned; empty: over anything.
    #[serde(default)]
    pub assignable_scopes: Vec<String>,
}

/// A role that a principal has over a scope.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RoleAssignment {
    /// Its id: a guid.
    pub name: String,
    /// What it covers, with everything below.
    pub scope: String,
    /// Name of the role definition.
    pub role: String,
    /// Object id of the principal.
    pub principal: Uuid,
    /// When it was made; for what was there from the start, the beginning of time.
    #[serde(default)]
    pub created: Timestamp,
    /// Object id of its maker.
    #[serde(default)]
    pub created_by: Uuid,
}

/// Roles that every tenant has: id, name, actions, actions taken out.
const BUILT_IN: &[(&str, &str, &[&str], &[&str])] = &[
    ("8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "Owner", &["*"], &[]),
    (
        "b24988ac-6180-42a0-ab88-20f7382dd24c",
        "Contributor",
        &["*"],
        &["Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write"],
    ),
    ("acdd72a7-3385-48ef-bd42-f606fba81ae7", "Reader", &["*/read"], &[]),
    (
        "4d97b98b-1d4f-4787-a291-c67834d212e7",
        "Network Contributor",
        &["Microsoft.Network/*", "Microsoft.Resources/subscriptions/resourceGroups/read"],
        &[],
    ),
    (
        "5d977122-f97e-4b4d-a52f-6b43003ddb4d",
        "Azure Container Instances Contributor Role",
        &["Microsoft.ContainerInstance/*", "Microsoft.Resources/subscriptions/resourceGroups/read"],
        &[],
    ),
    (
        "7f951dda-4ed3-4680-a7ca-43fe172d538d",
        "AcrPull",
        &["Microsoft.ContainerRegistry/registries/pull/read"],
        &[],
    ),
    (
        "8311e382-0749-4cb8-b61a-304f252e45ec",
        "AcrPush",
        &[
            "Microsoft.ContainerRegistry/registries/pull/read",
            "Microsoft.ContainerRegistry/registries/push/write",
        ],
        &[],
    ),
    (
        "17d1049b-9a84-46fb-8f53-869881c3d3ab",
        "Storage Account Contributor",
        &["Microsoft.Storage/storageAccounts/*", "Microsoft.Resources/subscriptions/resourceGroups/read"],
        &[],
    ),
    (
        "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
        "User Access Administrator",
        &["*/read", "Microsoft.Authorization/*"],
        &[],
    ),
    (
        "e40ec5ca-96e0-45a2-b4ff-59039f2c2b59",
        "Managed Identity Contributor",
        &[
            "Microsoft.ManagedIdentity/userAssignedIdentities/read",
            "Microsoft.ManagedIdentity/userAssignedIdentities/write",
            "Microsoft.ManagedIdentity/userAssignedIdentities/delete",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
        ],
        &[],
    ),
    (
        "f1a07417-d97a-45cb-824c-7a7467783830",
        "Managed Identity Operator",
        &[
            "Microsoft.ManagedIdentity/userAssignedIdentities/*/read",
            "Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action",
        ],
        &[],
    ),
];

/// What roles are assigned over, and locks put on: the subscription, a resource group, any resource, and one within a
/// resource.
pub(super) const SCOPES: [&str; 4] = [
    "/subscriptions/{subscription}",
    "/subscriptions/{subscription}/resourceGroups/{group}",
    "/subscriptions/{subscription}/resourceGroups/{group}/providers/{namespace}/{kind}/{resource}",
    "/subscriptions/{subscription}/resourceGroups/{group}/providers/{namespace}/{kind}/{resource}/{part}/{nested}",
];

/// The id of `Owner`.
pub(super) const OWNER: &str = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";

/// The roles that every tenant has.
pub(super) fn built_in() -> Vec<RoleDefinition> {
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    BUILT_IN
        .iter()
        .map(|(name, role_name, actions, not_actions)| RoleDefinition {
            name: (*name).to_owned(),
            role_name: (*role_name).to_owned(),
            actions: texts(actions),
            not_actions: texts(not_actions),
            ..RoleDefinition::default()
        })
        .collect()
}

/// The roles that a principal has over a scope.
fn held<'a>(
    arm: &'a super::State,
    principal: Uuid,
    scope: &str,
) -> impl Iterator<Item = &'a RoleDefinition> + use<'a> {
    let scope = scope.to_owned();
    arm.role_assignments
        .iter()
        .filter(move |assignment| assignment.principal == principal && covers(&assignment.scope, &scope))
        .filter_map(|assignment| arm.role_definitions.iter().find(|role| role.name == assignment.role))
}

/// Whether a principal may do something over a scope.
pub(super) fn may(arm: &super::State, principal: Uuid, action: &str, scope: &str) -> bool {
    held(arm, principal, scope).any(|role| {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, action));
        any(&role.actions) && !any(&role.not_actions)
    })
}

/// Whether a scope is, or lies within, another.
pub(super) fn covers(outer: &str, inner: &str) -> bool {
    let (outer, inner) = (outer.trim_end_matches('/').to_ascii_lowercase(), inner.to_ascii_lowercase());
    inner.strip_prefix(&outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether an action fits a pattern in which `*` stands for any text.
fn matches(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_ascii_lowercase(), action.to_ascii_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| action.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(position) = rest.find(part) else { return false };
        rest = &rest[position + part.len()..];
    }
    rest.ends_with(last)
}

pub(super) fn forbidden(caller: &Caller, action: &str, scope: &str) -> Refusal {
    let message = format!(
        "The client '{}' with object id '{}' does not have authorization to perform action '{action}' over scope \
         '{scope}' or the scope is invalid. If access was recently granted, please refresh your credentials.",
        caller.app_id, caller.object_id
    );
    Refusal::new(403, "AuthorizationFailed", message)
}

/// What a path of this provider is about: all that stands before the provider.
pub(super) fn scope(call: &Call) -> String {
    let path = percent_encoding::percent_decode_str(&call.request.path).decode_utf8_lossy().into_owned();
    let end = path.to_ascii_lowercase().rfind("/providers/microsoft.authorization/");
    end.map_or(path.as_str(), |end| &path[..end]).trim_end_matches('/').to_owned()
}

/// Refuses a scope that is a resource which is not there.
pub(super) fn require_scope(state: &State, call: &Call, scope: &str) -> Result<(), Refusal> {
    let Some((_, resource)) = scope.split_once("/providers/") else { return Ok(()) };
    if resources::exists(state, scope) {
        Ok(())
    } else {
        Err(Refusal::not_found(resource, call.param("group")))
    }
}

/// Takes away the roles over what is deleted, and the locks on it and below. `id` in any case.
pub(super) fn forget(state: &mut State, id: &str) {
    state.arm.role_assignments.retain(|assignment| !covers(id, &assignment.scope));
    state.arm.locks.retain(|lock| !covers(id, &lock.scope));
}

/// What a filter compares a member with: `x` in `$filter=roleName eq 'x'`.
fn filtered(call: &Call, member: &str) -> Option<String> {
    let filter = call.request.query.get("$filter")?;
    compared(filter, member).map(str::to_owned)
}

pub(super) fn compared<'a>(filter: &'a str, member: &str) -> Option<&'a str> {
    let lower = filter.to_ascii_lowercase();
    // `name` is not meant by `tagName`.
    let begins_word =
        |start: &usize| !lower[..*start].ends_with(|before: char| before.is_ascii_alphanumeric());
    let wanted = format!("{} eq '", member.to_ascii_lowercase());
    let start = lower.match_indices(&wanted).map(|(start, _)| start).find(begins_word)?;
    filter[start..].split('\'').nth(1)
}

pub(super) fn routes(router: &mut Router) {
    for scope in SCOPES {
        definitions::routes(router, scope);
        assignments::routes(router, scope);
        permissions::routes(router, scope);
    }
}

/// The part of an id after its last slash.
fn last(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{compared, covers, matches};

    #[test]
    fn a_pattern_fits_with_any_text_for_a_star() {
        let action = "Microsoft.ContainerInstance/containerGroups/delete";
        for (pattern, expected) in [
            ("*", true),
            ("*/read", false),
            ("*/delete", true),
            ("microsoft.containerinstance/*", true),
            ("Microsoft.ContainerInstance/containerGroups/delete", true),
            ("Microsoft.ContainerInstance/containerGroups", false),
            ("Microsoft.ContainerInstance/*/delete", true),
            ("Microsoft.*/*/write", false),
            ("", false),
        ] {
            assert_eq!(matches(pattern, action), expected, "{pattern}");
        }
    }

    #[test]
    fn a_scope_covers_what_is_below_it() {
        assert!(covers("/subscriptions/a", "/SUBSCRIPTIONS/A/resourceGroups/b"));
        assert!(covers("/subscriptions/a/resourceGroups/b", "/subscriptions/a/resourcegroups/B"));
        assert!(!covers("/subscriptions/a/resourceGroups/b", "/subscriptions/a/resourceGroups/bc"));
    }

    #[test]
    fn a_filter_names_what_it_compares_with() {
        assert_eq!(compared("roleName eq 'Azure Thing'", "roleName"), Some("Azure Thing"));
        assert_eq!(compared("atScope() and principalId eq 'x'", "principalid"), Some("x"));
        assert_eq!(compared("atScope()", "principalId"), None);
        assert_eq!(compared("tagName eq 'a' and name eq 'b'", "name"), Some("b"));
        assert_eq!(compared("tagName eq 'a'", "name"), None);
    }
}
