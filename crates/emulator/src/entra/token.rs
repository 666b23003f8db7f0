//! The token endpoints: client credentials, proven by a secret, a certificate or a federated token.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::apps::App;
use super::assertion::{self, Checks};
use super::audience::Audience;
use super::discovery::require_tenant;
use super::errors::Refusal;
use crate::Emulator;
use crate::http::{Reply, Request, Router};

/// How long an access token lasts, in seconds.
pub(super) const LIFETIME: i64 = 3599;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

pub(super) fn routes(router: &mut Router) {
    router.on(Method::POST, "/{tenant}/oauth2/v2.0/token", async |emulator, request| {
        dated(&emulator, answer(&emulator, &request, Version::Two).await)
    });
    router.on(Method::POST, "/{tenant}/oauth2/token", async |emulator, request| {
        dated(&emulator, answer(&emulator, &request, Version::One).await)
    });
}

/// A clock that is wrong shows in the header `Date` too, by which clients find out whose it is.
fn dated(emulator: &Emulator, reply: Result<Reply, Reply>) -> Result<Reply, Reply> {
    if skew_seconds(emulator) == 0 {
        return reply;
    }
    let date = now(emulator).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    reply.map(|reply| reply.header("date", &date)).map_err(|reply| reply.header("date", &date))
}

/// The two generations of the endpoint: the first asks for a `resource`, the second for a `scope`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

/// Whom a token is for and what it opens.
pub(super) struct Grant<'a> {
    /// Client id.
    pub(super) app_id: Uuid,
    /// Object id.
    pub(super) object_id: Uuid,
    /// The audience, as it was asked for.
    pub(super) audience: &'a str,
    /// More claims.
    pub(super) more: Value,
}

async fn answer(emulator: &Arc<Emulator>, request: &Request, version: Version) -> Result<Reply, Reply> {
    if let Some(seconds) = emulator.read(|state| state.faults.number("entra.slow-seconds")) {
        emulator.wait_for(Duration::from_secs(seconds), |_| None::<()>).await;
    }
    let tenant = require_tenant(emulator, request)?;
    let now = now(emulator);
    let form = request.form();
    let granted = grant(emulator, request, &form, &tenant, version);
    let (app, audience) = granted.map_err(|refusal| refusal.reply(now, &request.base_url))?;
    let grant =
        Grant { app_id: app.client_id, object_id: app.object_id, audience: &audience, more: json!({}) };
    let token = issue(emulator, &request.base_url, &tenant, &grant, LIFETIME);
    let body = match version {
        Version::Two => json!({
            "token_type": "Bearer", "expires_in": LIFETIME, "ext_expires_in": LIFETIME, "access_token": token,
        }),
        // The first generation writes its numbers as texts.
        Version::One => json!({
            "token_type": "Bearer", "expires_in": LIFETIME.to_string(), "ext_expires_in": LIFETIME.to_string(),
            "expires_on": (now.as_second() + LIFETIME).to_string(), "not_before": now.as_second().to_string(),
            "resource": audience, "access_token": token,
        }),
    };
    Ok(Reply::json(200, &body).header("cache-control", "no-store, no-cache").header("pragma", "no-cache"))
}

/// The app that asks and the audience it asks for, or why it gets nothing.
fn grant(
    emulator: &Emulator,
    request: &Request,
    form: &BTreeMap<String, String>,
    tenant: &str,
    version: Version,
) -> Result<(App, String), Refusal> {
    let required =
        |name: &str| form.get(name).map(String::as_str).ok_or_else(|| Refusal::missing_parameter(name));
    let grant_type = required("grant_type")?;
    if grant_type != "client_credentials" {
        return Err(Refusal::unsupported_grant(grant_type));
    }
    let client_id = required("client_id")?;
    let app = emulator.read(|state| state.entra.app(client_id).cloned());
    let app = app.ok_or_else(|| Refusal::unknown_app(client_id, tenant))?;
    authenticate(emulator, request, &app, form, tenant)?;
    let resource = match version {
        Version::One => required("resource")?,
        Version::Two => {
            let scope = required("scope")?;
            scope.strip_suffix("/.default").ok_or_else(|| Refusal::wrong_scope(scope))?
        }
    };
    Audience::of(resource, &[&emulator.url, &request.base_url])
        .ok_or_else(|| Refusal::unknown_resource(resource, tenant))?;
    Ok((app, resource.to_owned()))
}

fn authenticate(
    emulator: &Emulator,
    request: &Request,
    app: &App,
    form: &BTreeMap<String, String>,
    tenant: &str,
) -> Result<(), Refusal> {
    if let Some(assertion) = form.get("client_assertion") {
        if form.get("client_assertion_type").map(String::as_str) != Some(ASSERTION_TYPE) {
            return Err(Refusal::assertion_type());
        }
        let authority = format!("{}/{tenant}", request.base_url);
        let audiences = [
            format!("{authority}/oauth2/v2.0/token"),
            format!("{authority}/oauth2/token"),
            format!("{authority}/v2.0"),
            format!("{}{}", request.base_url, request.path),
        ];
        // Its times were set by the client's clock, which no step moves.
        let skew = SignedDuration::from_secs(skew_seconds(emulator));
        let now = Timestamp::now().checked_add(skew).unwrap_or(Timestamp::MAX);
        let checks = Checks { now, audiences: &audiences, own_key: &emulator.signing_key };
        return assertion::check(app, assertion, &checks);
    }
    let given = form.get("client_secret").ok_or_else(Refusal::no_credential)?;
    match app.secrets.iter().find(|secret| secret.secret_text == *given) {
        Some(secret) if secret.expired => Err(Refusal::expired_secret(&app.client_id.to_string())),
        Some(_) => Ok(()),
        None => Err(Refusal::wrong_secret(&app.client_id.to_string())),
    }
}

/// A signed access token that lasts `lifetime` seconds.
pub(super) fn issue(
    emulator: &Emulator,
    base_url: &str,
    tenant: &str,
    grant: &Grant<'_>,
    lifetime: i64,
) -> String {
    let now = now(emulator).as_second();
    let mut claims = json!({
        "aud": grant.audience, "iss": format!("{base_url}/{tenant}/v2.0"), "tid": tenant,
        "iat": now, "nbf": now, "exp": now + lifetime,
        "appid": grant.app_id, "oid": grant.object_id, "sub": grant.object_id, "idtyp": "app",
        "appidacr": "1", "ver": "1.0", "uti": Uuid::new_v4().simple().to_string(),
    });
    if let (Some(claims), Some(more)) = (claims.as_object_mut(), grant.more.as_object()) {
        claims.extend(more.clone());
    }
    emulator.signing_key.sign(&claims)
}

/// Entra ID's time: the emulator's, unless a fault sets its clock wrong.
pub(super) fn now(emulator: &Emulator) -> Timestamp {
    let skew = SignedDuration::from_secs(skew_seconds(emulator));
    emulator.now().checked_add(skew).unwrap_or(Timestamp::MAX)
}

fn skew_seconds(emulator: &Emulator) -> i64 {
    let skew = emulator.read(|state| state.faults.get("entra.clock-skew-seconds").and_then(Value::as_i64));
    skew.unwrap_or(0)
}
