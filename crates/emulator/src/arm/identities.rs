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
use super::{addresses, pages, resources};
use crate::State;
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
        let group = match key {
            Some(key) => self.container_groups.values().find(|group| group.identity_token == key),
            None => addresses::group_at(self, address),
        }?;
        let open = group.identities.iter().filter(|identity| is_open_to(group, identity, "User"));
        Some(GroupIdentities { started: group.started, identities: open.cloned().collect() })
    }

    /// The user-assigned identity of this resource id.
    pub fn user_assigned_identity(&self, id: &str) -> Option<&Identity> {
        self.user_assigned_identities.get(&id.to_ascii_lowercase()).map(|resource| &resource.identity)
    }

    /// All managed identities: those that are resources, and those that belong to container groups.
    pub fn identities(&self) -> impl Iterator<Item = &Identity> {
        let user_assigned = self.user_assigned_identities.values().map(|resource| &resource.identity);
        let of_groups = self.container_groups.values().flat_map(|group| &group.identities);
        user_assigned.chain(of_groups.filter(|identity| identity.is_system_assigned))
    }

    /// The name of the managed identity of a principal.
    pub fn identity_name(&self, principal: Uuid) -> Option<String> {
        let identity = self.identities().find(|identity| identity.principal_id == principal)?;
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

const KIND: &str = "Microsoft.ManagedIdentity/userAssignedIdentities";
const READ: &str = "Microsoft.ManagedIdentity/userAssignedIdentities/read";
const WRITE: &str = "Microsoft.ManagedIdentity/userAssignedIdentities/write";

pub(super) fn routes(router: &mut Router) {
    let all = format!("/subscriptions/{{subscription}}/providers/{KIND}");
    let of_group = format!("/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{KIND}");
    let one = format!("{of_group}/{{name}}");
    on(router, Method::GET, &all, READ, list);
    on(router, Method::GET, &of_group, READ, list);
    on(router, Method::GET, &one, READ, get);
    on(router, Method::PUT, &one, WRITE, put);
    on(router, Method::PATCH, &one, WRITE, patch);
    on(router, Method::DELETE, &one, "Microsoft.ManagedIdentity/userAssignedIdentities/delete", delete);
}

fn show(state: &State, resource: &UserAssignedIdentity) -> Value {
    json!({
        "id": resource.identity.resource_id, "name": resource.name, "location": resource.location,
        "tags": resource.tags, "type": KIND,
        "properties": {
            "tenantId": state.world.tenant, "principalId": resource.identity.principal_id,
            "clientId": resource.identity.client_id,
        },
    })
}

fn list(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let within = pages::within(call);
    let resources = state.arm.user_assigned_identities.iter();
    let shown = resources
        .filter(|(key, _)| key.starts_with(&within))
        .map(|(_, resource)| show(state, resource))
        .collect();
    Ok(pages::page(state, call, shown))
}

fn get(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let resource = state.arm.user_assigned_identities.get(&resources::id(call, KIND).to_ascii_lowercase());
    let resource = resource.ok_or_else(|| resources::missing(call, KIND))?;
    Ok(Reply::json(200, &show(state, resource)))
}

/// Assumed: code and text for a bad name. The rule is documented: 3 to 128 letters, digits, hyphens and underscores,
/// the first a letter or digit.
fn check_name(name: &str) -> Result<(), Refusal> {
    let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if letters && first && (3..=128).contains(&name.len()) {
        return Ok(());
    }
    let message = format!(
        "The resource name '{name}' is invalid: it must have 3 to 128 letters, digits, hyphens and underscores, and \
         start with a letter or digit."
    );
    Err(Refusal::new(400, "InvalidResourceName", message))
}

fn put(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let (body, id) = (call.body()?, resources::id(call, KIND));
    check_name(call.param("name"))?;
    let known = state.arm.user_assigned_identities.get(&id.to_ascii_lowercase());
    let location =
        resources::location(&state.faults, (&body, call), KIND, known.map(|known| known.location.as_str()))?;
    let status = if known.is_some() { 200 } else { 201 };
    let resource = UserAssignedIdentity {
        name: call.param("name").to_owned(),
        location,
        tags: resources::tags(&body),
        identity: known.map_or_else(|| Identity::new(&id, false), |known| known.identity.clone()),
    };
    let shown = show(state, &resource);
    state.arm.user_assigned_identities.insert(id.to_ascii_lowercase(), resource);
    Ok(Reply::json(status, &shown))
}

fn patch(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let body = call.body()?;
    let key = resources::id(call, KIND).to_ascii_lowercase();
    let resource = state.arm.user_assigned_identities.get_mut(&key);
    let resource = resource.ok_or_else(|| resources::missing(call, KIND))?;
    if body["tags"].is_object() {
        resource.tags = body["tags"].clone();
    }
    get(state, call)
}

/// The roles that its principal has stay, as in Azure, where they are shown as those of somebody unknown.
fn delete(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let id = resources::id(call, KIND);
    if !state.arm.user_assigned_identities.contains_key(&id.to_ascii_lowercase()) {
        return Ok(Reply::status(204));
    }
    super::remove(state, &id);
    Ok(Reply::status(200))
}
