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

/// Packages are compressed tar files; those for Windows are zip files.
fn unpack(path: &Path, root: &Path) -> io::Result<()> {
    fs::create_dir_all(root)?;
    #[cfg(any(windows, test))]
    if is_zip(path)? {
        return unpack_zip(path, root);
    }
    unpack_tar(path, root)
}

/// Entries that would land outside of `root` are refused by the unpacking itself.
fn unpack_tar(path: &Path, root: &Path) -> io::Result<()> {
    let mut archive = tar::Archive::new(GzDecoder::new(io::BufReader::new(File::open(path)?)));
    archive.set_preserve_permissions(true);
    archive.set_preserve_mtime(false);
    for entry in archive.entries()? {
        let mut entry = entry?;
        if !entry.unpack_in(root)? {
            let name = entry.path()?.display().to_string();
            return Err(lands_outside(&name));
        }
    }
    Ok(())
}

fn lands_outside(name: &str) -> io::Error {
    io::Error::other(format!("{name} would land outside"))
}

#[cfg(any(windows, test))]
fn is_zip(path: &Path) -> io::Result<bool> {
    use io::Read as _;
    let mut start = Vec::new();
    File::open(path)?.take(4).read_to_end(&mut start)?;
    Ok(start == *b"PK\x03\x04")
}

#[cfg(any(windows, test))]
fn unpack_zip(path: &Path, root: &Path) -> io::Result<()> {
    let mut archive = zip::ZipArchive::new(io::BufReader::new(File::open(path)?))?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index)?;
        let Some(name) = entry.enclosed_name() else {
            return Err(lands_outside(&entry.name()?));
        };
        let target = root.join(name);
        if entry.is_dir() {
            fs::create_dir_all(&target)?;
            continue;
        }
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)?;
        }
        io::copy(&mut entry, &mut File::create(&target)?)?;
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

    /// A package for Windows with one entry of this name.
    fn zip_archive(name: &str) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(b"hi").unwrap();
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn a_package_for_windows_is_a_zip_file() {
        let folder = tempfile::tempdir().unwrap();
        fetch(&zip_archive("bin/Agent.Listener.exe"), None, folder.path()).unwrap();
        let program = folder.path().join("agent").join("bin").join("Agent.Listener.exe");
        assert_eq!(fs::read_to_string(program).unwrap(), "hi");
        let error = fetch(&zip_archive("../outside"), None, folder.path()).unwrap_err();
        assert!(error.contains("would land outside"), "{error}");
        assert!(!folder.path().join("outside").exists());
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
