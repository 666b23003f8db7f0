//! The client crates' failures in the words of `services`. Pure.

use azure_http::HttpError;
use azure_resources::FailureClass;
use lifecycle::AgentName;

use crate::services::{ErrorKind, ServiceError};
use crate::settings::DevOpsCredential;

const NEW_NAME: &str =
    "give a name that was never used, or none to have one minted; what exists is never replaced.";

/// Any failed call.
pub(super) fn from_http(error: &HttpError) -> ServiceError {
    let remedy = match error {
        HttpError::NotTrusted { .. } => format!("{} (--ca-file).", error.remedy().trim_end_matches('.')),
        _ => error.remedy(),
    };
    ServiceError { kind: kind(error), what: error.to_string(), remedy: lower_first(&remedy) }
}

/// A failed call to Resource Manager, whose codes say more than its statuses.
pub(super) fn from_resource_manager(error: &HttpError) -> ServiceError {
    let mut answer = from_http(error);
    let Some(service) = error.service() else { return answer };
    let code = service.code.as_deref().unwrap_or_default();
    let class = FailureClass::of(service.status, code, &service.message);
    answer.kind = kind_of(class, answer.kind);
    if let Some(remedy) =
        remedy_by_code(code, &service.message).or_else(|| remedy_by_class(class, answer.kind))
    {
        answer.remedy = remedy;
    }
    answer
}

fn kind_of(class: FailureClass, by_status: ErrorKind) -> ErrorKind {
    match class {
        FailureClass::Capacity => ErrorKind::Capacity,
        FailureClass::Quota => ErrorKind::Quota,
        // It says "not now", whatever the status.
        FailureClass::Transient if by_status == ErrorKind::Refused => ErrorKind::Transient,
        FailureClass::Image => ErrorKind::Image,
        _ => by_status,
    }
}

fn remedy_by_class(class: FailureClass, kind: ErrorKind) -> Option<String> {
    let remedy = match class {
        FailureClass::Capacity => {
            "try again later, with less --cpu and --memory, or in another region (--location); --fallback-location and its like try by themselves."
        }
        FailureClass::Quota => {
            "take down what is not needed (`ephemeral-agents list`), use another region, or ask for a higher quota in \
             the portal (Quotas, Container Instances)."
        }
        FailureClass::Image => {
            "check --image, and --registry-user with its password or --registry-identity with its role AcrPull."
        }
        // Where the status says so too, it has its own remedy.
        FailureClass::Transient if kind == ErrorKind::Transient => {
            "try again in a few minutes; if it lasts, Azure's status page may say why."
        }
        _ => return None,
    };
    Some(remedy.to_owned())
}

/// What helps against refusals that people meet.
fn remedy_by_code(code: &str, message: &str) -> Option<String> {
    let quoted = |after: &str| message.split_once(after)?.1.split('\'').next();
    let remedy = match code {
        "AuthorizationFailed" | "LinkedAuthorizationFailed" => {
            // The last one: a linked refusal names first what is allowed.
            let rest = message.rsplit_once("perform action '").map(|(_, rest)| rest);
            let action = rest.and_then(|rest| rest.split('\'').next()).unwrap_or("what the message names");
            let role = if action.starts_with("Microsoft.Network/") {
                "Network Contributor over the virtual network"
            } else {
                "Contributor over the resource group"
            };
            format!("have whoever provisions given a role that allows `{action}`, such as {role}; a new role takes minutes.")
        }
        "MissingSubscriptionRegistration" => {
            let namespace = quoted("namespace '").unwrap_or("Microsoft.ContainerInstance");
            format!("register the provider: `az provider register --namespace {namespace} --wait`.")
        }
        "SubscriptionNotFound" | "InvalidSubscriptionId" => {
            "correct --subscription: `az account list` shows those that you may see.".to_owned()
        }
        "ReadOnlyDisabledSubscription" => {
            "have its owner enable it again in the portal (Subscriptions).".to_owned()
        }
        "ImageOsTypeNotMatchContainerGroup" | "OsVersionNotSupported" => {
            "use an image for linux/amd64, or --os-type windows with an image for Windows.".to_owned()
        }
        "RegistryErrorResponse" => {
            "try again in some minutes; log in to the registry (--registry-user), since Docker Hub limits anonymous \
             pulls, or keep the image in a registry of your own."
                .to_owned()
        }
        "ContainerGroupTransitioning" => "wait a minute, then try again.".to_owned(),
        "SubnetIsFull" => "take down agents that are not needed, or use a larger subnet.".to_owned(),
        _ => return None,
    };
    Some(remedy)
}

