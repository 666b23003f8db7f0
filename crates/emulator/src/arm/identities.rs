//! Microsoft.ManagedIdentity: user-assigned identities; and which identities a container group has.

use std::net::IpAddr;

use hyper::Method;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::container_groups::ContainerGroup;
use super::gate::{Call, on};
use super::refusal::Refusal;
use super::regions;
use crate::http::{Reply, Router};

/// A managed identity.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Identity {
    /// Its client id.
    pub client_id: Uuid,
    /// Object id of its service principal.
    pub principal_id: Uuid,
    /// The user-assigned identity, or the resource that it belongs to.
    pub resource_id: String,
    /// Whether it belongs to one resource.
    pub is_system_assigned: bool,
}

impl Identity {
    /// A new one.
    pub(super) fn new(resource_id: &str, is_system_assigned: bool) -> Self {
        let resource_id = resource_id.to_owned();
        Self { client_id: Uuid::new_v4(), principal_id: Uuid::new_v4(), resource_id, is_system_assigned }
    }
}

/// A user-assigned identity as a resource.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UserAssignedIdentity {
    /// Its name.
    pub name: String,
    /// Where its record lies.
    pub location: String,
    /// Its tags.
    pub tags: Value,
    /// Itself.
    pub identity: Identity,
}

/// The identities of a container group.
#[derive(Clone, Debug)]
pub struct GroupIdentities {
    /// When its containers started.
    pub started: Option<Timestamp>,
    /// They.
    pub identities: Vec<Identity>,
}

impl super::State {
    /// The identities that the code in a container group may use: the group that has this key, or without one, this
    /// address.
    pub fn identities_of(&self, key: Option<&str>, address: IpAddr) -> Option<GroupIdentities> {
        let mut groups = self.container_groups.values();
        let group = groups.find(|group| match key {
            Some(key) => group.identity_token == key,
            None => group.service_address == Some(address),
        })?;
        let open = group.identities.iter().filter(|identity| is_open_to(group, identity, "User"));
        Some(GroupIdentities { started: group.started, identities: open.cloned().collect() })
    }

    /// The user-assigned identity of this resource id.
    pub fn user_assigned_identity(&self, id: &str) -> Option<&Identity> {
        self.user_assigned_identities.get(&id.to_ascii_lowercase()).map(|resource| &resource.identity)
    }

    /// The name of the managed identity of a principal.
    pub fn identity_name(&self, principal: Uuid) -> Option<String> {
        let user_assigned = self.user_assigned_identities.values();
        let mut all = user_assigned
            .map(|resource| &resource.identity)
            .chain(self.container_groups.values().flat_map(|group| &group.identities));
        let identity = all.find(|identity| identity.principal_id == principal)?;
        identity.resource_id.rsplit('/').next().map(str::to_owned)
    }
}

/// Whether an identity of a group is open to the code in it (`User`) or to the platform that pulls its images
/// (`System`): what `identityAcls` says. Assumed: without a word on it, to both.
pub(super) fn is_open_to(group: &ContainerGroup, identity: &Identity, whom: &str) -> bool {
    let lists = &group.properties["identityAcls"];
    let mut named = lists["acls"].as_array().into_iter().flatten();
    let named = named.find(|entry| {
        entry["identity"].as_str().is_some_and(|id| id.eq_ignore_ascii_case(&identity.resource_id))
    });
    let access = named.map_or(&lists["defaultAccess"], |entry| &entry["access"]);
    access.as_str().is_none_or(|access| access == "All" || access == whom)
}

pub(super) fn routes(router: &mut Router) {
    let base = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities";
    let one = format!("{base}/{{name}}");
    on(router, Method::GET, base, "Microsoft.ManagedIdentity/userAssignedIdentities/read", list);
    on(router, Method::GET, &one, "Microsoft.ManagedIdentity/userAssignedIdentities/read", get);
    on(router, Method::PUT, &one, "Microsoft.ManagedIdentity/userAssignedIdentities/write", put);
    on(router, Method::DELETE, &one, "Microsoft.ManagedIdentity/userAssignedIdentities/delete", delete);
}

fn show(state: &crate::State, resource: &UserAssignedIdentity) -> Value {
    json!({
        "id": resource.identity.resource_id, "name": resource.name, "location": resource.location,
        "tags": resource.tags, "type": "Microsoft.ManagedIdentity/userAssignedIdentities",
        "properties": {
            "tenantId": state.world.tenant, "principalId": resource.identity.principal_id,
            "clientId": resource.identity.client_id,
        },
    })
}

fn id(call: &Call) -> String {
    let (subscription, group, name) = (call.subscription(), call.param("group"), call.param("name"));
    format!(
        "{subscription}/resourceGroups/{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"
    )
}

fn list(state: &mut crate::State, call: &Call) -> Result<Reply, Refusal> {
    let within =
        format!("{}/resourcegroups/{}/", call.subscription(), call.param("group")).to_ascii_lowercase();
    let resources = state.arm.user_assigned_identities.iter();
    let shown: Vec<Value> = resources
        .filter(|(key, _)| key.starts_with(&within))
        .map(|(_, resource)| show(state, resource))
        .collect();
    Ok(Reply::json(200, &json!({"value": shown})))
}

fn get(state: &mut crate::State, call: &Call) -> Result<Reply, Refusal> {
    let resource = state.arm.user_assigned_identities.get(&id(call).to_ascii_lowercase());
    let resource = resource.ok_or_else(|| {
        let name = format!("Microsoft.ManagedIdentity/userAssignedIdentities/{}", call.param("name"));
        Refusal::not_found(&name, call.param("group"))
    })?;
    Ok(Reply::json(200, &show(state, resource)))
}

fn put(state: &mut crate::State, call: &Call) -> Result<Reply, Refusal> {
    let (body, id) = (call.body()?, id(call));
    let location = body["location"].as_str().ok_or_else(|| {
        Refusal::new(400, "LocationRequired", "The location property is required for this definition.")
    })?;
    let known = state.arm.user_assigned_identities.get(&id.to_ascii_lowercase());
    let status = if known.is_some() { 200 } else { 201 };
    let resource = UserAssignedIdentity {
        name: call.param("name").to_owned(),
        location: regions::normalize(location),
        tags: if body["tags"].is_object() { body["tags"].clone() } else { json!({}) },
        identity: known.map_or_else(|| Identity::new(&id, false), |known| known.identity.clone()),
    };
    let shown = show(state, &resource);
    state.arm.user_assigned_identities.insert(id.to_ascii_lowercase(), resource);
    Ok(Reply::json(status, &shown))
}

fn delete(state: &mut crate::State, call: &Call) -> Result<Reply, Refusal> {
    let removed = state.arm.user_assigned_identities.remove(&id(call).to_ascii_lowercase());
    Ok(Reply::status(if removed.is_some() { 200 } else { 204 }))
}
