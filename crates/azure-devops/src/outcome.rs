//! What a failed call means for the pool: pure translation into `lifecycle`'s words.

use std::time::Duration;

use azure_http::HttpError;
use lifecycle::PoolError;

/// `typeKey` of the refusal to remove an agent that runs a job. Azure DevOps sends it with status 400.
const JOB_STILL_RUNNING: &str = "TaskAgentJobStillRunningException";

/// `typeKey` of the refusal to register a name twice.
const AGENT_EXISTS: &str = "TaskAgentExistsException";

/// Whether the service protects the agent because it runs a job.
pub(crate) fn is_job_running(error: &HttpError) -> bool {
    error.service().and_then(|error| error.code.as_deref()) == Some(JOB_STILL_RUNNING)
}

/// Whether an agent of that name exists.
pub(crate) fn is_name_taken(error: &HttpError) -> bool {
    error.service().is_some_and(|error| error.status == 409 || error.code.as_deref() == Some(AGENT_EXISTS))
}

/// The port's word for a failed call.
pub(crate) fn pool_error(error: &HttpError) -> PoolError {
    let text = error.to_string();
    match error {
        HttpError::Throttled { retry_after, .. } => PoolError::Throttled { retry_after: *retry_after },
        HttpError::AuthenticationFailed { .. }
        | HttpError::NotSignedIn { .. }
        | HttpError::ClockSkew { .. } => PoolError::Unauthorized(text),
        HttpError::Service(service) => match service.status {
            403 => PoolError::Unauthorized(text),
            429 => {
                let retry_after = service.retry_after.unwrap_or(Duration::from_secs(30));
                PoolError::Throttled { retry_after }
            }
            500.. | 408 => PoolError::Unavailable(text),
            _ => PoolError::Rejected(text),
        },
        HttpError::Settings { .. } => PoolError::Rejected(text),
        _ if error.outcome_unknown() => PoolError::Indeterminate(text),
        _ => PoolError::Unavailable(text),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use azure_http::{HttpError, ServiceError};
    use lifecycle::PoolError;

    use super::{is_job_running, is_name_taken, pool_error};

    fn service(status: u16, code: &str) -> HttpError {
        HttpError::Service(ServiceError {
            host: "h".to_owned(),
            status,
            code: Some(code.to_owned()),
            message: "m".to_owned(),
            request_id: None,
            retry_after: None,
        })
    }

    #[test]
    fn every_failure_has_its_word() {
        let host = || "h".to_owned();
        let text = |error: &HttpError| error.to_string();
        let wait = Duration::from_secs(7);
        let refused = HttpError::AuthenticationFailed { host: host(), reason: host(), entra: None };
        let lost = HttpError::Interrupted { host: host(), detail: host() };
        let unreachable = HttpError::Refused { host: host(), detail: host() };
        let table = [
            (
                HttpError::Throttled { host: host(), retry_after: wait },
                PoolError::Throttled { retry_after: wait },
            ),
            (refused.clone(), PoolError::Unauthorized(text(&refused))),
            (
                service(403, "AccessDeniedException"),
                PoolError::Unauthorized("h answered 403 (AccessDeniedException): m".to_owned()),
            ),
            (service(400, "X"), PoolError::Rejected("h answered 400 (X): m".to_owned())),
            (service(503, "X"), PoolError::Unavailable("h answered 503 (X): m".to_owned())),
            (lost.clone(), PoolError::Indeterminate(text(&lost))),
            (unreachable.clone(), PoolError::Unavailable(text(&unreachable))),
        ];
        for (error, expected) in table {
            assert_eq!(pool_error(&error), expected, "{error:?}");
        }
    }

    #[test]
    fn answers_that_are_no_failures_are_recognized_by_their_type() {
        assert!(is_job_running(&service(400, "TaskAgentJobStillRunningException")));
        assert!(!is_job_running(&service(400, "VssVersionNotSpecifiedException")));
        assert!(is_name_taken(&service(409, "TaskAgentExistsException")));
        assert!(!is_name_taken(&service(403, "AccessDeniedException")));
    }
}
