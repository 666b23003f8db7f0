//! Images that users make: on top of ours, and of their own.

use system_tests::{Engine, World};

/// Runs one job with this script, and gives its log and what the container printed.
async fn job_in(engine: &Engine, image: &str, script: &str) -> (String, String) {
    let world = World::on(engine).await;
    let provisioned = world.provision().with("image", image).run().await;
    let agent = provisioned.agent_name();
    let run = world.job(agent, script).await;
    let (result, log) = (world.result(run).await, world.job_log(run));
    assert_eq!(result, "succeeded", "{log}\n{}", world.container_output(agent));
    world.life(agent).await.has_row("job-finished");
    world.nothing_left().await;
    let printed = world.container_output(agent);
    world.end().await;
    (log, printed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_image_brings_is_there_and_the_job_runs_as_the_agent() {
    let Some(engine) = Engine::prepared() else { return };
    let script =
        "id -un; git --version; curl --version | head -n 1; jq --version; ping -V; tar --version | head -n 1";
    let (log, _) = job_in(&engine, engine.agent_image(), script).await;
    for expected in ["agent", "git version", "curl ", "jq-", "iputils", "GNU tar"] {
        assert!(log.contains(expected), "{expected}: {log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_extra_tool_a_variable_and_an_own_certificate() {
    let Some(engine) = Engine::prepared() else { return };
    let lines = "ENV EXTRA_SETTING=from-the-image\n\
                 RUN printf '#!/bin/sh\\necho the extra tool runs\\n' > /usr/local/bin/extra-tool \
                 && chmod 0755 /usr/local/bin/extra-tool";
    let image = engine.image_with("extended", lines);
    // The emulator's own authority comes with --agent-ca-file: every tool of the job trusts it.
    let script = "extra-tool; echo $EXTRA_SETTING; curl --silent --output /dev/null --write-out 'curl says %{http_code}' \
                  $(System.CollectionUri)_apis/connectionData";
    let (log, _) = job_in(&engine, &image, script).await;
    for expected in ["the extra tool runs", "from-the-image", "curl says "] {
        assert!(log.contains(expected), "{expected}: {log}");
    }
    assert!(!log.contains("curl says 000"), "the connection was made: {log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_sets_a_user_works_and_is_warned_of() {
    let Some(engine) = Engine::prepared() else { return };
    let image = engine.image_with("with-user", "USER agent");
    let (log, printed) = job_in(&engine, &image, "id -un").await;
    assert!(log.contains("agent"), "{log}");
    assert!(printed.contains("warning: not started as root"), "{printed}");
}
