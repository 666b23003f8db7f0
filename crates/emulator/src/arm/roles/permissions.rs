//! What the caller may do, as its roles say it.

use hyper::Method;
use serde_json::{Value, json};

use super::{held, require_scope, scope};
use crate::State;
use crate::arm::gate::{Call, on};
use crate::arm::refusal::Refusal;
use crate::http::{Reply, Router};

pub(super) fn routes(router: &mut Router, scope: &str) {
    let all = format!("{scope}/providers/Microsoft.Authorization/permissions");
    on(router, Method::GET, &all, "Microsoft.Authorization/permissions/read", list);
}

/// A row for each role that the caller has over the scope.
fn list(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let scope = scope(call);
    require_scope(state, call, &scope)?;
    let roles = held(&state.arm, call.caller.object_id, &scope);
    let row = |role: &super::RoleDefinition| {
        json!({
            "actions": role.actions, "notActions": role.not_actions, "dataActions": [], "notDataActions": [],
        })
    };
    let shown: Vec<Value> = roles.map(row).collect();
    Ok(Reply::json(200, &json!({ "value": shown })))
}
