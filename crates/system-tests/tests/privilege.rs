//! The job is not trusted: it finds nothing but what docs/security.md says that it may have. The same search finds the
//! secrets where the protection is taken out, so it knows how to look.

use system_tests::{AGENT_IMAGE, Printed, World};

/// The registry's password, which goes to the service and never into the container. Each world has its own: the
/// searches of other tests, which run as the same user, hold theirs in memory.
fn registry_password(world: &World) -> String {
    format!("planted-password-of-{}", world.setting("AZURE_SUBSCRIPTION_ID"))
}

/// Protection is a matter of users, and only root can run the agent as another.
fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// The script of a job that searches for every secret.
fn search(world: &World) -> String {
    let secrets = [
        ("token", world.setting("AZURE_DEVOPS_EXT_PAT")),
        ("key", world.setting("AZURE_CLIENT_SECRET")),
        ("registry-password", registry_password(world)),
        ("control-token", world.setting("EMULATOR_CONTROL_TOKEN")),
    ];
    let reversed =
        secrets.map(|(label, secret)| format!("{label}={}", secret.chars().rev().collect::<String>()));
    format!("{} {}", world.hostile_job().display(), reversed.join(" "))
}

/// Provisions with every secret there is, runs the search as a job, and gives its log.
async fn searched(world: &World, image: &str, more: &[(&str, &str)]) -> String {
    let mut invocation = world
        .provision()
        .with("image", image)
        .and("registry-user", "puller")
        .env("EPHEMERAL_AGENTS_REGISTRY_PASSWORD", &registry_password(world));
    for (name, value) in more {
        invocation = invocation.with(name, value);
    }
    let provisioned: Printed = invocation.run().await;
    let agent = provisioned.agent_name();
    let run = world.job(agent, &search(world)).await;
    let result = world.result(run).await;
    let log = world.job_log(run);
    assert_eq!(result, "succeeded", "{log}\n{}", world.container_output(agent));
    world.life(agent).await.has_row("job-finished");
    world.nothing_left().await;
    assert!(log.contains("SEARCHED"), "{log}");
    log
}

#[tokio::test]
async fn defect_04_a_hostile_job_finds_no_secret() {
    if !is_root() {
        return;
    }
    for registration in ["jit", "token"] {
        let world = World::start().await;
        let log = searched(&world, AGENT_IMAGE, &[("registration", registration)]).await;
        assert!(!log.contains("FOUND"), "{registration}: {log}");
        assert!(log.contains("IDENTITY none"), "{log}");
    }
}

#[tokio::test]
async fn a_hostile_job_finds_no_certificate_that_was_handed_over() {
    if !is_root() {
        return;
    }
    let world = World::start().await;
    let provisioned = world.provision().certified(&world).run().await;
    let agent = provisioned.agent_name();
    // Where the file lies is for its owner to protect; what is searched for came by the container's environment.
    let pem = std::fs::read_to_string(world.folder().join("app.pem")).expect("a certificate");
    std::fs::remove_file(world.folder().join("app.pem")).expect("gone");
    let line: String = pem.lines().nth(3).expect("a line of the key").chars().rev().collect();
    let run = world.job(agent, &format!("{} key={line}", world.hostile_job().display())).await;
    let (result, log) = (world.result(run).await, world.job_log(run));
    assert_eq!(result, "succeeded", "{log}");
    assert!(log.contains("SEARCHED") && !log.contains("FOUND"), "{log}");
    world.nothing_left().await;
}

#[tokio::test]
async fn the_same_search_finds_them_where_the_protection_is_taken_out() {
    if !is_root() {
        return;
    }
    let world = World::with_agent("export AZP_RUN_AS=root").await;
    let log = searched(&world, AGENT_IMAGE, &[]).await;
    for label in ["token", "key"] {
        assert!(log.contains(&format!("FOUND {label} in the memory of another process")), "{log}");
    }
}

#[tokio::test]
async fn with_a_managed_identity_a_job_may_have_its_token_and_nothing_else() {
    if !is_root() {
        return;
    }
    let world = World::start().await;
    let identity = world.identity("remover", &["Microsoft.ContainerInstance/containerGroups/delete"]);
    let log = searched(&world, AGENT_IMAGE, &[("take-down", "identity"), ("identity", &identity)]).await;
    assert!(!log.contains("FOUND"), "{log}");
    assert!(log.contains("IDENTITY gives a token"), "docs/security.md says so: {log}");
}
