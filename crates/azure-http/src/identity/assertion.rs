//! What a service principal shows instead of a secret: a token signed by its certificate's key, or somebody else's.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use azure_core::error::ErrorKind;
use azure_core::http::ClientMethodOptions;
use azure_identity::ClientAssertion;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use redact::Secret;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PSS_SHA256, RsaKeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use uuid::Uuid;

use crate::HttpError;

/// How long a signed assertion is good for: the official libraries' ten minutes.
const LIFETIME: Duration = Duration::from_mins(10);

/// A JSON Web Token signed with a certificate's key: PS256, the certificate named by its SHA-256 thumbprint.
#[derive(Clone)]
pub(crate) struct SignedAssertion {
    key: Arc<RsaKeyPair>,
    thumbprint: String,
    audience: String,
    client: String,
}

impl fmt::Debug for SignedAssertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignedAssertion({})", self.client)
    }
}

impl SignedAssertion {
    /// `pem` holds the certificate and its private key, in any order.
    pub(crate) fn new(pem: &Secret, audience: String, client: String) -> Result<Self, HttpError> {
        let bytes = pem.expose().as_bytes();
        let certificate = CertificateDer::from_pem_slice(bytes)
            .map_err(|_| unusable("no BEGIN CERTIFICATE block is in it"))?;
        let key = PrivateKeyDer::from_pem_slice(bytes).map_err(|_| {
            unusable("no private key that we can read is in it (PKCS#8 or PKCS#1, without a password)")
        })?;
        let key = match &key {
            PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
            _ => return Err(unusable("its private key is no RSA key, and Entra ID takes no other")),
        };
        let key = key.map_err(|why| unusable(&format!("its private key cannot be used ({why})")))?;
        let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, certificate.as_ref()));
        Ok(Self { key: Arc::new(key), thumbprint, audience, client })
    }

    fn sign(&self, now: SystemTime, id: Uuid) -> Result<String, HttpError> {
        let seconds = |moment: SystemTime| {
            moment.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
        };
        let header = json!({"alg": "PS256", "typ": "JWT", "x5t#S256": self.thumbprint});
        let claims = json!({
            "aud": self.audience, "iss": self.client, "sub": self.client, "jti": id.to_string(),
            "nbf": seconds(now), "iat": seconds(now), "exp": seconds(now + LIFETIME),
        });
        let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", encode(&header), encode(&claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&RSA_PSS_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .map_err(|_| unusable("its private key cannot sign"))?;
        Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

#[async_trait]
impl ClientAssertion for SignedAssertion {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        self.sign(SystemTime::now(), Uuid::new_v4())
            .map_err(|error| azure_core::Error::new(ErrorKind::Credential, error))
    }
}

/// A file that holds a federated token: `AZURE_FEDERATED_TOKEN_FILE`.
#[derive(Clone, Debug)]
pub struct TokenFile(pub PathBuf);

#[async_trait]
impl ClientAssertion for TokenFile {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        let text = std::fs::read_to_string(&self.0).map_err(|error| {
            let what = format!("the federated token file {}", self.0.display());
            let error = HttpError::Settings { what, detail: error.to_string() };
            azure_core::Error::new(ErrorKind::Credential, error)
        })?;
        Ok(text.trim().to_owned())
    }
}

fn unusable(detail: &str) -> HttpError {
    HttpError::Settings { what: "the certificate file (PEM)".to_owned(), detail: detail.to_owned() }
}
