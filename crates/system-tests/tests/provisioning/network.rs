//! The subnet.

use system_tests::World;

use crate::support::{SUBNET, change_subnet, fails_as, in_network};

#[tokio::test]
async fn a_subnet_that_is_not_there() {
    let world = World::start().await;
    fails_as(&world, "subnet-unknown", &in_network(&world).with("subnet-name", "nowhere")).await;
    fails_as(&world, "subnet-unknown", &in_network(&world).with("vnet-name", "nowhere")).await;
}

#[tokio::test]
async fn a_subnet_that_is_not_delegated() {
    let world = World::start().await;
    change_subnet(&world, |subnet| subnet.delegations.clear());
    fails_as(&world, "subnet-not-delegated", &in_network(&world)).await;
}

#[tokio::test]
async fn a_subnet_that_is_delegated_to_something_else() {
    let world = World::start().await;
    change_subnet(&world, |subnet| subnet.delegations = vec!["Microsoft.Web/serverFarms".into()]);
    fails_as(&world, "subnet-delegated-elsewhere", &in_network(&world)).await;
}

#[tokio::test]
async fn a_subnet_in_which_other_things_live() {
    let world = World::start().await;
    change_subnet(&world, |subnet| {
        subnet.delegations.clear();
        let interface =
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkInterfaces/web-1";
        subnet.ip_configurations = vec![format!("{interface}/ipConfigurations/first")];
    });
    fails_as(&world, "subnet-shared", &in_network(&world)).await;
}

#[tokio::test]
async fn a_subnet_without_a_free_address() {
    let world = World::start().await;
    // Eight addresses, of which Azure keeps five.
    change_subnet(&world, |subnet| {
        subnet.address_prefix = "10.10.254.0/29".to_owned();
        subnet.ip_configurations = ["a", "b", "c"]
            .map(|name| format!("/subscriptions/s/providers/Microsoft.Network/networkInterfaces/{name}"))
            .into();
    });
    fails_as(&world, "subnet-full", &in_network(&world)).await;
    world.fault("http.not-json", serde_json::json!({"path": "virtualNetworks/sampleprivatenetwork/usages"}));
    fails_as(&world, "subnet-full-at-creation", &in_network(&world)).await;
}

#[tokio::test]
async fn defect_07_a_network_in_another_region() {
    let world = World::start().await;
    fails_as(&world, "vnet-elsewhere", &in_network(&world).with("location", "North Europe")).await;
}

#[tokio::test]
async fn an_agent_in_the_subnet() {
    let world = World::start().await;
    let fine = in_network(&world).run().await;
    assert_eq!(fine.code, Some(0), "{}", fine.said());
    let in_subnet = world.emulator().read(|state| {
        state
            .arm
            .container_groups
            .values()
            .any(|group| group.properties["subnetIds"].to_string().contains(SUBNET))
    });
    assert!(in_subnet);
}