/// A container group of a chosen name came into being before ours.
pub(super) fn taken(name: &AgentName) -> ServiceError {
    ServiceError {
        kind: ErrorKind::Taken,
        what: format!("a container group named {name} exists, made by somebody else"),
        remedy: NEW_NAME.to_owned(),
    }
}

/// A failed call to Azure DevOps, made with a credential of that kind.
pub(super) fn from_devops(error: &HttpError, credential: &DevOpsCredential) -> ServiceError {
    let mut answer = from_http(error);
    let remedy = match error {
        HttpError::AuthenticationFailed { entra: None, .. } => Some(renewal(credential)),
        HttpError::Service(service) => match service.status {
            403 => Some(
                "have whoever holds the token made an administrator of the pool (Agent pools, Security).",
            ),
            409 => {
                answer.kind = ErrorKind::Taken;
                Some(NEW_NAME)
            }
            _ => None,
        },
        _ => None,
    };
    if let Some(remedy) = remedy {
        remedy.clone_into(&mut answer.remedy);
    }
    answer
}

fn renewal(credential: &DevOpsCredential) -> &'static str {
    match credential {
        DevOpsCredential::PersonalAccessToken(_) => {
            "set AZURE_DEVOPS_EXT_PAT to a personal access token of this organization that has not expired, with the \
             scope Agent Pools (Read & manage)."
        }
        DevOpsCredential::Bearer(_) => {
            "a job's access token ends with its job: use the one of this job (SYSTEM_ACCESSTOKEN), and make the \
             project's build service an administrator of the pool."
        }
        DevOpsCredential::SameAsAzure => {
            "add this service principal or identity to the organization (Organization settings, Users), or set \
             AZURE_DEVOPS_EXT_PAT."
        }
    }
}

/// A container group of that name is not ours.
pub(super) fn foreign(name: &AgentName) -> ServiceError {
    ServiceError {
        kind: ErrorKind::Taken,
        what: format!("a container group named {name} exists, and does not carry our tags"),
        remedy: NEW_NAME.to_owned(),
    }
}

