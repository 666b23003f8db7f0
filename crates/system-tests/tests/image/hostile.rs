//! A hostile job in a container: the same search as on processes, through all that a container has.

use system_tests::{Engine, World};

/// Runs the search as a job in an agent of this image that is taken down so, and gives its log.
async fn searched(engine: &Engine, image: &str, registration: &str, take_down: &str) -> String {
    let world = World::on(engine).await;
    let mut provision = world.provision().with("image", image).with("registration", registration);
    if take_down == "identity" {
        let remover = world.identity("remover", &["Microsoft.ContainerInstance/containerGroups/delete"]);
        provision = provision.and("identity", &remover);
    }
    let provisioned = provision.with("take-down", take_down).run().await;
    let agent = provisioned.agent_name();
    let secrets =
        [("token", world.setting("AZURE_DEVOPS_EXT_PAT")), ("key", world.setting("AZURE_CLIENT_SECRET"))];
    let reversed =
        secrets.map(|(label, secret)| format!("{label}={}", secret.chars().rev().collect::<String>()));
    let run = world.job(agent, &format!("/usr/local/bin/hostile-job {}", reversed.join(" "))).await;
    let (result, log) = (world.result(run).await, world.job_log(run));
    assert_eq!(result, "succeeded", "{log}\n{}", world.container_output(agent));
    assert!(log.contains("SEARCHED"), "{log}");
    if take_down == "outside" {
        world.life(agent).await.has_row("outside");
        assert_eq!(world.deprovision(agent).run().await.code, Some(0));
    }
    world.nothing_left().await;
    world.end().await;
    log
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_04_in_a_container_a_hostile_job_finds_no_secret() {
    let Some(engine) = Engine::prepared() else { return };
    let image = engine.hostile_image("hostile", "");
    // What each way of taking down exposes: docs/security.md has the table.
    let (outside, secrets, token, identity) = tokio::join!(
        searched(&engine, &image, "jit", "outside"),
        searched(&engine, &image, "jit", "secrets"),
        searched(&engine, &image, "token", "secrets"),
        searched(&engine, &image, "jit", "identity"),
    );
    for log in [&outside, &secrets, &token] {
        assert!(!log.contains("FOUND") && log.contains("IDENTITY none"), "{log}");
    }
    assert!(!identity.contains("FOUND") && identity.contains("IDENTITY gives a token"), "{identity}");
}

/// Root in a container has fewer rights than root on a machine: it may not look into other processes either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_container_not_even_root_reads_the_supervisors_memory() {
    let Some(engine) = Engine::prepared() else { return };
    let image = engine.hostile_image("hostile-as-root", "ENV AZP_RUN_AS=root");
    let log = searched(&engine, &image, "jit", "secrets").await;
    assert!(!log.contains("FOUND"), "{log}");
}

/// As the start scripts of 2019 did it: what the container is told lies in a file, and stays in the environment of the
/// first process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_container_the_same_search_finds_them_where_the_protection_is_taken_out() {
    let Some(engine) = Engine::prepared() else { return };
    let lines = "ENV AZP_RUN_AS=root\n\
                 ENTRYPOINT [\"sh\", \"-c\", \"env > /etc/told; /usr/local/bin/agent-supervisor; true\"]";
    let image = engine.hostile_image("hostile-unprotected", lines);
    let log = searched(&engine, &image, "jit", "secrets").await;
    for label in ["token", "key"] {
        assert!(log.contains(&format!("FOUND {label} in /etc/told")), "{log}");
    }
}
