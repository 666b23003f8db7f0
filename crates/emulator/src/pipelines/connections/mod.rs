//! Service connections of the project: what tasks get as endpoints.

mod check;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::run::Shade;

/// A service connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Connection {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// Its type: `azurerm`, `dockerregistry`.
    pub kind: String,
    /// Where it leads.
    pub url: String,
    /// How it authenticates: `ServicePrincipal`, `WorkloadIdentityFederation`, `UsernamePassword`.
    pub scheme: String,
    pub(crate) parameters: BTreeMap<String, Shade>,
    /// What else tasks read from it.
    pub data: BTreeMap<String, String>,
}

/// What is sent to make one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewConnection {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) url: String,
    pub(crate) scheme: String,
    #[serde(default)]
    pub(crate) parameters: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) data: BTreeMap<String, String>,
}

impl NewConnection {
    /// Fills in what the service knows by itself. `Err` names what is missing.
    pub(crate) fn complete(self) -> Result<Self, String> {
        check::complete(self)
    }

    /// A parameter that is there and not empty; names are compared without regard to case, as tasks do.
    fn parameter(&self, name: &str) -> Option<&str> {
        member(&self.parameters, name)
    }

    /// The same for what else tasks read.
    fn data(&self, name: &str) -> Option<&str> {
        member(&self.data, name)
    }
}

fn member<'a>(members: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    let found = members.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    Some(found.1.as_str()).filter(|value| !value.trim().is_empty())
}

impl Connection {
    /// Makes one. Every parameter counts as secret.
    pub(crate) fn new(id: Uuid, name: &str, new: NewConnection) -> Self {
        Self {
            id,
            name: name.to_owned(),
            kind: new.kind,
            url: new.url,
            scheme: new.scheme,
            parameters: new
                .parameters
                .into_iter()
                .map(|(name, value)| (name, Shade::hidden(value)))
                .collect(),
            data: new.data,
        }
    }

    /// Whether it stands for an app that trusts this organization's tokens.
    pub(crate) fn is_federated(&self) -> bool {
        self.scheme == "WorkloadIdentityFederation"
    }

    /// Whether a text names it, by name or id.
    pub(crate) fn is(&self, text: &str) -> bool {
        self.name.eq_ignore_ascii_case(text) || self.id.to_string().eq_ignore_ascii_case(text)
    }

    /// As a job gets it.
    pub(crate) fn endpoint(&self) -> Value {
        let parameters: Map<String, Value> =
            self.parameters.iter().map(|(name, value)| (name.clone(), json!(value.reveal()))).collect();
        json!({
            "id": self.id, "name": self.name, "type": self.kind, "url": self.url,
            "authorization": {"scheme": self.scheme, "parameters": parameters},
            "data": self.data, "isShared": false, "isReady": true,
        })
    }
}
