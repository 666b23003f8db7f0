//! Agents that register themselves with a token, as the original's did.

use system_tests::World;

/// `provision` of an agent that registers itself.
fn with_token(world: &World) -> system_tests::Invocation {
    world.provision().with("registration", "token")
}

#[tokio::test]
async fn an_agent_registers_itself_and_runs_one_job() {
    let world = World::start().await;
    let provisioned = with_token(&world).run().await;
    let agent = provisioned.agent_name();
    let run = world.job(agent, "env | grep -c '^AZP_\\|^AZ_\\|TOKEN' || true").await;
    assert_eq!(world.result(run).await, "succeeded", "{}", world.container_output(agent));
    let life = world.life(agent).await;
    life.has_row("job-finished");
    assert_eq!(life.count("Successfully added the agent"), 1);
    assert_eq!(life.outcome()["agent"], "removed");
    assert_eq!(world.jobs_of(agent), ["succeeded"]);
    world.nothing_left().await;
}

/// The file is gone before the job could read it.
#[tokio::test]
async fn defect_04_and_09_the_token_may_come_in_a_file() {
    let lines = r#"
(umask 077; printf '%s\n' "$AZP_TOKEN" > "$AZP_HOME/token")
unset AZP_TOKEN
export AZP_TOKEN_FILE="$AZP_HOME/token""#;
    let world = World::with_agent(lines).await;
    let provisioned = with_token(&world).run().await;
    let agent = provisioned.agent_name();
    let script = "ls ../../../../token && echo there; tr '\\0' ' ' < /proc/$PPID/cmdline; true";
    let run = world.job(agent, script).await;
    assert_eq!(world.result(run).await, "succeeded", "{}", world.container_output(agent));
    assert!(!world.job_log(run).lines().any(|line| line.ends_with("there")), "{}", world.job_log(run));
    let life = world.life(agent).await;
    life.has_row("job-finished");
    assert_eq!(life.outcome()["agent"], "removed", "the token still unregisters");
    assert!(!life.output.contains(&world.setting("AZURE_DEVOPS_EXT_PAT")));
    world.nothing_left().await;
}

#[tokio::test]
async fn a_wrong_token() {
    // With an agent that needs no token to be fetched: otherwise that is where it ends.
    let package = "packages-content/agent/4.275.0/vsts-agent-linux-x64-4.275.0.tar.gz";
    let lines = format!("export AZP_TOKEN=wrong AZP_AGENT_PACKAGE_URL=$AZP_URL/_apis/{package}");
    let world = World::with_agent(&lines).await;
    let provisioned = with_token(&world).with("timeout-agent-online", "0").run().await;
    let life = world.life(provisioned.agent_name()).await;
    life.has_row("configuration-failed");
    assert_eq!(life.count("\nVS30063: You are not authorized"), 1, "the agent's own line:\n{}", life.output);
    world.nothing_left().await;
}

#[tokio::test]
async fn a_wrong_token_gets_no_package() {
    let world = World::with_agent("export AZP_TOKEN=wrong").await;
    let provisioned = with_token(&world).with("timeout-agent-online", "0").run().await;
    world.life(provisioned.agent_name()).await.has_row("package-token");
    world.nothing_left().await;
}

/// The agent that a refused replacement makes try for ever, or that hangs for any other reason.
#[tokio::test]
async fn a_registration_that_never_ends() {
    let world = World::with_agent("export AZP_START_TIMEOUT=12").await;
    world.fault("compute.misbehave", "hang-configure");
    let provisioned = with_token(&world).with("timeout-agent-online", "0").run().await;
    world.life(provisioned.agent_name()).await.has_row("not-online-registering");
    world.nothing_left().await;
}
