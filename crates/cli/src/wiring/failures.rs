//! The client crates' failures in the words of `services`. Pure.

use azure_http::HttpError;
use azure_resources::FailureClass;
use lifecycle::AgentName;

use crate::services::{ErrorKind, ServiceError};

/// Any failed call.
pub(super) fn from_http(error: &HttpError) -> ServiceError {
    let remedy = match error {
        HttpError::NotTrusted { .. } => format!("{} (--ca-file).", error.remedy().trim_end_matches('.')),
        _ => error.remedy(),
    };
    ServiceError { kind: kind(error), what: error.to_string(), remedy }
}

/// A failed call to Resource Manager, whose codes say more than its statuses.
pub(super) fn from_resource_manager(error: &HttpError) -> ServiceError {
    let mut answer = from_http(error);
    let Some(service) = error.service() else { return answer };
    let code = service.code.as_deref().unwrap_or_default();
    let (kind, remedy) = match FailureClass::of(service.status, code, &service.message) {
        FailureClass::Capacity => (
            ErrorKind::Capacity,
            "try again later, with less --cpu and --memory, or in another region (--location).",
        ),
        FailureClass::Quota => (
            ErrorKind::Quota,
            "take down what is not needed (`ephemeral-agents list`), use another region, or ask for a higher quota in \
             the portal (Quotas, Container Instances).",
        ),
        FailureClass::Image => (
            ErrorKind::Image,
            "check --image, and --registry-user with its password or --registry-identity with its role AcrPull.",
        ),
        FailureClass::Transient if answer.kind == ErrorKind::Refused => (
            ErrorKind::Transient,
            "try again in a few minutes; if it lasts, Azure's status page may say why.",
        ),
        FailureClass::Configuration if code == "MissingSubscriptionRegistration" => (
            ErrorKind::Refused,
            "register the provider: `az provider register --namespace Microsoft.ContainerInstance`.",
        ),
        _ => return answer,
    };
    answer.kind = kind;
    remedy.clone_into(&mut answer.remedy);
    answer
}

/// A container group of that name is not ours.
pub(super) fn foreign(name: &AgentName) -> ServiceError {
    ServiceError {
        kind: ErrorKind::Taken,
        what: format!("a container group named {name} exists, and does not carry our tags"),
        remedy: "give a name that was never used, or none to have one minted; what exists is never replaced."
            .to_owned(),
    }
}

fn kind(error: &HttpError) -> ErrorKind {
    match error {
        HttpError::NotResolved { .. }
        | HttpError::NotTrusted { .. }
        | HttpError::Proxy { .. }
        | HttpError::Refused { .. }
        | HttpError::TimedOut { sent: false, .. }
        | HttpError::NotJson { .. } => ErrorKind::Unreachable,
        HttpError::AuthenticationFailed { .. } | HttpError::ClockSkew { .. } | HttpError::Settings { .. } => {
            ErrorKind::Refused
        }
        HttpError::Throttled { .. } => ErrorKind::Throttled,
        _ if error.outcome_unknown() => ErrorKind::Indeterminate,
        HttpError::Service(service) if service.status == 429 => ErrorKind::Throttled,
        HttpError::Service(service) if service.status >= 500 => ErrorKind::Unavailable,
        HttpError::Service(_) => ErrorKind::Refused,
        _ => ErrorKind::Indeterminate,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use azure_http::{CertificateProblem, HttpError};

    use super::{from_http, from_resource_manager};
    use crate::services::ErrorKind;

    fn service(status: u16) -> HttpError {
        HttpError::Service(azure_http::ServiceError {
            host: "h".to_owned(),
            status,
            code: None,
            message: String::new(),
            request_id: None,
            retry_after: None,
        })
    }

    #[test]
    fn kinds() {
        let host = || "h".to_owned();
        let table = [
            (HttpError::NotResolved { host: host(), detail: host() }, ErrorKind::Unreachable),
            (
                HttpError::TimedOut { host: host(), after: Duration::ZERO, sent: false },
                ErrorKind::Unreachable,
            ),
            (
                HttpError::TimedOut { host: host(), after: Duration::ZERO, sent: true },
                ErrorKind::Indeterminate,
            ),
            (HttpError::Interrupted { host: host(), detail: host() }, ErrorKind::Indeterminate),
            (HttpError::ClockSkew { host: host(), ahead: 1 }, ErrorKind::Refused),
            (HttpError::Throttled { host: host(), retry_after: Duration::ZERO }, ErrorKind::Throttled),
            (service(400), ErrorKind::Refused),
            (service(403), ErrorKind::Refused),
            (service(429), ErrorKind::Throttled),
            (service(503), ErrorKind::Unavailable),
            (service(504), ErrorKind::Indeterminate),
        ];
        for (error, expected) in table {
            assert_eq!(from_http(&error).kind, expected, "{error}");
        }
    }

    #[test]
    fn resource_managers_codes_have_remedies_of_their_own() {
        let coded = |status, code: &str, message: &str| {
            HttpError::Service(azure_http::ServiceError {
                host: "h".to_owned(),
                status,
                code: Some(code.to_owned()),
                message: message.to_owned(),
                request_id: None,
                retry_after: None,
            })
        };
        let table = [
            (
                coded(409, "ServiceUnavailable", "not available in the location"),
                ErrorKind::Capacity,
                "--location",
            ),
            (coded(400, "ContainerGroupQuotaReached", "quota exceeded"), ErrorKind::Quota, "Quotas"),
            (coded(400, "InaccessibleImage", "no access"), ErrorKind::Image, "AcrPull"),
            (coded(409, "RegistryErrorResponse", "m"), ErrorKind::Transient, "again"),
            (coded(409, "ContainerGroupTransitioning", "m"), ErrorKind::Transient, "again"),
            (coded(409, "MissingSubscriptionRegistration", "m"), ErrorKind::Refused, "az provider register"),
            (coded(400, "InvalidOsType", "m"), ErrorKind::Refused, "message"),
        ];
        for (error, kind, remedy) in table {
            let answer = from_resource_manager(&error);
            assert_eq!(answer.kind, kind, "{error}");
            assert!(answer.remedy.contains(remedy), "{}", answer.remedy);
        }
    }

    #[test]
    fn an_untrusted_certificate_names_the_option() {
        let error =
            HttpError::NotTrusted { host: "h".to_owned(), problem: CertificateProblem::UnknownIssuer };
        assert!(from_http(&error).remedy.ends_with("(--ca-file)."));
    }
}
