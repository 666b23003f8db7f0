//! Microsoft Graph, as far as clients look up whom roles are given to: service principals, those of managed identities
//! among them. A tenant of the emulator has no people and no groups.
//!
//! Assumed: whoever signs in may read the directory. A real tenant asks for `Application.Read.All` or more.

use std::sync::Arc;

use hyper::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::audience::Audience;
use super::caller::caller;
use crate::http::{Reply, Request, Router};
use crate::{Emulator, State};

/// Adds the routes.
pub(super) fn routes(router: &mut Router) {
    router.on(Method::GET, "/graph/v1.0/servicePrincipals", list);
    router.on(Method::GET, "/graph/v1.0/servicePrincipals/{id}", get);
    router.on(Method::POST, "/graph/v1.0/directoryObjects/getByIds", get_by_ids);
}

/// A service principal.
#[derive(Debug)]
struct Principal {
    id: Uuid,
    app_id: Uuid,
    name: String,
    kind: &'static str,
}

impl Principal {
    fn show(&self) -> Value {
        json!({
            "id": self.id, "appId": self.app_id, "displayName": self.name, "accountEnabled": true,
            "servicePrincipalNames": [self.app_id], "servicePrincipalType": self.kind,
        })
    }
}

fn principals(state: &State) -> impl Iterator<Item = Principal> {
    let apps = state.entra.apps.iter().map(|app| Principal {
        id: app.object_id,
        app_id: app.client_id,
        name: app.name.clone(),
        kind: "Application",
    });
    let identities = state.arm.identities().map(|identity| Principal {
        id: identity.principal_id,
        app_id: identity.client_id,
        name: identity.resource_id.rsplit('/').next().unwrap_or_default().to_owned(),
        kind: "ManagedIdentity",
    });
    apps.chain(identities)
}

fn refusal(status: u16, code: &str, message: &str) -> Reply {
    Reply::json(status, &json!({"error": {"code": code, "message": message}}))
}

fn admit(emulator: &Emulator, request: &Request) -> Result<(), Reply> {
    let signed_in = caller(emulator, request, Audience::Graph);
    let refused =
        |_| refusal(401, "InvalidAuthenticationToken", "Access token is missing, invalid or has expired.");
    signed_in.map(|_| ()).map_err(refused)
}

/// What a filter asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted<'a> {
    /// The one with this client id.
    Client(&'a str),
    /// Those with this display name.
    Name(&'a str),
    /// Those whose display name begins like this, in whatever case.
    Beginning(&'a str),
}

impl<'a> Wanted<'a> {
    /// Reads a filter of one of the forms that clients send.
    fn read(filter: &'a str) -> Option<Self> {
        let between = |begin: &str, end: &str| {
            let value = filter.strip_prefix(begin)?.strip_suffix(end)?;
            (!value.contains('\'')).then_some(value)
        };
        between("servicePrincipalNames/any(c:c eq '", "')")
            .or_else(|| between("appId eq '", "'"))
            .map(Self::Client)
            .or_else(|| between("displayName eq '", "'").map(Self::Name))
            .or_else(|| between("startswith(displayName,'", "')").map(Self::Beginning))
    }

    fn is(self, principal: &Principal) -> bool {
        match self {
            Self::Client(id) => principal.app_id.to_string().eq_ignore_ascii_case(id),
            Self::Name(name) => principal.name.eq_ignore_ascii_case(name),
            Self::Beginning(begin) => principal.name.to_lowercase().starts_with(&begin.to_lowercase()),
        }
    }
}

async fn list(emulator: Arc<Emulator>, request: Request) -> Result<Reply, Reply> {
    admit(&emulator, &request)?;
    let filter = request.query.get("$filter").unwrap_or_default();
    let wanted = Wanted::read(filter);
    if wanted.is_none() && !filter.is_empty() {
        let message = format!("Unsupported or invalid query filter clause: {filter}");
        return Err(refusal(400, "Request_UnsupportedQuery", &message));
    }
    let shown: Vec<Value> = emulator.read(|state| {
        let found = principals(state).filter(|known| wanted.is_none_or(|wanted| wanted.is(known)));
        found.map(|found| found.show()).collect()
    });
    Ok(Reply::json(200, &json!({ "value": shown })))
}

async fn get(emulator: Arc<Emulator>, request: Request) -> Result<Reply, Reply> {
    admit(&emulator, &request)?;
    let id = request.param("id");
    let is_it = |principal: &Principal| principal.id.to_string().eq_ignore_ascii_case(id);
    let found = emulator.read(|state| principals(state).find(is_it));
    found.map(|found| Reply::json(200, &found.show())).ok_or_else(|| {
        let message = format!(
            "Resource '{id}' does not exist or one of its queried reference-property objects are not present."
        );
        refusal(404, "Request_ResourceNotFound", &message)
    })
}

/// Those of some ids that are known; the others are left out.
async fn get_by_ids(emulator: Arc<Emulator>, request: Request) -> Result<Reply, Reply> {
    admit(&emulator, &request)?;
    let body: Value = request.json().map_err(|error| refusal(400, "BadRequest", &error.to_string()))?;
    let ids = body["ids"].as_array().ok_or_else(|| refusal(400, "BadRequest", "The body has no 'ids'."))?;
    let is_asked = |principal: &Principal| {
        let id = principal.id.to_string();
        ids.iter().any(|asked| asked.as_str().is_some_and(|asked| asked.eq_ignore_ascii_case(&id)))
    };
    let show = |principal: Principal| {
        let mut shown = principal.show();
        shown["@odata.type"] = Value::from("#microsoft.graph.servicePrincipal");
        shown
    };
    let shown: Vec<Value> = emulator.read(|state| principals(state).filter(is_asked).map(show).collect());
    Ok(Reply::json(200, &json!({ "value": shown })))
}

#[cfg(test)]
mod tests {
    use super::Wanted;

    #[test]
    fn a_filter_compares_one_member() {
        for (filter, wanted) in [
            ("servicePrincipalNames/any(c:c eq 'x')", Some(Wanted::Client("x"))),
            ("appId eq 'x'", Some(Wanted::Client("x"))),
            ("displayName eq 'a thing'", Some(Wanted::Name("a thing"))),
            ("startswith(displayName,'a')", Some(Wanted::Beginning("a"))),
            ("appId eq 'x' or appId eq 'y'", None),
            ("endswith(displayName,'x')", None),
        ] {
            assert_eq!(Wanted::read(filter), wanted, "{filter}");
        }
    }
}
