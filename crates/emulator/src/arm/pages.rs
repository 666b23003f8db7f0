//! Pages of lists, as every provider has them.

use serde_json::{Value, json};

use super::gate::Call;
use crate::State;
use crate::http::Reply;

/// How much a page holds where nothing else is said.
const PAGE: usize = 100;

/// What the ids of everything that a list is about begin with, in the lower case: those of a resource group, or of the
/// subscription.
pub(super) fn within(call: &Call) -> String {
    let within = match call.param("group") {
        "" => format!("{}/", call.subscription()),
        group => format!("{}/resourcegroups/{group}/", call.subscription()),
    };
    within.to_ascii_lowercase()
}

/// A page of these resources, each with an `id`, in the order of their ids; `$skiptoken` is the id of the last one
/// shown.
pub(super) fn page(state: &State, call: &Call, resources: Vec<Value>) -> Reply {
    let size = state.faults.number("arm.page-size").and_then(|size| usize::try_from(size).ok());
    let after = call.request.query.get("$skiptoken").unwrap_or_default();
    let (value, next) = cut(resources, after, size.unwrap_or(PAGE));
    let mut body = json!({ "value": value });
    if let Some(next) = next {
        body["nextLink"] = Value::from(next_link(call, &next));
    }
    Reply::json(200, &body)
}

/// The page after an id, and the id by which to ask for the next.
fn cut(mut resources: Vec<Value>, after: &str, size: usize) -> (Vec<Value>, Option<String>) {
    let key = |resource: &Value| resource["id"].as_str().unwrap_or_default().to_ascii_lowercase();
    resources.retain(|resource| key(resource).as_str() > after);
    resources.sort_by_key(key);
    let more = resources.len() > size;
    resources.truncate(size);
    let next = resources.last().filter(|_| more).map(key);
    (resources, next)
}

/// The same call with the token of the next page; its filter stays.
fn next_link(call: &Call, after: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("api-version", call.request.query.get("api-version").unwrap_or_default());
    if let Some(filter) = call.request.query.get("$filter") {
        query.append_pair("$filter", filter);
    }
    query.append_pair("$skiptoken", after);
    format!("{}{}?{}", call.request.base_url, call.request.path, query.finish())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::cut;

    #[test]
    fn pages_follow_each_other_and_the_last_has_no_next() {
        let all = || vec![json!({"id": "/C"}), json!({"id": "/a"}), json!({"id": "/b"})];
        let (first, next) = cut(all(), "", 2);
        assert_eq!((first, next.as_deref()), (vec![json!({"id": "/a"}), json!({"id": "/b"})], Some("/b")));
        assert_eq!(cut(all(), "/b", 2), (vec![json!({"id": "/C"})], None));
        assert_eq!(cut(all(), "", 3).1, None);
    }
}
