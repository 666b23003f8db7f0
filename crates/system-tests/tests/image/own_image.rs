//! Images that are not built on ours: the sample, which follows the interface of 2019 and nothing else.

use system_tests::{Engine, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_with_its_own_start_script_runs_one_job_and_is_gone() {
    let Some(engine) = Engine::prepared() else { return };
    let sample = engine.sample("own-image");
    let world = World::on(&engine).await;
    let image = engine.image_that_trusts(&world, &sample, "own-image-here");
    let provision = world.provision().without("agent-ca-file").with("image", &image);
    let provisioned = provision.with("registration", "token").with("take-down", "secrets").run().await;
    let agent = provisioned.agent_name();
    let script = "echo hello from $(id -un); env | grep -c '^AZP_\\|^AZ_' || true; \
                  grep -c AZP_TOKEN /proc/1/environ || echo cannot look";
    let run = world.job(agent, script).await;
    let second = world.job(agent, "echo second").await;
    assert_eq!(world.result(run).await, "succeeded", "{}", world.container_output(agent));
    let log = world.job_log(run);
    assert!(log.contains("hello from agent") && log.contains("cannot look"), "{log}");
    world.nothing_left().await;
    assert_eq!(world.jobs_of(agent), ["succeeded"], "{}", world.container_output(agent));
    assert!(!world.job_log(second).contains("second"));
    world.end().await;
    engine.docker(&["rmi", &image]);
}
