//! The emulator's own certificate authority, and the certificate its server shows.

use std::net::IpAddr;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What the server needs for TLS, and what clients must trust.
pub(crate) struct ServerIdentity {
    /// The authority's certificate as PEM: clients trust this.
    pub(crate) ca_pem: String,
    /// How the server proves who it is.
    pub(crate) tls: rustls::ServerConfig,
}

/// Makes, or takes up again from `folder`, the authority, and issues a certificate for `hosts`.
pub(crate) fn server_identity(folder: &Path, hosts: &[String]) -> Result<ServerIdentity, CertificateError> {
    let (issuer, ca_pem) = authority(folder)?;
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(hosts.to_vec())?;
    params.distinguished_name.push(DnType::CommonName, "Azure emulator");
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&key, &issuer)?;
    let key = PrivateKeyDer::try_from(key.serialize_der())
        .map_err(|text| CertificateError::Key(text.to_owned()))?;
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(certificate.der().to_vec())], key)?;
    Ok(ServerIdentity { ca_pem, tls })
}

fn authority(folder: &Path) -> Result<(Issuer<'static, KeyPair>, String), CertificateError> {
    let (key_file, certificate_file) = (folder.join("ca.key"), folder.join("ca.pem"));
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Azure emulator CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages =
        vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    if let (Ok(key), Ok(pem)) =
        (std::fs::read_to_string(&key_file), std::fs::read_to_string(&certificate_file))
    {
        // An issuer is its name and its key; both are the same at every start.
        return Ok((Issuer::new(params, KeyPair::from_pem(&key)?), pem));
    }
    let key = KeyPair::generate()?;
    let pem = params.self_signed(&key)?.pem();
    crate::options::write_private(&key_file, &key.serialize_pem())?;
    std::fs::write(&certificate_file, &pem)?;
    Ok((Issuer::new(params, key), pem))
}

/// Names and addresses under which the server can be reached.
pub(crate) fn hosts(advertised: &str, more: &[IpAddr]) -> Vec<String> {
    let mut hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    hosts.push(advertised.to_owned());
    hosts.extend(more.iter().map(ToString::to_string));
    hosts.sort();
    hosts.dedup();
    hosts
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The authority's files cannot be read or written.
    #[error("the files of the certificate authority: {0}")]
    File(#[from] std::io::Error),
    /// They hold something else.
    #[error("the certificate authority: {0}")]
    Authority(#[from] rcgen::Error),
    /// The key is of a kind that TLS does not take.
    #[error("the server's key: {0}")]
    Key(String),
    /// TLS refuses the certificate.
    #[error("the server's certificate: {0}")]
    Tls(#[from] rustls::Error),
}
