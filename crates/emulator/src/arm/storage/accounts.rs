//! The calls on storage accounts.

use base64::Engine as _;
use hyper::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::rules;
use crate::arm::gate::{Call, on};
use crate::arm::operations::{self, Status};
use crate::arm::refusal::Refusal;
use crate::arm::resources::{self, Resource};
use crate::arm::{names, pages};
use crate::backends::{Command, NO_AZURITE};
use crate::http::{Reply, Router};
use crate::{Effect, State};

pub(in crate::arm) const KIND: &str = "Microsoft.Storage/storageAccounts";
const READ: &str = "Microsoft.Storage/storageAccounts/read";
const WRITE: &str = "Microsoft.Storage/storageAccounts/write";

/// Kinds of accounts that hold blobs and are still made.
const KINDS: [&str; 3] = ["StorageV2", "BlobStorage", "BlockBlobStorage"];

/// The keys of an account.
#[derive(Clone, Serialize, Deserialize)]
pub struct AccountKeys {
    /// Both are good. As Azurite takes them: base64.
    pub keys: [String; 2],
}

impl AccountKeys {
    fn new() -> Self {
        Self { keys: std::array::from_fn(|_| random_key()) }
    }
}

impl std::fmt::Debug for AccountKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccountKeys").finish_non_exhaustive()
    }
}

