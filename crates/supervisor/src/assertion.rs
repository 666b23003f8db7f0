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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ::rsa::{
        BoxedUint, PrivateKey,
        traits::{PrivateKeyParts as _, PublicKeyParts as _},
    };

    use super::*;
    use crate::settings::{Environment, Registration, Settings};

    /// The key file as .NET writes it.
    fn parameters(key: &PrivateKey) -> Value {
        let text = |number: &BoxedUint| STANDARD.encode(number.to_be_bytes_trimmed_vartime());
        let inverse = key.crt_coefficient().expect("a key with two primes");
        json!({
            "modulus": text(key.n().as_ref()),
            "exponent": text(key.e()),
            "d": text(key.d()),
            "p": text(&key.primes()[0]),
            "q": text(&key.primes()[1]),
            "dp": text(key.dp().expect("it is computed")),
            "dq": text(key.dq().expect("it is computed")),
            "inverseQ": text(&inverse),
        })
    }

    fn registration(key: &Value) -> Settings {
        let credentials =
            json!({"scheme": "OAuth", "data": {"clientId": "c", "authorizationUrl": "https://o/token"}});
        let files = json!({
            ".agent": "{}",
            ".credentials": credentials.to_string(),
            ".credentials_rsaparams": key.to_string(),
        });
        let registration = json!({"poolId": 3, "agentId": 17, "files": files}).to_string();
        let variables =
            [("AZP_URL", "https://o".to_owned()), ("AZP_JIT_CONFIG", STANDARD.encode(registration))];
        Settings::read(&Environment::of(variables), "m").expect("settings")
    }

    fn request(settings: &Settings) -> Option<TokenRequest> {
        let Registration::JustInTime(registration) = &settings.registration else { panic!("{settings:?}") };
        token_request(registration, SystemTime::UNIX_EPOCH + Duration::from_secs(1000))
    }

    #[test]
    fn the_assertion_is_signed_with_the_agents_key() {
        let key = PrivateKey::new(&mut rand::rng(), 2048).unwrap();
        let request = request(&registration(&parameters(&key))).unwrap();
        assert_eq!(request.url, "https://o/token");
        let form: BTreeMap<String, String> =
            url::form_urlencoded::parse(request.form.expose().as_bytes()).into_owned().collect();
        assert_eq!(form["grant_type"], "client_credentials");
        let (signed, signature) = form["client_assertion"].rsplit_once('.').unwrap();
        let public = signature::RsaPublicKeyComponents {
            n: key.n().as_ref().to_be_bytes_trimmed_vartime(),
            e: key.e().to_be_bytes_trimmed_vartime(),
        };
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        public.verify(&signature::RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature).unwrap();
        let claims = URL_SAFE_NO_PAD.decode(signed.split_once('.').unwrap().1).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!((&claims["iss"], &claims["sub"]), (&json!("c"), &json!("c")));
        assert_eq!((&claims["aud"], &claims["nbf"]), (&json!("https://o/token"), &json!(1000)));
        assert_eq!(claims["exp"], 1300);
    }

    #[test]
    fn files_of_another_kind_give_no_request() {
        assert!(request(&registration(&json!({}))).is_none());
    }
}
