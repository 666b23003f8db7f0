//! The registered agent's own way to a token: an assertion signed with its key.
//!
//! In just-in-time mode the container may hold no other credential. That the token which the service gives for it may
//! read the list of agent packages is assumed: the official agent asks for packages with it when it updates itself.

use std::time::{Duration, SystemTime};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use redact::Secret;
use ring::{
    rand::{SecureRandom, SystemRandom},
    rsa, signature,
};
use serde_json::{Value, json};

use crate::settings::JitConfiguration;

/// How long an assertion is good for, as the official agent chooses.
const LIFE: Duration = Duration::from_mins(5);

/// What to send where to get a token.
pub struct TokenRequest {
    /// The token endpoint.
    pub url: String,
    /// The form to post.
    pub form: Secret,
}

/// The token request of the agent in `registration` at `now`. `None` if its files are not as the official agent writes
/// them, which the agent itself will say better.
pub fn token_request(registration: &JitConfiguration, now: SystemTime) -> Option<TokenRequest> {
    let read = |name| {
        serde_json::from_str::<Value>(registration.file(name)?.expose().trim_start_matches('\u{feff}')).ok()
    };
    let credentials = read(".credentials")?;
    let url = credentials["data"]["authorizationUrl"].as_str()?.to_owned();
    let client = credentials["data"]["clientId"].as_str()?;
    let key = key_pair(&read(".credentials_rsaparams")?)?;
    let assertion = sign(&key, &claims(client, &url, now)?)?;
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
        .append_pair("client_assertion", &assertion)
        .finish();
    Some(TokenRequest { url, form: Secret::new(form) })
}

/// Reads the key as .NET writes it: Base64 of big-endian numbers.
fn key_pair(parameters: &Value) -> Option<rsa::KeyPair> {
    let number = |name: &str| STANDARD.decode(parameters[name].as_str()?).ok();
    let components = rsa::KeyPairComponents {
        public_key: rsa::PublicKeyComponents { n: number("modulus")?, e: number("exponent")? },
        d: number("d")?,
        p: number("p")?,
        q: number("q")?,
        dP: number("dp")?,
        dQ: number("dq")?,
        qInv: number("inverseQ")?,
    };
    rsa::KeyPair::from_components(&components).ok()
}

fn claims(client: &str, url: &str, now: SystemTime) -> Option<Value> {
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    let mut id = [0; 16];
    SystemRandom::new().fill(&mut id).ok()?;
    Some(json!({
        "sub": client,
        "iss": client,
        "aud": url,
        "nbf": seconds,
        "exp": seconds + LIFE.as_secs(),
        "jti": URL_SAFE_NO_PAD.encode(id),
    }))
}

fn sign(key: &rsa::KeyPair, claims: &Value) -> Option<String> {
    let header = json!({"typ": "JWT", "alg": "RS256"});
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let signed = format!("{}.{}", encode(&header), encode(claims));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).ok()?;
    Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}
