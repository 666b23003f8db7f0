//! The calls on who has which role.

use hyper::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{RoleAssignment, covers, definitions, filtered, last, require_scope, scope};
use crate::State;
use crate::arm::gate::{Call, on};
use crate::arm::pages;
use crate::arm::refusal::Refusal;
use crate::http::{Reply, Router};

const READ: &str = "Microsoft.Authorization/roleAssignments/read";

pub(super) fn routes(router: &mut Router, scope: &str) {
    let all = format!("{scope}/providers/Microsoft.Authorization/roleAssignments");
    let one = format!("{all}/{{name}}");
    on(router, Method::GET, &all, READ, list);
    on(router, Method::GET, &one, READ, get);
    on(router, Method::PUT, &one, "Microsoft.Authorization/roleAssignments/write", put);
    on(router, Method::DELETE, &one, "Microsoft.Authorization/roleAssignments/delete", delete);
}

fn show(assignment: &RoleAssignment, subscription: &str) -> Value {
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
            "createdOn": assignment.created.to_string(), "updatedOn": assignment.created.to_string(),
            "createdBy": assignment.created_by, "updatedBy": assignment.created_by,
        },
    })
}

/// Those over the scope, above it and below; with `$filter=atScope()` not those below.
fn list(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let scope = scope(call);
    let filter = call.request.query.get("$filter").unwrap_or_default().to_ascii_lowercase();
    let principal = filtered(call, "principalId");
    let shown = state
        .arm
        .role_assignments
        .iter()
        .filter(|assignment| {
            covers(&assignment.scope, &scope)
                || (!filter.contains("atscope()") && covers(&scope, &assignment.scope))
        })
        .filter(|assignment| {
            principal.as_ref().is_none_or(|id| assignment.principal.to_string().eq_ignore_ascii_case(id))
        })
        .map(|assignment| show(assignment, &call.subscription()))
        .collect();
    Ok(pages::page(state, call, shown))
}

fn position(state: &State, call: &Call) -> Option<usize> {
    let (name, scope) = (call.param("name"), scope(call));
    state.arm.role_assignments.iter().position(|assignment| {
        assignment.name.eq_ignore_ascii_case(name) && assignment.scope.eq_ignore_ascii_case(&scope)
    })
}

fn get(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let found = position(state, call).ok_or_else(|| {
        let message = format!("The role assignment '{}' is not found.", call.param("name"));
        Refusal::new(404, "RoleAssignmentNotFound", message)
    })?;
    Ok(Reply::json(200, &show(&state.arm.role_assignments[found], &call.subscription())))
}

fn put(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let assignment = read(state, call)?;
    let is_same = |other: &RoleAssignment| {
        other.role == assignment.role
            && other.principal == assignment.principal
            && other.scope.eq_ignore_ascii_case(&assignment.scope)
    };
    let of_that_name = |other: &&RoleAssignment| other.name.eq_ignore_ascii_case(&assignment.name);
    let mut all = state.arm.role_assignments.iter();
    if let Some(known) = all.clone().find(of_that_name) {
        if is_same(known) {
            return Ok(Reply::json(200, &show(known, &call.subscription())));
        }
        let message = "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.";
        return Err(Refusal::new(409, "RoleAssignmentUpdateNotPermitted", message));
    }
    if all.any(is_same) {
        return Err(Refusal::new(409, "RoleAssignmentExists", "The role assignment already exists."));
    }
    let shown = show(&assignment, &call.subscription());
    state.arm.role_assignments.push(assignment);
    Ok(Reply::json(201, &shown))
}

/// An assignment out of a body: of a role that is there, over something that is there, to somebody who is there.
fn read(state: &mut State, call: &Call) -> Result<RoleAssignment, Refusal> {
    let (body, name, scope) = (call.body()?, call.param("name"), scope(call));
    if name.parse::<Uuid>().is_err() {
        let message =
            format!("The role assignment ID '{name}' is not valid. The role assignment ID must be a GUID.");
        return Err(Refusal::new(400, "InvalidRoleAssignmentId", message));
    }
    require_scope(state, call, &scope)?;
    let text = |name: &str| body["properties"][name].as_str();
    let asked = text("roleDefinitionId").unwrap_or_default();
    let mut roles = state.arm.role_definitions.iter();
    let role = roles.find(|known| known.name.eq_ignore_ascii_case(last(asked)));
    let role = role.ok_or_else(|| definitions::unknown(asked))?;
    if !role.assignable_scopes.is_empty() && !role.assignable_scopes.iter().any(|outer| covers(outer, &scope))
    {
        // Assumed: code and text; that such a role cannot be assigned there is documented.
        let message = format!("The role '{}' cannot be assigned at the scope '{scope}'.", role.role_name);
        return Err(Refusal::new(400, "RoleDefinitionNotAssignableAtScope", message));
    }
    let role = role.name.clone();
    let principal = principal(state, text("principalId").unwrap_or_default())?;
    match text("principalType") {
        None | Some("ServicePrincipal") => {}
        Some(other) => {
            let message = format!(
                "The PrincipalId '{}' has type 'ServicePrincipal', which is different from specified PrincipalType \
                 '{other}'.",
                principal.simple()
            );
            return Err(Refusal::new(400, "UnmatchedPrincipalType", message));
        }
    }
    let (name, created, created_by) = (name.to_owned(), state.now, call.caller.object_id);
    Ok(RoleAssignment { name, scope, role, principal, created, created_by })
}

/// Somebody whom the directory knows, once it has heard of them.
fn principal(state: &mut State, asked: &str) -> Result<Uuid, Refusal> {
    let known = asked.parse().ok().filter(|id: &Uuid| {
        state.entra.apps.iter().any(|app| app.object_id == *id) || state.arm.identity_name(*id).is_some()
    });
    match known {
        Some(principal) if !state.faults.take_one("arm.principal-not-found") => Ok(principal),
        _ => {
            let message = format!(
                "Principal {} does not exist in the directory {}. Check that you have the correct principal ID. If you \
                 are creating this principal and then immediately assigning a role, this error might be related to a \
                 replication delay. In this case, set the role assignment principalType property to a value, such as \
                 ServicePrincipal, User, or Group. See https://aka.ms/docs-principaltype",
                asked.replace('-', ""),
                state.world.tenant
            );
            Err(Refusal::new(400, "PrincipalNotFound", message))
        }
    }
}

fn delete(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let Some(index) = position(state, call) else { return Ok(Reply::status(204)) };
    let removed = state.arm.role_assignments.remove(index);
    Ok(Reply::json(200, &show(&removed, &call.subscription())))
}
