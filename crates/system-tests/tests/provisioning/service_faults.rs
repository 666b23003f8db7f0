//! Services that stumble: what passes is waited for, what does not is said.

use serde_json::{Value, json};
use system_tests::{Invocation, World};

use crate::support::{clean_up, fails_as, requests};

const GROUP: &str = "containerGroups/";
const AGENTS: &str = "/agents";

/// `provision` without waiting for the agent.
fn quick(world: &World) -> Invocation {
    world.provision().with("timeout-agent-online", "0")
}

/// With this fault it works all the same: there is one agent and one container group.
async fn works_with(knob: &str, value: Value) {
    let world = World::start().await;
    world.fault(knob, value.clone());
    let printed = quick(&world).run().await;
    assert_eq!(printed.code, Some(0), "{knob} {value}: {}", printed.said());
    let name = vec![printed.agent_name().to_owned()];
    assert_eq!((world.agents(), world.groups()), (name.clone(), name), "{knob} {value}");
    assert!(world.emulator().read(|state| !state.faults.is_on(knob)), "{knob} {value}: it was met");
}

#[tokio::test]
async fn one_too_many_now_and_then_is_waited_for() {
    for (path, method) in [("pools", "GET"), ("usages", "GET"), (AGENTS, "POST"), (GROUP, "PUT")] {
        works_with("http.throttle", json!({"path": path, "method": method})).await;
        works_with("http.throttle", json!({"path": path, "method": method, "without_header": true})).await;
    }
}

#[tokio::test]
async fn the_wait_that_a_service_asks_for_is_kept() {
    let world = World::start().await;
    world.fault("http.throttle", json!({"path": GROUP, "method": "PUT", "retry_after_seconds": 3}));
    let begin = std::time::Instant::now();
    let printed = quick(&world).run().await;
    assert_eq!(printed.code, Some(0), "{}", printed.said());
    assert!(begin.elapsed().as_secs() >= 3, "{:?}", begin.elapsed());
    assert_eq!(world.emulator().read(|state| requests(state, "PUT", GROUP)), 2);
}

#[tokio::test]
async fn too_many_for_ever() {
    let world = World::start().await;
    let long = json!({"path": GROUP, "method": "PUT", "retry_after_seconds": 1200, "count": 99});
    world.fault("http.throttle", long);
    fails_as(&world, "throttled", &world.provision()).await;
}

#[tokio::test]
async fn too_many_for_ever_without_a_wait() {
    let world = World::start().await;
    world.fault(
        "http.throttle",
        json!({"path": AGENTS, "method": "POST", "count": 99, "without_header": true}),
    );
    fails_as(&world, "throttled-registering", &world.provision()).await;
}

#[tokio::test]
async fn a_problem_of_the_service_now_and_then_is_waited_for() {
    for status in [500, 502, 503] {
        for (path, method) in [("pools", "GET"), ("resourceGroups/", "GET"), (GROUP, "PUT")] {
            works_with("http.unavailable", json!({"path": path, "method": method, "status": status})).await;
        }
    }
    // Whether the agent was registered is looked up before it is tried again.
    for status in [500, 502, 503] {
        works_with("http.unavailable", json!({"path": AGENTS, "method": "POST", "status": status})).await;
    }
}

#[tokio::test]
async fn a_problem_of_the_service_for_ever() {
    let world = World::start().await;
    for (row, path, method) in [
        ("unavailable", "pools", "GET"),
        ("unavailable-registering", AGENTS, "POST"),
        ("unavailable-creating", GROUP, "PUT"),
    ] {
        for status in [500, 503] {
            let fault = json!({"path": path, "method": method, "status": status, "count": 99});
            world.fault("http.unavailable", fault);
            fails_as(&world, row, &world.provision()).await;
        }
    }
}

#[tokio::test]
async fn a_reply_that_is_lost_is_looked_up() {
    for (path, method) in [("oauth2", "POST"), ("pools", "GET"), (AGENTS, "POST"), (GROUP, "PUT")] {
        works_with("http.lose-reply", json!({"path": path, "method": method})).await;
    }
}

