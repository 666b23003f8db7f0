//! The calls on roles.

use hyper::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{RoleDefinition, covers, filtered, scope};
use crate::State;
use crate::arm::gate::{Call, on};
use crate::arm::pages;
use crate::arm::refusal::Refusal;
use crate::http::{Reply, Router};

const READ: &str = "Microsoft.Authorization/roleDefinitions/read";

pub(super) fn routes(router: &mut Router, scope: &str) {
    let all = format!("{scope}/providers/Microsoft.Authorization/roleDefinitions");
    let one = format!("{all}/{{name}}");
    on(router, Method::GET, &all, READ, list);
    on(router, Method::GET, &one, READ, get);
    on(router, Method::PUT, &one, "Microsoft.Authorization/roleDefinitions/write", put);
    on(router, Method::DELETE, &one, "Microsoft.Authorization/roleDefinitions/delete", delete);
}

fn show(role: &RoleDefinition, subscription: &str) -> Value {
    let scopes = match (role.is_custom, role.assignable_scopes.is_empty()) {
        (false, _) => json!(["/"]),
        (true, true) => json!([subscription]),
        (true, false) => json!(role.assignable_scopes),
    };
    json!({
        "id": format!("{subscription}/providers/Microsoft.Authorization/roleDefinitions/{}", role.name),
        "name": role.name,
        "type": "Microsoft.Authorization/roleDefinitions",
        "properties": {
            "roleName": role.role_name,
            "type": if role.is_custom { "CustomRole" } else { "BuiltInRole" },
            "description": role.description,
            "assignableScopes": scopes,
            "permissions": [{
                "actions": role.actions, "notActions": role.not_actions, "dataActions": [], "notDataActions": [],
            }],
        },
    })
}

/// `$filter=roleName eq 'X'` and `type eq 'CustomRole'` are what clients send; without them, all.
fn list(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let (wanted, kind) = (filtered(call, "roleName"), filtered(call, "type"));
    let shown = state
        .arm
        .role_definitions
        .iter()
        .filter(|role| wanted.as_ref().is_none_or(|name| role.role_name.eq_ignore_ascii_case(name)))
        .filter(|role| {
            kind.as_ref().is_none_or(|kind| role.is_custom == kind.eq_ignore_ascii_case("CustomRole"))
        })
        .map(|role| show(role, &call.subscription()))
        .collect();
    Ok(pages::page(state, call, shown))
}

fn get(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let mut roles = state.arm.role_definitions.iter();
    let role = roles.find(|role| role.name.eq_ignore_ascii_case(call.param("name")));
    let role = role.ok_or_else(|| unknown(call.param("name")))?;
    Ok(Reply::json(200, &show(role, &call.subscription())))
}

pub(super) fn unknown(name: &str) -> Refusal {
    let message = format!("The specified role definition with ID '{name}' does not exist.");
    Refusal::new(404, "RoleDefinitionDoesNotExist", message)
}

fn put(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let role = read(call)?;
    let mut others = state.arm.role_definitions.iter();
    if others.clone().any(|other| other.name == role.name && !other.is_custom) {
        return Err(built_in());
    }
    if others.any(|other| other.name != role.name && other.role_name.eq_ignore_ascii_case(&role.role_name)) {
        let message = format!(
            "A custom role with the same name already exists in this directory. Use a different name than '{}'.",
            role.role_name
        );
        return Err(Refusal::new(409, "RoleDefinitionWithSameNameExists", message));
    }
    let shown = show(&role, &call.subscription());
    state.arm.role_definitions.retain(|other| other.name != role.name);
    state.arm.role_definitions.push(role);
    Ok(Reply::json(201, &shown))
}

/// Assumed: the code and the text.
fn built_in() -> Refusal {
    Refusal::new(400, "RoleDefinitionIsBuiltIn", "A built-in role cannot be changed or deleted.")
}

/// A role out of a body. Assumed: the texts; the codes of name and actions are known.
fn read(call: &Call) -> Result<RoleDefinition, Refusal> {
    let body = call.body()?;
    let name: Uuid = call.param("name").parse().map_err(|_| {
        let message =
            format!("The role definition ID '{}' is not valid. It must be a GUID.", call.param("name"));
        Refusal::new(400, "InvalidRoleDefinitionId", message)
    })?;
    let texts = |pointer: &str| -> Vec<String> {
        let texts = body.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
        texts.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
    let role_name = text("/properties/roleName").filter(|name| !name.is_empty());
    let role = RoleDefinition {
        name: name.to_string(),
        role_name: role_name
            .ok_or_else(|| Refusal::content("Required property 'roleName' not found in JSON"))?
            .to_owned(),
        actions: texts("/properties/permissions/0/actions"),
        not_actions: texts("/properties/permissions/0/notActions"),
        is_custom: true,
        description: text("/properties/description").unwrap_or_default().to_owned(),
        assignable_scopes: texts("/properties/assignableScopes"),
    };
    let mut actions = role.actions.iter().chain(&role.not_actions);
    if let Some(action) = actions.find(|action| *action != "*" && !action.contains('/')) {
        let message = format!("'{action}' does not match any of the actions supported by the providers.");
        return Err(Refusal::new(400, "InvalidActionOrNotAction", message));
    }
    if !role.assignable_scopes.iter().any(|assignable| covers(assignable, &scope(call))) {
        let message = format!(
            "The role definition's assignable scopes must hold the scope '{}' at which it is made, or one above.",
            scope(call)
        );
        return Err(Refusal::new(400, "InvalidCreateRoleDefinitionRequest", message));
    }
    Ok(role)
}

fn delete(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let name = call.param("name").to_ascii_lowercase();
    let Some(index) = state.arm.role_definitions.iter().position(|role| role.name == name) else {
        return Ok(Reply::status(204));
    };
    if !state.arm.role_definitions[index].is_custom {
        return Err(built_in());
    }
    if state.arm.role_assignments.iter().any(|assignment| assignment.role == name) {
        let message =
            "There are existing role assignments referencing role (code: RoleDefinitionHasAssignments).";
        return Err(Refusal::new(400, "RoleDefinitionHasAssignments", message));
    }
    let removed = state.arm.role_definitions.remove(index);
    Ok(Reply::json(200, &show(&removed, &call.subscription())))
}
