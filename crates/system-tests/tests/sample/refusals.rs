//! What keeps the sample from being made or removed: said before anything is, wherever it can be known.
//!
//! Most of it needs neither Azurite nor a registry, since nothing is made.

use emulator::State;
use emulator::arm::{Level, Lock, ResourceGroup, Subnet, VirtualNetwork};
use serde_json::json;
use system_tests::{Invocation, NETWORK, Printed, World};

use crate::{is_prepared, sample};

/// The sample's names.
const GROUP: &str = "ephemeral-agents-sample";
const NETWORK_GROUP: &str = "ephemeral-agents-sample-vnet";

/// `sample up` without the organization.
fn up(world: &World) -> Invocation {
    sample(world, &["up"]).without("organization-url")
}

fn network(world: &World, verb: &str) -> Invocation {
    sample(world, &["network", verb]).without("organization-url")
}

/// Runs it; what is printed is that row, and Resource Manager was asked for no change.
async fn refuses(world: &World, row: &str, invocation: &Invocation) -> Printed {
    let changes = |world: &World| {
        let methods = ["PUT /subscriptions", "PATCH /subscriptions", "DELETE /subscriptions"];
        methods.map(|method| world.asked(&[method]))
    };
    let before = changes(world);
    let printed = invocation.run().await;
    printed.has_row(row);
    assert_eq!(changes(world), before, "{}", printed.said());
    printed
}

async fn succeeds(invocation: &Invocation) -> Printed {
    let printed = invocation.run().await;
    assert_eq!(printed.code, Some(0), "{}", printed.said());
    printed
}

/// Changes the sample's network behind its back.
fn change_network(world: &World, change: impl FnOnce(&mut VirtualNetwork)) {
    world.emulator().change(|state| {
        let mut networks = state.arm.networks.values_mut();
        change(networks.find(|network| network.id.contains(NETWORK_GROUP)).expect("the sample's network"));
    });
}

/// Gives whoever runs the commands another role, over the whole subscription.
fn have_role(world: &World, role_name: &str) {
    world.emulator().change(|state| {
        let who = state.entra.apps[0].object_id;
        let mut roles = state.arm.role_definitions.iter();
        let role = roles.find(|role| role.role_name == role_name).expect("a role").name.clone();
        let of_theirs = state.arm.role_assignments.iter_mut().filter(|grant| grant.principal == who);
        of_theirs.for_each(|grant| grant.role.clone_from(&role));
    });
}

/// Takes rights away from the role that allows everything.
fn take_away(world: &World, actions: &[&str]) {
    world.emulator().change(|state| {
        let mut roles = state.arm.role_definitions.iter_mut();
        let owner = roles.find(|role| role.role_name == "Owner").expect("the role");
        owner.not_actions = actions.iter().map(|&action| action.to_owned()).collect();
    });
}

/// `provision` of an agent that never comes online, in another resource group and in the sample's network.
fn agent_elsewhere(world: &World) -> Invocation {
    let name = "elsewhere".to_owned();
    let id = format!("/subscriptions/{}/resourceGroups/{name}", world.setting("AZURE_SUBSCRIPTION_ID"));
    let location = emulator::world::LOCATION.to_owned();
    world.emulator().change(|state| {
        let group = ResourceGroup { id, name: name.clone(), location, tags: json!({}), deletion: None };
        state.arm.resource_groups.push(group);
    });
    let agent =
        world.provision_unseen().with("image", "registry.test/sleeps:1").with("resource-group", &name);
    let agent = agent.and("vnet-resource-group", NETWORK_GROUP).and("vnet-name", NETWORK);
    agent.and("subnet-name", "azure-devops-agents")
}

/// Puts a lock on something in the subscription.
fn lock(world: &World, path: &str, level: Level) {
    let subscription = world.setting("AZURE_SUBSCRIPTION_ID");
    let scope = format!("/subscriptions/{subscription}/resourceGroups/{path}");
    let lock = Lock { name: "keep".to_owned(), scope, level, notes: json!(null) };
    world.emulator().change(|state: &mut State| state.arm.locks.push(lock));
}

