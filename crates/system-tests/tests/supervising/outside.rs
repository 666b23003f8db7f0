//! Agents that others take down: who does it, and how the outcome is found later.

use system_tests::World;

#[tokio::test]
async fn the_last_line_says_who_takes_it_down_and_deprovision_says_how_it_ended() {
    let world = World::start().await;
    let provisioned = world.provision().with("take-down", "outside").run().await;
    let agent = provisioned.agent_name();
    let run = world.job(agent, "echo done").await;
    assert_eq!(world.result(run).await, "succeeded");
    let life = world.life(agent).await;
    life.has_row("outside");
    assert_eq!(
        (&life.outcome()["agent"], &life.outcome()["containerGroup"]),
        (&"not-ours".into(), &"left".into())
    );
    let logs = world.command(&["logs", agent]).run().await;
    assert!(logs.said().contains("job-finished: the agent has run its job"), "{}", logs.said());
    let printed = world.deprovision(agent).with("output", "json").run().await;
    assert_eq!(printed.code, Some(0), "{}", printed.said());
    let json: serde_json::Value = serde_json::from_str(&printed.output.join("\n")).expect("JSON");
    assert_eq!(json["agents"][0]["outcome"], "job-finished");
    assert_eq!(json["agents"][0]["detail"], "the agent has run its job");
    world.nothing_left().await;
}

#[tokio::test]
async fn an_agent_that_still_waits_has_no_outcome() {
    let world = World::start().await;
    let provisioned = world.provision().with("take-down", "outside").run().await;
    let agent = provisioned.agent_name();
    let printed = world.deprovision(agent).run().await;
    assert_eq!(printed.output, [format!("{agent}: taken down")], "{}", printed.said());
    world.nothing_left().await;
}

#[tokio::test]
async fn a_failure_is_told_by_deprovision_too() {
    let world = World::start().await;
    world.fault("compute.misbehave", "exit:2");
    let provisioned = world.provision_unseen().with("take-down", "outside").run().await;
    let agent = provisioned.agent_name();
    world.life(agent).await.has_row("agent-crashed");
    let printed = world.deprovision(agent).run().await;
    let expected = format!("{agent}: taken down; agent-failed: the agent ended before any job (exit code 2");
    assert!(printed.said().contains(&expected), "{}", printed.said());
    world.nothing_left().await;
}
