//! From what is wanted and what is there to steps, or to reasons not to begin. Pure.

use azure_resources::resources::authorization::identity_behind;
use azure_resources::resources::difference::differences;
use azure_resources::resources::{Found, Resource, ResourceKind};
use azure_resources::same_location;
use serde_json::Value;

use super::look::{Seen, is_ours};
use super::wanted::Part;
use super::{addresses, words};
use crate::errors::Blame;
use crate::errors::Finding;
use crate::settings::sample::Sample;

/// What is to be done about a resource.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    /// It is not there.
    Create,
    /// It is there, and differs in these places.
    Update(Vec<String>),
    /// It is there, and cannot be made into what is wanted.
    Replace,
    /// It is there as it is wanted.
    Keep,
    /// It is there, somebody else's, and will do.
    Borrow,
}

/// A resource, and what is to be done about it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    pub(super) resource: Resource,
    pub(super) action: Action,
}

/// Steps in the order in which they can be done, or every reason not to begin.
pub(super) fn plan(
    sample: &Sample,
    (wanted, parts): (&[Resource], &[Part]),
    seen: &Seen,
) -> Result<Vec<Step>, Vec<Finding>> {
    let mut findings: Vec<_> = wanted.iter().filter_map(|resource| in_the_way(resource, seen)).collect();
    findings.extend(providers(sample, seen));
    findings.extend(elsewhere(sample, wanted, seen));
    if parts.contains(&Part::Network) {
        findings.extend(addresses::in_the_way(sample, wanted, seen));
    } else if parts.contains(&Part::Storage) {
        findings.extend(no_subnet(sample, seen));
    }
    let steps: Vec<_> = wanted.iter().map(|resource| step(resource, seen)).collect();
    findings.extend(no_right(&steps, seen));
    findings.extend(read_only(&steps, seen));
    if findings.is_empty() { Ok(steps) } else { Err(findings) }
}

fn step(resource: &Resource, seen: &Seen) -> Step {
    let action = match seen.get(resource.id()) {
        None if is_given(resource, seen) => Action::Borrow,
        None => Action::Create,
        Some(found) if !is_ours(resource.kind(), found) => Action::Borrow,
        Some(found) => existing(resource, found, seen),
    };
    Step { resource: resource.clone(), action }
}

/// Whether somebody gave that role already, under another number: the service takes no second one.
fn is_given(resource: &Resource, seen: &Seen) -> bool {
    let principal = |identity: &str| seen.principal(identity).map(str::to_owned);
    let Some(wanted) = with_principals(resource.body(), principal) else { return false };
    resource.kind() == ResourceKind::RoleAssignment
        && seen.grants.iter().any(|grant| {
            let has_scope = grant.scope().is_some_and(|scope| scope.eq_ignore_ascii_case(resource.parent()));
            has_scope && differences(&wanted, grant.body()).is_empty()
        })
}

fn existing(resource: &Resource, found: &Found, seen: &Seen) -> Action {
    let wanted = with_principals(resource.body(), |identity| seen.principal(identity).map(str::to_owned));
    if resource.kind() == ResourceKind::RoleAssignment {
        // One is never changed, and one to an identity that is gone is of no use.
        let same = wanted.is_some_and(|wanted| differences(&wanted, found.body()).is_empty());
        return if same { Action::Keep } else { Action::Replace };
    }
    match differences(&wanted.unwrap_or_default(), found.body()) {
        // It is there, and whoever made it was told that it failed.
        paths if paths.is_empty() && found.is_failed() => {
            Action::Update(vec!["provisioningState".to_owned()])
        }
        paths if paths.is_empty() => Action::Keep,
        paths => Action::Update(paths),
    }
}

/// A body in which each identity's principal is what `principal` says; `None` where it does not know one.
pub(super) fn with_principals(body: &Value, principal: impl Fn(&str) -> Option<String>) -> Option<Value> {
    let stands_for = body["properties"]["principalId"].as_str().and_then(identity_behind);
    let Some(identity) = stands_for else { return Some(body.clone()) };
    let mut body = body.clone();
    body["properties"]["principalId"] = principal(identity)?.into();
    Some(body)
}

fn finding(what: String, remedy: String) -> Finding {
    Finding { what, remedy, blame: Blame::User }
}

