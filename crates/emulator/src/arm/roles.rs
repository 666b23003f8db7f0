//! Microsoft.Authorization: role definitions, role assignments, and whether a caller may do something.

use hyper::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::gate::{Call, on};
use super::refusal::Refusal;
use crate::entra::Caller;
use crate::http::{Reply, Router};

/// A role: what it allows.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
}

/// A role that a principal has over a scope.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RoleAssignment {
    /// Its id: a guid.
    pub name: String,
    /// What it covers, with everything below.
    pub scope: String,
    /// Name of the role definition.
    pub role: String,
    /// Object id of the principal.
    pub principal: Uuid,
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
        "f1a07417-d97a-45cb-824c-7a7467783830",
        "Managed Identity Operator",
        &[
            "Microsoft.ManagedIdentity/userAssignedIdentities/*/read",
            "Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action",
        ],
        &[],
    ),
];

/// What a role may be assigned over here.
const SCOPES: [&str; 3] = [
    "/subscriptions/{subscription}",
    "/subscriptions/{subscription}/resourceGroups/{group}",
    "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.ContainerRegistry/registries/{registry}",
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
            is_custom: false,
        })
        .collect()
}

/// Whether a principal may do something over a scope.
pub(super) fn may(arm: &super::State, principal: Uuid, action: &str, scope: &str) -> bool {
    arm.role_assignments
        .iter()
        .filter(|assignment| assignment.principal == principal && covers(&assignment.scope, scope))
        .filter_map(|assignment| arm.role_definitions.iter().find(|role| role.name == assignment.role))
        .any(|role| {
            let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, action));
            any(&role.actions) && !any(&role.not_actions)
        })
}

