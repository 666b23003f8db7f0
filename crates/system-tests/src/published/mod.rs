//! What our clients send and the emulator answers, held against what Azure publishes of its types and operations.
//!
//! The published data lies beside the repository; where it does not, nothing is checked. What a fault says never holds
//! a value that was sent or answered, except a word from a published set.

mod operations;
mod types;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use emulator::observer::Exchange;
use serde_json::Value;

use operations::{Operations, namespace};
use types::{Fault, Found, Types, Way};

/// The folder of the published data.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/specs");

/// What recordings of the real service show in its replies, and the published types do not have.
const RECORDED: [(&str, &str); 1] =
    [("Microsoft.ContainerInstance/containerGroups", "properties.provisioningTimeoutInSeconds")];

/// What Azure publishes, as far as it is at hand.
struct Published {
    operations: Operations,
    /// By provider in small letters, and version.
    types: BTreeMap<(String, String), Types>,
}

impl Published {
    /// Read once by each test program.
    fn at_hand() -> Option<&'static Self> {
        static PUBLISHED: OnceLock<Option<Published>> = OnceLock::new();
        PUBLISHED.get_or_init(|| Self::read(Path::new(FOLDER))).as_ref()
    }

    fn read(folder: &Path) -> Option<Self> {
        let operations = std::fs::read_to_string(folder.join("arm-operations.json")).ok()?;
        let files = std::fs::read_dir(folder.join("arm-types")).ok()?.flatten();
        let types = files.filter_map(|file| {
            let name = file.file_name().into_string().ok()?;
            let (provider, version) = name.strip_suffix(".types.json")?.split_once('-')?;
            let text = std::fs::read_to_string(file.path()).expect("a file");
            let types = Types::read(&text).unwrap_or_else(|error| panic!("{name} has other types: {error}"));
            Some(((provider.to_owned(), version.to_owned()), types))
        });
        let operations = serde_json::from_str(&operations).expect("operations");
        Some(Self { operations, types: types.collect() })
    }

    /// The types of a provider in this version, or in the next that there is.
    fn types(&self, provider: &str, version: &str) -> Option<&Types> {
        let provider = provider.to_ascii_lowercase();
        let from = (provider.clone(), version.to_owned());
        self.types.range(from..).next().filter(|((known, _), _)| *known == provider).map(|(_, types)| types)
    }
}

/// What a path of Resource Manager leads to.
struct Target<'a> {
    provider: &'a str,
    /// `Microsoft.Storage/storageAccounts`.
    resource_type: String,
    /// What stands after the name of a resource: the type of a list, or an action.
    last: Option<&'a str>,
}

