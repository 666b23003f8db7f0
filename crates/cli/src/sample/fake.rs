//! Resource Manager in memory, on tokio's virtual time. For tests of flows; it knows nothing of HTTP.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use azure_resources::resources::authorization::identity_behind;
use azure_resources::resources::{Found, Lock, Provider, Resource, ResourceGroupId, ResourceKind};
use serde_json::{Value, json};

use super::{Store, StoreError, Told};
use crate::interrupts::InterruptCounter;
use crate::services::{ErrorKind, ServiceError};
use crate::settings::sample::Sample;

pub(super) const SUBSCRIPTION: &str = "00000000-1111-2222-3333-444444444444";

/// The sample under the names that users know.
pub(crate) fn sample() -> Sample {
    Sample {
        subscription: SUBSCRIPTION.to_owned(),
        resource_group: "ephemeral-agents-sample".to_owned(),
        network_group: "ephemeral-agents-sample-vnet".to_owned(),
        location: "westeurope".to_owned(),
        network: "sampleprivatenetwork".to_owned(),
        subnet: "azure-devops-agents".to_owned(),
        addresses: (10, 10),
        registry: "ephemeralsampleregistry".to_owned(),
        storage_account: "ephemeralsamplestorage".to_owned(),
        blob_container: "test".to_owned(),
        provisioner: None,
        without_roles: false,
    }
}

/// A refusal by that code.
pub(super) fn refusal(code: &str, kind: ErrorKind) -> StoreError {
    let error = ServiceError {
        kind,
        what: format!("management.azure.com answered ({code})"),
        remedy: "ask again.".to_owned(),
    };
    StoreError { code: code.to_owned(), error }
}

/// Everything that exists, and how it will behave.
pub(super) struct Cloud {
    pub(super) resources: RefCell<BTreeMap<String, Value>>,
    changes: RefCell<Vec<String>>,
    interrupt: RefCell<Option<(usize, InterruptCounter)>>,
    /// What writing or deleting something, whose id contains the text, is answered; and how often.
    pub(super) refusals: RefCell<Vec<(&'static str, StoreError, u32)>>,
    /// Names that somebody else in the world has.
    pub(super) taken_names: RefCell<Vec<&'static str>>,
    /// Regions of container groups.
    pub(super) regions: RefCell<Vec<&'static str>>,
    pub(super) unregistered: RefCell<Vec<&'static str>>,
    pub(super) may_give_roles: Cell<Option<bool>>,
    /// What whoever asks may not do, although it may give roles.
    pub(super) may_not: Cell<&'static str>,
    pub(super) locks: RefCell<Vec<Lock>>,
    next_principal: Cell<u32>,
}

impl Default for Cloud {
    fn default() -> Self {
        Self {
            resources: RefCell::default(),
            changes: RefCell::default(),
            interrupt: RefCell::default(),
            refusals: RefCell::default(),
            taken_names: RefCell::default(),
            regions: RefCell::new(vec!["West Europe", "North Europe"]),
            unregistered: RefCell::default(),
            may_give_roles: Cell::new(Some(true)),
            may_not: Cell::default(),
            locks: RefCell::default(),
            next_principal: Cell::new(1),
        }
    }
}

impl Cloud {
    /// What was changed since the last question, in order.
    pub(super) fn changes(&self) -> Vec<String> {
        self.changes.take()
    }

    /// Asks to stop when the change of that number is asked for, counted from 1.
    pub(super) fn interrupt_at(&self, change: usize, counter: InterruptCounter) {
        self.interrupt.replace(Some((change, counter)));
    }

    /// The same resources, for another run.
    pub(super) fn later(self) -> Self {
        Self { resources: self.resources, ..Self::default() }
    }

    /// Puts something there that the sample did not make.
    pub(super) fn add(&self, kind: ResourceKind, id: &str, properties: &Value) {
        let name = id.rsplit('/').next().unwrap_or_default();
        let shown = json!({
            "id": id, "name": name, "type": kind.resource_type(), "location": "westeurope", "properties": properties,
        });
        self.resources.borrow_mut().insert(id.to_lowercase(), shown);
    }

    /// Puts something of any type there.
    pub(super) fn add_foreign(&self, resource_type: &str, id: &str) {
        self.add(ResourceKind::Identity, id, &json!({}));
        self.resources.borrow_mut().get_mut(&id.to_lowercase()).expect("added")["type"] =
            resource_type.into();
    }

    /// Changes what is there behind the sample's back.
    pub(super) fn change(&self, id: &str, change: impl FnOnce(&mut Value)) {
        change(self.resources.borrow_mut().get_mut(&id.to_lowercase()).expect("it is there"));
    }

    pub(super) fn ids(&self) -> Vec<String> {
        self.resources.borrow().keys().cloned().collect()
    }

