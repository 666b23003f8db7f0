//! What Resource Manager does after it has answered.

use std::time::Duration;

use azure_http::Response;
use serde::Deserialize;

use crate::FailureClass;

/// Something accepted and not finished; the address at which to ask, used as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    pub(crate) address: String,
    /// The wait that the service proposed, if it did.
    pub retry_after: Option<Duration>,
}

impl Operation {
    /// From the answer that began it, if it left anything to wait for.
    pub(crate) fn from_response(response: &Response) -> Option<Self> {
        let address = response.header("azure-asyncoperation").or_else(|| response.header("location"))?;
        Some(Self { address: address.to_owned(), retry_after: response.retry_after() })
    }
}

/// How it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperationStatus {
    /// It goes on; ask the given operation next, since the service may have moved it.
    Running(Operation),
    /// It is done.
    Succeeded,
    /// It came to nothing.
    Failed {
        /// The service's word.
        code: String,
        /// The service's sentence.
        message: String,
        /// What may help.
        class: FailureClass,
    },
}

#[derive(Deserialize)]
struct Body {
    status: String,
    #[serde(default)]
    error: Option<Failure>,
}

#[derive(Default, Deserialize)]
struct Failure {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// From the answer to a question for `operation`. Any word but the three final ones means that it goes on.
pub(crate) fn status(operation: &Operation, response: &Response) -> OperationStatus {
    let running = || {
        let next = Operation::from_response(response);
        let address = next.map_or_else(|| operation.address.clone(), |next| next.address);
        OperationStatus::Running(Operation { address, retry_after: response.retry_after() })
    };
    let Ok(body) = response.json::<Body>() else {
        // Asked at `Location`: 202 means not yet, anything else is the result.
        return if response.status() == 202 { running() } else { OperationStatus::Succeeded };
    };
    match body.status.to_ascii_lowercase().as_str() {
        "succeeded" => OperationStatus::Succeeded,
        "failed" | "canceled" => {
            let Failure { code, message } = body.error.unwrap_or_default();
            let code = if code.is_empty() { body.status } else { code };
            let class = FailureClass::of(0, &code, &message);
            OperationStatus::Failed { code, message, class }
        }
        _ => running(),
    }
}
