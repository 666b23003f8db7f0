//! The agent's package, and the room that it and its work need.

use system_tests::World;

async fn not_ready(world: World, row: &str) {
    let provisioned = world.provision_unseen().run().await;
    let agent = provisioned.agent_name();
    let life = world.life(agent).await;
    life.has_row(row);
    assert_eq!(life.count("starting the agent"), 0);
    assert_eq!(life.outcome()["agent"], "removed");
    world.nothing_left().await;
}

async fn with_fault(knob: &str, value: impl Into<serde_json::Value>, row: &str) {
    let world = World::start().await;
    world.fault(knob, value);
    not_ready(world, row).await;
}

#[tokio::test]
async fn its_host_has_no_address() {
    with_fault("devops.package-host", "https://download.invalid", "package-host").await;
}

#[tokio::test]
async fn its_host_refuses_connections() {
    with_fault("devops.package-host", "https://localhost:1", "package-refused").await;
}

#[tokio::test]
async fn it_is_listed_and_not_there() {
    with_fault("devops.package-missing", true, "package-missing").await;
}

#[tokio::test]
async fn it_is_not_the_one_that_was_announced() {
    with_fault("devops.package-corrupt", true, "package-corrupt").await;
}

#[tokio::test]
async fn the_organization_has_none() {
    with_fault("devops.package-none", true, "package-none").await;
}

/// Without a credential in the container the agent's own key asks for the list, and meets the clock first.
#[tokio::test]
async fn the_clock_is_wrong() {
    let world = World::start().await;
    world.fault("devops.auth-skew-seconds", 7200);
    let provisioned = world.provision_unseen().with("take-down", "outside").run().await;
    let agent = provisioned.agent_name();
    world.life(agent).await.has_row("package-clock");
    world.deprovision(agent).run().await;
    world.nothing_left().await;
}

/// Mounting needs root; a container has it, a developer may not.
fn may_mount() -> bool {
    let made = std::process::Command::new("unshare").args(["-m", "true"]).output();
    made.is_ok_and(|made| made.status.success())
}

#[tokio::test]
async fn the_disk_is_full() {
    if !may_mount() {
        return;
    }
    let script = r#"exec unshare -m sh -c 'mount -t tmpfs -o size=1m tmpfs "$AZP_HOME" && cd "$AZP_HOME" && exec SUPERVISOR'"#;
    not_ready(World::with_agent_script(script).await, "disk-full").await;
}

#[tokio::test]
async fn its_folder_is_read_only() {
    if !may_mount() {
        return;
    }
    let script =
        r#"exec unshare -m sh -c 'mount -t tmpfs -o ro tmpfs "$AZP_HOME" && cd / && exec SUPERVISOR'"#;
    not_ready(World::with_agent_script(script).await, "home-read-only").await;
}

#[tokio::test]
async fn its_work_folder_cannot_be_made() {
    let world = World::with_agent("export AZP_WORK=/proc/no-folder").await;
    let provisioned = world.provision_unseen().with("registration", "token").run().await;
    world.life(provisioned.agent_name()).await.has_row("work-folder");
    world.nothing_left().await;
}

/// An image that brings an agent which is none.
#[tokio::test]
async fn it_cannot_be_started() {
    let lines = r#"mkdir -p "$AZP_HOME/agent/bin"; echo '#!/no/such/shell' > "$AZP_HOME/agent/bin/Agent.Listener"
chmod 755 "$AZP_HOME/agent/bin/Agent.Listener""#;
    let world = World::with_agent(lines).await;
    let provisioned = world.provision_unseen().run().await;
    world.life(provisioned.agent_name()).await.has_row("agent-not-started");
    world.nothing_left().await;
}

#[tokio::test]
async fn settings_make_no_sense() {
    let world = World::with_agent("export AZP_GRACE=soon").await;
    let provisioned = world.provision_unseen().run().await;
    let agent = provisioned.agent_name();
    world.life(agent).await.has_row("settings-invalid");
    assert_eq!(world.groups(), [agent], "nothing was taken down");
    assert_eq!(world.deprovision(agent).run().await.code, Some(0));
    world.nothing_left().await;
}
