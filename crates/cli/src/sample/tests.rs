//! Every flow of `sample` on a cloud in memory.

use azure_resources::resources::{Lock, ResourceKind};
use serde_json::{Value, json};

use super::fake::{Cloud, refusal, sample};
use super::wanted::{Part, resources};
use super::{create, delete};
use crate::arguments::Output;
use crate::errors::{Blame, Failure};
use crate::interrupts::Interrupts;
use crate::report::{Masker, Talk, capture};
use crate::services::ErrorKind;
use crate::settings::sample::Sample;

async fn up_with(
    cloud: &Cloud,
    (sample, parts, dry): (&Sample, &[Part], bool),
) -> Result<(String, Value), Failure> {
    let (report, _, _) = capture::report(Talk::Plain, Output::Text, Masker::default());
    let (_counter, interrupts) = Interrupts::new();
    create::run(cloud, (sample, parts, dry), &report, &interrupts).await
}

async fn up(cloud: &Cloud) -> String {
    match up_with(cloud, (&sample(), &Part::ALL, false)).await {
        Ok((text, _)) => text,
        Err(failure) => panic!("{}", failure.message()),
    }
}

async fn refused(cloud: &Cloud) -> Failure {
    let failure = up_with(cloud, (&sample(), &Part::ALL, false)).await.expect_err("it has to refuse");
    assert_eq!(cloud.changes(), [""; 0], "it refused, and changed something");
    failure
}

async fn down_with(cloud: &Cloud, parts: &[Part]) -> Result<String, Failure> {
    let (report, _, _) = capture::report(Talk::Plain, Output::Text, Masker::default());
    let (_counter, interrupts) = Interrupts::new();
    delete::run(cloud, (&sample(), parts, false), &report, &interrupts).await.map(|(text, _)| text)
}

async fn down(cloud: &Cloud) -> String {
    match down_with(cloud, &Part::ALL).await {
        Ok(text) => text,
        Err(failure) => panic!("{}", failure.message()),
    }
}

fn id_of(kind: ResourceKind) -> String {
    let all = resources(&sample(), &Part::ALL);
    all.iter().find(|resource| resource.kind() == kind).expect("it is wanted").id().to_owned()
}

fn message(failure: &Failure) -> String {
    format!("{}\n(exit {:?})", failure.message(), failure.exit_code())
}

