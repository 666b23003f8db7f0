//! App registrations, and the credentials by which they prove who they are.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rsa::PublicKey;
use rsa::pkcs8::DecodePublicKey as _;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha1::Digest as _;
use uuid::Uuid;

/// An app registration together with its service principal, which are one thing in a tenant of their own.
#[derive(Clone, Serialize, Deserialize)]
pub struct App {
    /// Its display name.
    pub name: String,
    /// Its application (client) id.
    pub client_id: Uuid,
    /// Object id of its service principal: what roles are assigned to.
    pub object_id: Uuid,
    /// Its client secrets.
    pub secrets: Vec<ClientSecret>,
    /// Its certificates.
    pub certificates: Vec<Certificate>,
    /// Whose tokens it takes in place of a credential of its own.
    pub federated_credentials: Vec<FederatedCredential>,
}

impl App {
    /// One with ids of its own and no credentials.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            client_id: Uuid::new_v4(),
            object_id: Uuid::new_v4(),
            secrets: Vec::new(),
            certificates: Vec::new(),
            federated_credentials: Vec::new(),
        }
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App")
            .field("name", &self.name)
            .field("client_id", &self.client_id)
            .field("object_id", &self.object_id)
            .finish_non_exhaustive()
    }
}

/// A client secret.
#[derive(Clone, Serialize, Deserialize)]
pub struct ClientSecret {
    /// Its value.
    pub secret_text: String,
    /// Whether its time is over.
    pub expired: bool,
}

/// Somebody else's tokens that an app accepts as its own credential.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FederatedCredential {
    /// `iss` of the token, exactly.
    pub issuer: String,
    /// `sub` of the token, exactly.
    pub subject: String,
    /// What `aud` of the token may be.
    #[serde(default = "FederatedCredential::usual_audiences")]
    pub audiences: Vec<String>,
    /// The issuer's keys (a JSON Web Key Set). Without them, tokens are checked with the emulator's own key, with
    /// which its Azure DevOps signs the tokens of service connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
}

impl FederatedCredential {
    /// What Entra ID fills in.
    fn usual_audiences() -> Vec<String> {
        vec!["api://AzureADTokenExchange".to_owned()]
    }
}

/// A certificate that is registered with an app.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Certificate {
    /// The certificate as PEM.
    pub pem: String,
    /// SHA-1 thumbprint, base64url without padding: `x5t`.
    pub sha1: String,
    /// SHA-256 thumbprint, base64url without padding: `x5t#S256`.
    pub sha256: String,
}

impl Certificate {
    /// Reads the first certificate of a PEM text. `Err` says why it cannot be registered.
    pub fn from_pem(pem: &str) -> Result<Self, String> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|error| format!("the certificate is not PEM: {error}"))?;
        public_key(&der)?;
        Ok(Self {
            pem: pem.to_owned(),
            sha1: URL_SAFE_NO_PAD.encode(sha1::Sha1::digest(&der)),
            sha256: URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(&der)),
        })
    }

    /// Its RSA key.
    pub(super) fn public_key(&self) -> Option<PublicKey> {
        public_key(&CertificateDer::from_pem_slice(self.pem.as_bytes()).ok()?).ok()
    }
}

fn public_key(der: &CertificateDer<'_>) -> Result<PublicKey, String> {
    let certificate = webpki::EndEntityCert::try_from(der)
        .map_err(|error| format!("the certificate is not X.509: {error}"))?;
    PublicKey::from_public_key_der(certificate.subject_public_key_info().as_ref())
        .map_err(|error| format!("the certificate's key is not RSA: {error}"))
}

#[cfg(test)]
mod tests {
    use super::Certificate;

    #[test]
    fn only_an_rsa_certificate_can_be_registered() {
        assert!(Certificate::from_pem("nonsense").is_err());
        let elliptic = rcgen::generate_simple_self_signed(vec!["app".to_owned()]).expect("certificate");
        let error = Certificate::from_pem(&elliptic.cert.pem()).expect_err("not RSA");
        assert!(error.contains("not RSA"), "{error}");
    }
}
