//! What the agent, and so the job, finds in its environment.
//!
//! Users build images with `ENV`, and expect to find it in their jobs. What we were told is not theirs.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::Path,
};

use process::User;

use crate::platform::System;

/// Variables with these beginnings were meant for us.
const OURS: [&str; 2] = ["AZP_", "AZ_"];

/// Variables of the agent itself that look like ours (`AZP_AGENT_DOWNGRADE_DISABLED` and its like), and the few in that
/// range which really are ours.
const AGENTS_OWN: &str = "AZP_AGENT_";
const NOT_AGENTS_OWN: [&str; 3] = ["AZP_AGENT_NAME", "AZP_AGENT_PACKAGE_URL", "AZP_AGENT_PACKAGE_SHA256"];

/// Variables that would make the agent speak another language than the one we understand.
const LANGUAGE: [&str; 3] = ["LC_ALL", "LC_MESSAGES", "LANGUAGE"];

/// Variables the agent shall not publish as capabilities, where everybody who sees the pool reads them: a proxy's
/// address may hold a password.
const UNPUBLISHED: [&str; 8] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "http_proxy",
    "https_proxy",
    "VSTS_HTTP_PROXY_PASSWORD",
    "VSO_AGENT_IGNORE",
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
];

/// By these the platform lets Windows containers ask for a token of the group's identity (elsewhere its endpoint has
/// one address for all, and asks for no secret). Whoever has both can delete the container group.
const IDENTITY: [&str; 2] = ["IDENTITY_ENDPOINT", "IDENTITY_HEADER"];

/// The agent's environment, made from the container's. `user` is who the agent runs as, if not who we are;
/// `certificates` is the bundle to trust, if not the system's.
pub fn agent_environment(
    system: System,
    container: &BTreeMap<OsString, OsString>,
    user: Option<&User>,
    certificates: Option<&Path>,
) -> BTreeMap<OsString, OsString> {
    let mut environment: BTreeMap<OsString, OsString> = container
        .iter()
        .filter(|(name, _)| {
            let name = system.variable(name);
            !is_ours(&name) && !LANGUAGE.iter().any(|language| name == *language)
        })
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if let Some(path) = system.search_path() {
        environment.entry("PATH".into()).or_insert_with(|| path.into());
    }
    environment.insert("LANG".into(), "C.UTF-8".into());
    if let Some(user) = user {
        environment.insert("HOME".into(), user.home.clone().into());
        environment.insert("USER".into(), user.name.clone().into());
        environment.insert("LOGNAME".into(), user.name.clone().into());
    }
    if let Some(bundle) = certificates {
        let names = system.certificate_variables();
        environment.extend(names.iter().map(|name| (name.into(), bundle.into())));
    }
    let already = environment.get(OsStr::new("VSO_AGENT_IGNORE")).and_then(|value| value.to_str());
    let ignored: Vec<&str> = already.into_iter().chain(UNPUBLISHED).collect();
    let ignored = ignored.join(",");
    environment.insert("VSO_AGENT_IGNORE".into(), ignored.into());
    environment
}

/// Whether a variable was meant for us, or is one that the job shall not have.
pub(crate) fn is_ours(name: &OsStr) -> bool {
    // The names of ours are ASCII, so a replaced character cannot make one.
    let name = name.to_string_lossy();
    let agents_own = name.starts_with(AGENTS_OWN) && !NOT_AGENTS_OWN.contains(&&*name);
    OURS.iter().any(|prefix| name.starts_with(prefix)) && !agents_own || IDENTITY.contains(&&*name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(container: &[(&str, &str)], certificates: Option<&Path>) -> BTreeMap<String, String> {
        let container = container.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let agent = User { name: "agent".into(), uid: 1000, gid: 1000, home: "/home/agent".into() };
        texts(agent_environment(System::Unix, &container, Some(&agent), certificates))
    }

    fn texts(environment: BTreeMap<OsString, OsString>) -> BTreeMap<String, String> {
        environment
            .into_iter()
            .map(|(name, value)| (name.into_string().unwrap(), value.into_string().unwrap()))
            .collect()
    }

    #[test]
    fn defect_04_the_job_gets_none_of_our_variables_and_all_of_the_image() {
        let environment = of(
            &[
                ("AZP_TOKEN", "s"),
                ("AZ_SERVICE_PRINCIPAL_KEY", "s"),
                ("AZ_ACI_NAME", "n"),
                ("AZP_AGENT_NAME", "n"),
                ("AZP_AGENT_DOWNGRADE_DISABLED", "true"),
                ("IDENTITY_ENDPOINT", "http://169.254.0.1"),
                ("IDENTITY_HEADER", "s"),
                ("JAVA_HOME", "/java"),
                ("AZURE_CONFIG_DIR", "/azure"),
                ("LC_ALL", "de_DE"),
                ("HOME", "/root"),
            ],
            None,
        );
        let names: Vec<&str> = environment.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "AZP_AGENT_DOWNGRADE_DISABLED",
                "AZURE_CONFIG_DIR",
                "HOME",
                "JAVA_HOME",
                "LANG",
                "LOGNAME",
                "PATH",
                "USER",
                "VSO_AGENT_IGNORE"
            ]
        );
        assert_eq!(environment["HOME"], "/home/agent");
        assert_eq!(environment["LANG"], "C.UTF-8");
    }

    #[test]
    fn everything_that_reads_certificates_is_pointed_at_the_bundle() {
        let environment = of(&[("VSO_AGENT_IGNORE", "MINE")], Some(Path::new("/azp/ca.pem")));
        for name in ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "GIT_SSL_CAINFO"] {
            assert_eq!(environment[name], "/azp/ca.pem", "{name}");
        }
        assert!(environment["VSO_AGENT_IGNORE"].starts_with("MINE,HTTP_PROXY,"));
    }

    #[test]
    fn on_windows_ours_are_found_in_either_case_and_the_system_is_as_it_was() {
        let container = [
            ("Azp_Token", "s"),
            ("identity_header", "s"),
            ("Identity_Endpoint", "http://169.254.128.1"),
            ("Path", r"C:\Windows"),
            ("SystemRoot", r"C:\Windows"),
        ];
        let container = container.map(|(name, value)| (name.into(), value.into())).into();
        let bundle = Some(Path::new(r"C:\azp\ca.pem"));
        let environment = texts(agent_environment(System::Windows, &container, None, bundle));
        let names: Vec<&str> = environment.keys().map(String::as_str).collect();
        assert_eq!(names, ["LANG", "NODE_EXTRA_CA_CERTS", "Path", "SystemRoot", "VSO_AGENT_IGNORE"]);
    }
}
