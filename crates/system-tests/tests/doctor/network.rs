//! The subnet and the way out of it.

use emulator::arm::Resource;
use serde_json::{Value, json};
use system_tests::World;

use crate::support::{doctor, has_state, in_network, is_ok, says};

/// A world whose subnet for agents has a gateway.
async fn with_gateway() -> World {
    let world = World::start().await;
    let gateway = format!("{}/providers/Microsoft.Network/natGateways/out", world.resource_group());
    world.change_subnet(|subnet| subnet.nat_gateway = Some(gateway));
    world
}

#[tokio::test]
async fn the_subnet() {
    let world = with_gateway().await;
    is_ok(&in_network(&world), "subnet", "sampleprivatenetwork/azure-devops-agents is in westeurope").await;
    is_ok(&in_network(&world), "way-out", "The subnet has a way out").await;
    is_ok(&doctor(&world), "way-out", "Without a virtual network").await;
    says("subnet-unknown", &in_network(&world).with("subnet-name", "nowhere")).await;
    let unseen = in_network(&world).with("subnet-name", "nowhere");
    has_state(&unseen, "way-out", "not-checked", "The subnet was not seen.").await;
    says("vnet-elsewhere", &in_network(&world).with("location", "North Europe")).await;
    world.change_subnet(|subnet| subnet.delegations.clear());
    says("subnet-not-delegated", &in_network(&world)).await;
    world.change_subnet(|subnet| subnet.delegations = vec!["Microsoft.Web/serverFarms".into()]);
    says("subnet-delegated-elsewhere", &in_network(&world)).await;
}

#[tokio::test]
async fn a_subnet_that_others_fill() {
    let world = World::start().await;
    world.fill_subnet();
    says("subnet-full", &in_network(&world)).await;
    world.share_subnet();
    says("subnet-shared", &in_network(&world)).await;
}

#[tokio::test]
async fn a_subnet_without_a_gateway() {
    let world = World::start().await;
    says("doctor-no-gateway", &in_network(&world)).await;
}

fn rule(name: &str, priority: u32, access: &str, to: &str) -> Value {
    json!({"name": name, "properties": {
        "priority": priority, "access": access, "direction": "Outbound", "protocol": "Tcp",
        "sourceAddressPrefix": "*", "sourcePortRange": "*",
        "destinationAddressPrefix": to, "destinationPortRange": "443",
    }})
}

/// Gives the subnet a security group with these rules.
fn guard(world: &World, rules: &[Value]) {
    let id = format!("{}/providers/Microsoft.Network/networkSecurityGroups/guard", world.resource_group());
    let group = Resource {
        id: id.clone(),
        name: "guard".to_owned(),
        kind: "Microsoft.Network/networkSecurityGroups".to_owned(),
        location: "westeurope".to_owned(),
        tags: serde_json::json!({}),
        sku: Value::Null,
        properties: json!({"securityRules": rules}),
    };
    world.emulator().change(|state| state.arm.resources.insert(id.to_ascii_lowercase(), group));
    world.change_subnet(|subnet| subnet.network_security_group = Some(id.clone()));
}

#[tokio::test]
async fn rules_that_let_agents_through_or_not() {
    let world = with_gateway().await;
    let closed = rule("nothing-out", 400, "Deny", "Internet");
    guard(&world, &[rule("devops", 300, "Allow", "AzureDevOps"), closed.clone()]);
    let from_outside = in_network(&world).and("take-down", "outside");
    is_ok(&from_outside, "way-out", "its rules let the agent through").await;
    says("doctor-rule-manager", &in_network(&world)).await;
    guard(&world, &[closed]);
    says("doctor-rule-devops", &from_outside).await;
    world.fault("http.not-json", json!({"path": "networkSecurityGroups", "count": 9}));
    has_state(&from_outside, "way-out", "warning", "Could not look at the rules").await;
}
