//! What a refusal means: pure, by the service's codes.

use azure_http::HttpError;
use lifecycle::ComputeError;

/// What kind of refusal it is, and so what may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureClass {
    /// The region has no room: another region, a smaller size, or later.
    Capacity,
    /// The subscription may not have that many: a support request, or take something down.
    Quota,
    /// The image could not be pulled. The service says so for registries that stumble too: worth a second try, not a
    /// third.
    Image,
    /// It may work in a moment.
    Transient,
    /// Too many calls.
    Throttled,
    /// Who asked may not.
    Unauthorized,
    /// Wrong as it stands: asking again will not help.
    Configuration,
}

impl FailureClass {
    /// By status, code and message of an answer; for a failed operation, whose status is always 200, status 0.
    pub fn of(status: u16, code: &str, message: &str) -> Self {
        let code = code.trim_end_matches('.').to_ascii_lowercase();
        let speaks_of_quota = message.to_ascii_lowercase().contains("quota");
        match code.as_str() {
            // With a quota of 0 it is the fraud detection: the same name in several regions.
            "serviceunavailable" if speaks_of_quota => Self::Quota,
            // 503 and the like is the front door; 409, or an operation that failed with it, is the region.
            "serviceunavailable" if status >= 500 => Self::Transient,
            "serviceunavailable" | "insufficientcapacity" => Self::Capacity,
            "containergroupquotareached" | "quotaexceeded" => Self::Quota,
            "inaccessibleimage" => Self::Image,
            "registryerrorresponse"
            | "containergrouptransitioning"
            | "canceled"
            | "canceledandsupersededduetoanotheroperation"
            | "anotheroperationinprogress"
            | "principalnotfound"
            | "internalservererror"
            | "requesttimeout" => Self::Transient,
            "toomanyrequests" => Self::Throttled,
            "authorizationfailed" | "linkedauthorizationfailed" => Self::Unauthorized,
            _ if code.ends_with("throttled") => Self::Throttled,
            _ => match status {
                401 | 403 => Self::Unauthorized,
                429 => Self::Throttled,
                408 | 500.. => Self::Transient,
                _ => Self::Configuration,
            },
        }
    }
}

/// The port's word for a failed call.
pub fn compute_error(error: &HttpError) -> ComputeError {
    let text = error.to_string();
    match error {
        HttpError::Throttled { retry_after, .. } => ComputeError::Throttled { retry_after: *retry_after },
        HttpError::AuthenticationFailed { .. }
        | HttpError::NotSignedIn { .. }
        | HttpError::ClockSkew { .. } => ComputeError::Unauthorized(text),
        HttpError::Service(service) => {
            let code = service.code.as_deref().unwrap_or_default();
            match FailureClass::of(service.status, code, &service.message) {
                FailureClass::Capacity => ComputeError::OutOfCapacity(text),
                FailureClass::Quota => ComputeError::QuotaExceeded(text),
                FailureClass::Transient | FailureClass::Image => ComputeError::Unavailable(text),
                FailureClass::Throttled => {
                    ComputeError::Throttled { retry_after: service.retry_after.unwrap_or_default() }
                }
                FailureClass::Unauthorized => ComputeError::Unauthorized(text),
                FailureClass::Configuration => ComputeError::Rejected(text),
            }
        }
        HttpError::Settings { .. } => ComputeError::Rejected(text),
        _ if error.outcome_unknown() => ComputeError::Indeterminate(text),
        _ => ComputeError::Unavailable(text),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use azure_http::{HttpError, ServiceError};
    use lifecycle::ComputeError;

    use super::{FailureClass, compute_error};

    #[test]
    fn every_code_users_meet_has_its_class() {
        use FailureClass::{Capacity, Configuration, Image, Quota, Throttled, Transient, Unauthorized};
        let table = [
            (409, "ServiceUnavailable", "The requested resource is not available in the location", Capacity),
            (0, "ServiceUnavailable", "The requested resource is not available in the location", Capacity),
            (0, "InsufficientCapacity.", "", Capacity),
            (409, "ServiceUnavailable", "quota 'StandardCores' exceeded. Limit: '0'", Quota),
            (400, "ContainerGroupQuotaReached", "container group quota 'StandardCores' exceeded", Quota),
            (503, "ServiceUnavailable", "", Transient),
            (500, "ServiceUnavailable", "", Transient),
            (400, "InaccessibleImage", "The image 'x' is not accessible", Image),
            (409, "RegistryErrorResponse", "Please retry later", Transient),
            (409, "ContainerGroupTransitioning", "still transitioning", Transient),
            (500, "InternalServerError", "", Transient),
            (502, "", "", Transient),
            (400, "PrincipalNotFound", "", Transient),
            (429, "SubscriptionRequestsThrottled", "", Throttled),
            (429, "", "", Throttled),
            (403, "AuthorizationFailed", "", Unauthorized),
            (400, "InvalidImageRegistryIdentity", "", Configuration),
            (400, "InvalidRequestContent", "", Configuration),
            (409, "MissingSubscriptionRegistration", "", Configuration),
            (404, "ResourceGroupNotFound", "", Configuration),
            (400, "ImageOsTypeNotMatchContainerGroup", "", Configuration),
        ];
        for (status, code, message, expected) in table {
            assert_eq!(FailureClass::of(status, code, message), expected, "{status} {code} {message}");
        }
    }

    #[test]
    fn the_port_hears_its_own_words() {
        let service = |status, code: &str| {
            HttpError::Service(ServiceError {
                host: "h".to_owned(),
                status,
                code: Some(code.to_owned()),
                message: "m".to_owned(),
                request_id: None,
                retry_after: None,
            })
        };
        let text = |error: &HttpError| error.to_string();
        let lost = HttpError::Interrupted { host: "h".to_owned(), detail: "d".to_owned() };
        let nobody = HttpError::Refused { host: "h".to_owned(), detail: "d".to_owned() };
        let wait = Duration::from_secs(5);
        let busy = HttpError::Throttled { host: "h".to_owned(), retry_after: wait };
        assert_eq!(compute_error(&busy), ComputeError::Throttled { retry_after: wait });
        assert_eq!(compute_error(&lost), ComputeError::Indeterminate(text(&lost)));
        assert_eq!(compute_error(&nobody), ComputeError::Unavailable(text(&nobody)));
        let full = service(409, "ServiceUnavailable");
        assert_eq!(compute_error(&full), ComputeError::OutOfCapacity(text(&full)));
        let wrong = service(400, "InvalidOsType");
        assert_eq!(compute_error(&wrong), ComputeError::Rejected(text(&wrong)));
    }
}
