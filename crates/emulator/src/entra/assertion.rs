//! Whether a client assertion proves that an app is who it says: a token signed with its certificate, or somebody
//! else's token that its federated credentials accept.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use rsa::{BoxedUint, PublicKey};
use serde_json::Value;

use super::apps::{App, FederatedCredential};
use super::errors::{FederatedMismatch, Refusal};
use crate::jwt::{Jwt, SigningKey};

/// What the clocks of two parties may differ, in seconds.
const SKEW: i64 = 300;

/// What an assertion is checked against, besides the app.
pub(super) struct Checks<'a> {
    /// Entra ID's time.
    pub(super) now: Timestamp,
    /// What `aud` of a token signed with a certificate may be.
    pub(super) audiences: &'a [String],
    /// The emulator's own key, for federated tokens of its Azure DevOps.
    pub(super) own_key: &'a SigningKey,
}

/// Checks an assertion. A token whose issuer is the app itself is signed with a certificate; any other is federated.
pub(super) fn check(app: &App, assertion: &str, checks: &Checks<'_>) -> Result<(), Refusal> {
    let token = Jwt::parse(assertion).ok_or_else(Refusal::malformed_assertion)?;
    if token.text("iss").is_some_and(|issuer| issuer.eq_ignore_ascii_case(&app.client_id.to_string())) {
        by_certificate(app, &token, checks)
    } else {
        by_federation(app, assertion, &token, checks)
    }
}

fn by_certificate(app: &App, token: &Jwt, checks: &Checks<'_>) -> Result<(), Refusal> {
    // The SHA-1 thumbprint comes with base64 padding from some clients and without from others.
    let named = |name: &str| Some(token.header.get(name)?.as_str()?.trim_end_matches('=').to_owned());
    let (sha1, sha256) = (named("x5t"), named("x5t#S256"));
    let certificate = app.certificates.iter().find(|certificate| {
        sha256.as_deref() == Some(&certificate.sha256) || sha1.as_deref() == Some(&certificate.sha1)
    });
    let certificate =
        certificate.ok_or_else(|| Refusal::unknown_certificate(&sha256.or(sha1).unwrap_or_default()))?;
    let signed = certificate.public_key().is_some_and(|key| token.is_signed_by(&key));
    if !signed {
        return Err(Refusal::wrong_signature());
    }
    let audience = token.text("aud").unwrap_or_default();
    if !checks.audiences.iter().any(|known| known.eq_ignore_ascii_case(audience)) {
        return Err(Refusal::wrong_assertion_audience());
    }
    // Assumed: an assertion without `jti` or with another subject is malformed; the documentation lists both as claims
    // to send and does not say what happens without.
    let complete =
        token.text("sub") == token.text("iss") && token.text("jti").is_some_and(|id| !id.is_empty());
    if !complete {
        return Err(Refusal::malformed_assertion());
    }
    within_validity(token, checks.now)
}

fn by_federation(app: &App, assertion: &str, token: &Jwt, checks: &Checks<'_>) -> Result<(), Refusal> {
    let text = |claim| token.text(claim).unwrap_or_default();
    let credential = matching(&app.federated_credentials, text("iss"), text("aud"), text("sub"))
        .map_err(|(mismatch, value)| Refusal::no_federated_credential(mismatch, value))?;
    let signed = match &credential.jwks {
        Some(jwks) => keys(jwks).iter().any(|key| token.is_signed_by(key)),
        None => checks.own_key.verify(assertion).is_some(),
    };
    if !signed {
        return Err(Refusal::wrong_federated_signature());
    }
    within_validity(token, checks.now)
}

/// The credential that accepts these claims, or the first claim that none accepts.
fn matching<'a, 'b>(
    credentials: &'a [FederatedCredential],
    issuer: &'b str,
    audience: &'b str,
    subject: &'b str,
) -> Result<&'a FederatedCredential, (FederatedMismatch, &'b str)> {
    let of_issuer: Vec<_> = credentials.iter().filter(|credential| credential.issuer == issuer).collect();
    if of_issuer.is_empty() {
        return Err((FederatedMismatch::Issuer, issuer));
    }
    let of_subject: Vec<_> =
        of_issuer.into_iter().filter(|credential| credential.subject == subject).collect();
    if of_subject.is_empty() {
        return Err((FederatedMismatch::Subject, subject));
    }
    let accepted =
        of_subject.into_iter().find(|credential| credential.audiences.iter().any(|known| known == audience));
    accepted.ok_or((FederatedMismatch::Audience, audience))
}

