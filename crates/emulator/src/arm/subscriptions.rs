//! The cloud's endpoints, tenants, subscriptions and their locations.

use std::sync::Arc;

use hyper::Method;
use serde_json::{Value, json};

use super::gate::{Call, on};
use super::refusal::Refusal;
use super::regions;
use crate::Emulator;
use crate::http::{Reply, Request, Router};

pub(super) fn routes(router: &mut Router) {
    router.on(Method::GET, "/metadata/endpoints", endpoints);
    on(router, Method::GET, "/tenants", "", tenants);
    on(router, Method::GET, "/subscriptions", "", list);
    on(router, Method::GET, "/subscriptions/{subscription}", "Microsoft.Resources/subscriptions/read", get);
    on(
        router,
        Method::GET,
        "/subscriptions/{subscription}/locations",
        "Microsoft.Resources/subscriptions/locations/read",
        locations,
    );
}

/// Anonymous: it is what a client reads to learn where to sign in.
async fn endpoints(_emulator: Arc<Emulator>, request: Request) -> Result<Reply, Reply> {
    let base = &request.base_url;
    let url = format!("{base}/");
    let host = base.trim_start_matches("https://");
    let body = json!({
        "name": "emulator",
        "portal": url,
        "authentication": {
            "loginEndpoint": url, "audiences": [url], "tenant": "common", "identityProvider": "AAD",
        },
        "resourceManager": url,
        "graph": url, "graphAudience": url, "microsoftGraphResourceId": format!("{base}/graph"),
        "batch": url, "media": url, "gallery": url, "sqlManagement": url, "vmImageAliasDoc": url,
        "activeDirectoryDataLake": url, "logAnalyticsResourceId": url, "appInsightsResourceId": url,
        "suffixes": {
            "acrLoginServer": host, "storage": host, "keyVaultDns": format!(".vault.{host}"),
            "sqlServerHostname": format!(".database.{host}"),
            "azureDataLakeStoreFileSystem": host, "azureDataLakeAnalyticsCatalogAndJob": host,
            "storageSyncEndpointSuffix": host, "mhsmDns": host, "mysqlServerEndpoint": host,
            "postgresqlServerEndpoint": host, "mariadbServerEndpoint": host, "synapseAnalytics": host,
            "attestationEndpoint": host,
        },
    });
    Ok(Reply::json(200, &body))
}

fn tenants(state: &mut crate::State, _call: &Call) -> Result<Reply, Refusal> {
    let tenant = state.world.tenant;
    let shown = json!({
        "id": format!("/tenants/{tenant}"), "tenantId": tenant, "displayName": "Emulator", "tenantCategory": "Home",
    });
    Ok(Reply::json(200, &json!({"value": [shown]})))
}

fn show(state: &crate::State) -> Value {
    let subscription = state.world.subscription;
    json!({
        "id": format!("/subscriptions/{subscription}"), "subscriptionId": subscription,
        "tenantId": state.world.tenant, "displayName": "emulated", "state": "Enabled",
        "subscriptionPolicies":
            {"locationPlacementId": "Public_2014-09-01", "quotaId": "PayAsYouGo_2014-09-01", "spendingLimit": "Off"},
        "authorizationSource": "RoleBased", "managedByTenants": [],
    })
}

/// A caller sees the subscription only with a role somewhere in it.
fn list(state: &mut crate::State, call: &Call) -> Result<Reply, Refusal> {
    let sees = state.arm.role_assignments.iter().any(|role| role.principal == call.caller.object_id);
    let shown: Vec<Value> = if sees { vec![show(state)] } else { Vec::new() };
    Ok(Reply::json(200, &json!({"value": shown, "count": {"type": "Total", "value": shown.len()}})))
}

fn get(state: &mut crate::State, _call: &Call) -> Result<Reply, Refusal> {
    Ok(Reply::json(200, &show(state)))
}

fn locations(_state: &mut crate::State, call: &Call) -> Result<Reply, Refusal> {
    let all: Vec<Value> = regions::REGIONS
        .iter()
        .map(|(name, display)| {
            json!({
                "id": format!("{}/locations/{name}", call.subscription()),
                "name": name, "type": "Region", "displayName": display, "regionalDisplayName": display,
                "metadata": {"regionType": "Physical", "regionCategory": "Recommended"},
            })
        })
        .collect();
    Ok(Reply::json(200, &json!({"value": all})))
}
