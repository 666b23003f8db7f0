//! The three files that make an agent of a folder, in the official agent's forms.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rsa::traits::{PrivateKeyParts as _, PublicKeyParts as _};
use rsa::{BoxedUint, PrivateKey};
use serde_json::json;

use crate::devops::{Agent, NewAgent, PublicKeyText};
use crate::world::ORGANIZATION;

/// Length of the key, as the official agent makes it.
const KEY_BITS: usize = 2048;
/// The version that hosted agents say they are: that of the package.
const VERSION: &str = "4.275.0";

/// The key of a new agent.
pub(crate) struct Key {
    /// The half that is registered.
    pub(crate) public: PublicKeyText,
    /// Text of `.credentials_rsaparams`.
    parameters: String,
}

impl Key {
    /// Makes a key. Takes a noticeable part of a second.
    pub(crate) fn make() -> Result<Self, String> {
        let key = PrivateKey::new(&mut rand::rng(), KEY_BITS).map_err(|error| error.to_string())?;
        let (whole, half) = (key.size(), key.size() / 2);
        let text = |number: &BoxedUint, length| fixed(&number.to_be_bytes(), length);
        let exponent = key.e().to_be_bytes();
        let leading = exponent.iter().take_while(|byte| **byte == 0).count();
        let public = PublicKeyText {
            exponent: BASE64_STANDARD.encode(&exponent[leading..]),
            modulus: text(key.n().as_ref(), whole),
        };
        let missing = || "the key lacks its factors".to_owned();
        let [p, q] = key.primes() else { return Err(missing()) };
        let parameters = json!({
            "d": text(key.d(), whole), "dp": text(key.dp().ok_or_else(missing)?, half),
            "dq": text(key.dq().ok_or_else(missing)?, half), "exponent": public.exponent,
            "inverseQ": text(&key.crt_coefficient().ok_or_else(missing)?, half), "modulus": public.modulus,
            "p": text(p, half), "q": text(q, half),
        });
        Ok(Self { public, parameters: parameters.to_string() })
    }
}

/// Base64 of a number whose most significant byte comes first, filled up to `length` bytes, as .NET wants it.
fn fixed(bytes: &[u8], length: usize) -> String {
    let significant = &bytes[bytes.len().saturating_sub(length)..];
    let mut number = vec![0; length - significant.len()];
    number.extend_from_slice(significant);
    BASE64_STANDARD.encode(number)
}

/// What is registered.
pub(crate) fn new_agent(name: &str, public_key: PublicKeyText) -> NewAgent {
    let capabilities = [("Agent.Name", name), ("Agent.Version", VERSION), ("Agent.OS", "Linux")];
    NewAgent {
        name: name.to_owned(),
        version: VERSION.to_owned(),
        os_description: "Linux, as the emulator's hosted pool has it".to_owned(),
        public_key: Some(public_key),
        max_parallelism: 1,
        enabled: true,
        system_capabilities: capabilities.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        ..NewAgent::default()
    }
}

/// The files, by name.
pub(crate) fn texts(url: &str, pool: &str, agent: &Agent, key: &Key) -> [(&'static str, String); 3] {
    let token_url = format!("{url}/{ORGANIZATION}/_apis/oauth2/token");
    let settings = json!({
        "AcceptTeeEula": false, "AgentId": agent.id, "AgentName": agent.name, "PoolId": agent.pool_id, "PoolName": pool,
        "ServerUrl": format!("{url}/{ORGANIZATION}/"), "WorkFolder": "_work", "DisableLogUploads": false,
    });
    let credentials = json!({
        "scheme": "OAuth",
        "data": {
            "clientId": agent.client_id, "authorizationUrl": token_url, "oauthEndpointUrl": token_url,
            "requireFipsCryptography": "False",
        },
    });
    [
        (".agent", settings.to_string()),
        (".credentials", credentials.to_string()),
        (".credentials_rsaparams", key.parameters.clone()),
    ]
}
