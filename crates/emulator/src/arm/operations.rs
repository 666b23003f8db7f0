//! Asynchronous operations: what `Azure-AsyncOperation` and `Location` lead to.

use std::time::Duration;

use hyper::Method;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Due;
use super::gate::{Call, on};
use super::refusal::Refusal;
use crate::State;
use crate::http::{Reply, Router};

/// How an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Accepted.
    Pending,
    /// Done.
    Succeeded,
    /// Not done.
    Failed,
    /// Given up, because something else came in between.
    Canceled,
}

/// An operation that takes time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Operation {
    /// Its id.
    pub id: Uuid,
    /// The resource it is about.
    pub resource: String,
    /// How it stands.
    pub status: Status,
    /// When it was asked for.
    pub start: Timestamp,
    /// Code and message, where it failed.
    pub error: Option<(String, String)>,
    /// The events of the resource, as far as they belong to it.
    pub events: Vec<Value>,
    /// Whether it takes the resource away.
    #[serde(default)]
    pub is_deletion: bool,
}

/// How long changes of networks, registries and the like take, in milliseconds: long enough to be seen.
const MILLISECONDS: u64 = 200;

/// Begins an operation on a resource, and gives its id.
pub(super) fn begin(state: &mut State, resource: &str) -> Uuid {
    let id = Uuid::new_v4();
    let (start, resource) = (state.now, resource.to_owned());
    state.arm.operations.push(Operation {
        id,
        resource,
        status: Status::Pending,
        start,
        error: None,
        events: Vec::new(),
        is_deletion: false,
    });
    id
}

/// Begins an operation that ends well by itself after a moment.
pub(super) fn settle(state: &mut State, resource: &str) -> Uuid {
    let id = begin(state, resource);
    state
        .later(Duration::from_millis(MILLISECONDS), crate::schedule::Due::Arm(Due::Settle { operation: id }));
    id
}

/// Begins an operation at whose end, after a moment, the resource is gone.
pub(super) fn delete(state: &mut State, resource: &str) -> Uuid {
    let id = settle(state, resource);
    if let Some(operation) = state.arm.operations.iter_mut().find(|operation| operation.id == id) {
        operation.is_deletion = true;
    }
    id
}

/// The operation on a resource that has not ended.
pub(super) fn pending<'a>(state: &'a State, resource: &str) -> Option<&'a Operation> {
    let is_it = |operation: &&Operation| {
        operation.status == Status::Pending && operation.resource.eq_ignore_ascii_case(resource)
    };
    state.arm.operations.iter().find(is_it)
}

/// `provisioningState` of a resource whose operations settle by themselves.
pub(super) fn provisioning(state: &State, resource: &str) -> &'static str {
    match pending(state, resource) {
        Some(operation) if operation.is_deletion => "Deleting",
        Some(_) => "Updating",
        None => "Succeeded",
    }
}

/// The moment at which an operation ends by itself.
pub(super) fn carry_out(state: &mut State, id: Uuid) {
    let operation = state.arm.operations.iter().find(|operation| operation.id == id);
    if let Some(resource) = operation.filter(|known| known.is_deletion).map(|known| known.resource.clone()) {
        super::remove(state, &resource);
    }
    end(state, id, Status::Succeeded, None);
}

/// Ends an operation, unless it has ended.
pub(super) fn end(state: &mut State, id: Uuid, status: Status, error: Option<(String, String)>) {
    let operation = state.arm.operations.iter_mut().find(|operation| operation.id == id);
    if let Some(operation) = operation.filter(|operation| operation.status == Status::Pending) {
        operation.status = status;
        operation.error = error;
    }
}

/// Where a client asks how an operation stands. Azure signs this URL with parameters; so does this, in looks.
pub(super) fn url(call: &Call, location: &str, id: Uuid) -> String {
    url_of("Microsoft.ContainerInstance", call, location, id)
}

/// The same, for an operation of this provider.
pub(super) fn url_of(namespace: &str, call: &Call, location: &str, id: Uuid) -> String {
    format!(
        "{}{}/providers/{namespace}/locations/{location}/operations/{id}?api-version=2018-06-01&t={}&c=emulated&s=emulated&h=emulated",
        call.request.base_url,
        call.subscription(),
        id.simple()
    )
}

/// The reply to an accepted change that goes on.
pub(super) fn accepted(reply: Reply, namespace: &str, call: &Call, location: &str, id: Uuid) -> Reply {
    reply.header("azure-asyncoperation", &url_of(namespace, call, location, id)).header("retry-after", "1")
}

/// The reply to an accepted deletion.
pub(super) fn accepted_deletion(namespace: &str, call: &Call, location: &str, id: Uuid) -> Reply {
    accepted(Reply::status(202), namespace, call, location, id).header("location", &result_url(call, id))
}

/// Where a client asks for the outcome of an operation that leaves nothing to look at.
pub(super) fn result_url(call: &Call, id: Uuid) -> String {
    format!("{}{}/operationresults/{id}?api-version=2024-11-01", call.request.base_url, call.subscription())
}

pub(super) fn routes(router: &mut Router) {
    for (namespace, read) in [
        ("Microsoft.ContainerInstance", "Microsoft.ContainerInstance/locations/operations/read"),
        ("Microsoft.ContainerRegistry", "Microsoft.ContainerRegistry/locations/operationResults/read"),
        ("Microsoft.Network", "Microsoft.Network/locations/operations/read"),
    ] {
        let status = format!(
            "/subscriptions/{{subscription}}/providers/{namespace}/locations/{{location}}/operations/{{id}}"
        );
        on(router, Method::GET, &status, read, get);
    }
    on(router, Method::GET, "/subscriptions/{subscription}/operationresults/{id}", "", result);
}

fn find<'a>(state: &'a State, call: &Call) -> Result<&'a Operation, Refusal> {
    let id = call.param("id");
    let operation = state.arm.operations.iter().find(|operation| operation.id.to_string() == id);
    operation.ok_or_else(|| {
        Refusal::new(404, "OperationNotFound", format!("The operation '{id}' could not be found."))
    })
}

fn get(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let operation = find(state, call)?;
    let mut body = json!({
        "id": operation.resource, "status": operation.status, "startTime": operation.start.to_string(),
        "properties": {"events": operation.events},
    });
    if let Some((code, message)) = &operation.error {
        body["error"] = json!({"code": code, "message": message});
    }
    Ok(Reply::json(200, &body).header("retry-after", "1"))
}

fn result(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let operation = find(state, call)?;
    Ok(match operation.status {
        Status::Pending => {
            Reply::status(202).header("location", &result_url(call, operation.id)).header("retry-after", "1")
        }
        Status::Succeeded | Status::Canceled => Reply::status(200),
        Status::Failed => {
            let (code, message) = operation.error.clone().unwrap_or_default();
            Refusal::new(409, code, message).reply()
        }
    })
}
