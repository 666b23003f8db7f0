//! Scripts in other languages, with the emulator's settings in their environment.

use std::path::{Path, PathBuf};

use system_tests::{Invocation, Printed, World, one_job};

/// A program that `cargo xtask test` names; `None` for somebody who runs these tests without it.
pub(crate) fn program(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from)
}

/// Where a script of the folder `judges` is.
pub(crate) fn script(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("judges").join(name).display().to_string()
}

/// Runs a command line, and fails with all that it printed unless it ends with 0.
pub(crate) async fn succeed(command: &Invocation) -> Printed {
    let printed = command.run().await;
    assert_eq!(printed.code, Some(0), "{}", printed.said());
    printed
}

/// The same for a script and its arguments, with more variables in its environment.
pub(crate) async fn judge_with(
    world: &World,
    program: &Path,
    script: &[&str],
    variables: &[(&str, &str)],
) -> Printed {
    let (file, arguments) = script.split_first().expect("a script");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("judges").join(file).display().to_string();
    let words: Vec<&str> = std::iter::once(file.as_str()).chain(arguments.iter().copied()).collect();
    let client =
        variables.iter().fold(world.client(program, &words), |client, (name, value)| client.env(name, value));
    let printed = client.run().await;
    assert_eq!(printed.code, Some(0), "{}", printed.said());
    printed
}

/// Makes a service connection `azure` with a key.
pub(crate) async fn connect_azure(world: &World) {
    let key = world.setting("AZURE_CLIENT_SECRET");
    let connection = world.azure_connection("ServicePrincipal", &[("serviceprincipalkey", &key)]);
    world.connect("azure", &connection).await;
}

/// A look at the one job of a pipeline `judged`: what is queued, runs or is done is for a script to see.
pub(crate) trait Look {
    /// Has a script look, to which `AGENT` is the agent.
    async fn look(&self, world: &World, at: &str, agent: &str);
}

/// Has a job run on an agent of ours, while a client queues it, looks at it as it runs, and at what is left of it.
pub(crate) async fn a_job(world: &World, client: &impl Look) {
    let provisioned = world.provision().run().await;
    assert_eq!(provisioned.code, Some(0), "{}", provisioned.said());
    let agent = provisioned.agent_name();
    let gate = world.gate("judged");
    world.define("judged", &one_job(agent, &format!("{}\necho $(word) from a job", gate.wait())));
    client.look(world, "queue", agent).await;
    world.job_begins(agent).await;
    client.look(world, "running", agent).await;
    // So that the agent's record stays until it has been looked at.
    world.fault("devops.remove-busy", 1000);
    gate.open().await;
    assert_eq!(world.result(1).await, "succeeded", "the only run");
    client.look(world, "done", agent).await;
    world.mend("devops.remove-busy");
    world.nothing_left().await;
}

/// Runs a script of the folder `judges`, and fails with all that it printed unless it ends with 0.
pub(crate) async fn judge(world: &World, program: &Path, name: &str) -> Printed {
    succeed(&world.client(program, &[&script(name)])).await
}
