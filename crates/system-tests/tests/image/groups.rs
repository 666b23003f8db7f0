//! What a container group asks of the machine, and gets on a real engine: limits, secrets, volumes, company, restarts.

use serde_json::{Value, json};
use system_tests::{Engine, World};

use crate::azure::Azure;

/// A container that runs a shell script, with more members of its properties.
fn container(engine: &Engine, name: &str, script: &str, more: &Value) -> Value {
    let mut properties = json!({
        "image": engine.agent_image(),
        "command": ["sh", "-c", script],
        "resources": {"requests": {"cpu": 0.5, "memoryInGB": 0.3}},
    });
    for (member, value) in more.as_object().into_iter().flatten() {
        properties[member] = value.clone();
    }
    json!({"name": name, "properties": properties})
}

/// What the container of that name shows of itself.
fn view<'a>(group: &'a Value, name: &str) -> &'a Value {
    let containers = group["properties"]["containers"].as_array().expect("containers");
    let container = containers.iter().find(|container| container["name"] == name).expect("a container");
    &container["properties"]["instanceView"]
}

/// Waits until the containers of a group have ended, and gives the group as its users see it.
async fn ended(world: &World, azure: &Azure, group: &str) -> Value {
    world
        .wait_for("the end of the containers", |state| {
            let mut groups = state.arm.container_groups.values();
            let group = groups.find(|known| known.name == group)?;
            let over = |phase: &emulator::arm::Phase| matches!(phase, emulator::arm::Phase::Terminated(_));
            group.containers.iter().all(|container| over(&container.phase)).then_some(())
        })
        .await;
    azure.group(group).await
}

/// Prints the limits that hold for whoever runs it: bytes, and cores as a quota in a period, whichever files the kernel
/// has for them.
const LIMITS: &str = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; \
                      cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.cfs_period_us 2>/dev/null | \
                      tr '\\n' ' '; cat /sys/fs/cgroup/cpu.max 2>/dev/null; echo";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_has_the_cores_and_the_memory_that_were_asked_for() {
    let Some(engine) = Engine::prepared() else { return };
    let world = World::on(&engine).await;
    let provision = world.provision().with("image", engine.agent_image()).and("cpu", "1.5");
    let provisioned = provision.and("memory", "0.8").run().await;
    let agent = provisioned.agent_name();
    let run = world.job(agent, LIMITS).await;
    assert_eq!(world.result(run).await, "succeeded", "{}", world.container_output(agent));
    let log = world.job_log(run);
    // The kernel counts memory in pages.
    assert!(log.contains(&(800_000_000 / 4096 * 4096).to_string()), "memory: {log}");
    assert!(log.contains("150000 100000"), "cores: {log}");
    world.life(agent).await.has_row("job-finished");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_reach_the_container_and_are_not_shown() {
    let Some(engine) = Engine::prepared() else { return };
    let world = World::on(&engine).await;
    let azure = Azure::of(&world).await;
    let script =
        "echo $PLANTED | rev; id -u; rev < /mnt/secret/key; echo x > /mnt/secret/new || echo read-only";
    let more = json!({
        "environmentVariables": [{"name": "PLANTED", "secureValue": "planted-value"}],
        "volumeMounts": [{"name": "secret-files", "mountPath": "/mnt/secret", "readOnly": true}],
    });
    let properties = json!({
        "restartPolicy": "Never",
        "containers": [container(&engine, "reader", script, &more)],
        // planted-file
        "volumes": [{"name": "secret-files", "secret": {"key": "cGxhbnRlZC1maWxlCg=="}}],
    });
    azure.create("secrets", &properties).await;
    let group = ended(&world, &azure, "secrets").await;
    let printed = world.container_output("secrets");
    for expected in ["eulav-detnalp", "elif-detnalp", "read-only"] {
        assert!(printed.contains(expected), "{expected}: {printed}");
    }
    let shown = group.to_string();
    assert!(!shown.contains("planted") && !shown.contains("cGxhbnRlZC"), "{shown}");
    world.end().await;
}

