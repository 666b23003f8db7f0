//! What differs between operating systems and can be said: for each of them, wherever this runs.

use std::ffi::{OsStr, OsString};

/// Which operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// Linux and its relatives.
    Unix,
    /// Windows.
    Windows,
}

impl System {
    /// The one this was built for.
    pub const CURRENT: Self = if cfg!(windows) { Self::Windows } else { Self::Unix };

    /// Where the supervisor keeps the agent and its own files, unless the image says otherwise.
    pub fn home(self) -> &'static str {
        match self {
            Self::Unix => "/azp",
            Self::Windows => r"C:\azp",
        }
    }

    /// The file name of the agent program, in the folder `bin` of the agent.
    pub fn listener(self) -> &'static str {
        match self {
            Self::Unix => "Agent.Listener",
            Self::Windows => "Agent.Listener.exe",
        }
    }

    /// The service's name for agent packages that run here. `exists` tells whether a file is there: Linux systems with
    /// another C library (Alpine) have packages of their own.
    pub fn package_platform(self, architecture: &str, exists: impl Fn(&str) -> bool) -> Option<&'static str> {
        let (glibc, musl, platform, musl_platform) = match (self, architecture) {
            (Self::Windows, "x86_64") => return Some("win-x64"),
            (Self::Windows, "aarch64") => return Some("win-arm64"),
            (Self::Unix, "x86_64") => {
                ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-musl-x86_64.so.1", "linux-x64", "linux-musl-x64")
            }
            (Self::Unix, "aarch64") => {
                ("/lib/ld-linux-aarch64.so.1", "/lib/ld-musl-aarch64.so.1", "linux-arm64", "linux-musl-arm64")
            }
            _ => return None,
        };
        Some(if exists(musl) && !exists(glibc) { musl_platform } else { platform })
    }

    /// The name of a variable as it is compared: on Windows `Path` and `PATH` are the same.
    pub fn variable(self, name: &OsStr) -> OsString {
        match self {
            Self::Unix => name.to_owned(),
            Self::Windows => name.to_ascii_uppercase(),
        }
    }

    /// Where programs are looked for if the image does not say. Windows has it in its registry, so that it is never
    /// missing.
    pub fn search_path(self) -> Option<&'static str> {
        match self {
            Self::Unix => Some("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            Self::Windows => None,
        }
    }

    /// Variables that name a bundle of certificates: .NET and OpenSSL, Node, Python, git. On Windows the bundle holds
    /// nothing but what we were given, so that only Node may be pointed at it, which adds it to its own; the others
    /// would trust nothing else, and .NET and git ask the system's store.
    pub fn certificate_variables(self) -> &'static [&'static str] {
        match self {
            Self::Unix => &["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "GIT_SSL_CAINFO"],
            Self::Windows => &["NODE_EXTRA_CA_CERTS"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::System::{Unix, Windows};

    #[test]
    fn the_package_is_the_one_for_system_machine_and_c_library() {
        let none = |_: &str| false;
        let alpine = |path: &str| path == "/lib/ld-musl-x86_64.so.1";
        assert_eq!(Unix.package_platform("x86_64", none), Some("linux-x64"));
        assert_eq!(Unix.package_platform("x86_64", alpine), Some("linux-musl-x64"));
        assert_eq!(Unix.package_platform("x86_64", |_| true), Some("linux-x64"));
        assert_eq!(Unix.package_platform("aarch64", none), Some("linux-arm64"));
        assert_eq!(Unix.package_platform("riscv64", none), None);
        assert_eq!(Windows.package_platform("x86_64", |_| true), Some("win-x64"));
        assert_eq!(Windows.package_platform("aarch64", none), Some("win-arm64"));
        assert_eq!(Windows.package_platform("x86", none), None);
    }

    #[test]
    fn variables_are_the_same_in_either_case_on_windows_only() {
        assert_eq!(Windows.variable("Azp_Token".as_ref()), "AZP_TOKEN");
        assert_eq!(Unix.variable("Azp_Token".as_ref()), "Azp_Token");
    }
}