#[tokio::test(start_paused = true)]
async fn the_first_run_makes_everything_and_the_second_nothing() {
    let cloud = Cloud::default();
    insta::assert_snapshot!(up(&cloud).await);
    assert_eq!(cloud.changes().len(), resources(&sample(), &Part::ALL).len());
    let second = up(&cloud).await;
    assert_eq!(cloud.changes(), [""; 0]);
    assert!(second.ends_with("Nothing to do: all of it is there as it is wanted."), "{second}");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_shows_the_bodies_and_changes_nothing() {
    let cloud = Cloud::default();
    let (text, json) =
        up_with(&cloud, (&sample(), &[Part::Storage, Part::Network], true)).await.expect("fine");
    assert_eq!(cloud.changes(), [""; 0]);
    assert!(text.contains("storage account ephemeralsamplestorage: would create"), "{text}");
    let account = json["resources"].as_array().expect("a list").iter();
    let account =
        account.clone().find(|one| one["type"] == "Microsoft.Storage/storageAccounts").expect("there");
    assert_eq!(account["body"]["properties"]["networkAcls"]["defaultAction"], "Deny");
}

#[tokio::test(start_paused = true)]
async fn a_half_made_set_is_completed_and_what_others_added_is_kept() {
    let cloud = Cloud::default();
    up(&cloud).await;
    cloud.changes();
    let (network, registry) = (id_of(ResourceKind::VirtualNetwork), id_of(ResourceKind::Registry));
    cloud.change(&network, |shown| {
        let subnets = shown["properties"]["subnets"].as_array_mut().expect("subnets");
        subnets.pop();
        subnets.push(json!({ "name": "of-others", "properties": { "addressPrefix": "10.10.100.0/24" } }));
    });
    cloud.resources.borrow_mut().remove(&registry.to_lowercase());
    let said = up(&cloud).await;
    assert_eq!(cloud.changes(), ["update sampleprivatenetwork", "create ephemeralsampleregistry"]);
    assert!(said.contains("updated (subnets/azure-devops-agents)"), "{said}");
    assert!(cloud.resources.borrow()[&network.to_lowercase()].to_string().contains("of-others"));
}

#[tokio::test(start_paused = true)]
async fn an_identity_that_was_made_anew_gets_its_role_anew() {
    let cloud = Cloud::default();
    up(&cloud).await;
    cloud.changes();
    cloud.resources.borrow_mut().retain(|id, _| !id.ends_with("/ephemeral-agents-take-down"));
    up(&cloud).await;
    let changes = cloud.changes();
    assert_eq!(changes.len(), 3, "{changes:?}");
    assert_eq!(changes[0], "create ephemeral-agents-take-down");
    assert!(changes[1].starts_with("delete ") && changes[2].starts_with("create "), "{changes:?}");
}

#[tokio::test(start_paused = true)]
async fn a_new_identity_is_not_known_everywhere_at_once() {
    let cloud = Cloud::default();
    let not_yet = refusal("PrincipalNotFound", ErrorKind::Transient);
    cloud.refusals.borrow_mut().push(("roleAssignments", not_yet.clone(), 5));
    let begin = tokio::time::Instant::now();
    up(&cloud).await;
    assert_eq!(begin.elapsed().as_secs(), 25);
    let never = Cloud::default();
    never.refusals.borrow_mut().push(("roleAssignments", not_yet, u32::MAX));
    let failure = up_with(&never, (&sample(), &Part::ALL, false)).await.expect_err("it never is");
    assert!(matches!(failure, Failure::Unfinished { .. }), "{failure:?}");
}

#[tokio::test(start_paused = true)]
async fn names_that_the_world_has_taken() {
    let cloud = Cloud::default();
    cloud.taken_names.borrow_mut().extend(["ephemeralsamplestorage", "ephemeralsampleregistry"]);
    insta::assert_snapshot!(message(&refused(&cloud).await));
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_network_of_that_name_and_one_that_overlaps() {
    let cloud = Cloud::default();
    cloud.add(ResourceKind::VirtualNetwork, &id_of(ResourceKind::VirtualNetwork), &json!({}));
    let other = sample().network_group().resource(ResourceKind::VirtualNetwork, "hub");
    let addresses = json!({ "addressSpace": { "addressPrefixes": ["192.168.0.0/24", "10.10.128.0/17"] } });
    cloud.add(ResourceKind::VirtualNetwork, &other, &addresses);
    insta::assert_snapshot!(message(&refused(&cloud).await));
}

#[tokio::test(start_paused = true)]
async fn a_network_of_ours_with_other_addresses_is_not_moved() {
    let cloud = Cloud::default();
    up(&cloud).await;
    cloud.changes();
    let moved = Sample { addresses: (10, 20), ..sample() };
    let failure = up_with(&cloud, (&moved, &[Part::Network], false)).await.expect_err("it is not moved");
    assert_eq!(cloud.changes(), [""; 0]);
    insta::assert_snapshot!(message(&failure));
}

#[tokio::test(start_paused = true)]
async fn subnets_that_have_what_ours_are_to_have() {
    let cloud = Cloud::default();
    up(&cloud).await;
    cloud.changes();
    cloud.change(&id_of(ResourceKind::VirtualNetwork), |shown| {
        let subnets = shown["properties"]["subnets"].as_array_mut().expect("subnets");
        subnets[0]["properties"]["addressPrefix"] = json!("10.10.32.0/24");
        subnets[4]["name"] = json!("of-others");
    });
    insta::assert_snapshot!(message(&refused(&cloud).await));
}

#[tokio::test(start_paused = true)]
async fn what_is_there_is_not_moved_to_another_region() {
    let cloud = Cloud::default();
    up(&cloud).await;
    cloud.changes();
    let elsewhere = Sample { location: "northeurope".to_owned(), ..sample() };
    let failure = up_with(&cloud, (&elsewhere, &Part::ALL, false)).await.expect_err("it is not moved");
    assert_eq!(cloud.changes(), [""; 0]);
    insta::assert_snapshot!(message(&failure));
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_made_again() {
    let cloud = Cloud::default();
    up(&cloud).await;
    cloud.changes();
    cloud.change(&id_of(ResourceKind::NatGateway), |shown| {
        shown["properties"]["provisioningState"] = json!("Failed");
    });
    let said = up(&cloud).await;
    assert_eq!(cloud.changes(), ["update sampleprivatenetwork-nat"]);
    assert!(said.contains("updated (provisioningState)"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_role_that_somebody_gave_by_hand_will_do() {
    let cloud = Cloud::default();
    up(&cloud).await;
    let grant = resources(&sample(), &Part::ALL);
    let grant = grant.iter().find(|resource| resource.kind() == ResourceKind::RoleAssignment).expect("one");
    let mut shown = cloud.resources.borrow_mut().remove(&grant.id().to_lowercase()).expect("it was made");
    shown["properties"]["scope"] = json!(grant.parent());
    let by_hand = format!("{}/providers/Microsoft.Authorization/roleAssignments/by-hand", grant.parent());
    cloud.add(ResourceKind::RoleAssignment, &by_hand, &shown["properties"]);
    cloud.changes();
    let said = up(&cloud).await;
    assert_eq!(cloud.changes(), [""; 0]);
    assert!(said.contains("AcrPull for ephemeral-agents-pull\": used as it is"), "{said}");
    assert!(said.ends_with("Nothing to do: all of it is there as it is wanted."), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_name_that_was_taken_meanwhile() {
    let cloud = Cloud::default();
    let taken = refusal("AlreadyInUse", ErrorKind::Taken);
    cloud.refusals.borrow_mut().push(("registries/ephemeralsampleregistry", taken, u32::MAX));
    let failure = up_with(&cloud, (&sample(), &[Part::Registry], false)).await.expect_err("it is taken");
    insta::assert_snapshot!(message(&failure));
}

#[tokio::test(start_paused = true)]
async fn a_region_without_container_instances_and_a_provider_that_is_not_registered() {
    let cloud = Cloud::default();
    cloud.regions.replace(vec!["North Europe"]);
    cloud.unregistered.borrow_mut().push("Microsoft.Storage");
    let said = message(&refused(&cloud).await);
    assert!(
        said.contains("Microsoft.ContainerInstance is not to be had in the region westeurope."),
        "{said}"
    );
    assert!(said.contains("choose one where it is (--location): North Europe."), "{said}");
    assert!(said.contains("az provider register --namespace Microsoft.Storage --wait"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn no_right_to_give_roles_names_the_commands_of_an_owner() {
    let cloud = Cloud::default();
    cloud.may_give_roles.set(Some(false));
    insta::assert_snapshot!(message(&refused(&cloud).await));
    // As an administrator of access, who makes no roles.
    cloud.may_give_roles.set(Some(true));
    cloud.may_not.set("Microsoft.Authorization/roleDefinitions/write");
    refused(&cloud).await;
    let without = Sample { without_roles: true, ..sample() };
    let (text, json) = up_with(&cloud, (&without, &Part::ALL, false)).await.expect("the rest is made");
    assert!(text.contains("Roles are left to an owner, who runs:\n  az "), "{text}");
    assert_eq!(json["commands"].as_array().map(Vec::len), Some(5));
    assert!(!cloud.ids().iter().any(|id| id.contains("microsoft.authorization")), "{:?}", cloud.ids());
}

#[tokio::test(start_paused = true)]
async fn a_right_that_turns_out_to_be_missing_names_the_command_too() {
    let cloud = Cloud::default();
    cloud.may_give_roles.set(None);
    let no = refusal("AuthorizationFailed", ErrorKind::Refused);
    cloud.refusals.borrow_mut().push(("roleAssignments", no, u32::MAX));
    let failure = up_with(&cloud, (&sample(), &Part::ALL, false)).await.expect_err("it may not");
    let said = message(&failure);
    assert!(said.contains("have an owner run `az role assignment create --name "), "{said}");
    assert!(said.contains("Done so far:"), "{said}");
    assert_eq!(failure.blame(), Blame::Partly);
}

#[tokio::test(start_paused = true)]
async fn storage_needs_the_network_first() {
    let cloud = Cloud::default();
    let alone = up_with(&cloud, (&sample(), &[Part::Storage], false)).await.expect_err("no subnet");
    assert!(message(&alone).contains("`ephemeral-agents sample network create`"), "{}", message(&alone));
    up_with(&cloud, (&sample(), &[Part::Network], false)).await.expect("the network");
    up_with(&cloud, (&sample(), &[Part::Storage], false)).await.expect("the storage account");
}

#[tokio::test(start_paused = true)]
async fn a_lock_against_every_change_is_named() {
    let cloud = Cloud::default();
    let group = sample().network_group().id();
    cloud.add(ResourceKind::ResourceGroup, &group, &json!({}));
    let id = format!("{group}/providers/Microsoft.Authorization/locks/frozen");
    cloud.locks.borrow_mut().push(Lock { id, read_only: true });
    insta::assert_snapshot!(message(&refused(&cloud).await));
}

#[tokio::test(start_paused = true)]
async fn a_signal_stops_it_and_it_says_what_is_there() {
    let cloud = Cloud::default();
    let (report, _, _) = capture::report(Talk::Plain, Output::Text, Masker::default());
    let (counter, interrupts) = Interrupts::new();
    cloud.interrupt_at(4, counter);
    let stopped = create::run(&cloud, (&sample(), &Part::ALL, false), &report, &interrupts).await;
    insta::assert_snapshot!(message(&stopped.expect_err("it was stopped")));
    let cloud = cloud.later();
    up(&cloud).await;
    assert_eq!(cloud.changes().len(), resources(&sample(), &Part::ALL).len() - 3);
}

#[tokio::test(start_paused = true)]
async fn down_deletes_what_up_made_in_reverse_and_a_second_time_nothing() {
    let cloud = Cloud::default();
    up(&cloud).await;
    cloud.changes();
    insta::assert_snapshot!(down(&cloud).await);
    assert_eq!(cloud.ids(), [""; 0]);
    cloud.changes();
    assert_eq!(down(&cloud).await, "Nothing to do: nothing of it is there.");
    assert_eq!(cloud.changes(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_others_made_stays_with_what_it_needs() {
    let cloud = Cloud::default();
    cloud.add(ResourceKind::ResourceGroup, &sample().group().id(), &json!({}));
    up(&cloud).await;
    let vault = format!("{}/providers/Microsoft.KeyVault/vaults/secrets", sample().network_group().id());
    cloud.add_foreign("Microsoft.KeyVault/vaults", &vault);
    cloud.change(&id_of(ResourceKind::VirtualNetwork), |shown| {
        let nic = json!([{ "id": "/nic" }]);
        shown["properties"]["subnets"][0]["properties"]["ipConfigurations"] = nic;
    });
    insta::assert_snapshot!(down(&cloud).await);
    let left = cloud.ids();
    assert!(
        left.contains(&vault.to_lowercase()) && left.contains(&sample().group().id().to_lowercase()),
        "{left:?}"
    );
    assert_eq!(left.len(), 7, "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn a_subnet_that_container_instances_hold_on_to_is_freed() {
    let cloud = Cloud::default();
    up(&cloud).await;
    cloud.changes();
    let link =
        json!([{ "properties": { "linkedResourceType": "Microsoft.ContainerInstance/containerGroups" } }]);
    cloud.change(&id_of(ResourceKind::VirtualNetwork), |shown| {
        shown["properties"]["subnets"][4]["properties"]["serviceAssociationLinks"] = link;
    });
    let said = down(&cloud).await;
    assert!(said.contains("subnet azure-devops-agents: freed from Azure Container Instances"), "{said}");
    let changes = cloud.changes();
    let at = |change: &str| changes.iter().position(|done| done == change).expect("done");
    assert!(at("free azure-devops-agents") < at("delete sampleprivatenetwork"), "{changes:?}");
}

#[tokio::test(start_paused = true)]
async fn agents_and_locks_keep_it_from_being_deleted() {
    let cloud = Cloud::default();
    up(&cloud).await;
    cloud.changes();
    let group = sample().group().id();
    let agent = format!("{group}/providers/Microsoft.ContainerInstance/containerGroups/agent1");
    cloud.add_foreign("Microsoft.ContainerInstance/containerGroups", &agent);
    let id = format!("{}/providers/Microsoft.Authorization/locks/keep", id_of(ResourceKind::StorageAccount));
    cloud.locks.borrow_mut().push(Lock { id, read_only: false });
    let failure = down_with(&cloud, &Part::ALL).await.expect_err("it has to refuse");
    assert_eq!(cloud.changes(), [""; 0]);
    insta::assert_snapshot!(message(&failure));
}

#[tokio::test(start_paused = true)]
async fn agents_of_another_resource_group_keep_the_network_and_nothing_else() {
    let cloud = Cloud::default();
    up(&cloud).await;
    cloud.changes();
    let agent =
        "/subscriptions/s/resourceGroups/Teams/providers/Microsoft.ContainerInstance/containerGroups/agent2";
    cloud.add_foreign("Microsoft.ContainerInstance/containerGroups", agent);
    cloud.change(agent, |shown| {
        shown["properties"]["subnetIds"] = json!([{ "id": sample().agents_subnet().to_uppercase() }]);
    });
    let failure = down_with(&cloud, &Part::ALL).await.expect_err("it has to refuse");
    assert_eq!(cloud.changes(), [""; 0]);
    insta::assert_snapshot!(message(&failure));
    down_with(&cloud, &[Part::Storage]).await.expect("it needs no network");
}

#[tokio::test(start_paused = true)]
async fn a_subnet_that_is_not_let_go_is_found_out_before_anything_is_deleted() {
    let cloud = Cloud::default();
    up(&cloud).await;
    cloud.changes();
    let link =
        json!([{ "properties": { "linkedResourceType": "Microsoft.ContainerInstance/containerGroups" } }]);
    cloud.change(&id_of(ResourceKind::VirtualNetwork), |shown| {
        shown["properties"]["subnets"][4]["properties"]["serviceAssociationLinks"] = link;
    });
    let used = refusal("ServiceAssociationLinkInUse", ErrorKind::Taken);
    cloud.refusals.borrow_mut().push(("subnets/azure-devops-agents", used, u32::MAX));
    let failure = down_with(&cloud, &Part::ALL).await.expect_err("it is in use");
    assert_eq!(cloud.changes(), [""; 0]);
    insta::assert_snapshot!(message(&failure));
}

#[tokio::test(start_paused = true)]
async fn a_signal_while_it_deletes_says_what_is_gone() {
    let cloud = Cloud::default();
    up(&cloud).await;
    cloud.changes();
    let (report, _, _) = capture::report(Talk::Plain, Output::Text, Masker::default());
    let (counter, interrupts) = Interrupts::new();
    cloud.interrupt_at(3, counter);
    let stopped = delete::run(&cloud, (&sample(), &Part::ALL, false), &report, &interrupts).await;
    insta::assert_snapshot!(message(&stopped.expect_err("it was stopped")));
    down(&cloud.later()).await;
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_was_not_seen_is_explained() {
    let cloud = Cloud::default();
    up(&cloud).await;
    let locked = refusal("ScopeLocked", ErrorKind::Refused);
    cloud.refusals.borrow_mut().push(("storageAccounts", locked, 1));
    let said = message(&down_with(&cloud, &Part::ALL).await.expect_err("it is locked"));
    assert!(said.contains("az lock delete --ids <id>"), "{said}");
    assert!(said.contains("run the same command again, which goes on from here"), "{said}");
    down(&cloud).await;
    assert_eq!(cloud.ids(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn roles_go_with_whom_they_were_given_to_unless_somebody_else_gave_them() {
    let cloud = Cloud::default();
    let someone = "11111111-2222-3333-4444-555555555555";
    let for_someone = Sample { provisioner: Some(someone.to_owned()), ..sample() };
    up_with(&cloud, (&for_someone, &Part::ALL, false)).await.expect("made");
    let said = down(&cloud).await;
    assert!(said.contains("Ephemeral agent provisioner over ephemeral-agents-sample-vnet"), "{said}");
    assert_eq!(cloud.ids(), [""; 0]);
    up(&cloud).await;
    let role = id_of(ResourceKind::RoleDefinition);
    let grant = format!("{}/providers/Microsoft.Authorization/roleAssignments/theirs", sample().group().id());
    cloud.add(
        ResourceKind::RoleAssignment,
        &grant,
        &json!({ "roleDefinitionId": role, "principalId": someone }),
    );
    let said = down(&cloud).await;
    assert!(said.contains("\"Ephemeral agent take-down\" (somebody gave it to others): left"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn one_part_goes_and_the_others_stay() {
    let cloud = Cloud::default();
    up(&cloud).await;
    let said = down_with(&cloud, &[Part::Storage]).await.expect("it goes");
    assert!(said.contains("storage account ephemeralsamplestorage: deleted"), "{said}");
    assert!(said.contains("resource group ephemeral-agents-sample (it holds "), "{said}");
    assert!(!cloud.ids().contains(&id_of(ResourceKind::StorageAccount).to_lowercase()));
    assert!(cloud.ids().contains(&id_of(ResourceKind::Registry).to_lowercase()));
}
