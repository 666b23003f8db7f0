//! What all kinds of resources have in common: their envelope, their place, and the list of them all.

use hyper::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::gate::{Call, on};
use super::refusal::Refusal;
use super::roles::compared;
use super::{operations, pages, regions};
use crate::State;
use crate::faults::Faults;
use crate::http::{Reply, Router};

/// A resource of which nothing needs to be known but what its maker wrote.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Resource {
    /// Its id, as its creator wrote it.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its type, such as `Microsoft.Network/natGateways`.
    pub kind: String,
    /// Its region.
    pub location: String,
    /// Its tags.
    pub tags: Value,
    /// Its SKU, where its kind has one.
    pub sku: Value,
    /// Its properties.
    pub properties: Value,
}

/// The envelope that every resource shows.
pub(super) struct Envelope<'a> {
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) kind: &'a str,
    pub(super) location: &'a str,
    pub(super) tags: &'a Value,
}

impl Envelope<'_> {
    /// It as JSON, without properties.
    pub(super) fn show(&self) -> Value {
        json!({
            "id": self.id, "name": self.name, "type": self.kind, "location": self.location, "tags": self.tags,
        })
    }
}

impl Resource {
    pub(super) fn envelope(&self) -> Envelope<'_> {
        Envelope {
            id: &self.id,
            name: &self.name,
            kind: &self.kind,
            location: &self.location,
            tags: &self.tags,
        }
    }

    /// It as JSON, with how far it is provisioned.
    pub(super) fn show(&self, state: &State) -> Value {
        let mut shown = self.envelope().show();
        shown["properties"] = self.properties.clone();
        shown["properties"]["provisioningState"] = Value::from(operations::provisioning(state, &self.id));
        if self.sku.is_object() {
            shown["sku"] = self.sku.clone();
        }
        shown
    }
}

/// The id of the resource of that kind which a path names with `{name}`.
pub(super) fn id(call: &Call, kind: &str) -> String {
    format!(
        "{}/resourceGroups/{}/providers/{kind}/{}",
        call.subscription(),
        call.param("group"),
        call.param("name")
    )
}

/// That resource.
pub(super) fn find<'a>(state: &'a State, call: &Call, kind: &str) -> Result<&'a Resource, Refusal> {
    state.arm.resources.get(&id(call, kind).to_ascii_lowercase()).ok_or_else(|| missing(call, kind))
}

/// What is said where there is none.
pub(super) fn missing(call: &Call, kind: &str) -> Refusal {
    Refusal::not_found(&format!("{kind}/{}", call.param("name")), call.param("group"))
}

/// How a resource of some kind is shown.
pub(super) type Show = fn(&State, &Resource) -> Value;

/// Those of a kind that a list is about: each as it is shown by itself.
pub(super) fn listed(state: &State, call: &Call, kind: &str, show: Show) -> Vec<Value> {
    let within = pages::within(call);
    let resources = state.arm.resources.iter().filter(|(key, _)| key.starts_with(&within));
    resources
        .filter(|(_, resource)| resource.kind == kind)
        .map(|(_, resource)| show(state, resource))
        .collect()
}

/// The region that a body names, which must be one, and for a resource that is there must be its own.
pub(super) fn location(
    faults: &Faults,
    (body, call): (&Value, &Call),
    kind: &str,
    known: Option<&str>,
) -> Result<String, Refusal> {
    let location = body["location"].as_str().filter(|location| !location.is_empty()).ok_or_else(|| {
        Refusal::new(400, "LocationRequired", "The location property is required for this definition.")
    })?;
    let location = regions::normalize(location);
    regions::require(faults, &location, kind)?;
    match known {
        Some(known) if known != location => {
            let message = format!(
                "The resource '{}' already exists in location '{known}' in resource group '{}'. A resource with the \
                 same name cannot be created in location '{location}'. Please select a new resource name.",
                call.param("name"),
                call.param("group")
            );
            Err(Refusal::new(409, "InvalidResourceLocation", message))
        }
        _ => Ok(location),
    }
}

/// The tags of a body.
pub(super) fn tags(body: &Value) -> Value {
    if body["tags"].is_object() { body["tags"].clone() } else { json!({}) }
}

/// Everything that lies in a resource group, by its envelope.
fn all(state: &State) -> impl Iterator<Item = Envelope<'_>> {
    let arm = &state.arm;
    let groups = arm.container_groups.values().map(|group| Envelope {
        id: &group.id,
        name: &group.name,
        kind: "Microsoft.ContainerInstance/containerGroups",
        location: &group.location,
        tags: &group.tags,
    });
    let networks = arm.networks.values().map(|network| Envelope {
        id: &network.id,
        name: &network.name,
        kind: "Microsoft.Network/virtualNetworks",
        location: &network.location,
        tags: &network.tags,
    });
    let identities = arm.user_assigned_identities.values().map(|resource| Envelope {
        id: &resource.identity.resource_id,
        name: &resource.name,
        kind: "Microsoft.ManagedIdentity/userAssignedIdentities",
        location: &resource.location,
        tags: &resource.tags,
    });
    let others = arm.resources.values().map(Resource::envelope);
    groups.chain(networks).chain(identities).chain(others)
}

/// Whether there is a resource of that id, or a subnet.
pub(super) fn exists(state: &State, id: &str) -> bool {
    let is_subnet = || {
        let networks = state.arm.networks.values();
        networks
            .flat_map(super::networks::VirtualNetwork::subnet_ids)
            .any(|subnet| subnet.eq_ignore_ascii_case(id))
    };
    let registries = || state.arm.registries.iter().any(|registry| registry.id.eq_ignore_ascii_case(id));
    all(state).any(|resource| resource.id.eq_ignore_ascii_case(id)) || registries() || is_subnet()
}

pub(super) fn routes(router: &mut Router) {
    let read = "Microsoft.Resources/subscriptions/resourceGroups/read";
    on(router, Method::GET, "/subscriptions/{subscription}/resources", read, list);
    on(router, Method::GET, "/subscriptions/{subscription}/resourceGroups/{group}/resources", read, list);
}

/// Whether tags are those of a filter, if it names any: `tagName eq 'a'`, perhaps with `tagValue eq 'b'`.
pub(super) fn has_tag(tags: &Value, filter: &str) -> bool {
    let Some(name) = compared(filter, "tagName") else { return true };
    let mut all = tags.as_object().into_iter().flatten();
    let found = all.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    found.is_some_and(|found| compared(filter, "tagValue").is_none_or(|value| found.as_str() == Some(value)))
}

/// `$filter` compares `resourceGroup`, `resourceType`, `name` or a tag; without it, all.
fn list(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let within = pages::within(call);
    let filter = call.request.query.get("$filter").unwrap_or_default();
    let wanted = |member| compared(filter, member).map(str::to_ascii_lowercase);
    let (kind, name, group) = (wanted("resourceType"), wanted("name"), wanted("resourceGroup"));
    let of_group = group.map(|group| format!("/resourcegroups/{group}/"));
    let fits = |wanted: &Option<String>, text: &str| {
        wanted.as_ref().is_none_or(|wanted| *wanted == text.to_ascii_lowercase())
    };
    let shown = all(state)
        .filter(|resource| resource.id.to_ascii_lowercase().starts_with(&within))
        .filter(|resource| fits(&kind, resource.kind) && fits(&name, resource.name))
        .filter(|resource| {
            of_group.as_ref().is_none_or(|group| resource.id.to_ascii_lowercase().contains(group))
        })
        .filter(|resource| has_tag(resource.tags, filter))
        .map(|resource| resource.show())
        .collect();
    Ok(pages::page(state, call, shown))
}
