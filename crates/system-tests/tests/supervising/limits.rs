//! Times that are over: to come online, to get a job, to live.

use system_tests::{World, has_ended};

/// Long enough for an agent to be fetched and to be seen failing, on a busy machine.
const START: &str = "export AZP_START_TIMEOUT=15";

#[tokio::test]
async fn defect_12_no_job_comes() {
    let world = World::start().await;
    let provisioned = world.provision().with("idle-timeout", "1").run().await;
    world.life(provisioned.agent_name()).await.has_row("no-job");
    world.nothing_left().await;
}

async fn never_online(knob: &str, value: i64, row: &str) {
    let world = World::with_agent(START).await;
    world.fault(knob, value);
    let provisioned = world.provision_unseen().run().await;
    let agent = provisioned.agent_name();
    world.life(agent).await.has_row(row);
    world.nothing_left().await;
}

#[tokio::test]
async fn another_has_its_session_for_ever() {
    never_online("devops.session-conflict", 1000, "not-online-session").await;
}

#[tokio::test]
async fn its_clock_is_wrong() {
    never_online("devops.auth-skew-seconds", 7200, "not-online-clock").await;
}

#[tokio::test]
async fn the_service_does_not_answer_it() {
    let world = World::with_agent(START).await;
    let fault = serde_json::json!({"path": "/sessions", "count": 1000});
    world.fault("http.unavailable", fault);
    let provisioned = world.provision_unseen().run().await;
    world.life(provisioned.agent_name()).await.has_row("not-online");
    world.nothing_left().await;
}

#[tokio::test]
async fn its_longest_life_is_over_before_a_job() {
    let world = World::with_agent("export AZP_MAX_LIFETIME=12").await;
    let provisioned = world.provision().run().await;
    world.life(provisioned.agent_name()).await.has_row("lifetime-over");
    world.nothing_left().await;
}

async fn too_long_a_job(words: &str, result: &str) {
    let world = World::with_agent("export AZP_MAX_LIFETIME=12 AZP_GRACE=3").await;
    world.fault("compute.misbehave", words);
    world.fault("devops.lock-seconds", 20);
    world.hold_groups();
    let provisioned = world.provision().run().await;
    let agent = provisioned.agent_name();
    world.job(agent, "echo begun; sleep 8620").await;
    let step = world.process(agent, "sleep 8620").await;
    world.life(agent).await.has_row("lifetime-over-job");
    has_ended(step).await;
    world.release_groups();
    assert_eq!(world.jobs_of(agent), [result]);
    world.nothing_left().await;
}

#[tokio::test]
async fn its_longest_life_is_over_in_a_job() {
    too_long_a_job("", "canceled").await;
}

#[tokio::test]
async fn its_longest_life_is_over_in_a_job_that_does_not_end() {
    too_long_a_job("ignore-sigint", "abandoned").await;
}
