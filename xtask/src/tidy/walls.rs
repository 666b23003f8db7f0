//! Which crate may use which: the walls of ARCHITECTURE.md, held against the manifests.

use anyhow::Result;
use serde_json::Value;

use crate::programs::{cargo, output};

/// A crate, and those of ours that it may use. Dependencies point down.
const MAY_USE: &[(&str, &[&str])] = &[
    ("cli", &["azure-devops", "azure-http", "azure-resources", "lifecycle", "redact"]),
    ("azure-devops", &["azure-http", "lifecycle", "redact"]),
    ("azure-resources", &["azure-http", "lifecycle", "redact"]),
    ("supervisor", &["azure-http", "process", "redact"]),
    ("azure-http", &["redact"]),
    ("emulator", &["process"]),
    ("stand-in-agent", &[]),
    ("system-tests", &["emulator"]),
    ("process", &[]),
    ("redact", &[]),
    ("lifecycle", &[]),
    ("simulator", &["lifecycle"]),
    ("xtask", &[]),
];

/// Crates that use the standard library only.
const STD_ONLY: &[&str] = &["lifecycle", "redact"];

/// HTTP clients are made in `azure-http`; the stand-in plays other people's software, and xtask watches from outside.
const HTTP_CLIENTS: (&[&str], &[&str]) =
    (&["reqwest", "ureq", "hyper-rustls"], &["azure-http", "stand-in-agent", "xtask"]);

/// Every breach.
pub(super) fn breaches() -> Result<Vec<String>> {
    let metadata = output(&mut cargo(&["metadata", "--no-deps", "--format-version", "1", "--locked"]))?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    Ok(check(&metadata))
}

fn check(metadata: &Value) -> Vec<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let ours: Vec<String> = list(&metadata["packages"]).iter().map(|package| text(package, "name")).collect();
    let mut breaches = Vec::new();
    for package in list(&metadata["packages"]) {
        let name = text(&package, "name");
        let Some((_, may_use)) = MAY_USE.iter().find(|(known, _)| *known == name) else {
            breaches.push(format!("crate {name} has no row in xtask/src/tidy/walls.rs: say what it may use"));
            continue;
        };
        let dependencies = list(&package["dependencies"]);
        for dependency in dependencies.iter().filter(|dependency| text(dependency, "kind") != "dev") {
            let used = text(dependency, "name");
            if ours.contains(&used) && !may_use.contains(&used.as_str()) {
                breaches.push(format!("{name} uses {used}, and may not: the walls are in ARCHITECTURE.md"));
            }
            if STD_ONLY.contains(&name.as_str()) {
                breaches.push(format!("{name} uses {used}; it keeps to the standard library"));
            }
            if HTTP_CLIENTS.0.contains(&used.as_str()) && !HTTP_CLIENTS.1.contains(&name.as_str()) {
                breaches.push(format!("{name} uses {used}; HTTP clients are made in azure-http only"));
            }
        }
    }
    breaches
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    fn breaches(name: &str, uses: &[(&str, Value)]) -> Vec<String> {
        let uses: Vec<Value> = uses.iter().map(|(name, kind)| json!({"name": name, "kind": kind})).collect();
        let known = ["azure-devops", "lifecycle", "emulator", "cli"]
            .map(|name| json!({"name": name, "dependencies": []}));
        let mut packages = known.to_vec();
        packages.push(json!({"name": name, "dependencies": uses}));
        super::check(&json!({ "packages": packages }))
    }

    #[test]
    fn a_wall_that_is_crossed_is_told() {
        assert_eq!(breaches("cli", &[("lifecycle", Value::Null), ("clap", Value::Null)]), [""; 0]);
        assert!(
            breaches("emulator", &[("azure-devops", Value::Null)])[0].contains("emulator uses azure-devops")
        );
        assert!(breaches("lifecycle", &[("serde", Value::Null)])[0].contains("standard library"));
        assert!(breaches("cli", &[("reqwest", Value::Null)])[0].contains("azure-http only"));
        assert!(breaches("newcomer", &[])[0].contains("no row"));
    }

    #[test]
    fn tests_may_use_more() {
        assert_eq!(breaches("emulator", &[("reqwest", json!("dev"))]), [""; 0]);
    }
}
