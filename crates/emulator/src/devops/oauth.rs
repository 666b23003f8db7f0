//! The token endpoint of registered agents: an assertion signed with the agent's key for an access token.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::Method;
use rsa::{BoxedUint, PublicKey};
use serde_json::json;

use super::agents::PublicKeyText;
use super::authorization::issue_agent_token;
use crate::Emulator;
use crate::http::{Reply, Request, Router};
use crate::jwt::Jwt;
use crate::world::ORGANIZATION;

const PATH: &str = "_apis/oauth2/token";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How long a token is good.
const TOKEN_SECONDS: i64 = 3000;
/// How far the clocks may be apart. Assumed: five minutes, as the service's own libraries allow.
const SKEW_SECONDS: i64 = 300;

/// Where agents get their tokens.
pub(super) fn authorization_url(base: &str) -> String {
    format!("{base}/{ORGANIZATION}/{PATH}")
}

/// Reads a key; `None` when it is none, or shorter than 2048 bits.
pub(super) fn public_key(text: &PublicKeyText) -> Option<PublicKey> {
    let number = |text: &str| Some(BoxedUint::from_be_slice_vartime(&STANDARD.decode(text).ok()?));
    let modulus = number(&text.modulus)?;
    if modulus.bit_width() < 2048 {
        return None;
    }
    PublicKey::new(modulus, number(&text.exponent)?).ok()
}

/// Adds the route; it is open, since its callers have nothing but their assertion.
pub(super) fn routes(router: &mut Router) {
    router.on(Method::POST, &format!("/{{organization}}/{PATH}"), token);
}

fn refused(error: &str, description: &str) -> Reply {
    Reply::json(400, &json!({"error": error, "error_description": description}))
}

async fn token(emulator: Arc<Emulator>, request: Request) -> Result<Reply, Reply> {
    let form = request.form();
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    if field("grant_type") != "client_credentials" {
        return Err(refused("unsupported_grant_type", "grant_type must be client_credentials."));
    }
    if field("client_assertion_type") != ASSERTION_TYPE {
        return Err(refused("invalid_request", &format!("client_assertion_type must be {ASSERTION_TYPE}.")));
    }
    let assertion = Jwt::parse(field("client_assertion"))
        .ok_or_else(|| refused("invalid_request", "client_assertion is not a JSON Web Token."))?;
    let agent = agent_of(&emulator, &assertion).ok_or_else(|| {
        refused("invalid_client", "The client is not registered, or its signature is not valid.")
    })?;
    let (now, skew) = emulator.read(|state| {
        let skew =
            state.faults.get("devops.auth-skew-seconds").and_then(serde_json::Value::as_i64).unwrap_or(0);
        (state.now, skew)
    });
    check_audience(&assertion)?;
    check_times(&assertion, now, skew)?;
    let token = issue_agent_token(&emulator, &agent, TOKEN_SECONDS);
    let scope = format!("Pool.Listen:{}", agent.pool_id);
    Ok(Reply::json(
        200,
        &json!({"access_token": token, "token_type": "bearer", "expires_in": TOKEN_SECONDS, "scope": scope}),
    ))
}

/// The agent whose assertion it is, by its client id and its key.
fn agent_of(emulator: &Emulator, assertion: &Jwt) -> Option<super::Agent> {
    let client = assertion.text("sub").filter(|subject| assertion.text("iss") == Some(subject))?;
    let agent = emulator.read(|state| {
        state
            .devops
            .agents
            .values()
            .find(|agent| agent.client_id.to_string().eq_ignore_ascii_case(client))
            .cloned()
    })?;
    let key = public_key(agent.public_key.as_ref()?)?;
    assertion.is_signed_by(&key).then_some(agent)
}

/// Agents write the host by which they know the service into the audience, so only the path is compared.
fn check_audience(assertion: &Jwt) -> Result<(), Reply> {
    let audience = assertion.text("aud").unwrap_or_default();
    let right = url::Url::parse(audience).is_ok_and(|url| {
        url.scheme() == "https" && url.path().eq_ignore_ascii_case(&format!("/{ORGANIZATION}/{PATH}"))
    });
    if right {
        Ok(())
    } else {
        Err(refused("invalid_client", &format!("The audience {audience:?} is not valid.")))
    }
}

fn check_times(assertion: &Jwt, now: jiff::Timestamp, skew: i64) -> Result<(), Reply> {
    let server = now.checked_add(jiff::SignedDuration::from_secs(skew)).unwrap_or(now);
    let second = server.as_second();
    let begins = assertion.seconds("nbf").unwrap_or(second);
    let Some(ends) = assertion.seconds("exp") else {
        return Err(refused("invalid_client", "The assertion has no expiry."));
    };
    if begins <= second + SKEW_SECONDS && ends >= second - SKEW_SECONDS {
        return Ok(());
    }
    let text = format!(
        "The token is not valid at this time: it is good from {begins} to {ends}. Current server time is {}.",
        super::wire::time(server)
    );
    Err(refused("invalid_client", &text))
}
