//! What is left over in these tests, and how it came to be.

use emulator::arm::container_groups::ProvisioningState;
use emulator::arm::{ContainerGroup, Phase};
use emulator::devops::{NewAgent, register_agent};
use jiff::Timestamp;
use serde_json::{Value, json};
use system_tests::{Printed, World};

/// Names of our form, of a moment long past.
pub(crate) const ORPHAN: &str = "agent7-20200101000000-yypnqa";

/// A moment long past, as tags have it.
const LONG_AGO: &str = "2020-01-01T00:00:00Z";

/// A container that lives and never listens, and one that has ended.
const IMAGES: [(&str, &str); 2] = [("sleeps", "exec sleep 600"), ("ends", "echo its last words")];

/// A world with images whose agents are never online.
pub(crate) async fn world() -> World {
    World::start_with(&IMAGES).await
}

/// Reaps, and everything went well.
pub(crate) async fn reaped(world: &World) -> Printed {
    let printed = world.reap().run().await;
    assert_eq!(printed.code, Some(0), "{}", printed.said());
    printed
}

/// An agent of that image, which is never online, and its container group; gives their name.
pub(crate) async fn pair(world: &World, image: &str) -> String {
    let made = world.provision_unseen().with("image", &format!("registry.test/{image}:1")).run().await;
    assert_eq!(made.code, Some(0), "{}", made.said());
    let name = made.agent_name().to_owned();
    provisioned(world, &name).await;
    if image == "ends" {
        is(world, &name, |group| matches!(group.containers[0].phase, Phase::Terminated(_))).await;
    }
    name
}

/// Waits until a container group is created.
pub(crate) async fn provisioned(world: &World, name: &str) {
    is(world, name, |group| group.provisioning_state == ProvisioningState::Succeeded).await;
}

async fn is(world: &World, name: &str, seen: impl Fn(&ContainerGroup) -> bool) {
    let look = |state: &mut emulator::State| {
        let group = state.arm.container_groups.values().find(|group| group.name == name)?;
        seen(group).then_some(())
    };
    world.wait_for("a container group in its state", look).await;
}

/// The same, of long ago.
pub(crate) async fn old_pair(world: &World, image: &str) -> String {
    let name = pair(world, image).await;
    age(world, &name);
    name
}

/// Makes an agent and its container group as old as can be. Its time to live is not over.
pub(crate) fn age(world: &World, name: &str) {
    tag(world, name, "created-at", LONG_AGO);
    world.emulator().change(|state| {
        let agents = state.devops.agents.values_mut().filter(|agent| agent.name == name);
        agents.for_each(|agent| agent.status_changed_on = Timestamp::UNIX_EPOCH);
    });
}

/// Writes a tag of a container group.
pub(crate) fn tag(world: &World, name: &str, key: &str, value: &str) {
    change_tags(world, name, |tags| tags[key] = json!(value));
}

pub(crate) fn change_tags(world: &World, name: &str, change: impl FnOnce(&mut Value)) {
    world.emulator().change(|state| {
        let group = state.arm.container_groups.values_mut().find(|group| group.name == name);
        change(&mut group.expect("a container group").tags);
    });
}

/// Its time to live is over.
pub(crate) fn expire(world: &World, name: &str) {
    tag(world, name, "expires-at", LONG_AGO);
}

/// Registers an agent of that name, long ago, that is not online.
pub(crate) fn register(world: &World, name: &str) {
    world.emulator().change(|state| {
        let pool = emulator::devops::pool_by_name(state, emulator::world::POOL).expect("the pool").id;
        let new = NewAgent {
            name: name.to_owned(),
            version: "4.0.0".to_owned(),
            enabled: true,
            ..NewAgent::default()
        };
        let agent = register_agent(state, pool, new).expect("registered");
        let agent = state.devops.agents.get_mut(&agent.id).expect("just registered");
        (agent.created_on, agent.status_changed_on) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
    });
}

/// Takes the agent of that name out of its pool, as somebody else.
pub(crate) fn unregister(world: &World, name: &str) {
    world.emulator().change(|state| state.devops.agents.retain(|_, agent| agent.name != name));
}
