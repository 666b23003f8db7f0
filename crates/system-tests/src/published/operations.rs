//! Operations as the services publish them: methods, paths, and the statuses of success that official clients take.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Parts of templates that stand for several parts of a path.
const SEVERAL: [&str; 2] = ["{scope}", "{parentResourcePath}"];

/// Every operation that is known, by its provider.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Operations(BTreeMap<String, Provider>);

#[derive(Deserialize)]
struct Provider {
    operations: Vec<Operation>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Operation {
    operation: String,
    method: String,
    path: String,
    success_statuses: Vec<u16>,
}

impl Operations {
    /// What is wrong with a success of this status: that the official client does not take it, or that what the path
    /// leads to has no such operation.
    pub(crate) fn fault(&self, method: &str, path: &str, status: u16) -> Option<String> {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let provider =
            namespace(&parts).filter(|_| !ends_with_provider(&parts)).unwrap_or("Microsoft.Resources");
        let (_, provider) = self.0.iter().find(|(name, _)| name.eq_ignore_ascii_case(provider))?;
        let here: Vec<&Operation> = provider.operations.iter().filter(|known| known.is_of(&parts)).collect();
        // The data has the operations that somebody chose, not all that there are.
        let known = here.first()?;
        let Some(known) = here.iter().find(|known| known.method == method) else {
            return Some(format!("{method} succeeds, and to {} it is not published", known.path));
        };
        (!known.success_statuses.contains(&status)).then(|| {
            format!(
                "{status} is answered, and to {} the official client takes {:?}",
                known.operation, known.success_statuses
            )
        })
    }
}

/// Whether a path is about a provider itself.
fn ends_with_provider(parts: &[&str]) -> bool {
    parts.iter().rev().nth(1).is_some_and(|part| part.eq_ignore_ascii_case("providers"))
}

/// The last provider that a path names.
pub(crate) fn namespace<'a>(parts: &[&'a str]) -> Option<&'a str> {
    let providers = parts.iter().rposition(|part| part.eq_ignore_ascii_case("providers"))?;
    parts.get(providers + 1).copied()
}

impl Operation {
    fn is_of(&self, path: &[&str]) -> bool {
        let template = self.path.split('?').next().unwrap_or_default();
        let template: Vec<&str> = template.trim_matches('/').split('/').collect();
        // A template that is nothing but a place for an id says nothing of what is there.
        template.len() > 1 && matches(&template, path)
    }
}

fn matches(template: &[&str], path: &[&str]) -> bool {
    let Some((first, template)) = template.split_first() else { return path.is_empty() };
    if SEVERAL.contains(first) {
        return (1..=path.len()).any(|taken| matches(template, &path[taken..]));
    }
    let Some((part, path)) = path.split_first() else { return false };
    (first.starts_with('{') || first.eq_ignore_ascii_case(part)) && matches(template, path)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Operations;

    #[test]
    fn a_status_that_the_official_client_does_not_take_is_found() {
        let operation = |method: &str, path: &str, statuses: &[u16]| json!({"operation": "do_it", "method": method, "path": path, "query": [], "successStatuses": statuses});
        let group = "/subscriptions/{subscriptionId}/resourceGroups/{name}";
        let operations = json!({
            "Microsoft.Test": {"operations": [
                operation("PUT", &format!("{group}/providers/Microsoft.Test/things/{{thing}}"), &[200, 201]),
                operation("GET", "/{thingId}", &[200]),
            ]},
            "Microsoft.Authorization": {"operations": [
                operation("GET", "/{scope}/providers/Microsoft.Authorization/roles/{role}", &[200]),
            ]},
            "Microsoft.Resources": {"operations": [
                operation("HEAD", group, &[204]),
                {"operation": "look", "method": "GET", "path": "/subscriptions/{s}/providers/{namespace}", "successStatuses": [200]},
            ]},
        });
        let operations: Operations = serde_json::from_value(operations).expect("operations");
        let things = "/subscriptions/s/resourcegroups/g/providers/microsoft.test/Things/t";
        let refused = |operation: &str, statuses: &[u16]| {
            format!("202 is answered, and to {operation} the official client takes {statuses:?}")
        };
        let template = format!("{group}/providers/Microsoft.Test/things/{{thing}}");
        let unknown =
            |method: &str| Some(format!("{method} succeeds, and to {template} it is not published"));
        for (method, path, status, fault) in [
            ("PUT", things.to_owned(), 201, None),
            ("PUT", things.to_owned(), 202, Some(refused("do_it", &[200, 201]))),
            ("DELETE", things.to_owned(), 200, unknown("DELETE")),
            ("GET", things.to_owned(), 200, unknown("GET")),
            ("PUT", format!("{things}/more"), 202, None),
            (
                "GET",
                "/subscriptions/s/providers/Microsoft.Test".to_owned(),
                202,
                Some(refused("look", &[200])),
            ),
            ("GET", format!("{things}/providers/Microsoft.Authorization/roles/r"), 200, None),
            ("GET", "/subscriptions/s/providers/Microsoft.Other/things/t".to_owned(), 202, None),
            (
                "GET",
                "/subscriptions/s/providers/Microsoft.Test/locations/l/operations/o".to_owned(),
                202,
                None,
            ),
            ("HEAD", "/subscriptions/s/resourceGroups/g".to_owned(), 204, None),
        ] {
            assert_eq!(operations.fault(method, &path, status), fault, "{method} {path} {status}");
        }
    }
}
