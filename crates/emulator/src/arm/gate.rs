//! What every call to Resource Manager passes: authentication, api-version, subscription, authorization; and what every
//! reply carries.

use std::sync::Arc;

use hyper::Method;
use jiff::Timestamp;
use uuid::Uuid;

use super::refusal::Refusal;
use super::{locks, providers, resource_groups, roles, subscriptions};
use crate::entra::{Audience, Caller, TokenFault};
use crate::http::{Reply, Request, Router};
use crate::{Emulator, State};

/// A call that was let in.
pub(super) struct Call {
    pub(super) request: Request,
    pub(super) caller: Caller,
}

impl Call {
    /// A variable part of the path.
    pub(super) fn param(&self, name: &str) -> &str {
        self.request.param(name)
    }

    /// `/subscriptions/{id}`.
    pub(super) fn subscription(&self) -> String {
        format!("/subscriptions/{}", self.param("subscription"))
    }

    /// The body as JSON.
    pub(super) fn body(&self) -> Result<serde_json::Value, Refusal> {
        let body: serde_json::Value =
            self.request.json().map_err(|error| Refusal::content(&error.to_string()))?;
        if body.is_object() { Ok(body) } else { Err(Refusal::content("The body is not an object")) }
    }
}

/// What carries out a call.
pub(super) type Handler = fn(&mut State, &Call) -> Result<Reply, Refusal>;

/// Adds a route. `action` is what the caller needs a role for; "" where signing in is enough.
pub(super) fn on(router: &mut Router, method: Method, pattern: &str, action: &'static str, handler: Handler) {
    let within_group = pattern.to_ascii_lowercase().contains("/resourcegroups/{group}/");
    router.on(method, pattern, move |emulator: Arc<Emulator>, request: Request| async move {
        let correlation = request.header("x-ms-correlation-request-id").map(str::to_owned);
        let carried_out = admit(&emulator, request, action, within_group)
            .and_then(|call| emulator.change(|state| handler(state, &call)));
        Ok(finish(carried_out.unwrap_or_else(|refusal| refuse(&emulator, &refusal)), correlation))
    });
}

/// Lets a call in, or says why not.
pub(super) fn admit(
    emulator: &Emulator,
    request: Request,
    action: &str,
    within_group: bool,
) -> Result<Call, Refusal> {
    let caller = crate::entra::caller(emulator, &request, Audience::ResourceManager)
        .map_err(|fault| unauthenticated(&fault, emulator.now()))?;
    require_version(request.query.get("api-version"))?;
    emulator.read(|state| {
        let asked = request.param("subscription");
        let known = asked.is_empty() || asked.eq_ignore_ascii_case(&state.world.subscription.to_string());
        if !known {
            let message = format!("The subscription '{asked}' could not be found.");
            return Err(Refusal::new(404, "SubscriptionNotFound", message));
        }
        let scope = request.path.trim_end_matches('/');
        if !action.is_empty() && !roles::may(&state.arm, caller.object_id, action, scope) {
            return Err(roles::forbidden(&caller, action, scope));
        }
        if within_group && state.arm.resource_group(request.param("group")).is_none() {
            return Err(Refusal::group_not_found(request.param("group")));
        }
        subscriptions::refuse_disabled(state, &request)?;
        providers::require_registration(&state.arm, &request)?;
        locks::refuse_locked(&state.arm, &request)?;
        resource_groups::refuse_deleted(&state.arm, &request)
    })?;
    Ok(Call { request, caller })
}

/// Every version is taken that has the form of one: which of them exist is no business of a client's test.
fn require_version(version: Option<&str>) -> Result<(), Refusal> {
    let Some(version) = version.filter(|version| !version.is_empty()) else {
        let message = "The api-version query parameter (?api-version=) is required for all requests.";
        return Err(Refusal::new(400, "MissingApiVersionParameter", message));
    };
    let date = version.strip_suffix("-preview").unwrap_or(version);
    let valid = date.parse::<jiff::civil::Date>().is_ok_and(|date| (2014..=2030).contains(&date.year()));
    if valid {
        return Ok(());
    }
    let message = format!(
        "The api-version '{version}' is invalid. The format is YYYY-MM-DD, and for preview versions YYYY-MM-DD-preview."
    );
    Err(Refusal::new(400, "InvalidApiVersionParameter", message))
}

fn unauthenticated(fault: &TokenFault, now: Timestamp) -> Refusal {
    let (code, message) = match fault {
        TokenFault::Missing => (
            "AuthenticationFailed",
            "Authentication failed. The 'Authorization' header is missing.".to_owned(),
        ),
        TokenFault::Invalid => ("InvalidAuthenticationToken", "The access token is invalid.".to_owned()),
        TokenFault::Audience(audience) => (
            "InvalidAuthenticationTokenAudience",
            format!(
                "The access token has been obtained for wrong audience or resource '{audience}'. It should exactly \
                 match with one of the allowed audiences 'https://management.core.windows.net/', \
                 'https://management.azure.com/'."
            ),
        ),
        TokenFault::Expired(expiry) => {
            let expiry = Timestamp::from_second(*expiry).unwrap_or(now);
            let message = format!(
                "The access token expiry UTC time '{expiry}' is earlier than current UTC time '{now}'."
            );
            ("ExpiredAuthenticationToken", message)
        }
    };
    Refusal::new(401, code, message)
}

/// The reply to a refused call; who is not signed in is told where to.
pub(super) fn refuse(emulator: &Emulator, refusal: &Refusal) -> Reply {
    let reply = refusal.reply().header("x-ms-failure-cause", "gateway");
    if refusal.status != 401 {
        return reply;
    }
    let tenant = emulator.read(|state| state.world.tenant);
    let challenge = format!(
        "Bearer authorization_uri=\"{}/{tenant}\", error=\"invalid_token\", error_description=\"{}\"",
        emulator.url, refusal.message
    );
    reply.header("www-authenticate", &challenge)
}

/// The headers of every reply.
pub(super) fn finish(reply: Reply, correlation: Option<String>) -> Reply {
    let request_id = Uuid::new_v4();
    let correlation = correlation.unwrap_or_else(|| request_id.to_string());
    reply
        .header("x-ms-request-id", &request_id.to_string())
        .header("x-ms-correlation-request-id", &correlation)
        .header("x-ms-routing-request-id", &format!("EMULATOR:{request_id}"))
        .header("x-ms-ratelimit-remaining-subscription-global-reads", "16499")
        .header("x-ms-ratelimit-remaining-subscription-reads", "249")
        .header("x-ms-ratelimit-remaining-subscription-writes", "199")
        .header("cache-control", "no-cache")
        .header("pragma", "no-cache")
        .header("expires", "-1")
        .header("strict-transport-security", "max-age=31536000; includeSubDomains")
        .header("x-content-type-options", "nosniff")
}

#[cfg(test)]
mod tests {
    use super::require_version;

    #[test]
    fn a_version_is_a_date() {
        for (version, code) in [
            (None, Some("MissingApiVersionParameter")),
            (Some(""), Some("MissingApiVersionParameter")),
            (Some("latest"), Some("InvalidApiVersionParameter")),
            (Some("2023-13-01"), Some("InvalidApiVersionParameter")),
            (Some("2023-05-01"), None),
            (Some("2024-05-01-preview"), None),
        ] {
            assert_eq!(require_version(version).err().map(|error| error.code.into_owned()).as_deref(), code);
        }
    }
}
