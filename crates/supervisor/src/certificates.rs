//! One bundle of certificates for everything in the container: the system's and what we were given.

use std::{fs, path::Path};

/// Where distributions keep the system's bundle.
const SYSTEM_BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Writes the system's bundle (`configured` if the image names one) and `extra` to `path`, readable by everyone.
pub fn write_bundle(extra: &[u8], configured: Option<&Path>, path: &Path) -> Result<(), String> {
    let candidates = configured.into_iter().chain(SYSTEM_BUNDLES.iter().map(Path::new));
    let mut bundle = candidates.map(fs::read).find_map(Result::ok).unwrap_or_default();
    if !bundle.is_empty() && !bundle.ends_with(b"\n") {
        bundle.push(b'\n');
    }
    bundle.extend_from_slice(extra);
    fs::write(path, bundle)
        .map_err(|error| format!("{} cannot be written ({error}): AZP_HOME must be writable", path.display()))
}

/// The certificates of a bundle, each with its first and last line. What stands between them is comment.
#[cfg(any(windows, test))]
pub(crate) fn split(pem: &[u8]) -> Vec<String> {
    const FIRST: &str = "-----BEGIN CERTIFICATE-----";
    const LAST: &str = "-----END CERTIFICATE-----";
    let text = String::from_utf8_lossy(pem);
    let bodies = text.split(FIRST).skip(1).filter_map(|rest| Some(rest.split_once(LAST)?.0));
    bodies.map(|body| format!("{FIRST}{body}{LAST}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_split_into_its_certificates() {
        let pem = b"# one\n-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n# two\r\n\
            -----BEGIN CERTIFICATE-----\r\nBB\r\n-----END CERTIFICATE-----\r\n-----BEGIN CERTIFICATE-----\nhalf";
        let expected = [
            "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\r\nBB\r\n-----END CERTIFICATE-----\n",
        ];
        assert_eq!(split(pem), expected);
    }

    #[test]
    fn the_bundle_holds_the_systems_and_ours() {
        let folder = tempfile::tempdir().unwrap();
        let (system, bundle) = (folder.path().join("system"), folder.path().join("bundle"));
        fs::write(&system, "SYSTEM").unwrap();
        write_bundle(b"OURS\n", Some(&system), &bundle).unwrap();
        assert_eq!(fs::read_to_string(&bundle).unwrap(), "SYSTEM\nOURS\n");
    }
}
