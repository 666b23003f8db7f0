//! What is there already, asked before anything is done.

use std::collections::BTreeMap;

use azure_resources::resources::{Found, Lock, Provider, Resource, ResourceGroupId, ResourceKind, group_of};
use futures_util::future::try_join_all;

use super::wanted::{MADE_BY, Part, resources};
use super::{Store, Told};
use crate::settings::sample::Sample;

/// The rights without which no role is made and given. There are roles that have only the first.
const GIVE_ROLES: [&str; 2] =
    ["Microsoft.Authorization/roleAssignments/write", "Microsoft.Authorization/roleDefinitions/write"];

/// Providers, and the type whose regions matter.
const PROVIDERS: [(&str, &str); 5] = [
    ("Microsoft.ContainerInstance", "containerGroups"),
    ("Microsoft.Network", "virtualNetworks"),
    ("Microsoft.ContainerRegistry", "registries"),
    ("Microsoft.Storage", "storageAccounts"),
    ("Microsoft.ManagedIdentity", "userAssignedIdentities"),
];

/// What was seen.
#[derive(Default)]
pub(super) struct Seen {
    /// Resources that are there, by their ids in small letters.
    found: BTreeMap<String, Found>,
    /// Why names cannot be had, by the ids of what was to have them.
    pub(super) refused_names: BTreeMap<String, String>,
    /// The virtual networks of the network's resource group.
    pub(super) networks: Vec<Found>,
    /// What the subscription may use, and where.
    pub(super) providers: Vec<(&'static str, Option<Provider>)>,
    /// Whether whoever asks may make roles and give them.
    pub(super) may_give_roles: Option<bool>,
    /// Locks on the resource groups and on what is in them.
    pub(super) locks: Vec<Lock>,
    /// Who has which role in the resource groups.
    pub(super) grants: Vec<Found>,
    /// Everything in the resource groups.
    pub(super) contents: Vec<Found>,
    /// Container groups anywhere in the subscription: the network may be used from elsewhere.
    pub(super) container_groups: Vec<Found>,
}

impl Seen {
    /// A resource, if it was there.
    pub(super) fn get(&self, id: &str) -> Option<&Found> {
        self.found.get(&id.to_lowercase())
    }