/// Remedies stand behind "To do:". A word in capitals is a name, and stays one.
fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    match (letters.next(), letters.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text.to_owned(),
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
        HttpError::AuthenticationFailed { .. }
        | HttpError::NotSignedIn { .. }
        | HttpError::ClockSkew { .. }
        | HttpError::Settings { .. } => ErrorKind::Refused,
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

    use super::{from_devops, from_http, from_resource_manager, lower_first};
    use crate::services::ErrorKind;
    use crate::settings::DevOpsCredential;

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
            (HttpError::NotSignedIn { detail: host() }, ErrorKind::Refused),
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
        let table = [
            (
                refusal(409, "ServiceUnavailable", "not available in the location"),
                ErrorKind::Capacity,
                "--location",
            ),
            (refusal(400, "ContainerGroupQuotaReached", "quota exceeded"), ErrorKind::Quota, "Quotas"),
            (refusal(400, "InaccessibleImage", "no access"), ErrorKind::Image, "AcrPull"),
            (refusal(409, "RegistryErrorResponse", "m"), ErrorKind::Transient, "again"),
            (refusal(409, "ContainerGroupTransitioning", "m"), ErrorKind::Transient, "again"),
            (
                refusal(409, "MissingSubscriptionRegistration", "m"),
                ErrorKind::Refused,
                "az provider register",
            ),
            (refusal(400, "InvalidOsType", "m"), ErrorKind::Refused, "message"),
        ];
        for (error, kind, remedy) in table {
            let answer = from_resource_manager(&error);
            assert_eq!(answer.kind, kind, "{error}");
            assert!(answer.remedy.contains(remedy), "{}", answer.remedy);
        }
    }

    fn refusal(status: u16, code: &str, message: &str) -> HttpError {
        HttpError::Service(azure_http::ServiceError {
            host: "h".to_owned(),
            status,
            code: Some(code.to_owned()),
            message: message.to_owned(),
            request_id: None,
            retry_after: None,
        })
    }

    #[test]
    fn a_missing_role_is_named() {
        let remedy = |code, message| from_resource_manager(&refusal(403, code, message)).remedy;
        let own = "The client 'x' does not have authorization to perform action \
                   'Microsoft.ContainerInstance/containerGroups/write' over scope 's'";
        insta::assert_snapshot!(remedy("AuthorizationFailed", own), @"have whoever provisions given a role that allows `Microsoft.ContainerInstance/containerGroups/write`, such as Contributor over the resource group; a new role takes minutes.");
        let linked = "The client 'x' has permission to perform action 'a/write' on scope 's'; however, it does not \
                      have permission to perform action 'Microsoft.Network/virtualNetworks/subnets/join/action' on \
                      the linked scope(s) 's'";
        insta::assert_snapshot!(remedy("LinkedAuthorizationFailed", linked), @"have whoever provisions given a role that allows `Microsoft.Network/virtualNetworks/subnets/join/action`, such as Network Contributor over the virtual network; a new role takes minutes.");
    }

    #[test]
    fn not_now_is_not_never() {
        for code in ["ContainerGroupTransitioning", "RegistryErrorResponse"] {
            assert_eq!(from_resource_manager(&refusal(409, code, "")).kind, ErrorKind::Transient, "{code}");
        }
        assert_eq!(from_resource_manager(&refusal(504, "RequestTimeout", "")).kind, ErrorKind::Indeterminate);
    }

    #[test]
    fn a_refused_credential_is_renewed_where_it_came_from() {
        let error = HttpError::AuthenticationFailed {
            host: "h".to_owned(),
            reason: "it answered 401".to_owned(),
            entra: None,
        };
        let secret = || redact::Secret::new("s");
        let remedy = |credential| from_devops(&error, &credential).remedy;
        insta::assert_snapshot!(remedy(DevOpsCredential::PersonalAccessToken(secret())), @"set AZURE_DEVOPS_EXT_PAT to a personal access token of this organization that has not expired, with the scope Agent Pools (Read & manage).");
        insta::assert_snapshot!(remedy(DevOpsCredential::Bearer(secret())), @"a job's access token ends with its job: use the one of this job (SYSTEM_ACCESSTOKEN), and make the project's build service an administrator of the pool.");
        insta::assert_snapshot!(remedy(DevOpsCredential::SameAsAzure), @"add this service principal or identity to the organization (Organization settings, Users), or set AZURE_DEVOPS_EXT_PAT.");
    }

    #[test]
    fn remedies_stand_behind_a_colon() {
        for (text, expected) in
            [("Check it.", "check it."), ("HTTPS_PROXY is wrong.", "HTTPS_PROXY is wrong."), ("", "")]
        {
            assert_eq!(lower_first(text), expected);
        }
    }

    #[test]
    fn an_untrusted_certificate_names_the_option() {
        let error =
            HttpError::NotTrusted { host: "h".to_owned(), problem: CertificateProblem::UnknownIssuer };
        assert!(from_http(&error).remedy.ends_with("(--ca-file)."));
    }
}
