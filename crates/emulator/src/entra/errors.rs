//! What Entra ID says when it gives no token.

use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use crate::http::Reply;

/// A refusal: an OAuth error, and the number by which people look it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    status: u16,
    error: &'static str,
    code: u32,
    text: String,
}

impl Refusal {
    fn new(status: u16, error: &'static str, code: u32, text: impl Into<String>) -> Self {
        Self { status, error, code, text: text.into() }
    }

    /// The number after `AADSTS`.
    #[cfg(test)]
    pub(super) fn code(&self) -> u32 {
        self.code
    }

    pub(super) fn missing_parameter(name: &str) -> Self {
        let text = format!("The request body must contain the following parameter: '{name}'.");
        Self::new(400, "invalid_request", 900_144, text)
    }

    pub(super) fn unknown_tenant(tenant: &str) -> Self {
        let text = format!(
            "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the \
             correct cloud. Check with your subscription administrator, this may happen if there are no active \
             subscriptions for the tenant."
        );
        Self::new(400, "invalid_request", 90_002, text)
    }

    pub(super) fn unsupported_grant(grant: &str) -> Self {
        let text = format!("The app requested an unsupported grant type '{grant}'.");
        Self::new(400, "unsupported_grant_type", 70_003, text)
    }

    pub(super) fn unknown_app(client_id: &str, tenant: &str) -> Self {
        let text = format!(
            "Application with identifier '{client_id}' was not found in the directory '{tenant}'. This can happen if \
             the application has not been installed by the administrator of the tenant or consented to by any user \
             in the tenant. You may have sent your authentication request to the wrong tenant."
        );
        Self::new(400, "unauthorized_client", 700_016, text)
    }

    pub(super) fn no_credential() -> Self {
        let text = "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant \
                    type.";
        Self::new(401, "invalid_client", 7_000_216, text)
    }

    pub(super) fn wrong_secret(client_id: &str) -> Self {
        let text = format!(
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, \
             not the client secret ID, for a secret added to app '{client_id}'."
        );
        Self::new(401, "invalid_client", 7_000_215, text)
    }

    pub(super) fn expired_secret(client_id: &str) -> Self {
        let text = format!(
            "The provided client secret keys for app '{client_id}' are expired. Visit the Azure portal to create new \
             keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added \
             security: https://aka.ms/certCreds."
        );
        Self::new(401, "invalid_client", 7_000_222, text)
    }

    pub(super) fn assertion_type() -> Self {
        let text = "The 'client_assertion_type' must be \
                    'urn:ietf:params:oauth:client-assertion-type:jwt-bearer' when the 'client_assertion' parameter is \
                    present.";
        Self::new(401, "invalid_client", 7_000_214, text)
    }

    pub(super) fn malformed_assertion() -> Self {
        Self::new(401, "invalid_client", 50_027, "JWT token is invalid or malformed.")
    }

    pub(super) fn unknown_certificate(thumbprint: &str) -> Self {
        let text = format!(
            "The certificate with identifier used to sign the client assertion is not registered on application. \
             [Reason - The key was not found., Thumbprint of key used by client: '{thumbprint}']"
        );
        Self::new(401, "invalid_client", 700_027, text)
    }

    pub(super) fn wrong_signature() -> Self {
        let text = "Client assertion failed signature validation. [Reason - The key was found, but use of the key to \
                    verify the signature failed.]";
        Self::new(401, "invalid_client", 700_027, text)
    }

    pub(super) fn outside_validity(now: Timestamp, from: i64, to: i64) -> Self {
        let shown = |seconds| {
            Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |at| at.to_string())
        };
        let text = format!(
            "Client assertion is not within its valid time range. Current time: {now}, assertion valid from {}, \
             expiry time of assertion {}.",
            shown(from),
            shown(to)
        );
        Self::new(401, "invalid_client", 700_024, text)
    }

    pub(super) fn wrong_assertion_audience() -> Self {
        Self::new(
            401,
            "invalid_client",
            700_023,
            "Client assertion audience claim does not match Realm issuer.",
        )
    }

    /// No federated credential fits: 700211 names the issuer, 700212 the audience, 700213 the subject.
    pub(super) fn no_federated_credential(what: FederatedMismatch, value: &str) -> Self {
        let (code, what) = match what {
            FederatedMismatch::Issuer => (700_211, "issuer"),
            FederatedMismatch::Audience => (700_212, "audience"),
            FederatedMismatch::Subject => (700_213, "subject"),
        };
        let text = format!(
            "No matching federated identity record found for presented assertion {what} '{value}'. Please check your \
             federated identity credential Subject, Audience and Issuer against the presented assertion."
        );
        Self::new(401, "invalid_client", code, text)
    }

    /// Assumed: the number. Entra ID has several for a federated token whose signature is wrong; this is the one its
    /// documentation gives for an assertion that is invalid.
    pub(super) fn wrong_federated_signature() -> Self {
        Self::new(401, "invalid_client", 50_013, "Assertion failed signature validation.")
    }

    pub(super) fn wrong_scope(scope: &str) -> Self {
        let text = format!(
            "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with \
             /.default suffixed to the resource identifier (application ID URI)."
        );
        Self::new(400, "invalid_scope", 1_002_012, text)
    }

    pub(super) fn unknown_resource(resource: &str, tenant: &str) -> Self {
        let text = format!(
            "The resource principal named {resource} was not found in the tenant named {tenant}. This can happen if \
             the application has not been installed by the administrator of the tenant or consented to by any user \
             in the tenant. You might have sent your authentication request to the wrong tenant."
        );
        Self::new(400, "invalid_resource", 500_011, text)
    }

    /// The reply, in the form of the token endpoint.
    pub(super) fn reply(&self, now: Timestamp, base_url: &str) -> Reply {
        let (trace, correlation) = (Uuid::new_v4(), Uuid::new_v4());
        let timestamp = now.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        let description = format!(
            "AADSTS{}: {} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {timestamp}",
            self.code, self.text
        );
        let body = json!({
            "error": self.error,
            "error_description": description,
            "error_codes": [self.code],
            "timestamp": timestamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("{base_url}/error?code={}", self.code),
        });
        Reply::json(self.status, &body)
            .header("cache-control", "no-store, no-cache")
            .header("pragma", "no-cache")
    }
}

/// Which claim of a federated token fits no federated credential.
#[derive(Clone, Copy, Debug)]
pub(super) enum FederatedMismatch {
    /// `iss`.
    Issuer,
    /// `aud`.
    Audience,
    /// `sub`.
    Subject,
}
