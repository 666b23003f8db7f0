//! Resource providers: which there are, where they are offered, and whether the subscription is registered with them.

use hyper::Method;
use serde_json::{Value, json};

use super::gate::{Call, on};
use super::refusal::Refusal;
use super::regions;
use crate::http::{Reply, Request, Router};

/// The namespaces that are there, with their resource types.
pub(super) const NAMESPACES: &[(&str, &[&str])] = &[
    ("Microsoft.Authorization", &["locks", "roleAssignments", "roleDefinitions"]),
    ("Microsoft.ContainerInstance", &["containerGroups", "locations/usages", "locations/capabilities"]),
    ("Microsoft.ContainerRegistry", &["registries"]),
    ("Microsoft.ManagedIdentity", &["userAssignedIdentities"]),
    (
        "Microsoft.Network",
        &[
            "natGateways",
            "networkSecurityGroups",
            "publicIPAddresses",
            "virtualNetworks",
            "virtualNetworks/subnets",
        ],
    ),
    ("Microsoft.Resources", &["subscriptions", "resourceGroups"]),
    ("Microsoft.Storage", &["storageAccounts", "storageAccounts/blobServices"]),
];

pub(super) fn routes(router: &mut Router) {
    let base = "/subscriptions/{subscription}/providers";
    on(router, Method::GET, base, "Microsoft.Resources/subscriptions/providers/read", list);
    let one = format!("{base}/{{namespace}}");
    on(router, Method::GET, &one, "Microsoft.Resources/subscriptions/providers/read", get);
    on(
        router,
        Method::POST,
        &format!("{one}/register"),
        "Microsoft.Resources/subscriptions/providers/register/action",
        register,
    );
    on(
        router,
        Method::POST,
        &format!("{one}/unregister"),
        "Microsoft.Resources/subscriptions/providers/unregister/action",
        unregister,
    );
}

/// A PUT needs its namespace registered.
pub(super) fn require_registration(arm: &super::State, request: &Request) -> Result<(), Refusal> {
    let path = request.path.to_ascii_lowercase();
    let namespace = path.rsplit_once("/providers/").and_then(|(_, rest)| rest.split('/').next());
    let unregistered =
        arm.unregistered_providers.iter().find(|name| Some(name.to_ascii_lowercase().as_str()) == namespace);
    match unregistered {
        Some(name) if request.method == Method::PUT => {
            let message = format!(
                "The subscription is not registered to use namespace '{name}'. See https://aka.ms/rps-not-found for \
                 how to register subscriptions."
            );
            Err(Refusal::new(409, "MissingSubscriptionRegistration", message))
        }
        _ => Ok(()),
    }
}

fn show(state: &crate::State, call: &Call, namespace: &str, types: &[&str]) -> Value {
    let registered = !state.arm.unregistered_providers.iter().any(|name| name == namespace);
    let types: Vec<Value> = types
        .iter()
        .map(|name| {
            let kind = format!("{namespace}/{name}");
            let regions = regions::REGIONS.iter();
            let offered = regions.filter(|region| regions::is_offered(&state.faults, region.0, &kind));
            json!({
                "resourceType": name,
                "locations": offered.map(|region| region.1).collect::<Vec<_>>(),
                "apiVersions": ["2025-09-01", "2024-05-01-preview", "2023-05-01"],
            })
        })
        .collect();
    json!({
        "id": format!("{}/providers/{namespace}", call.subscription()),
        "namespace": namespace,
        "registrationPolicy": "RegistrationRequired",
        "registrationState": if registered { "Registered" } else { "NotRegistered" },
        "resourceTypes": types,
    })
}

fn find(call: &Call) -> Result<(&'static str, &'static [&'static str]), Refusal> {
    let asked = call.param("namespace");
    let found = NAMESPACES.iter().find(|(name, _)| name.eq_ignore_ascii_case(asked));
    found.copied().ok_or_else(|| {
        let message = format!("The resource namespace '{asked}' is invalid.");
        Refusal::new(404, "InvalidResourceNamespace", message)
    })
}

fn list(state: &mut crate::State, call: &Call) -> Result<Reply, Refusal> {
    let all: Vec<Value> = NAMESPACES.iter().map(|(name, types)| show(state, call, name, types)).collect();
    Ok(Reply::json(200, &json!({"value": all})))
}

fn get(state: &mut crate::State, call: &Call) -> Result<Reply, Refusal> {
    let (name, types) = find(call)?;
    Ok(Reply::json(200, &show(state, call, name, types)))
}

fn register(state: &mut crate::State, call: &Call) -> Result<Reply, Refusal> {
    let (name, _) = find(call)?;
    state.arm.unregistered_providers.retain(|other| other != name);
    get(state, call)
}

fn unregister(state: &mut crate::State, call: &Call) -> Result<Reply, Refusal> {
    let (name, _) = find(call)?;
    if !state.arm.unregistered_providers.iter().any(|other| other == name) {
        state.arm.unregistered_providers.push(name.to_owned());
    }
    get(state, call)
}
