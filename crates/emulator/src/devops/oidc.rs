//! Tokens with which a job proves to Entra ID that it runs for a service connection.

use hyper::Method;
use serde_json::json;
use uuid::Uuid;

use super::plan_views::{PLAN, plan_of};
use super::wire::Refusal;
use super::{Call, endpoint};
use crate::http::{Reply, Router};
use crate::world::{ORGANIZATION, PROJECT};

/// How long such a token is good. Assumed: about ten minutes.
const SECONDS: i64 = 600;

/// Adds the route.
pub(super) fn routes(router: &mut Router) {
    endpoint(router, Method::POST, &format!("{PLAN}/jobs/{{job}}/oidctoken"), token);
}

/// Who issues the tokens of an organization.
pub(crate) fn issuer(organization_id: Uuid) -> String {
    format!("https://vstoken.emulator/{organization_id}")
}

/// Whom the token of a service connection is about.
pub(crate) fn subject(connection: &str) -> String {
    format!("sc://{ORGANIZATION}/{PROJECT}/{connection}")
}

async fn token(call: Call) -> Result<Reply, Reply> {
    let plan_id = plan_of(&call)?;
    call.caller.require_plan(plan_id)?;
    let text = call.request.query.get("serviceConnectionId").unwrap_or_default();
    let id = text
        .parse::<Uuid>()
        .map_err(|_| Refusal::bad_request("serviceConnectionId is missing or not an id."))?;
    let (connection, organization) = call.emulator.read(|state| {
        (crate::pipelines::service_connection(state, id).cloned(), state.devops.organization_id)
    });
    let now = call.emulator.now().as_second();
    let connection = connection.ok_or_else(|| {
        let message = format!("The service connection {id} does not exist, or the pipeline may not use it.");
        Refusal::new(404, "ServiceEndpointNotFoundException", message)
    })?;
    if !connection.is_federated() {
        // Assumed: the service gives none, in whatever words.
        let message =
            format!("The service connection {} does not use workload identity federation.", connection.name);
        return Err(Refusal::bad_request(message).into());
    }
    let token = call.emulator.signing_key.sign(&json!({
        "iss": issuer(organization), "aud": "api://AzureADTokenExchange", "jti": Uuid::new_v4(),
        "sub": subject(&connection.name), "iat": now, "nbf": now, "exp": now + SECONDS,
    }));
    Ok(Reply::json(200, &json!({"oidcToken": token})))
}
