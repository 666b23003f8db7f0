//! From what is wanted and what is there to steps, or to reasons not to begin. Pure.

use azure_resources::resources::authorization::identity_behind;
use azure_resources::resources::difference::differences;
use azure_resources::resources::{Found, Resource, ResourceKind};
use azure_resources::same_location;
use serde_json::Value;

use super::look::{Seen, is_ours};
use super::wanted::Part;
use super::words;
use crate::errors::Blame;
use crate::provision::preflight::Finding;
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
    if parts.contains(&Part::Network) {
        findings.extend(overlaps(sample, seen));
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
        None => Action::Create,
        Some(found) if !is_ours(resource.kind(), found) => Action::Borrow,
        Some(found) => existing(resource, found, seen),
    };
    Step { resource: resource.clone(), action }
}

fn existing(resource: &Resource, found: &Found, seen: &Seen) -> Action {
    let wanted = with_principals(resource.body(), |identity| seen.principal(identity).map(str::to_owned));
    if resource.kind() == ResourceKind::RoleAssignment {
        // One is never changed, and one to an identity that is gone is of no use.
        let same = wanted.is_some_and(|wanted| differences(&wanted, found.body()).is_empty());
        return if same { Action::Keep } else { Action::Replace };
    }
    match differences(&wanted.unwrap_or_default(), found.body()) {
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
        return Some(finding(
            what,
            format!("choose another name, since such names are one for all of Azure ({option})."),
        ));
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

/// Networks of the same resource group that have some of the same addresses: they can never be joined to ours.
fn overlaps(sample: &Sample, seen: &Seen) -> Vec<Finding> {
    let (first, second) = sample.addresses;
    let ours = range(&format!("{first}.{second}.0.0/16"));
    let others = seen.networks.iter().filter(|network| !network.name().eq_ignore_ascii_case(&sample.network));
    let overlapping = others.filter_map(|network| {
        let prefixes = network.address_prefixes();
        let prefix = prefixes.into_iter().find(|prefix| overlap(ours, range(prefix)))?;
        Some((network.name().to_owned(), prefix))
    });
    overlapping
        .map(|(name, prefix)| {
            finding(
                format!(
                    "The addresses {first}.{second}.0.0/16 overlap with {prefix} of the virtual network {name} in {}.",
                    sample.network_group
                ),
                "choose another range (--address-space), such as 10.20.0.0/16.".to_owned(),
            )
        })
        .collect()
}

/// The first and the last address of a range.
fn range(prefix: &str) -> Option<(u32, u32)> {
    let (address, bits) = prefix.split_once('/')?;
    let bits = bits.parse::<u32>().ok().filter(|bits| *bits <= 32)?;
    let first = u32::from(address.parse::<std::net::Ipv4Addr>().ok()?);
    let size = u32::MAX.checked_shr(bits).unwrap_or(0);
    Some((first & !size, first | size))
}

fn overlap(one: Option<(u32, u32)>, other: Option<(u32, u32)>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one.0 <= other.1 && other.0 <= one.1)
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
        .filter(|step| !matches!(step.action, Action::Keep))
        .map(|step| &step.resource)
        .filter(|resource| words::is_role(resource.kind()))
        .collect();
    if seen.may_give_roles != Some(false) || roles.is_empty() {
        return None;
    }
    let commands: Vec<_> =
        roles.iter().map(|role| format!("\n      {}", words::command_of_owner(role))).collect();
    Some(finding(
        "You may not give roles: that takes Owner, or User Access Administrator.".to_owned(),
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

#[cfg(test)]
mod tests {
    use super::{overlap, range};

    #[test]
    fn ranges_overlap_or_not() {
        let table = [
            ("10.10.0.0/16", "10.10.254.0/23", true),
            ("10.0.0.0/8", "10.10.0.0/16", true),
            ("10.10.0.0/16", "10.11.0.0/16", false),
            ("10.10.0.0/16", "10.9.255.0/24", false),
            ("0.0.0.0/0", "10.10.0.0/16", true),
            ("10.10.0.0/16", "fd00::/8", false),
            ("10.10.0.1/32", "10.10.0.1/32", true),
        ];
        for (one, other, expected) in table {
            assert_eq!(overlap(range(one), range(other)), expected, "{one} {other}");
        }
    }
}
