//! Whatever the agent prints, and whatever its job leaves behind: the life goes its way.

use system_tests::{World, has_ended, is_alive};

/// An agent that prints so, which waits longer for its job than it may take to come online.
async fn odd_output(lines: &str, words: &str) -> (World, system_tests::Life) {
    let world = World::with_agent(lines).await;
    world.fault("compute.misbehave", words);
    let provisioned = world.provision().run().await;
    let agent = provisioned.agent_name();
    let run = world.job(agent, "echo done").await;
    assert_eq!(world.result(run).await, "succeeded");
    let life = world.life(agent).await;
    life.has_row("job-finished");
    assert_eq!(world.jobs_of(agent), ["succeeded"]);
    world.nothing_left().await;
    (world, life)
}

/// Its lines say nothing to us; its connection for notifications does.
#[tokio::test]
async fn in_another_language() {
    let (_, life) = odd_output("", "localised").await;
    assert_eq!(life.count("Es wird auf Aufträge gewartet"), 1);
}

#[tokio::test]
async fn in_another_language_and_without_a_job_it_was_online_all_the_same() {
    let world = World::with_agent("export AZP_START_TIMEOUT=12").await;
    world.fault("compute.misbehave", "localised");
    let provisioned = world.provision().with("idle-timeout", "14").run().await;
    world.life(provisioned.agent_name()).await.has_row("no-job");
    world.nothing_left().await;
}

#[tokio::test]
async fn with_carriage_returns_long_lines_and_bytes_that_are_no_text() {
    let (_, life) = odd_output("", "crlf,long-lines").await;
    assert!(!life.output.contains('\r'));
    assert!(life.output.lines().all(|line| line.len() < 20_000), "a line of 100 000 characters is cut");
    assert_eq!(life.count("not \u{fffd}"), 1);
}

#[tokio::test]
async fn none_any_more() {
    odd_output("", "close-stdout").await;
}

/// Nobody reads what the supervisor prints: the container's log is gone, or whoever attached to it.
#[tokio::test]
async fn nobody_reads() {
    let world = World::with_agent_script("SUPERVISOR | head -n 1").await;
    let provisioned = world.provision().run().await;
    let run = world.job(provisioned.agent_name(), "echo done").await;
    assert_eq!(world.result(run).await, "succeeded");
    world.nothing_left().await;
    assert_eq!(world.jobs_of(provisioned.agent_name()), ["succeeded"]);
}

/// While the container group cannot be deleted the container lives on, without anything that was left in it.
#[tokio::test]
async fn what_agent_and_job_leave_running_is_ended() {
    let world = World::start().await;
    world.fault("compute.misbehave", "orphan");
    world.hold_groups();
    let provisioned = world.provision().run().await;
    let agent = provisioned.agent_name();
    let orphan = world.process(agent, "sleep 3600").await;
    let gate = world.gate("gate");
    let script = format!("(setsid sleep 8630 > /dev/null 2>&1 &)\nsetsid sleep 8631 &\n{}", gate.wait());
    let run = world.job(agent, &script).await;
    let daemon = world.process(agent, "sleep 8630").await;
    let holder = world.process(agent, "sleep 8631").await;
    gate.open().await;
    assert_eq!(world.result(run).await, "succeeded");
    world.life(agent).await.has_row("job-finished");
    for process in [orphan, daemon, holder] {
        has_ended(process).await;
    }
    assert!(is_alive(world.supervisor(agent).await), "the container is still there");
    world.release_groups();
    world.nothing_left().await;
}
