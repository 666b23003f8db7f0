//! `provision --dry-run`: what would be created, and by which requests.

use lifecycle::AgentName;
use redact::Secret;
use serde_json::{Value, json};

use super::plan::{Circumstances, plan};
use super::preflight::Ready;
use super::run::container_group_id;
use crate::services::{Groups, Pools, Services};
use crate::settings::{ProvisionSettings, Registration};

/// Id of an agent that was not registered.
const NO_AGENT_YET: u64 = 0;

/// What would be created: `placements` to try, `requests`, `agentRegistration` (null where the agent registers itself),
/// `containerGroup`.
pub(crate) fn preview(
    services: &impl Services,
    settings: &ProvisionSettings,
    ready: &Ready,
    name: &AgentName,
) -> Value {
    let just_in_time = settings.registration == Registration::JustInTime;
    let configuration = Secret::new("made when the agent is registered");
    let circumstances = Circumstances {
        name,
        pool: &ready.pool,
        placement: ready.first(),
        registered: just_in_time.then_some((NO_AGENT_YET, &configuration)),
        now: services.now(),
    };
    let plan = plan(settings, &circumstances);
    let registration = if just_in_time {
        services.pools().registration_preview(name, &settings.new_agent())
    } else {
        Value::Null
    };
    json!({
        "name": name.as_str(),
        "containerGroupId": container_group_id(settings, name),
        "placements": ready.placements.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "requests": requests(settings, ready, name),
        "agentRegistration": registration,
        "containerGroup": services.groups().group_preview(&plan),
    })
}

/// The requests that would follow preflight.
fn requests(settings: &ProvisionSettings, ready: &Ready, name: &AgentName) -> Vec<String> {
    let agents =
        format!("{}/_apis/distributedtask/pools/{}/agents", settings.devops.organization, ready.pool.id);
    let group = container_group_id(settings, name);
    let mut requests = Vec::new();
    if settings.registration == Registration::JustInTime {
        requests.push(format!("POST {agents}"));
    }
    requests.push(format!("PUT {group}"));
    if let Some(limit) = settings.life.online_timeout {
        let until = format!("(until the agent is online, for at most {} s)", limit.as_secs());
        requests.push(format!("GET {agents}?agentName={name} {until}"));
        requests.push(format!("GET {group} {until}"));
    }
    requests
}

/// The same for people.
pub(crate) fn as_text(preview: &Value) -> String {
    let mut text = format!("Would provision {}. Requests:\n", preview["name"].as_str().unwrap_or_default());
    for request in preview["requests"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        text.push_str("  ");
        text.push_str(request);
        text.push('\n');
    }
    let places: Vec<_> =
        preview["placements"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if places.len() > 1 {
        text.push_str("\nPlaces, in turn until one has room, each under a name of its own:\n");
        text.extend(places.iter().flat_map(|place| ["  ", place, "\n"]));
    }
    for (key, title) in [("agentRegistration", "Agent registration"), ("containerGroup", "Container group")] {
        if !preview[key].is_null() {
            let body = format!("\n{title}:\n{:#}\n", preview[key]);
            text.push_str(&body);
        }
    }
    text
}