#[tokio::test]
async fn a_registry_name_that_somebody_else_has() {
    let world = World::start().await;
    world.fault("arm.names-taken", "ephemeralsampleregistry");
    refuses(&world, "sample-registry-name", &up(&world)).await;
    let only = sample(&world, &["registry", "create"]).without("organization-url");
    refuses(&world, "sample-registry-name", &only).await;
    let printed = succeeds(&up(&world).and("registry-name", "contosoregistry").and("dry-run", "")).await;
    assert!(
        printed.said().contains("container registry contosoregistry: would create"),
        "{}",
        printed.said()
    );
    world.end().await;
}

#[tokio::test]
async fn a_storage_account_name_that_somebody_else_has() {
    let world = World::start().await;
    world.fault("arm.names-taken", "ephemeralsamplestorage");
    refuses(&world, "sample-storage-name", &up(&world)).await;
    world.end().await;
}

/// It was free when it was asked for.
#[tokio::test]
async fn a_name_that_somebody_else_takes_in_between() {
    let world = World::start().await;
    world.fault("http.hold", json!({"path": "resourceGroups/new", "method": "PUT"}));
    let create = sample(&world, &["registry", "create"]).without("organization-url");
    let started = create.and("resource-group", "new").start();
    world.wait_for("a reply that is held back", |state| (state.held > 0).then_some(())).await;
    world.fault("arm.names-taken", "ephemeralsampleregistry");
    world.mend("http.hold");
    started.end().await.has_row("sample-name-taken-meanwhile");
    world.end().await;
}

/// A contributor makes everything but roles; nothing is made before that is said, with what an owner has to run.
#[tokio::test]
async fn no_right_to_give_roles() {
    let world = World::start().await;
    have_role(&world, "Contributor");
    let printed = refuses(&world, "sample-roles", &up(&world)).await;
    let commands = printed.said();
    let named = ["az role assignment create --name ", "--role 7f951dda-", "az rest --method put --url "];
    assert!(named.iter().all(|part| commands.contains(part)), "{commands}");
    let without = up(&world).and("without-roles", "").and("dry-run", "");
    let printed = succeeds(&without).await.said();
    assert!(printed.contains("Roles are left to an owner, who runs:"), "{printed}");
    assert!(!printed.contains("role assignment \""), "{printed}");
    world.end().await;
}

/// Who may give roles may still not make them.
#[tokio::test]
async fn no_right_to_make_roles() {
    let world = World::start().await;
    take_away(&world, &["Microsoft.Authorization/roleDefinitions/write"]);
    refuses(&world, "sample-roles", &up(&world)).await;
    world.end().await;
}

/// Who may not even ask what it may learns it when it gives the first role.
#[tokio::test]
async fn no_right_to_give_roles_that_could_not_be_known() {
    if !is_prepared() {
        return;
    }
    let world = World::start().await;
    let hidden = ["Microsoft.Authorization/permissions/read", "Microsoft.Authorization/*/write"];
    take_away(&world, &hidden);
    let printed = up(&world).run().await;
    printed.has_row("sample-roles-late");
    take_away(&world, &[]);
    succeeds(&up(&world)).await;
    world.end().await;
}

#[tokio::test]
async fn a_network_of_others_has_some_of_the_addresses() {
    let world = World::start().await;
    succeeds(&network(&world, "create").and("vnet-name", "hub")).await;
    refuses(&world, "sample-addresses-of-others", &up(&world)).await;
    succeeds(&network(&world, "create").and("address-space", "10.20.0.0/16")).await;
    world.end().await;
}

