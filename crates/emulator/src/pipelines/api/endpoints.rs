//! Service connections as the service shows them: without what is confidential.

use hyper::Method;
use serde_json::{Map, Value, json};

use super::{check_project, project};
use crate::devops::{Call, collection, endpoint};
use crate::http::{Query, Reply, Router};
use crate::pipelines::Connection;

/// Parameters that everybody may read who sees the connection.
/// Assumed: what the forms of the usual types do not hide is shown; the rest is there without a value.
const OPEN: [&str; 7] = [
    "tenantid",
    "serviceprincipalid",
    "authenticationtype",
    "username",
    "registry",
    "workloadidentityfederationissuer",
    "workloadidentityfederationsubject",
];

/// Adds the routes.
pub(super) fn routes(router: &mut Router) {
    const ENDPOINTS: &str = "{project}/_apis/serviceendpoint/endpoints";
    endpoint(router, Method::GET, ENDPOINTS, list);
    endpoint(router, Method::GET, &format!("{ENDPOINTS}/{{endpoint}}"), get);
}

fn shown(state: &crate::State, connection: &Connection, base: &str) -> Value {
    let value = |name: &str, value: &crate::pipelines::run::Shade| {
        let open = OPEN.iter().any(|open| open.eq_ignore_ascii_case(name));
        if open { json!(value.reveal()) } else { Value::Null }
    };
    let parameters: Map<String, Value> =
        connection.parameters.iter().map(|(name, hidden)| (name.clone(), value(name, hidden))).collect();
    let here = |text: &str| text.replace(crate::devops::BASE_URL, base);
    let data: Map<String, Value> =
        connection.data.iter().map(|(name, text)| (name.clone(), json!(here(text)))).collect();
    let project = project(state, base);
    json!({
        "id": connection.id, "name": connection.name, "type": connection.kind, "url": here(&connection.url),
        "owner": "library", "isShared": false, "isReady": true, "isOutdated": false, "description": "",
        "data": data, "createdBy": crate::devops::owner(base),
        "authorization": {"scheme": connection.scheme, "parameters": parameters},
        "serviceEndpointProjectReferences": [{
            "name": connection.name, "description": "",
            "projectReference": {"id": project["id"], "name": project["name"]},
        }],
    })
}

/// Which connections a list is about.
struct Filter {
    kind: Option<String>,
    schemes: Option<Vec<String>>,
    ids_or_names: Option<Vec<String>>,
}

impl Filter {
    fn of(query: &Query) -> Self {
        let several = |name: &str| -> Option<Vec<String>> {
            let text = query.get(name).filter(|text| !text.is_empty())?;
            Some(text.split(',').map(|part| part.trim().to_owned()).collect())
        };
        Self {
            kind: query.get("type").filter(|kind| !kind.is_empty()).map(str::to_owned),
            schemes: several("authSchemes"),
            ids_or_names: several("endpointIds").or_else(|| several("endpointNames")),
        }
    }

    fn takes(&self, connection: &Connection) -> bool {
        let of_scheme = |schemes: &Vec<String>| {
            schemes.iter().any(|scheme| connection.scheme.eq_ignore_ascii_case(scheme))
        };
        self.kind.as_ref().is_none_or(|kind| connection.kind.eq_ignore_ascii_case(kind))
            && self.schemes.as_ref().is_none_or(of_scheme)
            && self.ids_or_names.as_ref().is_none_or(|texts| texts.iter().any(|text| connection.is(text)))
    }
}

async fn list(call: Call) -> Result<Reply, Reply> {
    check_project(&call)?;
    let filter = Filter::of(&call.request.query);
    let found: Vec<Value> = call.emulator.read(|state| {
        let connections = state.pipelines.connections.iter().filter(|connection| filter.takes(connection));
        connections.map(|connection| shown(state, connection, &call.request.base_url)).collect()
    });
    Ok(Reply::json(200, &collection(&found)))
}

/// One that is not there is `null`, not an error (MicrosoftDocs/vsts-rest-api-specs, issue 285).
async fn get(call: Call) -> Result<Reply, Reply> {
    check_project(&call)?;
    let id = call.request.param("endpoint");
    let found = call.emulator.read(|state| {
        let mut connections = state.pipelines.connections.iter();
        let connection = connections.find(|connection| connection.id.to_string().eq_ignore_ascii_case(id))?;
        Some(shown(state, connection, &call.request.base_url))
    });
    Ok(Reply::json(200, &found))
}
