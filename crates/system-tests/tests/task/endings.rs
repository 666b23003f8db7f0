//! Ways in which the task does not end well, and several agents at once.

use nix::sys::signal::Signal;

use crate::support::{run, world, yaml};

#[tokio::test]
async fn defect_11_a_container_that_ends_says_why_and_is_taken_down() {
    let Some(world) = world().await else { return };
    let printed = run(&world, &[("imageName", "registry.test/broken:1")]).await;
    let said = printed.said();
    assert_eq!(printed.code, Some(1), "{said}");
    for part in ["did not come online", "exit code 3", "it broke", "Likely cause", "To do"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert!(!said.contains("--"), "no options of a command line: {said}");
    assert!(said.contains("There is no agent to remove."), "the last job has nothing to do: {said}");
    world.end().await;
}

#[tokio::test]
async fn what_failed_is_kept_where_that_is_asked_for() {
    let Some(world) = world().await else { return };
    let inputs = [("imageName", "registry.test/broken:1"), ("keepOnError", "600")];
    let printed = world.pipeline("pipeline", &yaml(&world, &inputs)).run().await;
    let said = printed.said();
    assert_eq!(printed.code, Some(1), "{said}");
    assert!(said.contains("Kept for a look, for 600 s"), "{said}");
    let [kept] = world.groups().try_into().expect("one container group");
    assert_eq!(world.deprovision(&kept).run().await.code, Some(0));
    world.nothing_left().await;
    world.end().await;
}

/// The agent gets seven and a half seconds from the signal to the next, harder one.
#[tokio::test]
async fn a_cancelled_pipeline_takes_down_what_the_task_made() {
    let Some(world) = world().await else { return };
    let sleeper = [("imageName", "registry.test/sleeper:1")];
    let mut pipeline = world.pipeline("pipeline", &yaml(&world, &sleeper)).start();
    world.wait_for("a container group", |state| state.arm.container_groups.values().next().map(drop)).await;
    pipeline.signal(Signal::SIGINT);
    pipeline.until("cancelling run").await;
    let printed = pipeline.end().await;
    assert_eq!(printed.code, Some(1));
    assert!(printed.said().contains("canceled"), "{}", printed.said());
    world.nothing_left().await;
    world.end().await;
}

#[tokio::test]
async fn several_agents_each_with_a_job_of_a_matrix() {
    let Some(world) = world().await else { return };
    let matrix = "    strategy:\n      matrix: $[ dependencies.provision.outputs['create.agentMatrix'] ]\n";
    let text = yaml(&world, &[("agentCount", "2")]);
    let old = "    variables:\n      agentName: $[ dependencies.provision.outputs['create.agentName'] ]\n";
    assert!(text.contains(old));
    let printed = world.pipeline("pipeline", &text.replace(old, matrix)).run().await;
    let said = printed.said();
    assert_eq!(printed.code, Some(0), "{said}");
    let mut agents: Vec<_> =
        said.lines().filter_map(|line| line.split_once("I am ")).map(|line| line.1).collect();
    agents.sort_unstable();
    agents.dedup();
    assert_eq!(agents.len(), 2, "each job on an agent of its own: {said}");
    assert!(
        agents.iter().all(|agent| agent.split_once(", ").is_some_and(|(named, real)| named == real)),
        "{said}"
    );
    world.nothing_left().await;
    world.end().await;
}

/// With debugging on, in every connection and input that takes a secret.
#[tokio::test]
async fn no_secret_is_in_the_log_in_arguments_or_in_the_container_group_as_it_is_read_back() {
    let Some(world) = world().await else { return };
    let registry = serde_json::json!({
        "type": "dockerregistry", "scheme": "UsernamePassword", "data": {"registrytype": "Others"},
        "parameters": {"registry": "https://registry.test", "username": "puller", "password": "planted-password"},
    });
    world.connect("registry", &registry).await;
    let inputs = [
        ("containerRegistry", "registry"),
        ("imageName", "sleeper:1"),
        ("registration", "token"),
        ("secureEnvironmentVariables", "FEED=$(feed)"),
        ("timeoutAgentOnline", "5"),
    ];
    let text =
        yaml(&world, &inputs).replace("variables:\n  pool", "variables:\n  system.debug: true\n  pool");
    let pipeline =
        world.pipeline("pipeline", &text).and("secret", "feed=FEED").env("FEED", "planted-feed").start();
    world.wait_for("a container group", |state| state.arm.container_groups.values().next().map(drop)).await;
    let arguments = arguments_of_all_processes();
    let shown = world.plain_parts_of_groups();
    let printed = pipeline.end().await;
    let (token, key) = (world.setting("AZURE_DEVOPS_EXT_PAT"), world.setting("AZURE_CLIENT_SECRET"));
    for secret in [token.as_str(), key.as_str(), "planted-password", "planted-feed"] {
        for (place, text) in [
            ("the log", printed.said()),
            ("arguments", arguments.clone()),
            ("the container group", shown.clone()),
        ] {
            assert!(!text.contains(secret), "{secret} in {place}:\n{text}");
        }
    }
    assert!(arguments.contains("ephemeral-agents task"), "the search knows how to look: {arguments}");
    assert!(printed.said().contains("containerGroups"), "debugging shows requests: {}", printed.said());
    world.nothing_left().await;
    world.end().await;
}

/// What anybody on the machine can read of how processes were started.
fn arguments_of_all_processes() -> String {
    let processes = std::fs::read_dir("/proc").expect("processes").flatten();
    let read = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    read.map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " ") + "\n").collect()
}