/// The containers of a group share their network and their volumes; an init container ends before they start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn containers_of_a_group_share_a_volume_and_an_address() {
    let Some(engine) = Engine::prepared() else { return };
    let world = World::on(&engine).await;
    let azure = Azure::of(&world).await;
    let mounts = json!({"volumeMounts": [{"name": "shared", "mountPath": "/shared"}]});
    let serve = "cat /shared/first; mkfifo /shared/done; \
                 perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(LocalPort => 8080, Listen => 1); \
                 open F, \">/shared/listens\"; close F; $c = $s->accept; print $c \"over localhost\\n\"; close $c'; \
                 read line < /shared/done";
    let ask = "until [ -e /shared/listens ]; do :; done; \
               bash -c 'exec 3<>/dev/tcp/127.0.0.1/8080; cat <&3'; echo over > /shared/done";
    let mut first = container(&engine, "first", "echo from the init container > /shared/first", &mounts);
    first["properties"].as_object_mut().expect("an object").remove("resources");
    let properties = json!({
        "restartPolicy": "Never",
        "initContainers": [first],
        "containers": [container(&engine, "server", serve, &mounts), container(&engine, "asker", ask, &mounts)],
        "volumes": [{"name": "shared", "emptyDir": {}}],
    });
    azure.create("company", &properties).await;
    let group = ended(&world, &azure, "company").await;
    let printed = world.container_output("company");
    assert!(printed.contains("from the init container") && printed.contains("over localhost"), "{printed}");
    for name in ["server", "asker"] {
        assert_eq!(view(&group, name)["currentState"]["exitCode"], 0, "{group:#}");
    }
    assert_eq!(group["properties"]["instanceView"]["state"], "Succeeded");
    world.end().await;
}

/// Counts its starts in a volume and in itself. The second start ends well, the first as it is told.
fn counting(engine: &Engine, policy: &str, first_code: u8) -> Value {
    let script = format!(
        "echo start >> /kept/starts; echo start >> /own; echo starts $(wc -l < /kept/starts) own $(wc -l < /own); \
         [ $(wc -l < /kept/starts) -gt 1 ] || exit {first_code}"
    );
    let mounts = json!({"volumeMounts": [{"name": "kept-here", "mountPath": "/kept"}]});
    json!({
        "restartPolicy": policy,
        "containers": [container(engine, "counter", &script, &mounts)],
        "volumes": [{"name": "kept-here", "emptyDir": {}}],
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_restart_policy_does_what_it_says() {
    let Some(engine) = Engine::prepared() else { return };
    let world = World::on(&engine).await;
    let azure = Azure::of(&world).await;
    for (name, policy, first_code) in [
        ("never", "Never", 3),
        ("on-failure", "OnFailure", 3),
        ("on-success", "OnFailure", 0),
        ("always", "Always", 0),
    ] {
        azure.create(name, &counting(&engine, policy, first_code)).await;
    }
    // What a container wrote in itself is gone when it is started again; what it wrote in a volume is there.
    world.says("always", "starts 2 own 1").await;
    world.says("on-failure", "starts 2 own 1").await;
    for (name, restarts, exit_code) in [("never", 0, 3), ("on-failure", 1, 0), ("on-success", 0, 0)] {
        let group = ended(&world, &azure, name).await;
        let view = view(&group, "counter");
        assert_eq!(view["restartCount"], restarts, "{name}: {view:#}");
        assert_eq!(view["currentState"]["exitCode"], exit_code, "{name}: {view:#}");
        assert_eq!(world.container_output(name).matches("starts").count(), restarts + 1, "{name}");
    }
    // The second end of "always" is answered with a third start, twenty seconds later.
    world
        .wait_for("another start to be planned", |state| {
            let mut groups = state.arm.container_groups.values();
            let group = groups.find(|group| group.name == "always")?;
            (group.containers.first()?.restarts == 2).then_some(())
        })
        .await;
    world.end().await;
}
