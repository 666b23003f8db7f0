//! What a region has: quotas and how much of them is used, and the largest groups it takes.

use hyper::Method;
use serde_json::{Value, json};

use super::super::gate::{Call, on};
use super::super::refusal::Refusal;
use super::super::regions;
use super::ContainerGroup;
use crate::State;
use crate::http::{Reply, Router};

/// The default of each quota.
const LIMIT: f64 = 100.0;

/// What is used of the quotas.
pub(super) struct Usage {
    pub(super) groups: f64,
    pub(super) cores: f64,
}

/// Counts container groups. A stopped one takes no cores.
pub(super) fn count<'a>(groups: impl Iterator<Item = &'a ContainerGroup>) -> Usage {
    let mut usage = Usage { groups: 0.0, cores: 0.0 };
    for group in groups {
        usage.groups += 1.0;
        usage.cores += if group.is_stopped { 0.0 } else { group.cores() };
    }
    usage
}

/// The limit of a quota.
pub(super) fn limit(state: &State, quota: &str) -> f64 {
    let fault = state.faults.get("arm.quota");
    fault.and_then(|fault| fault.get(quota).unwrap_or(fault).as_f64()).unwrap_or(LIMIT)
}

pub(super) fn routes(router: &mut Router) {
    let base = "/subscriptions/{subscription}/providers/Microsoft.ContainerInstance/locations/{location}";
    on(
        router,
        Method::GET,
        &format!("{base}/usages"),
        "Microsoft.ContainerInstance/locations/usages/read",
        usages,
    );
    on(
        router,
        Method::GET,
        &format!("{base}/capabilities"),
        "Microsoft.ContainerInstance/locations/capabilities/read",
        capabilities,
    );
}

fn usages(state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let location = regions::normalize(call.param("location"));
    let usage = count(state.arm.container_groups.values().filter(|group| group.location == location));
    #[expect(clippy::cast_possible_truncation, reason = "the service counts in whole numbers, and so few")]
    let whole = |amount: f64| amount.ceil() as i64;
    let line = |name: &str, shown: &str, used: f64| {
        json!({
            "id": format!("{}/providers/Microsoft.ContainerInstance/locations/{location}/usages/{name}", call.subscription()),
            "unit": "Count", "currentValue": whole(used), "limit": whole(limit(state, name)),
            "name": {"value": name, "localizedValue": shown},
        })
    };
    let lines = [
        line("ContainerGroups", "Container Groups", usage.groups),
        line("StandardCores", "Standard SKU cores", usage.cores),
    ];
    Ok(Reply::json(200, &json!({"value": lines})))
}

fn capabilities(_state: &mut State, call: &Call) -> Result<Reply, Refusal> {
    let location = regions::normalize(call.param("location"));
    let lines: Vec<Value> = ["Public", "Private"]
        .iter()
        .map(|address| {
            json!({
                "resourceType": "containerGroups", "osType": "Linux", "location": location,
                "ipAddressType": address, "gpu": "None",
                "capabilities": {"maxMemoryInGB": 240.0, "maxCpu": 31.0, "maxGpuCount": 0.0},
            })
        })
        .collect();
    Ok(Reply::json(200, &json!({"value": lines})))
}
