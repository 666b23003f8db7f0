//! This machine: connection, DNS, clock.

use system_tests::World;

use crate::support::{doctor, has_state, is_ok, says};

#[tokio::test]
async fn all_is_well() {
    let world = World::start().await;
    let printed = doctor(&world).run().await;
    assert_eq!(printed.code, Some(0), "{}", printed.said());
    assert!(printed.said().contains(" ok, 1 warning, 0 failed."), "the image: {}", printed.said());
    is_ok(&doctor(&world), "connection", "Directly, without a proxy.").await;
    is_ok(&doctor(&world), "clock", "goes with the services'").await;
    is_ok(&doctor(&world), "dns", "localhost").await;
    assert_eq!(world.groups(), Vec::<String>::new());
    assert_eq!(
        world.asked(&["PUT"]) + world.asked(&["PATCH"]) + world.asked(&["DELETE"]),
        0,
        "it only looks"
    );
}

#[tokio::test]
async fn a_host_that_does_not_answer() {
    let world = World::start().await;
    let elsewhere = doctor(&world).with("organization-url", "https://127.0.0.1:9/contoso");
    let printed = says("doctor-connection", &elsewhere).await;
    assert!(
        printed.said().contains("agent pool      not checked  "),
        "one reason is said once: {}",
        printed.said()
    );
}

#[tokio::test]
async fn a_certificate_that_nobody_trusts() {
    let world = World::start().await;
    says("certificate-not-trusted", &doctor(&world).without("ca-file")).await;
}

#[tokio::test]
async fn names_without_addresses() {
    let world = World::start().await;
    let nowhere = doctor(&world).with("organization-url", "https://nowhere.invalid/contoso");
    says("doctor-dns", &nowhere).await;
    let registry = doctor(&world).with("image", "nowhere.invalid/agent:1");
    says("doctor-dns-registry", &registry).await;
}

#[tokio::test]
async fn behind_a_proxy_it_is_the_proxy_that_finds_names() {
    let world = World::start().await;
    let behind = doctor(&world)
        .env("HTTPS_PROXY", "http://user:pl4nted-password@127.0.0.1:9")
        .env("NO_PROXY", "localhost,127.0.0.1")
        .with("image", "nowhere.invalid/agent:1");
    is_ok(&behind, "connection", "Through the proxy http://127.0.0.1:9 (HTTPS_PROXY)").await;
    let found = crate::support::checks(&behind, "dns").await;
    let skipped =
        found.iter().any(|(state, what)| state == "not-checked" && what.contains("the proxy's to find"));
    assert!(skipped, "{found:?}");
    assert!(!behind.run().await.said().contains("pl4nted"), "a password stays one");
}

#[tokio::test]
async fn a_clock_that_is_off() {
    let world = World::start().await;
    world.fault("http.date-skew-seconds", 120);
    says("doctor-clock-drifts", &doctor(&world)).await;
    world.fault("http.date-skew-seconds", -600);
    says("doctor-clock-off", &doctor(&world)).await;
    world.fault("http.date-skew-seconds", 30);
    has_state(&doctor(&world), "clock", "ok", "s behind the services'").await;
}