/// 64 bytes, as Azure's keys have.
fn random_key() -> String {
    let bytes: [u8; 64] = std::array::from_fn(|_| rand::random());
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

pub(super) fn routes(router: &mut Router) {
    let all = format!("/subscriptions/{{subscription}}/providers/{KIND}");
    let of_group = format!("/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{KIND}");
    let one = format!("{of_group}/{{name}}");
    on(router, Method::GET, &all, READ, list);
    on(router, Method::GET, &of_group, READ, list);
    on(router, Method::GET, &one, READ, get);
    on(router, Method::PUT, &one, WRITE, put);
    on(router, Method::PATCH, &one, WRITE, patch);
    on(router, Method::DELETE, &one, "Microsoft.Storage/storageAccounts/delete", delete);
    let list_keys = "Microsoft.Storage/storageAccounts/listkeys/action";
    on(router, Method::POST, &format!("{one}/listKeys"), list_keys, keys);
    on(
        router,
        Method::POST,
        "/subscriptions/{subscription}/providers/Microsoft.Storage/checkNameAvailability",
        "Microsoft.Storage/checknameavailability/read",
        check_name,
    );
    on(
        router,
        Method::GET,
        "/subscriptions/{subscription}/providers/Microsoft.Storage/locations/{location}/asyncoperations/{id}",
        "",
        outcome,
    );
}

pub(super) fn show(state: &State, account: &Resource) -> Value {
    let mut shown = account.show(state);
    shown["kind"] = account.properties["kind"].clone();
    if let Some(properties) = shown["properties"].as_object_mut() {
        properties.remove("kind");
    }
    let made = shown["properties"]["creationTime"].clone();
    let encrypted = json!({"enabled": true, "keyType": "Account", "lastEnabledTime": made});
    shown["properties"]["encryption"] =
        json!({"keySource": "Microsoft.Storage", "services": {"blob": encrypted, "file": encrypted}});
    shown["properties"]["keyCreationTime"] = json!({"key1": made, "key2": made});
    let creating = operations::pending(state, &account.id).is_some();
    shown["properties"]["provisioningState"] = Value::from(if creating { "Creating" } else { "Succeeded" });
    shown
}

fn invalid_name(name: &str) -> Option<String> {
    let letters = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let message = format!(
        "{name} is not a valid storage account name. Storage account name must be between 3 and 24 characters in length \
         and use numbers and lower-case letters only."
    );
    (!letters || !(3..=24).contains(&name.len())).then_some(message)
}

/// Whether another account has a name: here (`Some(true)`) or elsewhere.
fn taken(state: &State, name: &str, id: &str) -> Option<bool> {
    if names::taken_elsewhere(state, name) {
        return Some(false);
    }
    let mut others = state.arm.resources.values().filter(|resource| resource.kind == KIND);
    others.any(|other| other.name == name && !other.id.eq_ignore_ascii_case(id)).then_some(true)
}

fn check_name(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let body = call.body()?;
    let name = body["name"].as_str().unwrap_or_default();
    let refused = |reason: &str, message: String| {
        Reply::json(200, &json!({"nameAvailable": false, "reason": reason, "message": message}))
    };
    Ok(match (invalid_name(name), taken(state, name, "")) {
        (Some(message), _) => refused("AccountNameInvalid", message),
        (None, Some(_)) => {
            refused("AlreadyExists", format!("The storage account named {name} is already taken."))
        }
        (None, None) => Reply::json(200, &json!({ "nameAvailable": true })),
    })
}

fn list(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    Ok(pages::page(state, call, resources::listed(state, call, KIND, show)))
}

fn get(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    Ok(Reply::json(200, &show(state, resources::find(state, call, KIND)?)))
}

fn put(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let (body, id, name) = (call.body()?, resources::id(call, KIND), call.param("name"));
    let account = admit(state, call, &body)?;
    if let Some(known) = state.arm.resources.get_mut(&id.to_ascii_lowercase()) {
        let before = std::mem::replace(&mut known.properties, account.properties);
        for kept in ["creationTime", "primaryEndpoints"] {
            known.properties[kept] = before[kept].clone();
        }
        (known.tags, known.sku) = (account.tags, account.sku);
        return get(state, call);
    }
    if let Some(here) = taken(state, name, &id) {
        let (code, message) = if here {
            let message =
                format!("The account {name} is already in another resource group in this subscription.");
            ("StorageAccountInAnotherResourceGroup", message)
        } else {
            ("StorageAccountAlreadyTaken", format!("The storage account named {name} is already taken."))
        };
        return Err(Refusal::new(409, code, message));
    }
    if state.programs.azurite.is_none() {
        // Not Azure's: what the emulator lacks.
        return Err(Refusal::new(501, "NoAzuriteBehind", NO_AZURITE));
    }
    let location = account.location.clone();
    state.arm.storage_secrets.insert(id.to_ascii_lowercase(), AccountKeys::new());
    state.arm.resources.insert(id.to_ascii_lowercase(), account);
    let operation = operations::begin(state, &id);
    state.effects.push(Effect::Backend(Command::Open { id, operation: Some(operation) }));
    Ok(still_going(call, &location, operation))
}

/// An account out of a body.
fn admit(state: &State, call: &Call, body: &Value) -> Result<Resource, Refusal> {
    let name = call.param("name");
    if let Some(message) = invalid_name(name) {
        return Err(Refusal::new(400, "AccountNameInvalid", message));
    }
    let known = resources::find(state, call, KIND).ok();
    let location =
        resources::location(&state.faults, (body, call), KIND, known.map(|known| known.location.as_str()))?;
    let kind = body["kind"].as_str().unwrap_or_default();
    let sku = body["sku"]["name"].as_str().unwrap_or_default();
    if !KINDS.contains(&kind) || sku.is_empty() {
        // Assumed: the code and the text.
        let message = format!(
            "The storage account needs a SKU ('sku.name') and a kind, one of {}; it has '{sku}' and '{kind}'.",
            KINDS.join(", ")
        );
        return Err(Refusal::new(400, "InvalidRequestPropertyValue", message));
    }
    let asked = &body["properties"];
    let acls = rules::read(state, call, &asked["networkAcls"])?;
    let tier = sku.split('_').next().unwrap_or_default();
    Ok(Resource {
        id: resources::id(call, KIND),
        name: name.to_owned(),
        kind: KIND.to_owned(),
        location: location.clone(),
        tags: resources::tags(body),
        sku: json!({"name": sku, "tier": tier}),
        properties: json!({
            "kind": kind, "creationTime": state.now.to_string(), "networkAcls": acls,
            "accessTier": asked["accessTier"].as_str().unwrap_or("Hot"),
            "minimumTlsVersion": asked["minimumTlsVersion"].as_str().unwrap_or("TLS1_2"),
            "allowBlobPublicAccess": asked["allowBlobPublicAccess"].as_bool().unwrap_or(false),
            "allowSharedKeyAccess": asked["allowSharedKeyAccess"].as_bool().unwrap_or(true),
            "publicNetworkAccess": asked["publicNetworkAccess"].as_str().unwrap_or("Enabled"),
            "supportsHttpsTrafficOnly": true, "primaryLocation": location, "statusOfPrimary": "available",
        }),
    })
}

/// The reply while an account is made: nothing but where to ask again.
fn still_going(call: &Call, location: &str, operation: Uuid) -> Reply {
    let url = format!(
        "{}{}/providers/Microsoft.Storage/locations/{location}/asyncoperations/{operation}?monitor=true&api-version=2025-08-01",
        call.request.base_url,
        call.subscription()
    );
    Reply::status(202).header("location", &url).header("retry-after", "1")
}

fn outcome(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let id = call.param("id");
    let operation = state.arm.operations.iter().find(|operation| operation.id.to_string() == id);
    let Some(operation) = operation else {
        return Err(Refusal::new(
            404,
            "OperationNotFound",
            format!("The operation '{id}' could not be found."),
        ));
    };
    match operation.status {
        Status::Pending => Ok(still_going(call, call.param("location"), operation.id)),
        Status::Succeeded | Status::Canceled => {
            let account = state.arm.resources.get(&operation.resource.to_ascii_lowercase());
            Ok(account.map_or_else(|| Reply::status(404), |account| Reply::json(200, &show(state, account))))
        }
        Status::Failed => {
            let (code, message) = operation.error.clone().unwrap_or_default();
            Err(Refusal::new(500, code, message))
        }
    }
}

fn patch(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let body = call.body()?;
    let id = resources::find(state, call, KIND)?.id.to_ascii_lowercase();
    let acls = &body["properties"]["networkAcls"];
    let acls = if acls.is_object() { Some(rules::read(state, call, acls)?) } else { None };
    if let Some(account) = state.arm.resources.get_mut(&id) {
        if body["tags"].is_object() {
            account.tags = body["tags"].clone();
        }
        if let Some(acls) = acls {
            account.properties["networkAcls"] = acls;
        }
        for member in ["accessTier", "minimumTlsVersion", "publicNetworkAccess"] {
            if body["properties"][member].is_string() {
                account.properties[member] = body["properties"][member].clone();
            }
        }
    }
    get(state, call)
}

fn keys(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let account = resources::find(state, call, KIND)?;
    let keys = state.arm.storage_secrets.get(&account.id.to_ascii_lowercase());
    let shown: Vec<Value> = keys
        .into_iter()
        .flat_map(|keys| &keys.keys)
        .enumerate()
        .map(|(index, key)| {
            json!({
                "keyName": format!("key{}", index + 1), "value": key, "permissions": "FULL",
                "creationTime": account.properties["creationTime"],
            })
        })
        .collect();
    Ok(Reply::json(200, &json!({ "keys": shown })))
}

fn delete(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let Ok(account) = resources::find(state, call, KIND) else { return Ok(Reply::status(204)) };
    let id = account.id.clone();
    crate::arm::remove(state, &id);
    Ok(Reply::status(200))
}

/// What Azurite is told: the account and its keys.
pub(in crate::arm) fn environment(state: &State, account: &Resource) -> Vec<(String, String)> {
    let Some(keys) = state.arm.storage_secrets.get(&account.id.to_ascii_lowercase()) else {
        return Vec::new();
    };
    let [first, second] = &keys.keys;
    vec![("AZURITE_ACCOUNTS".to_owned(), format!("{}:{first}:{second}", account.name))]
}

/// Azurite answers, and the emulator in front of it, on this port.
pub(in crate::arm) fn opened(state: &mut State, id: &str, host: &str, port: u16) {
    if let Some(account) = state.arm.resources.get_mut(&id.to_ascii_lowercase()) {
        let blob = format!("https://{host}:{port}/{}/", account.name);
        account.properties["primaryEndpoints"] = json!({ "blob": blob });
    }
}
