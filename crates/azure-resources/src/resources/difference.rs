//! What is wanted against what was found. Pure.
//!
//! A service shows more than it was told, writes names in other letters, and keeps what others added. So only what is
//! wanted counts: each member has to be there, each entry of a list has to be in it. Lists of things with names or ids
//! are compared thing by thing. The permissions of a role are the exception: one too many is one too many.

use serde_json::{Map, Value};

use crate::same_location;

/// Says where nothing may be added.
const EXACT: &str = "permissions";

/// What Resource Manager shows and does not take back.
const SHOWN_ONLY: [&str; 4] = ["etag", "provisioningState", "resourceGuid", "systemData"];

/// Where what was found is not what is wanted, as paths: `subnets/agents/natGateway/id`.
pub fn differences(wanted: &Value, found: &Value) -> Vec<String> {
    let mut all = Vec::new();
    compare("", wanted, found, &mut all);
    all
}

fn compare(path: &str, wanted: &Value, found: &Value, all: &mut Vec<String>) {
    match (wanted, found) {
        (Value::Object(wanted), _) => {
            for (name, value) in
                wanted.iter().filter(|(name, _)| *name != "name" || delegate(found).is_none())
            {
                compare_member(&join(path, name), (name, value), found, all);
            }
        }
        (Value::Array(wanted), Value::Array(found)) => {
            for value in wanted {
                match find(value, found) {
                    Some(same) => compare(&join(path, &key(value).unwrap_or_default()), value, same, all),
                    None => all.push(join(path, &key(value).unwrap_or_else(|| plain(value)))),
                }
            }
        }
        _ if same(path, wanted, found) => {}
        _ => all.push(path.to_owned()),
    }
}

fn compare_member(path: &str, (name, wanted): (&String, &Value), found: &Value, all: &mut Vec<String>) {
    let value = found.get(name).unwrap_or(&Value::Null);
    let nothing = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    if nothing(wanted) && nothing(value) {
        return;
    }
    // A subnet's range is shown as a list of one by some versions.
    let in_a_list = name == "addressPrefix" && found["addressPrefixes"] == Value::Array(vec![wanted.clone()]);
    if in_a_list {
        return;
    }
    if name == EXACT {
        if lower(wanted) != lower(&only_of(wanted, value)) {
            all.push(path.to_owned());
        }
        return;
    }
    compare(path, wanted, value, all);
}

/// The permissions without members that we do not speak of, such as conditions that are not set.
fn only_of(wanted: &Value, found: &Value) -> Value {
    let rows = wanted.as_array().into_iter().flatten().chain(std::iter::repeat(&Value::Null));
    let found = found.as_array().into_iter().flatten();
    let row = |(wanted, found): (&Value, &Value)| {
        let known = |name: &String, value: &Value| wanted.get(name).is_some() || !value.is_null();
        let members = found.as_object().into_iter().flatten().filter(|(name, value)| known(name, value));
        members.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>().into()
    };
    Value::Array(rows.zip(found).map(row).collect())
}

fn same(path: &str, wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::String(wanted), Value::String(found)) if path.ends_with("location") => {
            same_location(wanted, found)
        }
        (Value::String(wanted), Value::String(found)) => wanted.eq_ignore_ascii_case(found),
        _ => wanted == found,
    }
}

/// What tells an entry of a list from the others. A delegation is known by its service: a subnet has one for each,
/// under whatever name.
fn key(value: &Value) -> Option<String> {
    if let Some(service) = delegate(value) {
        return Some(service.to_owned());
    }
    ["name", "id", "service"].iter().find_map(|name| value[name].as_str()).map(str::to_owned)
}

fn delegate(value: &Value) -> Option<&str> {
    value["properties"]["serviceName"].as_str()
}

fn find<'a>(wanted: &Value, among: &'a [Value]) -> Option<&'a Value> {
    match key(wanted) {
        Some(name) => {
            among.iter().find(|value| key(value).is_some_and(|other| other.eq_ignore_ascii_case(&name)))
        }
        None => among.iter().find(|value| lower(value) == lower(wanted)),
    }
}

fn lower(value: &Value) -> String {
    value.to_string().to_ascii_lowercase()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn join(path: &str, name: &str) -> String {
    let name = name.rsplit('/').next().unwrap_or_default();
    match (path, name) {
        // Almost everything is in there, and nobody looks for it there.
        (_, "" | "properties") => path.to_owned(),
        ("", _) => name.to_owned(),
        _ => format!("{path}/{name}"),
    }
}

/// What was found, with what is wanted put into it: the body of an update, which keeps what others added.
pub fn merged(wanted: &Value, found: &Value) -> Value {
    let mut merged = merge(wanted, found);
    if let Some(members) = merged.as_object_mut() {
        for name in ["id", "name", "type"] {
            members.remove(name);
        }
    }
    merged
}

fn merge(wanted: &Value, found: &Value) -> Value {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            let mut all: Map<String, Value> = found
                .iter()
                .filter(|(name, _)| !SHOWN_ONLY.contains(&name.as_str()))
                .map(|(name, value)| (name.clone(), without_shown_only(value)))
                .collect();
            for (name, value) in wanted {
                let before = found.get(name).unwrap_or(&Value::Null);
                let value = if name == EXACT { value.clone() } else { merge(value, before) };
                all.insert(name.clone(), value);
            }
            all.into()
        }
        (Value::Array(wanted), Value::Array(found)) => {
            let others = found.iter().filter(|value| find(value, wanted).is_none()).map(without_shown_only);
            let ours = wanted.iter().map(|value| merge(value, find(value, found).unwrap_or(&Value::Null)));
            ours.chain(others).collect()
        }
        _ => wanted.clone(),
    }
}

