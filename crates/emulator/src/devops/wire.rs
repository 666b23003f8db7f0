//! How Azure DevOps writes things: times, collections, errors, and values that must not be shown.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::http::Reply;

/// A text that neither a log nor the view of the state shows. Keys that hold one are named so that the view masks them.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// A thing of which the service repeats id and name: a definition, a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Its id.
    pub id: u64,
    /// Its name.
    pub name: String,
}

impl Reference {
    pub(crate) fn json(&self) -> Value {
        json!({"id": self.id, "name": self.name, "_links": {}})
    }
}

/// A moment with the seven digits that the service gives.
pub(crate) fn time(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%dT%H:%M:%S%.7fZ").to_string()
}

/// A span of time as `hh:mm:ss`.
pub(crate) fn time_span(span: std::time::Duration) -> String {
    let seconds = span.as_secs();
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// A list, wrapped as the service wraps each.
pub(crate) fn collection(items: &[Value]) -> Value {
    json!({"count": items.len(), "value": items})
}

/// The items of a collection that a client sends: wrapped, or bare as some clients send them.
pub(crate) fn items(body: Value) -> Vec<Value> {
    match body {
        Value::Array(items) => items,
        Value::Object(mut wrapper) => match wrapper.remove("value") {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// Leaves out what is null: the service omits what is not set.
pub(crate) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            Value::Object(object.into_iter().filter(|(_, value)| !value.is_null()).collect())
        }
        other => other,
    }
}

/// A refusal, in the service's envelope. Clients tell refusals apart by `type_key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status it comes with.
    pub status: u16,
    /// Short name of the service's exception.
    pub type_key: &'static str,
    /// The service's text.
    pub message: String,
}

impl Refusal {
    /// A refusal.
    pub fn new(status: u16, type_key: &'static str, message: impl Into<String>) -> Self {
        Self { status, type_key, message: message.into() }
    }

    /// A body that is not as expected.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "VssPropertyValidationException", message)
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        let name = format!(
            "Microsoft.TeamFoundation.DistributedTask.WebApi.{}, Microsoft.TeamFoundation.DistributedTask.WebApi",
            refusal.type_key
        );
        Reply::json(
            refusal.status,
            &json!({
                "$id": "1", "innerException": null, "message": refusal.message, "typeName": name,
                "typeKey": refusal.type_key, "errorCode": 0, "eventId": 3000,
            }),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{Refusal, Secret, items, time, time_span};
    use serde_json::json;

    #[test]
    fn times_are_written_as_the_service_writes_them() {
        let moment = "2026-11-23T10:00:00.123456789Z".parse().expect("a time");
        assert_eq!(time(moment), "2026-11-23T10:00:00.1234567Z");
        assert_eq!(time_span(std::time::Duration::from_secs(3725)), "01:02:05");
    }

    #[test]
    fn a_collection_may_come_wrapped_or_bare() {
        assert_eq!(items(json!({"count": 1, "value": [1]})), [json!(1)]);
        assert_eq!(items(json!([1])), [json!(1)]);
        assert!(items(json!("nothing")).is_empty());
    }

    #[test]
    fn a_refusal_has_the_envelope_that_clients_read() {
        let reply = crate::http::Reply::from(Refusal::new(409, "TaskAgentExistsException", "there already"));
        let body: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
        assert_eq!(reply.status, 409);
        assert_eq!(body["typeKey"], "TaskAgentExistsException");
        assert_eq!(body["message"], "there already");
    }

    #[test]
    fn a_secret_does_not_print() {
        assert_eq!(format!("{:?}", Secret("hunter2".to_owned())), "***");
    }
}
