//! Leaving nothing behind: what can be in the way, and what is said of what stays.

use serde_json::json;
use system_tests::World;

#[tokio::test]
async fn defect_01_the_service_still_counts_the_job_as_running() {
    let world = World::start().await;
    world.fault("devops.remove-busy", 4);
    let provisioned = world.provision().run().await;
    let agent = provisioned.agent_name();
    let run = world.job(agent, "echo done").await;
    assert_eq!(world.result(run).await, "succeeded");
    let life = world.life(agent).await;
    life.has_row("job-finished");
    assert_eq!(life.outcome()["agent"], "removed");
    assert_eq!(world.asked(&["DELETE", "/agents/", "400"]), 4);
    world.nothing_left().await;
}

/// After two minutes the agent is left to others, and the container group goes all the same.
#[tokio::test]
async fn defect_01_the_service_counts_the_job_as_running_for_ever() {
    let world = World::start().await;
    world.fault("devops.remove-busy", 1000);
    let provisioned = world.provision().run().await;
    let agent = provisioned.agent_name();
    let run = world.job(agent, "echo done").await;
    assert_eq!(world.result(run).await, "succeeded");
    let life = world.life(agent).await;
    life.has_row("agent-left-busy");
    assert_eq!(life.outcome()["agent"], "left");
    world.groups_gone().await;
    assert_eq!(world.agents(), [agent]);
    world.mend("devops.remove-busy");
    assert_eq!(world.deprovision(agent).run().await.code, Some(0));
    world.nothing_left().await;
}

#[tokio::test]
async fn defect_08_the_deletion_of_the_group_is_tried_again() {
    let world = World::start().await;
    let provisioned = world.provision().with("idle-timeout", "1").run().await;
    world.fault("arm.transitioning", 3);
    world.life(provisioned.agent_name()).await.has_row("no-job");
    world.nothing_left().await;
    assert!(world.asked(&["DELETE", "containerGroups", "409"]) >= 3);
}

/// A service principal may have a certificate instead of a key; the original refused it.
#[tokio::test]
async fn a_certificate_takes_it_down_as_a_key_does() {
    let world = World::start().await;
    let provisioned = world.provision().certified(&world).run().await;
    let agent = provisioned.agent_name();
    let run = world.job(agent, "env; cat /proc/1/environ").await;
    let _ = world.result(run).await;
    world.life(agent).await.has_row("job-finished");
    world.nothing_left().await;
    assert!(!world.job_log(run).contains("PRIVATE KEY"), "{}", world.job_log(run));
}

/// The agent is out of rotation from the moment its job begins, whatever the service overlooks afterwards.
#[tokio::test]
async fn defect_14_a_second_job_is_left_for_others() {
    let world = World::start().await;
    world.fault("devops.second-job", 10);
    let first = world.provision().run().await;
    let agent = first.agent_name();
    let gate = world.gate("gate");
    let run = world.job(agent, &gate.wait()).await;
    world.job_begins(agent).await;
    world
        .wait_for("the agent to be disabled", |state| {
            let agent = state.devops.agents.values().find(|known| known.name == agent)?;
            (!agent.enabled).then_some(())
        })
        .await;
    let pool = emulator::world::POOL;
    let yaml = format!("pool:\n  name: {pool}\nsteps:\n- checkout: none\n- script: echo second");
    let other_run = world.run(&yaml).await;
    gate.open().await;
    assert_eq!(world.result(run).await, "succeeded");
    world.life(agent).await.has_row("job-finished");
    assert_eq!(world.jobs_of(agent), ["succeeded"]);
    let second = world.provision_unseen().run().await;
    assert_eq!(world.result(other_run).await, "succeeded");
    assert_eq!(world.jobs_of(second.agent_name()), ["succeeded"], "it waited for another agent");
    world.life(second.agent_name()).await.has_row("job-finished");
    world.nothing_left().await;
}

