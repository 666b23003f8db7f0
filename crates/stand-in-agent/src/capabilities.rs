//! What the agent tells the pool about its machine.
//!
//! As the official agent does, this uploads the environment: everybody who can see the pool can read it, which is why a
//! supervisor starts the agent with a clean one.

use std::collections::BTreeMap;

use crate::environment::Environment;

/// Longer values are not uploaded.
const LENGTH_MAX: usize = 1024;

/// Variables that describe the shell, not the machine.
const IGNORED: &[&str] = &[
    "TERM_PROGRAM",
    "TERM",
    "TERM_PROGRAM_VERSION",
    "SHLVL",
    "SHELL",
    "_",
    "PWD",
    "OLDPWD",
    "LS_COLORS",
    "DISPLAY",
    "XPC_FLAGS",
    "XPC_SERVICE_NAME",
    "SSH_CLIENT",
    "SSH_CONNECTION",
    "SSH_TTY",
    "MAIL",
    "LOGNAME",
    "COLORFGBG",
];

/// Variables that name more variables to leave out, separated by commas.
const IGNORE_LISTS: &[&str] = &["VSO_AGENT_IGNORE", "VSTS_AGENT_IGNORE"];

/// Programs whose presence is a capability.
const TOOLS: &[(&str, &str)] = &[
    ("bash", "bash"),
    ("curl", "curl"),
    ("docker", "docker"),
    ("git", "git"),
    ("make", "make"),
    ("node", "node.js"),
    ("npm", "npm"),
    ("pwsh", "pwsh"),
    ("python3", "python3"),
    ("sh", "sh"),
    ("tar", "tar"),
];

/// The system capabilities of this machine.
pub(crate) fn scan(environment: &Environment, agent_name: &str, version: &str) -> BTreeMap<String, String> {
    let mut capabilities: BTreeMap<_, _> = from_environment(environment).collect();
    let path = environment.get("PATH").unwrap_or_default();
    for (program, capability) in TOOLS {
        if let Some(found) = find_program(program, path) {
            capabilities.insert((*capability).to_owned(), found);
        }
    }
    for (name, value) in [
        ("Agent.Name", agent_name),
        ("Agent.Version", version),
        ("Agent.ComputerName", &machine_name()),
        ("Agent.OS", "Linux"),
        ("Agent.OSArchitecture", architecture()),
    ] {
        capabilities.insert(name.to_owned(), value.to_owned());
    }
    capabilities
}

fn from_environment(environment: &Environment) -> impl Iterator<Item = (String, String)> {
    let also_ignored: Vec<_> = IGNORE_LISTS
        .iter()
        .filter_map(|list| environment.get(list))
        .flat_map(|list| list.split(',').map(str::trim))
        .collect();
    environment
        .iter()
        .filter(move |(name, value)| {
            let listed = |names: &[&str]| names.iter().any(|ignored| ignored.eq_ignore_ascii_case(name));
            value.len() < LENGTH_MAX && !listed(IGNORED) && !listed(IGNORE_LISTS) && !listed(&also_ignored)
        })
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
}

/// The first file of this name in the folders of `PATH`.
pub(crate) fn find_program(name: &str, path: &str) -> Option<String> {
    let candidates =
        path.split(':').filter(|folder| !folder.is_empty()).map(|folder| format!("{folder}/{name}"));
    candidates.into_iter().find(|candidate| std::path::Path::new(candidate).is_file())
}

/// Host name.
pub(crate) fn machine_name() -> String {
    nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .unwrap_or_else(|| "localhost".into())
}

/// `Linux 6.8.0 …`.
pub(crate) fn os_description() -> String {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("Linux {}", release.trim()).trim().to_owned()
}

/// Processor architecture in the agent's words.
pub(crate) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "ARM64",
        "arm" => "ARM",
        _ => "X64",
    }
}

/// Platform in the names of packages.
pub(crate) fn platform() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "linux-arm64",
        "arm" => "linux-arm",
        _ => "linux-x64",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environment_is_uploaded_but_for_what_is_ignored() {
        let environment: Environment = [
            ("AZP_TOKEN", "secret".to_owned()),
            ("VSO_AGENT_IGNORE", "AZP_TOKEN, OTHER".to_owned()),
            ("other", "x".to_owned()),
            ("KEPT", "y".to_owned()),
            ("LONG", "z".repeat(1024)),
            ("TERM", "xterm".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .collect();
        let found: Vec<_> = from_environment(&environment).collect();
        assert_eq!(found, [("KEPT".to_owned(), "y".to_owned())]);
    }

    #[test]
    fn who_and_what_is_always_there() {
        let capabilities = scan(&Environment::default(), "a1", "4.1.2");
        assert_eq!(capabilities["Agent.Name"], "a1");
        assert_eq!(capabilities["Agent.Version"], "4.1.2");
        assert_eq!(capabilities["Agent.OS"], "Linux");
    }
}