/// Whether a scope is, or lies within, another.
fn covers(outer: &str, inner: &str) -> bool {
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

pub(super) fn routes(router: &mut Router) {
    for scope in SCOPES {
        let base = format!("{scope}/providers/Microsoft.Authorization");
        let assignments = format!("{base}/roleAssignments");
        let assignment = format!("{assignments}/{{name}}");
        let definitions = format!("{base}/roleDefinitions");
        let definition = format!("{definitions}/{{name}}");
        on(
            router,
            Method::GET,
            &definitions,
            "Microsoft.Authorization/roleDefinitions/read",
            definitions_list,
        );
        on(router, Method::GET, &definition, "Microsoft.Authorization/roleDefinitions/read", definition_get);
        on(router, Method::PUT, &definition, "Microsoft.Authorization/roleDefinitions/write", definition_put);
        on(
            router,
            Method::GET,
            &assignments,
            "Microsoft.Authorization/roleAssignments/read",
            assignments_list,
        );
        on(router, Method::PUT, &assignment, "Microsoft.Authorization/roleAssignments/write", assignment_put);
        on(
            router,
            Method::DELETE,
            &assignment,
            "Microsoft.Authorization/roleAssignments/delete",
            assignment_delete,
        );
    }
}

fn show_definition(role: &RoleDefinition, subscription: &str) -> Value {
    json!({
        "id": format!("{subscription}/providers/Microsoft.Authorization/roleDefinitions/{}", role.name),
        "name": role.name,
        "type": "Microsoft.Authorization/roleDefinitions",
        "properties": {
            "roleName": role.role_name,
            "type": if role.is_custom { "CustomRole" } else { "BuiltInRole" },
            "description": "",
            "assignableScopes": [if role.is_custom { subscription } else { "/" }],
            "permissions": [{
                "actions": role.actions, "notActions": role.not_actions, "dataActions": [], "notDataActions": [],
            }],
        },
    })
}

/// `$filter=roleName eq 'X'` is what clients send; without it, all.
fn definitions_list(state: &mut crate::State, call: &Call) -> Result<Reply, Refusal> {
    let filter = call.request.query.get("$filter").unwrap_or_default();
    let wanted = filter.split_once('\'').and_then(|(_, rest)| rest.rsplit_once('\'')).map(|(name, _)| name);
    let roles = state.arm.role_definitions.iter();
    let shown: Vec<Value> = roles
        .filter(|role| wanted.is_none_or(|name| role.role_name.eq_ignore_ascii_case(name)))
        .map(|role| show_definition(role, &call.subscription()))
        .collect();
    Ok(Reply::json(200, &json!({"value": shown})))
}

fn definition_get(state: &mut crate::State, call: &Call) -> Result<Reply, Refusal> {
    let role =
        state.arm.role_definitions.iter().find(|role| role.name.eq_ignore_ascii_case(call.param("name")));
    let role = role.ok_or_else(|| unknown_role(call.param("name")))?;
    Ok(Reply::json(200, &show_definition(role, &call.subscription())))
}

fn unknown_role(name: &str) -> Refusal {
    let message = format!("The specified role definition with ID '{name}' does not exist.");
    Refusal::new(404, "RoleDefinitionDoesNotExist", message)
}

fn definition_put(state: &mut crate::State, call: &Call) -> Result<Reply, Refusal> {
    let body = call.body()?;
    let texts = |pointer: &str| -> Vec<String> {
        let texts = body.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
        texts.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let role_name = body.pointer("/properties/roleName").and_then(Value::as_str);
    let role = RoleDefinition {
        name: call.param("name").to_ascii_lowercase(),
        role_name: role_name
            .ok_or_else(|| Refusal::content("Required property 'roleName' not found in JSON"))?
            .to_owned(),
        actions: texts("/properties/permissions/0/actions"),
        not_actions: texts("/properties/permissions/0/notActions"),
        is_custom: true,
    };
    let shown = show_definition(&role, &call.subscription());
    state.arm.role_definitions.retain(|other| other.name != role.name);
    state.arm.role_definitions.push(role);
    Ok(Reply::json(201, &shown))
}

fn show_assignment(assignment: &RoleAssignment, subscription: &str) -> Value {
    json!({
        "id": format!("{}/providers/Microsoft.Authorization/roleAssignments/{}", assignment.scope, assignment.name),
        "name": assignment.name,
        "type": "Microsoft.Authorization/roleAssignments",
        "properties": {
            "roleDefinitionId":
                format!("{subscription}/providers/Microsoft.Authorization/roleDefinitions/{}", assignment.role),
            "principalId": assignment.principal,
            "principalType": "ServicePrincipal",
            "scope": assignment.scope,
        },
    })
}

/// What a path to an assignment or a list of them is about.
fn scope(call: &Call) -> String {
    match (call.param("group"), call.param("registry")) {
        ("", _) => call.subscription(),
        (group, "") => format!("{}/resourceGroups/{group}", call.subscription()),
        (group, registry) => format!(
            "{}/resourceGroups/{group}/providers/Microsoft.ContainerRegistry/registries/{registry}",
            call.subscription()
        ),
    }
}

fn assignments_list(state: &mut crate::State, call: &Call) -> Result<Reply, Refusal> {
    let scope = scope(call);
    let shown: Vec<Value> = state
        .arm
        .role_assignments
        .iter()
        .filter(|assignment| covers(&assignment.scope, &scope) || covers(&scope, &assignment.scope))
        .map(|assignment| show_assignment(assignment, &call.subscription()))
        .collect();
    Ok(Reply::json(200, &json!({"value": shown})))
}

fn assignment_put(state: &mut crate::State, call: &Call) -> Result<Reply, Refusal> {
    let body = call.body()?;
    let text = |name: &str| body.pointer(&format!("/properties/{name}")).and_then(Value::as_str);
    let role = text("roleDefinitionId").and_then(|id| id.rsplit('/').next()).unwrap_or_default();
    let role = state.arm.role_definitions.iter().find(|known| known.name.eq_ignore_ascii_case(role));
    let role = role.ok_or_else(|| unknown_role(text("roleDefinitionId").unwrap_or_default()))?.name.clone();
    let principal = text("principalId").unwrap_or_default();
    let known = principal.parse().ok().filter(|id: &Uuid| {
        state.entra.apps.iter().any(|app| app.object_id == *id) || state.arm.identity_name(*id).is_some()
    });
    let principal = known.ok_or_else(|| {
        let message = format!("Principal {principal} does not exist in the directory.");
        Refusal::new(400, "PrincipalNotFound", message)
    })?;
    let assignment =
        RoleAssignment { name: call.param("name").to_owned(), scope: scope(call), role, principal };
    let same = |other: &&RoleAssignment| {
        other.role == assignment.role
            && other.principal == principal
            && other.scope.eq_ignore_ascii_case(&assignment.scope)
    };
    if state.arm.role_assignments.iter().find(same).is_some_and(|other| other.name != assignment.name) {
        return Err(Refusal::new(409, "RoleAssignmentExists", "The role assignment already exists."));
    }
    let shown = show_assignment(&assignment, &call.subscription());
    state.arm.role_assignments.retain(|other| other.name != assignment.name);
    state.arm.role_assignments.push(assignment);
    Ok(Reply::json(201, &shown))
}

fn assignment_delete(state: &mut crate::State, call: &Call) -> Result<Reply, Refusal> {
    let assignments = &mut state.arm.role_assignments;
    let position =
        assignments.iter().position(|assignment| assignment.name.eq_ignore_ascii_case(call.param("name")));
    let Some(position) = position else { return Ok(Reply::status(204)) };
    let removed = assignments.remove(position);
    Ok(Reply::json(200, &show_assignment(&removed, &call.subscription())))
}

#[cfg(test)]
mod tests {
    use super::{covers, matches};

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
}
