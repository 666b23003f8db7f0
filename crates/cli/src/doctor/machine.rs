//! This machine: how it reaches the services, whether it finds them, whether it knows the time.

use super::facts::Facts;
use crate::checks::{Notes, Subject};
use crate::services::{ErrorKind, ServiceError};

/// A clock that is off by this many seconds is worth a word, and by that many is refused: services allow five minutes.
const CLOCK: (i64, i64) = (60, 300);

pub(super) fn judge(facts: &Facts, notes: &mut Notes) {
    judge_connection(facts, notes);
    judge_names(facts, notes);
    judge_clock(facts.clock_ahead, notes);
}

fn judge_connection(facts: &Facts, notes: &mut Notes) {
    let unreachable =
        |error: Option<&ServiceError>| error.filter(|error| error.kind == ErrorKind::Unreachable).cloned();
    let failures = [
        ("reach Azure DevOps", unreachable(facts.caller.as_ref().err())),
        ("reach Azure Resource Manager", unreachable(facts.subscription.as_ref().err())),
    ];
    if failures.iter().all(|(_, error)| error.is_none()) {
        let way = match &facts.proxy {
            Some(proxy) => format!("Through the proxy {proxy}, except for what NO_PROXY names."),
            None => "Directly, without a proxy.".to_owned(),
        };
        notes.ok(Subject::Connection, way);
    }
    for (doing, error) in failures {
        if let Some(error) = error {
            notes.refused(Subject::Connection, doing, &error);
        }
    }
}

/// Behind a proxy it is the proxy that resolves names.
fn judge_names(facts: &Facts, notes: &mut Notes) {
    let mut found = Vec::new();
    for host in &facts.hosts {
        match &host.addresses {
            Ok(_) => found.push(host.name.as_str()),
            Err(error) if facts.proxy.is_some() => notes.skip(
                Subject::Dns,
                format!("{} ({}) is the proxy's to find: {}", host.name, host.words, error.what),
            ),
            Err(error) => {
                let what = format!("{} ({}) is not found: {}.", host.name, host.words, error.what);
                let remedy = "correct the name, or this machine's DNS; a private endpoint needs its private DNS zone \
                              linked to the network.";
                // What is not looked for from here may be found from there.
                if host.for_agents {
                    notes.warn(Subject::Dns, what, remedy);
                } else {
                    notes.fail(Subject::Dns, what, remedy);
                }
            }
        }
    }
    if !found.is_empty() {
        let seen = "as this machine sees it; the agent asks the DNS of its network";
        notes.ok(Subject::Dns, format!("Found, {seen}: {}.", found.join(", ")));
    }
}

fn judge_clock(ahead: Option<i64>, notes: &mut Notes) {
    let Some(ahead) = ahead else {
        notes.skip(Subject::Clock, "No service said what time it is.");
        return;
    };
    let what = match ahead {
        -2..=2 => "This machine's clock goes with the services'.".to_owned(),
        ..-2 => format!("This machine's clock is {} s behind the services'.", -ahead),
        _ => format!("This machine's clock is {ahead} s ahead of the services'."),
    };
    let remedy = "set the clock, or let NTP do it.";
    match ahead.abs() {
        off if off > CLOCK.1 => notes.fail(Subject::Clock, what, remedy),
        off if off > CLOCK.0 => notes.warn(Subject::Clock, what, remedy),
        _ => notes.ok(Subject::Clock, what),
    }
}
