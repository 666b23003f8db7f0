//! The agent packages that an organization offers.

use std::fmt;

use azure_http::{HttpError, Method};

use crate::Organization;
use crate::wire::PackageMetadata;

/// How many are asked for: enough that the newest is among them whatever their order.
const ASKED_FOR: &str = "20";

/// A version, ordered by its numbers: 4.100.0 comes after 4.99.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AgentVersion {
    /// The first number: 4 runs on .NET 8, 5 on .NET 10.
    pub major: u32,
    /// The second number.
    pub minor: u32,
    /// The third number.
    pub patch: u32,
}

impl fmt::Display for AgentVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// A package that can be downloaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentPackage {
    /// Its version.
    pub version: AgentVersion,
    /// Where it is.
    pub download_url: String,
    /// SHA-256 in hexadecimal digits, where the service says it.
    pub sha256: Option<String>,
    /// What the file is called.
    pub file_name: Option<String>,
}

impl Organization {
    /// The newest package for `platform` (`linux-x64`, `linux-arm64` …), by its numbers and not by its place in the
    /// list.
    pub async fn newest_package(&self, platform: &str) -> Result<Option<AgentPackage>, HttpError> {
        let request = self
            .distributed_task(Method::Get, &["packages", "agent"])
            .query("platform", platform)
            .query("$top", ASKED_FOR);
        Ok(newest(self.list(request).await?))
    }
}

fn newest(packages: Vec<PackageMetadata>) -> Option<AgentPackage> {
    let packages = packages.into_iter().map(|package| AgentPackage {
        version: AgentVersion {
            major: package.version.major,
            minor: package.version.minor,
            patch: package.version.patch,
        },
        download_url: package.download_url,
        sha256: package.hash_value.filter(|hash| !hash.is_empty()),
        file_name: package.filename,
    });
    packages.max_by_key(|package| package.version)
}

#[cfg(test)]
mod tests {
    use super::newest;
    use crate::wire::Collection;

    #[test]
    fn the_newest_is_the_one_with_the_highest_numbers() {
        let list = r#"{"count":3,"value":[
            {"type":"agent","platform":"linux-x64","version":{"major":4,"minor":99,"patch":1},"downloadUrl":"old"},
            {"type":"agent","platform":"linux-x64","version":{"major":4,"minor":275,"patch":0},"downloadUrl":"new","hashValue":"ab","filename":"f"},
            {"type":"agent","platform":"linux-x64","version":{"major":3,"minor":999,"patch":0},"downloadUrl":"older"}]}"#;
        let list: Collection<_> = serde_json::from_str(list).expect("JSON");
        let package = newest(list.value).expect("a package");
        assert_eq!((package.version.to_string().as_str(), package.download_url.as_str()), ("4.275.0", "new"));
        assert_eq!(package.sha256.as_deref(), Some("ab"));
        assert_eq!(newest(Vec::new()), None);
    }
}
