//! The port's rules against the emulator, where it is built.

#[path = "../../azure-http/tests/conformance/emulator.rs"]
mod emulator;

use std::collections::BTreeMap;

use azure_resources::{ContainerGroupSpec, OperatingSystem, Priority, ResourceManager, Sku, Subscription};
use emulator::Emulator;
use lifecycle::conformance::{ComputeSubject, compute_backend};
use lifecycle::{AgentName, OwnershipTags, Timestamp};

fn spec(location: &str) -> ContainerGroupSpec {
    ContainerGroupSpec {
        location: location.to_owned(),
        os: OperatingSystem::Linux,
        image: "conformance:1".to_owned(),
        command: vec!["/bin/sleep".to_owned(), "600".to_owned()],
        cpu: 1.0,
        memory_gb: 1.0,
        environment: Vec::new(),
        registry: None,
        subnet: None,
        dns_servers: Vec::new(),
        identities: Vec::new(),
        system_assigned_identity: false,
        zone: None,
        priority: Priority::Regular,
        sku: Sku::Standard,
        log_analytics: None,
        lasting_folder: None,
    }
}

fn name(letters: &str) -> AgentName {
    AgentName::new(format!("conformance-20261124000000-{letters}")).expect("a name")
}

#[tokio::test]
async fn container_groups_conform() {
    let Some(emulator) = Emulator::start("groups").await else { return };
    let (pipeline, cloud) = (emulator.pipeline(), emulator.cloud().await);
    let credential = emulator.credential(&pipeline, &cloud);
    let manager = ResourceManager::new(pipeline.clone(), &cloud, credential);
    let subscription = Subscription::new(manager, emulator.value("AZURE_SUBSCRIPTION_ID"));
    assert!(subscription.info().await.expect("an answer").is_some(), "the subscription is there");
    let backend = subscription.container_groups(emulator.value("AZURE_RESOURCE_GROUP"));

    let spec = spec(emulator.value("AZURE_LOCATION"));
    let tags = OwnershipTags {
        organization: emulator.value("AZURE_DEVOPS_ORG_URL").to_owned(),
        pool: "private".to_owned(),
        run: Some(1),
        agent_id: Some(17),
        created_at: Timestamp(0),
        expires_at: Timestamp(21_600),
        version: "0.1.0".to_owned(),
    };
    let foreign = name("zzzzzz");
    backend.create_new(&foreign, &tags, &spec).await.expect("created");
    emulator.settle(&pipeline).await;
    let of_somebody_else = BTreeMap::from([("managed-by".to_owned(), "somebody-else".to_owned())]);
    backend.set_tags(foreign.as_str(), &of_somebody_else).await.expect("tagged");

    let subject = ComputeSubject { backend: &backend, name: name("aaaaaa"), tags, spec: &spec, foreign };
    compute_backend(subject, || emulator.settle(&pipeline)).await;
}
