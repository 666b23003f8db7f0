//! The agent package: which one, whether it is the right one, and unpacking it.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use flate2::read::GzDecoder;
use ring::digest;
use serde_json::Value;

/// An agent package that can be downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Major, minor, patch.
    pub version: [u64; 3],
    /// Where it is.
    pub url: String,
    /// Its SHA-256 in lower-case hexadecimal digits.
    pub sha256: Option<String>,
}

/// The newest of the packages in the service's answer. Compared as numbers: `4.99.0` is older than `4.275.0`, and the
/// order of the answer means nothing.
pub fn newest(answer: &Value) -> Option<Package> {
    let packages = answer["value"].as_array().or_else(|| answer.as_array())?;
    packages.iter().filter_map(parse).max_by_key(|package| package.version)
}

fn parse(package: &Value) -> Option<Package> {
    let part = |name: &str| package["version"][name].as_u64();
    Some(Package {
        version: [part("major")?, part("minor")?, part("patch")?],
        url: package["downloadUrl"].as_str()?.to_owned(),
        sha256: package["hashValue"].as_str().filter(|hash| !hash.is_empty()).map(str::to_ascii_lowercase),
    })
}

/// The service's name for packages that run here. `exists` tells whether a file is there: Linux systems with another C
/// library (Alpine) have packages of their own.
pub fn platform(architecture: &str, exists: impl Fn(&str) -> bool) -> Option<&'static str> {
    let (glibc, musl, platform, musl_platform) = match architecture {
        "x86_64" => {
            ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-musl-x86_64.so.1", "linux-x64", "linux-musl-x64")
        }
        "aarch64" => {
            ("/lib/ld-linux-aarch64.so.1", "/lib/ld-musl-aarch64.so.1", "linux-arm64", "linux-musl-arm64")
        }
        _ => return None,
    };
    Some(if exists(musl) && !exists(glibc) { musl_platform } else { platform })
}

/// A package being downloaded: goes to a file, and through the hash on its way.
pub struct Download {
    path: PathBuf,
    file: File,
    hash: digest::Context,
}

impl Download {
    /// Makes the file.
    pub fn create(path: PathBuf) -> io::Result<Self> {
        let file = File::create(&path)?;
        Ok(Self { path, file, hash: digest::Context::new(&digest::SHA256) })
    }

    /// Takes the next piece.
    pub fn take(&mut self, piece: &[u8]) -> io::Result<()> {
        self.hash.update(piece);
        self.file.write_all(piece)
    }

    /// Checks the hash and unpacks into `root`. The file is removed in any case.
    pub fn unpack(self, sha256: Option<&str>, root: &Path) -> Result<(), String> {
        let Self { path, file, hash } = self;
        drop(file);
        let actual = hexadecimal(hash.finish().as_ref());
        let result = match sha256 {
            Some(expected) if expected != actual => Err(format!(
                "the agent package that came is not the one that was announced (SHA-256 is {actual}, should be \
                 {expected}): something between here and the download host changes it"
            )),
            _ => unpack(&path, root).map_err(|error| {
                format!("the agent package cannot be unpacked into {}: {error}", root.display())
            }),
        };
        // It has no further use, and a left-over file does no harm.
        let _ = fs::remove_file(&path);
        result
    }
}

/// Entries that would land outside of `root` are refused by the unpacking itself.
fn unpack(path: &Path, root: &Path) -> io::Result<()> {
    fs::create_dir_all(root)?;
    let mut archive = tar::Archive::new(GzDecoder::new(io::BufReader::new(File::open(path)?)));
    archive.set_preserve_permissions(true);
    archive.set_preserve_mtime(false);
    for entry in archive.entries()? {
        let mut entry = entry?;
        if !entry.unpack_in(root)? {
            let name = entry.path()?.display().to_string();
            return Err(io::Error::other(format!("{name} would land outside")));
        }
    }
    Ok(())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|half| char::from(b"0123456789abcdef"[usize::from(half)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn announced(major: u64, minor: u64) -> Value {
        json!({
            "version": {"major": major, "minor": minor, "patch": 0},
            "downloadUrl": format!("https://x/{major}.{minor}"),
            "hashValue": "ABC",
        })
    }

    #[test]
    fn the_newest_package_is_found_by_number_in_any_order() {
        let answer = json!({"count": 4, "value": [announced(4, 99), announced(4, 275), announced(3, 999), {"version": {}}]});
        let newest = newest(&answer).unwrap();
        assert_eq!((newest.version, newest.url.as_str()), ([4, 275, 0], "https://x/4.275"));
        assert_eq!(newest.sha256.as_deref(), Some("abc"));
        assert_eq!(super::newest(&json!({"value": []})), None);
        assert_eq!(super::newest(&json!({})), None);
    }

    #[test]
    fn platforms() {
        let none = |_: &str| false;
        let alpine = |path: &str| path == "/lib/ld-musl-x86_64.so.1";
        assert_eq!(platform("x86_64", none), Some("linux-x64"));
        assert_eq!(platform("x86_64", alpine), Some("linux-musl-x64"));
        assert_eq!(platform("x86_64", |_| true), Some("linux-x64"));
        assert_eq!(platform("aarch64", none), Some("linux-arm64"));
        assert_eq!(platform("riscv64", none), None);
    }

    /// A package with one entry of this name.
    fn archive(name: &str) -> Vec<u8> {
        let mut header = tar::Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(2);
        header.set_mode(0o755);
        header.set_cksum();
        let mut builder = tar::Builder::new(Vec::new());
        builder.append(&header, &b"hi"[..]).unwrap();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&builder.into_inner().unwrap()).unwrap();
        encoder.finish().unwrap()
    }

    fn fetch(bytes: &[u8], sha256: Option<&str>, folder: &Path) -> Result<(), String> {
        let mut download = Download::create(folder.join("package")).unwrap();
        download.take(&bytes[..5]).unwrap();
        download.take(&bytes[5..]).unwrap();
        let result = download.unpack(sha256, &folder.join("agent"));
        assert!(!folder.join("package").exists());
        result
    }

    #[test]
    fn a_package_is_unpacked_with_its_permissions() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let bytes = archive("bin/Agent.Listener");
        let hash = hexadecimal(digest::digest(&digest::SHA256, &bytes).as_ref());
        fetch(&bytes, Some(&hash), folder.path()).unwrap();
        let mode = fs::metadata(folder.path().join("agent/bin/Agent.Listener")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
    }

    #[test]
    fn a_package_with_another_hash_is_not_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let error = fetch(&archive("x"), Some("00"), folder.path()).unwrap_err();
        assert!(error.contains("is not the one that was announced"), "{error}");
        assert!(!folder.path().join("agent").exists());
    }

    #[test]
    fn a_package_cannot_write_outside_of_the_agent() {
        let folder = tempfile::tempdir().unwrap();
        let error = fetch(&archive("../outside"), None, folder.path()).unwrap_err();
        assert!(error.contains("would land outside"), "{error}");
        assert!(!folder.path().join("outside").exists());
    }
}
