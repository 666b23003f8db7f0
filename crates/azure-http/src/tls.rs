//! Whom we trust.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::HttpError;

/// TLS by rustls with ring; trusts the system's roots (none in an image built from scratch) and `extra_pem`.
pub(crate) struct Trust {
    pub(crate) config: ClientConfig,
    /// Whether anybody is trusted at all.
    pub(crate) has_roots: bool,
}

pub(crate) fn trust(extra_pem: &[Vec<u8>]) -> Result<Trust, HttpError> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::debug!(%error, "some of the system's root certificates cannot be read");
    }
    roots.add_parsable_certificates(system.certs);
    for bundle in extra_pem {
        for certificate in certificates(bundle)? {
            roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
        }
    }
    let has_roots = !roots.is_empty();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Trust { config, has_roots })
}

fn certificates(bundle: &[u8]) -> Result<Vec<CertificateDer<'static>>, HttpError> {
    let found: Vec<_> = CertificateDer::pem_slice_iter(bundle)
        .collect::<Result<_, _>>()
        .map_err(|error| unusable(error.to_string()))?;
    if found.is_empty() {
        return Err(unusable("no BEGIN CERTIFICATE block is in it".to_owned()));
    }
    Ok(found)
}

fn unusable(detail: String) -> HttpError {
    HttpError::Settings { what: "the file of trusted certificates (PEM)".to_owned(), detail }
}

#[cfg(test)]
mod tests {
    use super::trust;

    #[test]
    fn a_bundle_that_holds_no_certificate_is_refused_with_a_reason() {
        for bundle in ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            let error = trust(&[bundle.into()]).err().expect("refused");
            assert!(error.to_string().starts_with("the file of trusted certificates"), "{error}");
        }
    }
}
