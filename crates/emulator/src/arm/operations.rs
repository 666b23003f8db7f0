//! Asynchronous operations: what `Azure-AsyncOperation` and `Location` lead to.

use hyper::Method;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::gate::{Call, on};
use super::refusal::Refusal;
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
}

/// Begins an operation on a resource, and gives its id.
pub(super) fn begin(state: &mut crate::State, resource: &str) -> Uuid {
    let id = Uuid::new_v4();
    let (start, resource) = (state.now, resource.to_owned());
    state.arm.operations.push(Operation {
        id,
        resource,
        status: Status::Pending,
        start,
        error: None,
        events: Vec::new(),
    });
    id
}

/// Ends an operation, unless it has ended.
pub(super) fn end(state: &mut crate::State, id: Uuid, status: Status, error: Option<(String, String)>) {
    let operation = state.arm.operations.iter_mut().find(|operation| operation.id == id);
    if let Some(operation) = operation.filter(|operation| operation.status == Status::Pending) {
        operation.status = status;
        operation.error = error;
    }
}

/// Where a client asks how an operation stands. Azure signs this URL with parameters; so does this, in looks.
pub(super) fn url(call: &Call, location: &str, id: Uuid) -> String {
    format!(
        "{}{}/providers/Microsoft.ContainerInstance/locations/{location}/operations/{id}?api-version=2018-06-01&t={}&c=emulated&s=emulated&h=emulated",
        call.request.base_url,
        call.subscription(),
        id.simple()
    )
}

/// Where a client asks for the outcome of an operation that leaves nothing to look at.
pub(super) fn result_url(call: &Call, id: Uuid) -> String {
    format!("{}{}/operationresults/{id}?api-version=2024-11-01", call.request.base_url, call.subscription())
}

pub(super) fn routes(router: &mut Router) {
    let read = "Microsoft.ContainerInstance/locations/operations/read";
    let status = "/subscriptions/{subscription}/providers/Microsoft.ContainerInstance/locations/{location}/operations/{id}";
    on(router, Method::GET, status, read, get);
    on(router, Method::GET, "/subscriptions/{subscription}/operationresults/{id}", "", result);
}

fn find<'a>(state: &'a crate::State, call: &Call) -> Result<&'a Operation, Refusal> {
    let id = call.param("id");
    let operation = state.arm.operations.iter().find(|operation| operation.id.to_string() == id);
    operation.ok_or_else(|| {
        Refusal::new(404, "OperationNotFound", format!("The operation '{id}' could not be found."))
    })
}

fn get(state: &mut crate::State, call: &Call) -> Result<Reply, Refusal> {
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

fn result(state: &mut crate::State, call: &Call) -> Result<Reply, Refusal> {
    let operation = find(state, call)?;
    Ok(match operation.status {
        Status::Pending => {
            Reply::status(202).header("location", &result_url(call, operation.id)).header("retry-after", "1")
        }
        Status::Succeeded | Status::Failed | Status::Canceled => Reply::status(200),
    })
}