fn without_shown_only(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.iter().filter(|(name, _)| !SHOWN_ONLY.contains(&name.as_str()));
            kept.map(|(name, value)| (name.clone(), without_shown_only(value))).collect::<Map<_, _>>().into()
        }
        Value::Array(entries) => entries.iter().map(without_shown_only).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{differences, merged};

    fn wanted() -> Value {
        json!({
            "location": "westeurope",
            "tags": { "made-by": "us" },
            "properties": {
                "addressSpace": { "addressPrefixes": ["10.10.0.0/16"] },
                "subnets": [
                    { "name": "agents", "properties": {
                        "addressPrefix": "10.10.254.0/23",
                        "natGateway": { "id": "/subscriptions/s/natGateways/nat" },
                        "serviceEndpoints": [{ "service": "Microsoft.Storage" }],
                        "delegations": [{ "name": "ours", "properties": { "serviceName": "Microsoft.A/b" } }],
                    } },
                ],
                "ipRules": [],
            },
        })
    }

    /// The same as the service shows it, with what it adds.
    fn shown() -> Value {
        json!({
            "id": "/x", "name": "x", "type": "T", "etag": "W/1",
            "location": "West Europe",
            "tags": { "made-by": "us", "cost": "7" },
            "properties": {
                "provisioningState": "Succeeded",
                "addressSpace": { "addressPrefixes": ["10.10.0.0/16", "10.99.0.0/16"] },
                "subnets": [
                    { "name": "of-others", "etag": "W/2", "properties": { "addressPrefix": "10.99.0.0/24" } },
                    { "name": "Agents", "etag": "W/2", "properties": {
                        "provisioningState": "Succeeded",
                        "addressPrefixes": ["10.10.254.0/23"],
                        "natGateway": { "id": "/subscriptions/s/NATGateways/nat" },
                        "serviceEndpoints": [{ "service": "Microsoft.Storage", "locations": ["westeurope"] }],
                        "delegations": [{ "name": "0", "properties": { "serviceName": "Microsoft.A/b" } }],
                    } },
                ],
            },
        })
    }

    #[test]
    fn what_a_service_adds_or_writes_otherwise_is_no_difference() {
        assert_eq!(differences(&wanted(), &shown()), [""; 0]);
    }

    #[test]
    fn what_is_missing_or_changed_is_named_by_its_path() {
        let mut found = shown();
        found["properties"]["subnets"][1]["properties"]
            .as_object_mut()
            .expect("an object")
            .remove("natGateway");
        found["tags"]["made-by"] = json!("others");
        assert_eq!(differences(&wanted(), &found), ["subnets/agents/natGateway/id", "tags/made-by"]);
        found["properties"]["subnets"] = json!([]);
        found["properties"]["addressSpace"]["addressPrefixes"] = json!(["10.99.0.0/16"]);
        let paths = differences(&wanted(), &found);
        assert!(paths.contains(&"subnets/agents".to_owned()), "{paths:?}");
        assert!(paths.iter().any(|path| path.starts_with("addressSpace")), "{paths:?}");
    }

    #[test]
    fn an_update_keeps_what_others_added_and_leaves_out_what_is_only_shown() {
        let mut found = shown();
        found["properties"]["subnets"][1]["properties"]
            .as_object_mut()
            .expect("an object")
            .remove("natGateway");
        let update = merged(&wanted(), &found);
        assert_eq!(differences(&wanted(), &update), [""; 0]);
        let delegations = &update["properties"]["subnets"][0]["properties"]["delegations"];
        assert_eq!(delegations.as_array().map(Vec::len), Some(1), "{delegations}");
        assert_eq!(update["tags"]["cost"], "7");
        assert_eq!(update["properties"]["subnets"][1]["name"], "of-others");
        let text = update.to_string();
        assert!(!text.contains("etag") && !text.contains("provisioningState"), "{text}");
        assert_eq!(update.get("id"), None);
    }

    #[test]
    fn a_role_that_allows_more_is_another_role() {
        let role = |actions: &[&str]| json!({ "properties": { "permissions": [{ "actions": actions, "notActions": [], "condition": null }] } });
        let wanted =
            json!({ "properties": { "permissions": [{ "actions": ["a/read"], "notActions": [] }] } });
        assert_eq!(differences(&wanted, &role(&["A/Read"])), [""; 0]);
        assert_eq!(differences(&wanted, &role(&["a/read", "b/write"])), ["permissions"]);
        assert_eq!(
            merged(&wanted, &role(&["a/read", "b/write"]))["properties"]["permissions"][0]["actions"],
            json!(["a/read"])
        );
    }
}