#[tokio::test]
async fn a_slow_sign_in_is_waited_for() {
    let world = World::start().await;
    world.fault("entra.slow-seconds", 2);
    let printed = quick(&world).run().await;
    assert_eq!(printed.code, Some(0), "{}", printed.said());
}

#[tokio::test]
async fn a_reply_that_is_lost_is_looked_up_in_lists_that_lag() {
    let world = World::start().await;
    world.fault("http.lose-reply", json!({"path": AGENTS, "method": "POST"}));
    world.fault("devops.agent-list-lag-seconds", 2);
    let printed = quick(&world).run().await;
    assert_eq!(printed.code, Some(0), "{}", printed.said());
    assert_eq!(world.agents(), [printed.agent_name()]);
}

#[tokio::test]
async fn services_that_stumble_while_it_is_taken_down() {
    let faults = [
        ("http.lose-reply", json!({"count": 2})),
        ("http.throttle", json!({"count": 2})),
        ("http.unavailable", json!({"count": 2, "status": 500})),
        ("http.unavailable", json!({"count": 2, "status": 503})),
    ];
    let world = World::start().await;
    world.fault("arm.container-exits", 3);
    for (knob, mut fault) in faults {
        fault["method"] = json!("DELETE");
        world.fault(knob, fault);
        fails_as(&world, "container-exits-silently", &world.provision()).await;
        assert!(world.emulator().read(|state| !state.faults.is_on(knob)), "{knob} was met");
    }
}

#[tokio::test]
async fn a_service_that_does_not_let_it_be_taken_down() {
    let world = World::start().await;
    world.fault("arm.container-exits", 3);
    world.fault("http.unavailable", json!({"path": "/agents/", "method": "DELETE", "count": 99}));
    let printed = world.provision().run().await;
    printed.has_row("left-behind");
    assert_eq!(world.groups(), Vec::<String>::new(), "what costs money is gone");
    world.mend("http.unavailable");
    clean_up(&world, &printed).await;
}

#[tokio::test]
async fn a_service_that_stumbles_while_the_agent_is_waited_for() {
    let world = World::start().await;
    world.fault("http.not-json", json!({"path": GROUP, "method": "GET"}));
    let printed = world.provision().run().await;
    assert_eq!(printed.code, Some(0), "{}", printed.said());
    assert!(printed.said().contains("warning: "), "{}", printed.said());
}

#[tokio::test]
async fn a_token_that_expires_while_the_agent_is_waited_for() {
    let world = World::start_with(&[("sleeps", "exec sleep 600")]).await;
    let mut started = world.provision().with("image", "registry.test/sleeps:1").start();
    started.until("container Running").await;
    world.fault("devops.token-expired", true);
    let printed = started.end().await;
    printed.has_row("left-behind-token");
    assert_eq!(world.groups(), Vec::<String>::new(), "what costs money is gone");
    world.mend("devops.token-expired");
    clean_up(&world, &printed).await;
}

#[tokio::test]
async fn a_role_that_may_create_and_not_delete() {
    let world = World::start().await;
    world.fault("arm.container-exits", 3);
    let set_not_actions = |actions: &[&str]| {
        world.emulator().change(|state| {
            let roles = state.arm.role_definitions.iter_mut();
            roles.for_each(|role| {
                role.not_actions = actions.iter().map(|&action| action.to_owned()).collect();
            });
        });
    };
    set_not_actions(&["Microsoft.ContainerInstance/containerGroups/delete"]);
    let printed = world.provision().run().await;
    printed.has_row("left-behind-forbidden");
    assert_eq!(world.agents(), Vec::<String>::new(), "the agent could be removed");
    set_not_actions(&[]);
    clean_up(&world, &printed).await;
}

#[tokio::test]
async fn a_page_in_place_of_an_answer() {
    let world = World::start().await;
    world.fault("http.not-json", json!({"path": "resourceGroups/", "count": 99}));
    fails_as(&world, "not-json", &world.provision()).await;
    world.mend("http.not-json");
    world.fault("http.not-json", json!({"path": "_apis", "status": 203, "count": 99}));
    fails_as(&world, "token-wrong", &world.provision()).await;
}