/// Somebody else's thing under that name: here, or anywhere in Azure. A resource group of somebody else will do.
fn in_the_way(resource: &Resource, seen: &Seen) -> Option<Finding> {
    let option = words::option_of(resource.kind());
    if let Some(why) = seen.refused_names.get(&resource.id().to_lowercase()) {
        let kind = resource.kind().words();
        let what = format!("No {kind} can be called {}: {}", resource.label(), words::sentence(why));
        return Some(finding(what, words::another_name(resource.kind())));
    }
    let found = seen.get(resource.id())?;
    if resource.kind() == ResourceKind::ResourceGroup || is_ours(resource.kind(), found) {
        return None;
    }
    let what = format!("There is a {} that the sample did not make.", resource.in_words());
    let remedy = format!("choose another name ({option}), or delete it if nobody needs it.");
    Some(finding(what, remedy))
}

fn providers(sample: &Sample, seen: &Seen) -> Vec<Finding> {
    let known = seen.providers.iter().filter_map(|(name, provider)| Some((name, provider.as_ref()?)));
    let mut findings = Vec::new();
    for (name, provider) in known {
        if !provider.registered {
            findings.push(finding(
                format!("The subscription is not registered to use {name}."),
                format!("register it: `az provider register --namespace {name} --wait`."),
            ));
        }
        let locations = &provider.locations;
        if !locations.is_empty() && !locations.iter().any(|place| same_location(place, &sample.location)) {
            findings.push(finding(
                format!("{name} is not to be had in the region {}.", sample.location),
                format!("choose one where it is (--location): {}.", locations.join(", ")),
            ));
        }
    }
    findings
}

/// What an earlier run made in another region: nothing is ever moved. One of them says it for all.
fn elsewhere(sample: &Sample, wanted: &[Resource], seen: &Seen) -> Option<Finding> {
    let ours = wanted.iter().filter_map(|resource| Some((resource, seen.get(resource.id())?)));
    let ours = ours.filter(|(resource, found)| resource.kind().has_tags() && is_ours(resource.kind(), found));
    let mut places = ours.filter_map(|(resource, found)| Some((resource, found.location()?)));
    let (resource, place) = places.find(|(_, place)| !same_location(place, &sample.location))?;
    Some(finding(
        format!(
            "The {} is in {place}, and {} is wanted: nothing is moved to another region.",
            resource.in_words(),
            sample.location
        ),
        format!("use --location {place}, or delete the sample there first: `ephemeral-agents sample down`."),
    ))
}

fn no_subnet(sample: &Sample, seen: &Seen) -> Option<Finding> {
    let network = seen.networks.iter().find(|network| network.name().eq_ignore_ascii_case(&sample.network));
    let has =
        |network: &Found| network.subnets().any(|subnet| subnet.name().eq_ignore_ascii_case(&sample.subnet));
    if network.is_some_and(has) {
        return None;
    }
    let what = format!(
        "There is no subnet {} in a virtual network {} of {}, and the storage account is for that subnet alone.",
        sample.subnet, sample.network, sample.network_group
    );
    Some(finding(what, "create the network first: `ephemeral-agents sample network create`.".to_owned()))
}

/// Roles that are to be given by somebody who may not.
fn no_right(steps: &[Step], seen: &Seen) -> Option<Finding> {
    let roles: Vec<_> = steps
        .iter()
        .filter(|step| !matches!(step.action, Action::Keep | Action::Borrow))
        .map(|step| &step.resource)
        .filter(|resource| words::is_role(resource.kind()))
        .collect();
    if seen.may_give_roles != Some(false) || roles.is_empty() {
        return None;
    }
    let commands: Vec<_> =
        roles.iter().map(|role| format!("\n      {}", words::command_of_owner(role))).collect();
    Some(finding(
        "You may not make and give roles: that takes Owner, or User Access Administrator.".to_owned(),
        format!("create the rest with --without-roles, and have an owner run:{}", commands.concat()),
    ))
}

fn read_only(steps: &[Step], seen: &Seen) -> Vec<Finding> {
    let changes = |step: &&Step| !matches!(step.action, Action::Keep | Action::Borrow);
    let locks = seen.locks.iter().filter(|lock| {
        let mut changed = steps.iter().filter(changes);
        lock.read_only && changed.any(|step| words::is_locked_by(step.resource.id(), &lock.id))
    });
    locks.map(|lock| words::locked(&lock.id, "changed")).collect()
}
