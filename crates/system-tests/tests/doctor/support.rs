//! What several of these tests do.

use serde_json::Value;
use system_tests::{Invocation, NETWORK, Printed, SUBNET, World};

/// `doctor` of something in which nothing is wrong but that nobody answers where its image should be: a warning, since
/// Azure may reach what this machine does not.
pub(crate) fn doctor(world: &World) -> Invocation {
    world.doctor().with("image", "127.0.0.1:9/agent:1")
}

/// The same in the sample's subnet.
pub(crate) fn in_network(world: &World) -> Invocation {
    doctor(world).and("vnet-name", NETWORK).and("subnet-name", SUBNET)
}

/// Runs it; what is printed is that row.
pub(crate) async fn says(row: &str, invocation: &Invocation) -> Printed {
    let printed = invocation.run().await;
    printed.has_row(row);
    printed
}

/// Every check of that name: its state, and what was found.
pub(crate) async fn checks(invocation: &Invocation, name: &str) -> Vec<(String, String)> {
    let printed = invocation.clone().and("output", "json").run().await;
    let document: Value = serde_json::from_str(&printed.output.join("\n"))
        .unwrap_or_else(|error| panic!("{error}:\n{}", printed.said()));
    let text = |check: &Value, key: &str| check[key].as_str().unwrap_or_default().to_owned();
    let all = document["checks"].as_array().unwrap_or_else(|| panic!("no checks:\n{}", printed.said()));
    let of_name = all.iter().filter(|check| check["check"] == name);
    of_name.map(|check| (text(check, "state"), text(check, "found"))).collect()
}

/// The only check of that name is as it has to be, and says this.
pub(crate) async fn is_ok(invocation: &Invocation, name: &str, words: &str) {
    has_state(invocation, name, "ok", words).await;
}

/// The only check of that name has this state, and says this.
pub(crate) async fn has_state(invocation: &Invocation, name: &str, state: &str, words: &str) {
    let found = checks(invocation, name).await;
    let [(of, what)] = found.as_slice() else { panic!("{name} is there once: {found:?}") };
    assert_eq!(of, state, "{what}");
    assert!(what.contains(words), "{what}");
}
