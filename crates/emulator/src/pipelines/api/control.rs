//! The emulator's own: putting pipelines and service connections there.

use std::collections::BTreeMap;
use std::sync::Arc;

use hyper::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Emulator;
use crate::control::{authorize, body};
use crate::devops;
use crate::http::{Reply, Request, Router};
use crate::pipelines::connections::{Connection, NewConnection};
use crate::pipelines::run::Shade;
use crate::pipelines::{Definition, hosted};

/// Adds the routes.
pub(in crate::pipelines) fn routes(router: &mut Router) {
    router.on(Method::PUT, "/emulator/pipelines/{name}", put_pipeline);
    router.on(Method::PUT, "/emulator/service-connections/{name}", put_connection);
    router.on(Method::PUT, "/emulator/hosted-agents/identities", put_identities);
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPipeline {
    /// Text of the pipeline.
    yaml: String,
    /// Variables that its author set outside of the text.
    #[serde(default)]
    variables: BTreeMap<String, String>,
    /// The same, secret.
    #[serde(default)]
    secrets: BTreeMap<String, String>,
    /// Folder that is its repository; by default an empty one.
    #[serde(default)]
    repository: Option<String>,
    /// Where in the repository the text stands.
    #[serde(default = "usual_file")]
    file: String,
}

/// Where most pipelines stand in their repositories.
pub(in crate::pipelines) fn usual_file() -> String {
    "azure-pipelines.yml".to_owned()
}

async fn put_pipeline(emulator: Arc<Emulator>, request: Request) -> Result<Reply, Reply> {
    authorize(&emulator, &request)?;
    let new: NewPipeline = body(&request)?;
    let bad = |problem: String| Reply::json(400, &json!({ "error": problem }));
    let repository = match new.repository {
        Some(folder) if std::path::Path::new(&folder).is_dir() => folder,
        Some(folder) => return Err(bad(format!("repository: there is no folder {folder:?}"))),
        None => {
            let folder = emulator.data.join("empty-repository");
            let made = tokio::fs::create_dir_all(&folder).await;
            made.map_err(|error| bad(format!("{}: {error}", folder.display())))?;
            folder.display().to_string()
        }
    };
    let open = new.variables.into_iter().map(|(name, value)| (name, Shade::open(value)));
    let hidden = new.secrets.into_iter().map(|(name, value)| (name, Shade::hidden(value)));
    let name = request.param("name").to_owned();
    let definition = Definition {
        id: 0,
        name: name.clone(),
        yaml: new.yaml,
        variables: open.chain(hidden).collect(),
        repository,
        file: new.file,
        created: emulator.now(),
    };
    let id = emulator.change(|state| state.pipelines.define(definition));
    Ok(Reply::json(200, &json!({"id": id, "name": name})))
}

async fn put_connection(emulator: Arc<Emulator>, request: Request) -> Result<Reply, Reply> {
    authorize(&emulator, &request)?;
    let new: NewConnection = body(&request)?;
    let name = request.param("name").to_owned();
    let new = new.complete().map_err(|problem| {
        let message = format!("the service connection {name:?} was not made: {problem}");
        Reply::json(400, &json!({ "error": message }))
    })?;
    let mut shown = json!({"name": name, "type": new.kind, "scheme": new.scheme, "url": new.url});
    let connection = emulator.change(|state| {
        let connections = &mut state.pipelines.connections;
        let known = connections.iter().position(|known| known.name.eq_ignore_ascii_case(&name));
        let id = known.map_or_else(Uuid::new_v4, |position| connections.remove(position).id);
        let connection = Connection::new(id, &name, new);
        connections.push(connection.clone());
        connection
    });
    shown["id"] = json!(connection.id);
    if connection.is_federated() {
        // What the service shows for the federated credential that somebody must make.
        let organization = emulator.read(|state| state.devops.organization_id);
        shown["workloadIdentityFederationIssuer"] = json!(devops::issuer(organization));
        shown["workloadIdentityFederationSubject"] = json!(devops::subject(&name));
    }
    Ok(Reply::json(200, &shown))
}

/// The identities of the machines on which hosted agents run.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MachineIdentities {
    /// Resource ids of user-assigned identities.
    identities: Vec<String>,
}

async fn put_identities(emulator: Arc<Emulator>, request: Request) -> Result<Reply, Reply> {
    authorize(&emulator, &request)?;
    let MachineIdentities { identities } = body(&request)?;
    let given = emulator.change(|state| hosted::set_identities(state, &identities));
    let given = given.map_err(|missing| {
        let message =
            format!("there is no user-assigned identity {missing:?}: make it in Resource Manager first");
        Reply::json(400, &json!({ "error": message }))
    })?;
    let shown: Vec<Value> = given
        .iter()
        .map(|identity| {
            json!({
                "id": identity.resource_id, "clientId": identity.client_id, "principalId": identity.principal_id,
            })
        })
        .collect();
    Ok(Reply::json(200, &json!({ "identities": shown })))
}
