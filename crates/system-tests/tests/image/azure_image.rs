//! The image with the Azure CLI. The first test of all by its name, since its first build takes about a minute, in
//! which the others go on; later the engine has it.

use system_tests::{Engine, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_has_the_azure_cli() {
    let Some(engine) = Engine::prepared() else { return };
    let version = std::env::var("AZURE_CLI_VERSION").expect("cargo xtask test sets it");
    let image = engine.azure_image();
    let world = World::on(&engine).await;
    let provisioned = world.provision().with("image", image).run().await;
    let agent = provisioned.agent_name();
    let run = world.job(agent, "echo I am $(id -un); az version --output json").await;
    assert_eq!(world.result(run).await, "succeeded", "{}", world.job_log(run));
    let log = world.job_log(run);
    assert!(log.contains("I am agent"), "{log}");
    assert!(log.contains(&format!("\"azure-cli\": \"{version}\"")), "{log}");
    world.life(agent).await.has_row("job-finished");
    world.end().await;
}
