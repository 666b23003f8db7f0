//! The host of an account: its network rules come first, then Azurite.

use std::net::SocketAddr;

use uuid::Uuid;

use super::rules::{self, Origin};
use crate::arm::{addresses, networks};
use crate::backends::Verdict;
use crate::http::{Reply, Request};
use crate::{Emulator, State};

/// Whether a request to an account is let through.
pub(crate) fn door(emulator: &Emulator, id: &str, request: &Request) -> Verdict {
    let group = emulator.runtime.group_at(request.peer);
    let allowed = emulator.read(|state| {
        let account = state.arm.resources.get(&id.to_ascii_lowercase())?;
        let origin = origin(state, group, request.peer)?;
        Some(rules::allow(&account.properties["networkAcls"], &origin))
    });
    if allowed == Some(true) { Verdict::Forward } else { Verdict::Answer(refusal(emulator)) }
}

/// Where somebody calls from: the subnet of the container group that calls, if the account sees it. `None`: a security
/// group keeps the call from getting here at all.
fn origin(state: &State, group: Option<Uuid>, peer: SocketAddr) -> Option<Origin> {
    let group = match group {
        Some(key) => state.arm.container_groups.values().find(|known| known.key == key),
        None => addresses::group_at(&state.arm, peer.ip()),
    };
    let joined = group.and_then(|group| networks::joined(state, group));
    let Some((network, subnet)) = joined else { return Some(Origin::Elsewhere(peer.ip())) };
    if !networks::may_reach(state, subnet, rules::ENDPOINT) {
        return None;
    }
    let id = format!("{}/subnets/{}", network.id, subnet.name);
    Some(if rules::has_endpoint(&subnet.service_endpoints) {
        Origin::Subnet(id)
    } else {
        Origin::Elsewhere(peer.ip())
    })
}

/// What Storage says to whom its network rules do not let through.
fn refusal(emulator: &Emulator) -> Reply {
    let (id, now) = (Uuid::new_v4(), emulator.now());
    let body = format!(
        "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>AuthorizationFailure</Code><Message>This request \
         is not authorized to perform this operation.\nRequestId:{id}\nTime:{now}</Message></Error>"
    );
    Reply::text(403, "application/xml", &body)
        .header("x-ms-error-code", "AuthorizationFailure")
        .header("x-ms-request-id", &id.to_string())
}