/// Made by an earlier run, with other addresses.
#[tokio::test]
async fn the_network_has_other_addresses() {
    let world = World::start().await;
    succeeds(&network(&world, "create").and("address-space", "10.20.0.0/16")).await;
    refuses(&world, "sample-addresses-differ", &up(&world)).await;
    let kept = succeeds(&network(&world, "create").and("address-space", "10.20.0.0/16")).await;
    assert!(kept.said().contains("Nothing to do"), "{}", kept.said());
    succeeds(&network(&world, "delete")).await;
    succeeds(&network(&world, "create")).await;
    world.end().await;
}

#[tokio::test]
async fn subnets_have_what_the_samples_are_to_have() {
    let world = World::start().await;
    succeeds(&network(&world, "create")).await;
    change_network(&world, |network| "10.10.40.0/24".clone_into(&mut network.subnets[0].address_prefix));
    refuses(&world, "sample-subnet-differs", &up(&world)).await;
    change_network(&world, |network| {
        let address_prefix = "10.10.4.0/24".to_owned();
        network.subnets[0] = Subnet { name: "theirs".to_owned(), address_prefix, ..Subnet::default() };
    });
    refuses(&world, "sample-subnet-of-others", &up(&world)).await;
    world.end().await;
}

#[tokio::test]
async fn a_network_of_that_name_that_the_sample_did_not_make() {
    let world = World::start().await;
    succeeds(&network(&world, "create")).await;
    change_network(&world, |network| network.tags = json!({}));
    refuses(&world, "sample-network-of-others", &up(&world)).await;
    world.end().await;
}

#[tokio::test]
async fn a_region_that_has_no_container_groups() {
    let world = World::start().await;
    let fault = json!({"type": "Microsoft.ContainerInstance/containerGroups", "region": "westeurope"});
    world.fault("arm.not-offered", fault);
    refuses(&world, "sample-region", &up(&world)).await;
    refuses(&world, "sample-region", &network(&world, "create")).await;
    succeeds(&up(&world).with("location", "northeurope").and("dry-run", "")).await;
    world.end().await;
}

#[tokio::test]
async fn the_sample_is_in_another_region() {
    let world = World::start().await;
    succeeds(&network(&world, "create")).await;
    refuses(&world, "sample-region-differs", &up(&world).with("location", "northeurope")).await;
    world.end().await;
}

#[tokio::test]
async fn a_provider_that_is_not_registered() {
    let world = World::start().await;
    world.emulator().change(|state| {
        state.arm.unregistered_providers.push("Microsoft.Storage".to_owned());
    });
    refuses(&world, "sample-provider", &up(&world)).await;
    world.end().await;
}

#[tokio::test]
async fn storage_without_its_subnet() {
    let world = World::start().await;
    let storage = sample(&world, &["storage", "create"]).without("organization-url");
    refuses(&world, "sample-subnet-missing", &storage).await;
    world.end().await;
}

/// The pool comes last, and a token that is no good is known first.
#[tokio::test]
async fn a_token_that_the_organization_does_not_take() {
    let world = World::start().await;
    let wrong = |words: &[&str]| sample(&world, words).env("AZURE_DEVOPS_EXT_PAT", "wrong");
    refuses(&world, "sample-pool-token", &wrong(&["up"])).await;
    refuses(&world, "sample-pool-token", &wrong(&["down"])).await;
    world.end().await;
}

/// They are in another resource group, and in the sample's network.
#[tokio::test]
async fn agents_are_in_the_network() {
    let world = World::start_with(&[("sleeps", "exec sleep 600")]).await;
    succeeds(&network(&world, "create")).await;
    let printed = succeeds(&agent_elsewhere(&world)).await;
    let refused = refuses(&world, "sample-agents-left", &sample(&world, &["down"])).await;
    refuses(&world, "sample-agents-left", &network(&world, "delete")).await;

    let said = refused.said();
    let command = said.split('`').find(|part| part.starts_with("ephemeral-agents deprovision"));
    let words: Vec<&str> = command.expect("the command").split_whitespace().skip(1).collect();
    assert!(words.contains(&printed.agent_name()), "{said}");
    let organization = world.setting("AZURE_DEVOPS_ORG_URL");
    let printed_command = world.command(&words).without("resource-group");
    let printed_command = printed_command.and("organization-url", &organization);
    succeeds(&printed_command.and("agent-pool", &world.setting("AZURE_DEVOPS_POOL"))).await;
    world.nothing_left().await;
    succeeds(&network(&world, "delete")).await;
    world.end().await;
}