fn within_validity(token: &Jwt, now: Timestamp) -> Result<(), Refusal> {
    let from = token.seconds("nbf").or_else(|| token.seconds("iat")).unwrap_or(i64::MIN);
    let to = token.seconds("exp").unwrap_or(i64::MIN);
    let current = now.as_second();
    if current.saturating_add(SKEW) < from || current.saturating_sub(SKEW) > to {
        return Err(Refusal::outside_validity(now, from, to));
    }
    Ok(())
}

/// The RSA keys of a JSON Web Key Set.
pub(super) fn keys(jwks: &Value) -> Vec<PublicKey> {
    let number = |key: &Value, name: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(key.get(name)?.as_str()?).ok()?;
        Some(BoxedUint::from_be_slice_vartime(&bytes))
    };
    let keys = jwks.get("keys").and_then(Value::as_array);
    keys.into_iter()
        .flatten()
        .filter_map(|key| PublicKey::new(number(key, "n")?, number(key, "e")?).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn key() -> SigningKey {
        SigningKey::new(rsa::PrivateKey::new(&mut rand::rng(), 2048).expect("key"))
    }

    fn app(credentials: Vec<FederatedCredential>) -> App {
        App {
            name: "app".to_owned(),
            client_id: Uuid::nil(),
            object_id: Uuid::nil(),
            secrets: Vec::new(),
            certificates: Vec::new(),
            federated_credentials: credentials,
        }
    }

    fn claims(change: &Value) -> Value {
        let mut claims = json!({
            "iss": "https://issuer", "sub": "sc://contoso/sample/arm", "aud": "api://AzureADTokenExchange",
            "nbf": NOW, "exp": NOW + 600,
        });
        for (name, value) in change.as_object().expect("an object") {
            claims[name] = value.clone();
        }
        claims
    }

    #[test]
    fn a_federated_token_must_fit_in_every_claim() {
        let (own, stranger) = (key(), key());
        let credential = FederatedCredential {
            issuer: "https://issuer".to_owned(),
            subject: "sc://contoso/sample/arm".to_owned(),
            audiences: vec!["api://AzureADTokenExchange".to_owned()],
            jwks: None,
        };
        let app = app(vec![credential]);
        let now = Timestamp::from_second(NOW).expect("a moment");
        let checks = Checks { now, audiences: &[], own_key: &own };
        for (change, expected) in [
            (json!({}), None),
            (json!({"iss": "https://other"}), Some(700_211)),
            (json!({"aud": "api://other"}), Some(700_212)),
            (json!({"sub": "sc://contoso/sample/other"}), Some(700_213)),
            (json!({"exp": NOW - 301, "nbf": NOW - 900}), Some(700_024)),
            (json!({"nbf": NOW + 301}), Some(700_024)),
            (json!({"nbf": 1_800_000_299.5}), None),
        ] {
            let result = check(&app, &own.sign(&claims(&change)), &checks);
            assert_eq!(result.err().map(|refusal| refusal.code()), expected, "{change}");
        }
        let forged = check(&app, &stranger.sign(&claims(&json!({}))), &checks);
        assert_eq!(forged.expect_err("another key").code(), 50_013);
        assert_eq!(check(&app, "a.b.c", &checks).expect_err("no token").code(), 50_027);
    }

    #[test]
    fn a_registered_issuer_signs_with_its_own_keys() {
        let (own, issuer) = (key(), key());
        let credential = FederatedCredential {
            issuer: "https://issuer".to_owned(),
            subject: "sc://contoso/sample/arm".to_owned(),
            audiences: vec!["api://AzureADTokenExchange".to_owned()],
            jwks: Some(json!({"keys": [issuer.jwk()]})),
        };
        let app = app(vec![credential]);
        let now = Timestamp::from_second(NOW).expect("a moment");
        let checks = Checks { now, audiences: &[], own_key: &own };
        assert_eq!(check(&app, &issuer.sign(&claims(&json!({}))), &checks), Ok(()));
        let ours = check(&app, &own.sign(&claims(&json!({}))), &checks);
        assert_eq!(ours.expect_err("not the issuer's key").code(), 50_013);
    }
}
