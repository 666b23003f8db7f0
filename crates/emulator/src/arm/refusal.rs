//! What Resource Manager says when it does not do what it is asked.

use std::borrow::Cow;

use serde_json::json;

use crate::http::Reply;

/// A refusal: the status, and the code and text of the error envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: Cow<'static, str>,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(status: u16, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into() }
    }

    /// A body that is not what the resource type wants.
    pub(super) fn content(problem: &str) -> Self {
        let message = format!("The request content was invalid and could not be deserialized: '{problem}'.");
        Self::new(400, "InvalidRequestContent", message)
    }

    /// A resource that is not there. `resource` is its type and name.
    pub(super) fn not_found(resource: &str, group: &str) -> Self {
        let message = format!(
            "The Resource '{resource}' under resource group '{group}' was not found. For more details please go to \
             https://aka.ms/ARMResourceNotFoundFix"
        );
        Self::new(404, "ResourceNotFound", message)
    }

    pub(super) fn group_not_found(group: &str) -> Self {
        Self::new(404, "ResourceGroupNotFound", format!("Resource group '{group}' could not be found."))
    }

    pub(super) fn reply(&self) -> Reply {
        let body = json!({"error": {"code": self.code, "message": self.message}});
        let reply = Reply::json(self.status, &body);
        // Throttling asks for a pause; only the wire's own faults leave it out.
        if self.status == 429 { reply.header("retry-after", "1") } else { reply }
    }
}
