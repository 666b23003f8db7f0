//! Settings that cannot work: nothing is sent, and the option is named.

use system_tests::World;

use crate::support::{fails_as, in_network};

#[tokio::test]
async fn what_is_missing_is_said_all_at_once() {
    let world = World::start().await;
    let nothing = world.provision().without("agent-pool").without("image").without("organization-url");
    let nothing = nothing.without("resource-group");
    fails_as(&world, "setting-missing", &nothing).await;
}

#[tokio::test]
async fn sizes_that_no_container_group_has() {
    let world = World::start().await;
    for (cpu, memory) in [("0", "0"), ("32", "1.25"), ("31.5", "241")] {
        let odd = world.provision().with("cpu", cpu).with("memory", memory);
        fails_as(&world, "setting-size", &odd).await;
    }
}

#[tokio::test]
async fn images_that_no_registry_has() {
    let world = World::start().await;
    for (row, image) in [
        ("setting-image-scheme", "https://registry.test/agent:1"),
        ("setting-image-capitals", "registry.test/Team/Agent:1"),
        ("setting-image-name", "registry.test/agent\u{202e}$(id):1"),
        ("setting-image-tag", "registry.test/agent:-1"),
        ("setting-image-digest", "registry.test/agent@sha256:12"),
    ] {
        fails_as(&world, row, &world.provision().with("image", image)).await;
    }
}

#[tokio::test]
async fn half_a_network() {
    let world = World::start().await;
    fails_as(&world, "setting-vnet-missing", &in_network(&world).without("vnet-name")).await;
    fails_as(&world, "setting-subnet-missing", &in_network(&world).without("subnet-name")).await;
}

#[tokio::test]
async fn a_subnets_id_in_place_of_its_name() {
    let world = World::start().await;
    let id = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/networks/providers/\
              Microsoft.Network/virtualNetworks/hub/subnets/agents";
    let without_network = world.provision().and("subnet-name", id);
    fails_as(&world, "setting-subnet-id", &without_network).await;
    fails_as(&world, "setting-subnet-id", &in_network(&world).with("subnet-name", id)).await;
}

#[tokio::test]
async fn addresses_of_no_organization() {
    let world = World::start().await;
    for url in ["contoso", "https://dev.azure.com", "https://dev.azure.com/contoso/project", "ftp://x/y"] {
        fails_as(&world, "setting-organization", &world.provision().with("organization-url", url)).await;
    }
}

#[tokio::test]
async fn prefixes_that_make_no_name() {
    let world = World::start().await;
    for prefix in ["Agent", "1st", "my-agent"] {
        fails_as(&world, "setting-prefix", &world.provision().with("agent-prefix", prefix)).await;
    }
}