/// Where the container may not disable its agent, the service may send a second job. It is not taken.
#[tokio::test]
async fn a_second_job_is_not_taken() {
    let world = World::start().await;
    world.fault("devops.second-job", 10);
    let provisioned = world.provision().with("take-down", "outside").run().await;
    let agent = provisioned.agent_name();
    let run = world.job(agent, "echo first").await;
    let second = world.job(agent, "echo second").await;
    assert_eq!(world.result(run).await, "succeeded");
    let life = world.life(agent).await;
    life.has_row("outside");
    assert_eq!(life.count("Running job"), 1);
    let printed = world.deprovision(agent).run().await;
    assert_eq!(printed.code, Some(0), "{}", printed.said());
    assert_eq!(world.jobs_of(agent), ["succeeded", "abandoned"]);
    assert!(!world.job_log(second).contains("second"));
    world.nothing_left().await;
}

/// Somebody disables the agent while it works: no reason to stop.
#[tokio::test]
async fn the_agent_is_disabled_during_its_job() {
    let world = World::start().await;
    let provisioned = world.provision().with("take-down", "outside").run().await;
    let agent = provisioned.agent_name();
    let gate = world.gate("gate");
    let run = world.job(agent, &gate.wait()).await;
    world.job_begins(agent).await;
    world.emulator().change(|state| {
        let known = state.devops.agents.values_mut().find(|known| known.name == agent);
        known.expect("registered").enabled = false;
    });
    gate.open().await;
    assert_eq!(world.result(run).await, "succeeded");
    world.life(agent).await.has_row("outside");
    assert_eq!(world.deprovision(agent).run().await.code, Some(0));
    world.nothing_left().await;
}

#[tokio::test]
async fn the_token_has_expired() {
    let world = World::start().await;
    let provisioned = world.provision().run().await;
    let agent = provisioned.agent_name();
    let gate = world.gate("gate");
    let run = world.job(agent, &gate.wait()).await;
    world.job_begins(agent).await;
    world.fault("devops.token-expired", true);
    gate.open().await;
    assert_eq!(world.result(run).await, "succeeded");
    let life = world.life(agent).await;
    life.has_row("token-expired-meanwhile");
    assert_eq!(life.outcome()["agent"], "left");
    world.groups_gone().await;
    world.mend("devops.token-expired");
    assert_eq!(world.deprovision(agent).run().await.code, Some(0));
    world.nothing_left().await;
}

#[tokio::test]
async fn the_service_principals_secret_has_expired() {
    let world = World::start().await;
    let provisioned = world.provision().with("idle-timeout", "3").run().await;
    let agent = provisioned.agent_name();
    world.secrets_expire(true);
    world.says(agent, "container-group-left").await;
    let life = world.life(agent).await;
    life.has_row("secret-expired-meanwhile");
    assert_eq!(life.outcome()["agent"], "removed", "that takes the token only");
    assert_eq!(world.groups(), [agent]);
    world.secrets_expire(false);
    let printed = world.deprovision(agent).run().await;
    assert!(printed.said().contains("taken down; no-job: no job came"), "{}", printed.said());
    world.nothing_left().await;
}

/// What is needed at the end is fetched when the job begins.
#[tokio::test]
async fn the_service_principals_secret_expires_during_the_job() {
    let world = World::start().await;
    let provisioned = world.provision().run().await;
    let agent = provisioned.agent_name();
    let gate = world.gate("gate");
    let before = world.asked(&["POST", "/oauth2/", "200"]);
    let run = world.job(agent, &gate.wait()).await;
    world.is_asked(&["POST", "/oauth2/", "200"], before + 1).await;
    world.secrets_expire(true);
    gate.open().await;
    assert_eq!(world.result(run).await, "succeeded");
    world.life(agent).await.has_row("job-finished");
    world.nothing_left().await;
}

/// Azure DevOps is away for a while when the agent is to be unregistered.
#[tokio::test]
async fn azure_devops_is_away_for_a_while() {
    let world = World::start().await;
    let provisioned = world.provision().with("idle-timeout", "1").run().await;
    let agent = provisioned.agent_name();
    world.fault("http.unavailable", json!({"path": "/agents/", "count": 7}));
    let life = world.life(agent).await;
    life.has_row("no-job");
    assert_eq!(life.outcome()["agent"], "removed");
    world.nothing_left().await;
}
