//! Whom TLS trusts: the system's store, as .NET on Linux reads it, plus `--sslcacert`.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::environment::Environment;

/// Where distributions keep their bundle, in the order they are tried.
const SYSTEM_BUNDLES: &[&str] =
    &["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// What the user configured about TLS.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TrustSettings<'a> {
    /// `--sslcacert`: a PEM file to trust besides the system's.
    pub(crate) ca_file: Option<&'a Path>,
    /// `--sslskipcertvalidation`.
    pub(crate) skip_validation: bool,
}

/// Makes the client side of TLS. `SSL_CERT_FILE` and `SSL_CERT_DIR` take the place of the system's bundle, as in
/// OpenSSL.
///
/// # Errors
/// The `--sslcacert` file cannot be read.
pub(crate) fn client_config(
    environment: &Environment,
    settings: TrustSettings<'_>,
) -> anyhow::Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .context("TLS cannot be set up")?;
    if settings.skip_validation {
        let verifier = Arc::new(TrustAnyone(provider));
        return Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth());
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(system_certificates(environment));
    if let Some(file) = settings.ca_file {
        let certificates: Vec<_> = CertificateDer::pem_file_iter(file)
            .and_then(Iterator::collect)
            .with_context(|| format!("The file given with --sslcacert cannot be read: {}", file.display()))?;
        roots.add_parsable_certificates(certificates);
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn system_certificates(environment: &Environment) -> Vec<CertificateDer<'static>> {
    let file = environment.get("SSL_CERT_FILE").map(Path::new);
    let folder = environment.get("SSL_CERT_DIR").map(Path::new);
    let file = match (file, folder) {
        (None, None) => SYSTEM_BUNDLES.iter().map(Path::new).find(|path| path.exists()),
        (file, _) => file,
    };
    rustls_native_certs::load_certs_from_paths(file, folder).certs
}

/// Accepts every certificate: `--sslskipcertvalidation`.
#[derive(Debug)]
struct TrustAnyone(Arc<CryptoProvider>);

impl ServerCertVerifier for TrustAnyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