    async fn changing(&self, verb: &str, id: &str) -> Told<()> {
        let number = self.changes.borrow().len() + 1;
        let stops = self.interrupt.borrow().as_ref().is_some_and(|(at, _)| *at == number);
        if stops {
            self.interrupt.borrow().as_ref().expect("checked").1.add();
            // The signal is heard while the service works.
            tokio::task::yield_now().await;
            std::future::pending::<()>().await;
        }
        for (part, refusal, times) in self.refusals.borrow_mut().iter_mut() {
            if *times > 0 && id.contains(*part) {
                *times -= 1;
                return Err(refusal.clone());
            }
        }
        self.changes.borrow_mut().push(format!("{verb} {}", id.rsplit('/').next().unwrap_or_default()));
        Ok(())
    }

    fn write(&self, resource: &Resource, mut shown: Value) -> Found {
        let principal = shown["properties"]["principalId"].as_str();
        assert!(principal.is_none_or(|text| identity_behind(text).is_none()), "no principal: {shown}");
        shown["id"] = resource.id().into();
        shown["name"] = resource.name().into();
        shown["type"] = resource.kind().resource_type().into();
        shown["properties"]["provisioningState"] = "Succeeded".into();
        if resource.kind() == ResourceKind::Identity {
            let number = self.next_principal.replace(self.next_principal.get() + 1);
            shown["properties"]["principalId"] = format!("principal-{number}").into();
        }
        self.resources.borrow_mut().insert(resource.id().to_lowercase(), shown.clone());
        Found::new(shown)
    }

    fn all(&self, keep: impl Fn(&str, &Value) -> bool) -> Vec<Found> {
        let resources = self.resources.borrow();
        let kept = resources.iter().filter(|(id, shown)| keep(id, shown));
        kept.map(|(_, shown)| Found::new(shown.clone())).collect()
    }
}

impl Store for Cloud {
    async fn get(&self, _: ResourceKind, id: &str) -> Told<Option<Found>> {
        Ok(self.resources.borrow().get(&id.to_lowercase()).cloned().map(Found::new))
    }

    async fn create(&self, resource: &Resource) -> Told<Found> {
        self.changing("create", resource.id()).await?;
        Ok(self.write(resource, resource.body().clone()))
    }

    async fn update(&self, resource: &Resource, found: &Found) -> Told<Found> {
        self.changing("update", resource.id()).await?;
        Ok(self
            .write(resource, azure_resources::resources::difference::merged(resource.body(), found.body())))
    }

    async fn delete(&self, _: ResourceKind, id: &str) -> Told<bool> {
        self.changing("delete", id).await?;
        let (id, before) = (id.to_lowercase(), self.resources.borrow().len());
        let inside = format!("{id}/");
        self.resources.borrow_mut().retain(|other, _| *other != id && !other.starts_with(&inside));
        Ok(self.resources.borrow().len() < before)
    }

    async fn free_subnet(&self, subnet: &str) -> Told<bool> {
        self.changing("free", subnet).await?;
        Ok(true)
    }

    async fn in_group(&self, group: &ResourceGroupId) -> Told<Vec<Found>> {
        let inside = format!("{}/", group.id().to_lowercase());
        // As the service lists: what can carry tags, and not what lies in something else.
        let is_listed =
            |id: &str| !id.contains("/blobservices/") && !id.contains("/microsoft.authorization/");
        Ok(self.all(|id, _| id.starts_with(&inside) && is_listed(id)))
    }

    async fn container_groups(&self) -> Told<Vec<Found>> {
        Ok(self.all(|id, _| id.contains("/containergroups/")))
    }

    async fn grants(&self, group: &ResourceGroupId) -> Told<Vec<Found>> {
        let inside = format!("{}/", group.id().to_lowercase());
        Ok(self.all(|id, _| id.starts_with(&inside) && id.contains("/roleassignments/")))
    }

    async fn networks(&self, group: &ResourceGroupId) -> Told<Vec<Found>> {
        let inside = format!("{}/providers/microsoft.network/virtualnetworks/", group.id().to_lowercase());
        Ok(self.all(|id, _| id.starts_with(&inside)))
    }

    async fn name_refused(&self, resource: &Resource) -> Told<Option<String>> {
        let taken = self.taken_names.borrow().contains(&resource.name());
        Ok(taken.then(|| format!("The name {} is already taken.", resource.name())))
    }

    async fn provider(&self, namespace: &str, _: &str) -> Told<Option<Provider>> {
        let locations = self.regions.borrow().iter().map(|region| (*region).to_owned()).collect();
        Ok(Some(Provider { registered: !self.unregistered.borrow().contains(&namespace), locations }))
    }

    async fn may(&self, _: Option<&ResourceGroupId>, action: &str) -> Told<Option<bool>> {
        Ok(if self.may_not.get() == action { Some(false) } else { self.may_give_roles.get() })
    }

    async fn locks(&self, _: &ResourceGroupId) -> Told<Vec<Lock>> {
        Ok(self.locks.take())
    }
}
