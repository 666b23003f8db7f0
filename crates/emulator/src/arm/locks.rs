//! Microsoft.Authorization/locks: what must not be deleted, or not be changed at all.

use hyper::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::gate::{Call, on};
use super::refusal::Refusal;
use super::roles::{self, covers};
use crate::State;
use crate::http::{Reply, Request, Router};

/// A lock on a scope and everything below.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Lock {
    /// Its name.
    pub name: String,
    /// What it covers.
    pub scope: String,
    /// What it forbids.
    pub level: Level,
    /// What its maker wrote about it.
    pub notes: Value,
}

/// What a lock forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Level {
    /// Deletion.
    CanNotDelete,
    /// Every change.
    ReadOnly,
}

/// Refuses what a lock forbids. A deletion takes along what is below, so that locks there forbid it too.
pub(super) fn refuse_locked(arm: &super::State, request: &Request) -> Result<(), Refusal> {
    let scope = request.path.trim_end_matches('/');
    if scope.to_ascii_lowercase().contains("/providers/microsoft.authorization/locks/") {
        return Ok(());
    }
    let (what, is_deletion) = match request.method {
        Method::DELETE => ("delete", true),
        Method::PUT | Method::PATCH | Method::POST => ("write", false),
        _ => return Ok(()),
    };
    let locked: Vec<&str> = arm
        .locks
        .iter()
        .filter(|lock| is_deletion || lock.level == Level::ReadOnly)
        .filter(|lock| covers(&lock.scope, scope) || (is_deletion && covers(scope, &lock.scope)))
        .map(|lock| lock.scope.as_str())
        .collect();
    if locked.is_empty() {
        return Ok(());
    }
    let message = format!(
        "The scope '{scope}' cannot perform {what} operation because following scope(s) are locked: '{}'. Please remove \
         the lock and try again.",
        locked.join(",")
    );
    Err(Refusal::new(409, "ScopeLocked", message))
}

pub(super) fn routes(router: &mut Router) {
    for scope in roles::SCOPES {
        let all = format!("{scope}/providers/Microsoft.Authorization/locks");
        let one = format!("{all}/{{name}}");
        on(router, Method::GET, &all, "Microsoft.Authorization/locks/read", list);
        on(router, Method::GET, &one, "Microsoft.Authorization/locks/read", get);
        on(router, Method::PUT, &one, "Microsoft.Authorization/locks/write", put);
        on(router, Method::DELETE, &one, "Microsoft.Authorization/locks/delete", delete);
    }
}

fn show(lock: &Lock) -> Value {
    let mut properties = json!({ "level": lock.level });
    if lock.notes.is_string() {
        properties["notes"] = lock.notes.clone();
    }
    json!({
        "id": format!("{}/providers/Microsoft.Authorization/locks/{}", lock.scope, lock.name),
        "name": lock.name, "type": "Microsoft.Authorization/locks", "properties": properties,
    })
}

fn position(state: &State, call: &Call) -> Option<usize> {
    let (scope, name) = (roles::scope(call), call.param("name"));
    let is_it = |lock: &Lock| lock.scope.eq_ignore_ascii_case(&scope) && lock.name.eq_ignore_ascii_case(name);
    state.arm.locks.iter().position(is_it)
}

/// Those of the scope and of what is below.
fn list(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let scope = roles::scope(call);
    let locks = state.arm.locks.iter().filter(|lock| covers(&scope, &lock.scope));
    let shown: Vec<Value> = locks.map(show).collect();
    Ok(Reply::json(200, &json!({ "value": shown })))
}

fn get(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let found = position(state, call).ok_or_else(|| {
        let message = format!("The lock '{}' could not be found.", call.param("name"));
        Refusal::new(404, "LockNotFound", message)
    })?;
    Ok(Reply::json(200, &show(&state.arm.locks[found])))
}

fn put(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let body = call.body()?;
    let scope = roles::scope(call);
    roles::require_scope(state, call, &scope)?;
    let level = serde_json::from_value(body["properties"]["level"].clone()).map_err(|_| {
        Refusal::content(
            "Required property 'level' must be one of 'CanNotDelete, ReadOnly'. Path 'properties'",
        )
    })?;
    let (name, notes) = (call.param("name").to_owned(), body["properties"]["notes"].clone());
    let known = position(state, call);
    let lock = Lock { name, scope, level, notes };
    let shown = show(&lock);
    match known {
        Some(index) => state.arm.locks[index] = lock,
        None => state.arm.locks.push(lock),
    }
    Ok(Reply::json(if known.is_some() { 200 } else { 201 }, &shown))
}

fn delete(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let Some(index) = position(state, call) else { return Ok(Reply::status(204)) };
    state.arm.locks.remove(index);
    Ok(Reply::status(200))
}