impl<'a> Target<'a> {
    fn of(parts: &[&'a str]) -> Option<Self> {
        let provider = namespace(parts)?;
        let providers = parts.iter().rposition(|part| part.eq_ignore_ascii_case("providers"))?;
        let rest = &parts[providers + 2..];
        let mut resource_type = provider.to_owned();
        for pair in rest.chunks_exact(2) {
            resource_type.push('/');
            resource_type.push_str(pair[0]);
        }
        Some(Self { provider, resource_type, last: rest.chunks_exact(2).remainder().first().copied() })
    }

    /// All of it, without names.
    fn shown(&self) -> String {
        self.last.map_or_else(|| self.resource_type.clone(), |last| format!("{}/{last}", self.resource_type))
    }
}

/// What is wrong with an exchange.
fn faults(published: &Published, exchange: &Exchange<'_>) -> Vec<String> {
    if !exchange.path.to_ascii_lowercase().starts_with("/subscriptions/") {
        return Vec::new();
    }
    let parts: Vec<&str> = exchange.path.trim_matches('/').split('/').collect();
    let mut faults = Vec::new();
    if (200..300).contains(&exchange.status) {
        faults.extend(published.operations.fault(exchange.method, exchange.path, exchange.status));
    }
    let Some(target) = Target::of(&parts) else { return faults };
    let Some(types) = published.types(target.provider, exchange.api_version.unwrap_or_default()) else {
        return faults;
    };
    let json = |body: &[u8]| serde_json::from_slice::<Value>(body).ok();
    // Others send back what they were told, the service's own part of it too.
    let is_foreign = exchange.user_agent.is_some_and(|agent| agent.to_ascii_lowercase().contains("python"));
    if !is_foreign && let Some(sent) = json(exchange.request) {
        let found = sent_faults(types, &target, exchange.method, &sent);
        faults.extend(found.into_iter().map(|(at, fault)| format!("in the request {at} {fault}")));
    }
    if (200..300).contains(&exchange.status)
        && let Some(told) = json(exchange.reply)
    {
        let shown = target.shown();
        let recorded = |at: &str| RECORDED.contains(&(shown.as_str(), at));
        let mut found = told_faults(types, &target, exchange.method, &told);
        found.retain(|(at, fault)| *fault != Fault::UnknownProperty || !recorded(at));
        faults.extend(found.into_iter().map(|(at, fault)| format!("in the reply {at} {fault}")));
    }
    faults
}

fn sent_faults(types: &Types, target: &Target<'_>, method: &str, sent: &Value) -> Vec<Found> {
    match (method, target.last) {
        ("PUT" | "PATCH", None) => {
            let way = if method == "PUT" { Way::Request } else { Way::Change };
            let body = types.resource(&target.resource_type);
            body.map(|body| types.check_resource(body, sent, way)).unwrap_or_default()
        }
        ("POST", Some(action)) => {
            let input = types.action(&target.resource_type, action).and_then(|(input, _)| input);
            input.map(|input| types.check(input, sent, Way::Request)).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

fn told_faults(types: &Types, target: &Target<'_>, method: &str, told: &Value) -> Vec<Found> {
    match (method, target.last) {
        ("GET" | "PUT" | "PATCH", None) => {
            let body = types.resource(&target.resource_type);
            body.map(|body| types.check_resource(body, told, Way::Reply)).unwrap_or_default()
        }
        ("GET", Some(_)) => {
            let body = types.resource(&target.shown());
            let items = told["value"].as_array().into_iter().flatten();
            let check = |item| body.map(|body| types.check_resource(body, item, Way::Reply));
            items.filter_map(check).flatten().collect()
        }
        // The secrets that an action is asked for are no secrets from who asks.
        ("POST", Some(action)) => {
            let output = types.action(&target.resource_type, action).map(|(_, output)| output);
            let found = output.map(|output| types.check(output, told, Way::Reply)).unwrap_or_default();
            found.into_iter().filter(|(_, fault)| *fault != Fault::Confidential).collect()
        }
        _ => Vec::new(),
    }
}

/// What was wrong in a world so far. A world that ends with anything in it fails its test.
#[derive(Debug, Default)]
pub(crate) struct Judgement(Arc<Mutex<BTreeSet<String>>>);

impl Judgement {
    /// Judges every exchange of an emulator from now on.
    pub(crate) fn over(emulator: &emulator::Emulator) -> Self {
        let judgement = Self::default();
        let kept = Arc::clone(&judgement.0);
        if let Some(published) = Published::at_hand() {
            emulator.observe(move |exchange| {
                let found = faults(published, exchange);
                let told = found.into_iter().map(|fault| format!("{}: {fault}", shown(exchange)));
                kept.lock().unwrap_or_else(PoisonError::into_inner).extend(told);
            });
        }
        judgement
    }
}

impl Drop for Judgement {
    fn drop(&mut self) {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !found.is_empty() && !std::thread::panicking() {
            let found: Vec<&str> = found.iter().map(String::as_str).collect();
            panic!("not as Azure publishes it:\n{}", found.join("\n"));
        }
    }
}

/// An exchange without what differs from run to run.
fn shown(exchange: &Exchange<'_>) -> String {
    let parts: Vec<&str> = exchange.path.trim_matches('/').split('/').collect();
    let what = Target::of(&parts).map_or_else(|| exchange.path.to_owned(), |target| target.shown());
    format!("{} {what}@{}", exchange.method, exchange.api_version.unwrap_or("none"))
}

#[cfg(test)]
mod tests {
    use emulator::observer::Exchange;
    use serde_json::{Value, json};

    use super::types::tests::types;
    use super::{Published, faults};

    fn published() -> Published {
        let operations = serde_json::from_value(json!({})).expect("no operations");
        let versions = ["2025-01-01", "2026-01-01"];
        let types = versions.map(|version| (("microsoft.test".to_owned(), version.to_owned()), types()));
        Published { operations, types: types.into() }
    }

    fn found(method: &str, path: &str, agent: &str, bodies: (&Value, &Value), status: u16) -> Vec<String> {
        let (request, reply) = (bodies.0.to_string(), bodies.1.to_string());
        let (request, reply) = (request.as_bytes(), reply.as_bytes());
        let path = format!("/subscriptions/s/resourceGroups/g/providers/Microsoft.Test/{path}");
        faults(
            &published(),
            &Exchange {
                method,
                path: &path,
                api_version: Some("2025-01-01"),
                user_agent: Some(agent),
                request,
                status,
                reply,
            },
        )
    }

    #[test]
    fn the_version_that_is_asked_for_decides_or_the_next() {
        let published = published();
        for (version, there) in
            [("2024-06-01", true), ("2025-01-01", true), ("2025-06-01", true), ("2026-06-01", false)]
        {
            assert_eq!(published.types("Microsoft.TEST", version).is_some(), there, "{version}");
        }
        assert!(published.types("Microsoft.Other", "2025-01-01").is_none());
    }

    #[test]
    fn what_is_sent_and_what_is_told_are_both_held_against_the_type_of_the_path() {
        let (good, bad) = (json!({"name": "a", "items": []}), json!({"name": "a", "items": 1}));
        let wrong = "items is a number, and an array is published";
        let (sent, told) = (format!("in the request {wrong}"), format!("in the reply {wrong}"));
        let list = json!({"value": [good, bad]});
        let turned = json!({"os": "Linux", "state": "on", "password": "p", "oss": 1});
        for (method, path, bodies, status, expected) in [
            ("PUT", "things/t", (&bad, &good), 200, vec![sent.clone()]),
            ("PUT", "things/t", (&bad, &bad), 400, vec![sent.clone()]),
            ("PUT", "things/t", (&good, &bad), 201, vec![told.clone()]),
            ("PATCH", "things/t", (&json!({}), &good), 200, vec![]),
            ("GET", "things/t", (&Value::Null, &bad), 200, vec![told.clone()]),
            ("GET", "things", (&Value::Null, &list), 200, vec![told]),
            (
                "POST",
                "things/t/turn",
                (&Value::Null, &turned),
                200,
                vec!["in the reply oss is not published".to_owned()],
            ),
            ("PUT", "others/t", (&bad, &bad), 200, vec![]),
        ] {
            assert_eq!(
                found(method, path, "ephemeral-agents/0.1.0", bodies, status),
                expected,
                "{method} {path} {status}"
            );
        }
        assert!(found("PUT", "things/t", "azsdk-python-x/1 Python/3", (&bad, &good), 200).is_empty());
    }
}