    /// The principal of an identity that was there.
    pub(super) fn principal(&self, identity: &str) -> Option<&str> {
        self.get(identity)?.principal()
    }
}

/// Whether the sample made it: by its tag, or by an id that only the sample makes.
pub(super) fn is_ours(kind: ResourceKind, found: &Found) -> bool {
    !kind.has_tags() || found.tags().get(MADE_BY.0).is_some_and(|value| value == MADE_BY.1)
}

async fn found(store: &impl Store, wanted: &[Resource]) -> Told<BTreeMap<String, Found>> {
    let one = async |resource: &Resource| {
        let found = store.get(resource.kind(), resource.id()).await?;
        Ok(found.map(|found| (resource.id().to_lowercase(), found)))
    };
    Ok(try_join_all(wanted.iter().map(one)).await?.into_iter().flatten().collect())
}

/// What matters before something is created.
pub(super) async fn before_creating(store: &impl Store, sample: &Sample, wanted: &[Resource]) -> Told<Seen> {
    let mut seen = Seen { found: found(store, wanted).await?, ..Seen::default() };
    for resource in wanted {
        let is_new = seen.get(resource.id()).is_none();
        if resource.kind().has_global_name()
            && is_new
            && let Some(why) = store.name_refused(resource).await?
        {
            seen.refused_names.insert(resource.id().to_lowercase(), why);
        }
    }
    seen.networks = store.networks(&sample.network_group()).await?;
    let ask = async |(namespace, wanted): &(&'static str, &str)| {
        Ok((*namespace, store.provider(namespace, wanted).await?))
    };
    seen.providers = try_join_all(PROVIDERS.iter().map(ask)).await?;
    seen.may_give_roles = may_give_roles(store, &seen, sample).await;
    seen.locks = locks(store, &seen, wanted).await;
    seen.grants = grants(store, &seen, wanted).await;
    Ok(seen)
}

/// Asked where the roles are to be given; where that is not there yet, of the whole subscription. Who may not even ask
/// is told by the service itself, later.
async fn may_give_roles(store: &impl Store, seen: &Seen, sample: &Sample) -> Option<bool> {
    let mut groups = vec![sample.group()];
    // Whoever provisions gets a role over the network too.
    groups.extend(sample.provisioner.is_some().then(|| sample.network_group()));
    let mut known = true;
    for group in &groups {
        let group = seen.get(&group.id()).is_some().then_some(group);
        for right in GIVE_ROLES {
            match store.may(group, right).await.unwrap_or_default() {
                Some(true) => {}
                Some(false) => return Some(false),
                None => known = false,
            }
        }
    }
    known.then_some(true)
}

/// What matters before something is deleted, and what may be. Agents may still be there whichever part is to go, so
/// both resource groups are looked into.
pub(super) async fn before_deleting(
    store: &impl Store,
    sample: &Sample,
    parts: &[Part],
) -> Told<(Vec<Resource>, Seen)> {
    let (agents, network) = (sample.group(), sample.network_group());
    let groups = if agents == network { vec![agents] } else { vec![agents, network] };
    let grants: Vec<_> = try_join_all(groups.iter().map(|group| store.grants(group))).await?;
    let grants: Vec<_> = grants.into_iter().flatten().collect();
    let wanted = with_grants(sample, parts, &grants);
    let mut seen = Seen { found: found(store, &wanted).await?, grants, ..Seen::default() };
    // Not before what is going already is gone: that is waited for above.
    let contents = try_join_all(groups.iter().map(|group| store.in_group(group))).await?;
    seen.contents = contents.into_iter().flatten().collect();
    seen.container_groups = container_groups(store).await;
    seen.locks = locks(store, &seen, &wanted).await;
    Ok((wanted, seen))
}

/// What the sample may have made. An earlier run may have given roles to whom this one does not name: that it was the
/// sample shows in the number of the grant, which it makes of the principal. Roles that an earlier run gave are ours,
/// whatever this one says of roles.
fn with_grants(sample: &Sample, parts: &[Part], grants: &[Found]) -> Vec<Resource> {
    let for_whom = |provisioner: Option<String>| {
        resources(&Sample { without_roles: false, provisioner, ..sample.clone() }, parts)
    };
    let mut wanted = for_whom(None);
    for principal in grants.iter().filter_map(Found::principal) {
        for grant in for_whom(Some(principal.to_owned())) {
            let is_new = !wanted.iter().any(|known| known.id() == grant.id());
            if is_new && grants.iter().any(|found| found.id().eq_ignore_ascii_case(grant.id())) {
                wanted.push(grant);
            }
        }
    }
    wanted
}

/// The resource groups that are there.
fn groups(seen: &Seen, wanted: &[Resource]) -> Vec<ResourceGroupId> {
    let groups = wanted.iter().filter(|resource| resource.kind() == ResourceKind::ResourceGroup);
    groups.filter(|group| seen.get(group.id()).is_some()).filter_map(|group| group_of(group.id())).collect()
}

/// Who may not see who has which role finds out when it gives one.
async fn grants(store: &impl Store, seen: &Seen, wanted: &[Resource]) -> Vec<Found> {
    let mut all = Vec::new();
    for group in groups(seen, wanted) {
        match store.grants(&group).await {
            Ok(grants) => all.extend(grants),
            Err(refused) => tracing::debug!(error = %refused.error, "grants were not listed"),
        }
    }
    all
}

/// Who may not see them is told by the service itself that the subnet is in use.
async fn container_groups(store: &impl Store) -> Vec<Found> {
    let listed = store.container_groups().await;
    listed.unwrap_or_else(|refused| {
        tracing::debug!(error = %refused.error, "the subscription's container groups were not listed");
        Vec::new()
    })
}

/// Who may not see locks is told of them by the service itself, later.
async fn locks(store: &impl Store, seen: &Seen, wanted: &[Resource]) -> Vec<Lock> {
    let mut all = Vec::new();
    for group in groups(seen, wanted) {
        match store.locks(&group).await {
            Ok(locks) => all.extend(locks),
            Err(refused) => tracing::debug!(error = %refused.error, "locks were not listed"),
        }
    }
    all
}
