//! Who calls, by the access token that comes with a request.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::audience::Audience;
use crate::Emulator;
use crate::http::Request;

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Object id of the service principal: what roles and memberships are given to.
    pub object_id: Uuid,
    /// Client id.
    pub app_id: Uuid,
    /// Display name of the app, or of the managed identity.
    pub name: String,
}

/// What is wrong with an access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenFault {
    /// There is none.
    Missing,
    /// It is not a token, or not signed by us.
    Invalid,
    /// It is for another service; what its `aud` says.
    Audience(String),
    /// Its time is over, in seconds of the epoch.
    Expired(i64),
}

/// Who sent a request, which must carry an access token for that service.
pub fn caller(emulator: &Emulator, request: &Request, audience: Audience) -> Result<Caller, TokenFault> {
    let token = request.bearer().ok_or(TokenFault::Missing)?;
    check(emulator, token, audience, &request.base_url)
}

/// Whose access token this is, if it is one for that service.
pub fn verify_access_token(emulator: &Emulator, token: &str, audience: Audience) -> Option<Caller> {
    check(emulator, token, audience, &emulator.url).ok()
}

fn check(emulator: &Emulator, token: &str, audience: Audience, base_url: &str) -> Result<Caller, TokenFault> {
    let claims = emulator.signing_key.verify(token).ok_or(TokenFault::Invalid)?;
    let named = claims.get("aud").and_then(Value::as_str).unwrap_or_default();
    if Audience::of(named, &[&emulator.url, base_url]) != Some(audience) {
        return Err(TokenFault::Audience(named.to_owned()));
    }
    let expiry = claims.get("exp").and_then(Value::as_i64).unwrap_or(0);
    if emulator.now().as_second() > expiry {
        return Err(TokenFault::Expired(expiry));
    }
    let id = |claim: &str| uuid_claim(&claims, claim).ok_or(TokenFault::Invalid);
    let (app_id, object_id) = (id("appid")?, id("oid")?);
    let name = emulator.read(|state| {
        let app = state.entra.app(&app_id.to_string()).map(|app| app.name.clone());
        app.or_else(|| state.arm.identity_name(object_id)).unwrap_or_else(|| app_id.to_string())
    });
    Ok(Caller { object_id, app_id, name })
}

fn uuid_claim(claims: &Map<String, Value>, claim: &str) -> Option<Uuid> {
    claims.get(claim)?.as_str()?.parse().ok()
}