/// Who may not see container groups sees the link of theirs, which is tried before anything goes.
#[tokio::test]
async fn agents_are_in_the_network_and_may_not_be_seen() {
    let world = World::start_with(&[("sleeps", "exec sleep 600")]).await;
    succeeds(&network(&world, "create")).await;
    succeeds(&agent_elsewhere(&world)).await;
    take_away(&world, &["Microsoft.ContainerInstance/containerGroups/read"]);
    let before = world.asked(&["DELETE /subscriptions"]);
    network(&world, "delete").run().await.has_row("sample-subnet-held");
    let asked = world.asked(&["DELETE /subscriptions"]) - before;
    assert_eq!(asked, 1, "it asked to free the subnet, and for nothing else");
    world.end().await;
}

#[tokio::test]
async fn a_lock_keeps_it_from_being_removed() {
    let world = World::start().await;
    succeeds(&network(&world, "create")).await;
    lock(
        &world,
        &format!("{NETWORK_GROUP}/providers/Microsoft.Network/natGateways/{NETWORK}-nat"),
        Level::CanNotDelete,
    );
    refuses(&world, "sample-locked", &sample(&world, &["down"])).await;
    refuses(&world, "sample-locked", &network(&world, "delete")).await;
    world.emulator().change(|state| state.arm.locks.clear());
    succeeds(&network(&world, "delete")).await;
    world.end().await;
}

/// Who may not see locks learns of one when it is in the way.
#[tokio::test]
async fn a_lock_that_may_not_be_seen() {
    let world = World::start().await;
    succeeds(&network(&world, "create")).await;
    lock(
        &world,
        &format!("{NETWORK_GROUP}/providers/Microsoft.Network/natGateways/{NETWORK}-nat"),
        Level::CanNotDelete,
    );
    take_away(&world, &["Microsoft.Authorization/locks/read"]);
    network(&world, "delete").run().await.has_row("sample-locked-late");
    world.emulator().change(|state| state.arm.locks.clear());
    succeeds(&network(&world, "delete")).await;
    world.end().await;
}

#[tokio::test]
async fn a_lock_keeps_it_from_being_changed() {
    let world = World::start().await;
    succeeds(&network(&world, "create")).await;
    change_network(&world, |network| network.subnets.truncate(2));
    lock(&world, NETWORK_GROUP, Level::ReadOnly);
    refuses(&world, "sample-frozen", &network(&world, "create")).await;
    world.end().await;
}

/// The service connection's principal may pull, and nobody has to give it that by hand.
#[tokio::test]
async fn whoever_provisions_may_pull() {
    if !is_prepared() {
        return;
    }
    let world = World::start().await;
    let who = world.emulator().read(|state| state.entra.apps[0].object_id);
    let create = sample(&world, &["registry", "create"]).without("organization-url");
    let create = create.and("provisioner", &who.to_string());
    succeeds(&create).await;
    let pulls = world.emulator().read(|state| {
        let pull = state.arm.role_definitions.iter().find(|role| role.role_name == "AcrPull");
        let role = &pull.expect("the role").name;
        let mut grants = state.arm.role_assignments.iter();
        grants.any(|grant| {
            grant.principal == who && grant.role == *role && grant.scope.contains("/registries/")
        })
    });
    assert!(pulls, "it has AcrPull over the registry");
    let again = succeeds(&create).await;
    assert!(again.said().contains("Nothing to do"), "{}", again.said());
    assert!(again.said().contains(GROUP), "{}", again.said());
    world.end().await;
}
