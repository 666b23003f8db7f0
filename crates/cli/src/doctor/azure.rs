//! Azure: the subscription, the provider, what whoever provisions may do, the way out of the subnet.

use azure_resources::resources::Found;
use azure_resources::{WayOut, same_location, way_out};

use super::facts::Facts;
use super::needed::Needed;
use crate::checks::{Notes, Subject};
use crate::services::SubnetLookup;
use crate::settings::{ProvisionSettings, TakeDown};

/// What an agent speaks to, by the names that security groups have for it.
const AZURE_DEVOPS: (&str, &[&str]) = ("Azure DevOps", &["AzureDevOps", "AzureCloud"]);
const RESOURCE_MANAGER: (&str, &[&str]) = ("Azure Resource Manager", &["AzureResourceManager", "AzureCloud"]);

/// Everything goes over TLS.
const HTTPS: u16 = 443;

pub(super) fn judge(settings: &ProvisionSettings, facts: &Facts, notes: &mut Notes) {
    let id = &settings.azure.subscription;
    match &facts.subscription {
        Err(error) => notes.refused(Subject::Subscription, "look at the subscription", error),
        Ok(None) => notes.fail(
            Subject::Subscription,
            format!("There is no subscription {id} that you may see."),
            "correct --subscription, or have whoever provisions given a role in it.",
        ),
        Ok(Some(found)) if found.state.eq_ignore_ascii_case("Enabled") => {
            notes.ok(Subject::Subscription, format!("{} is enabled.", found.name));
        }
        Ok(Some(found)) => notes.fail(
            Subject::Subscription,
            format!("{} is {}, and takes nothing new.", found.name, found.state),
            "have its owner enable it again in the portal (Subscriptions).",
        ),
    }
    for (needed, permissions) in &facts.rights {
        match permissions {
            Err(error) => notes.unclear(Subject::Rights, "see what you may do", error),
            Ok(None) => {
                notes.skip(
                    Subject::Rights,
                    format!("Azure does not say what you may do with {}.", needed.words),
                );
            }
            Ok(Some(permissions)) => {
                let missing = needed.actions.iter().filter(|action| !permissions.allow(action));
                judge_rights(needed, &missing.copied().collect::<Vec<_>>(), notes);
            }
        }
    }
    judge_provider(facts, notes);
    judge_way_out(settings, facts, notes);
}

fn judge_rights(needed: &Needed, missing: &[&str], notes: &mut Notes) {
    let Needed { words, role, scope, .. } = needed;
    if missing.is_empty() {
        notes.ok(Subject::Rights, format!("You may do with {words} what is needed."));
        return;
    }
    notes.fail(
        Subject::Rights,
        format!("With {words} you may not: {}.", missing.join(", ")),
        format!(
            "have whoever provisions given a role that allows it, such as `{role}`: `az role assignment create \
             --assignee <client id> --role \"{role}\" --scope {scope}`; a new role takes minutes."
        ),
    );
}

/// Whether container groups are to be had, and in the regions that are to be tried.
fn judge_provider(facts: &Facts, notes: &mut Notes) {
    let provider = match &facts.provider {
        Err(error) => {
            notes.unclear(Subject::Provider, "look at the provider of container groups", error);
            return;
        }
        Ok(None) => {
            notes.skip(
                Subject::Provider,
                "Azure does not say whether the subscription may have container groups.",
            );
            return;
        }
        Ok(Some(provider)) => provider,
    };
    if !provider.registered {
        notes.fail(
            Subject::Provider,
            "The subscription is not registered for container groups.",
            "`az provider register --namespace Microsoft.ContainerInstance`, once; it takes a minute.",
        );
        return;
    }
    let wanted = facts.cheap.usages.iter().map(|(location, _)| location.as_str());
    let offered = |wanted: &&str| {
        provider.locations.is_empty()
            || provider.locations.iter().any(|location| same_location(location, wanted))
    };
    let (there, elsewhere): (Vec<_>, Vec<_>) = wanted.partition(offered);
    for location in &elsewhere {
        let what = format!("There are no container groups in {location}.");
        let remedy = "choose another --location; `az provider show --namespace Microsoft.ContainerInstance` lists them.";
        if there.is_empty() {
            notes.fail(Subject::Provider, what, remedy);
        } else {
            notes.warn(Subject::Provider, what, remedy);
        }
    }
    if elsewhere.is_empty() {
        notes.ok(Subject::Provider, "The subscription is registered for container groups.");
    }
}

/// That there is a gateway is `provision`'s own check; here it is what the rules let through.
fn judge_way_out(settings: &ProvisionSettings, facts: &Facts, notes: &mut Notes) {
    if settings.network.is_none() {
        notes.ok(
            Subject::WayOut,
            "Without a virtual network, container groups reach the internet by themselves.",
        );
        return;
    }
    let Some(Ok(SubnetLookup::Found(subnet))) = &facts.cheap.subnet else {
        notes.skip(Subject::WayOut, "The subnet was not seen.");
        return;
    };
    let open = match &facts.security_group {
        None | Some(Ok(None)) => true,
        Some(Ok(Some(group))) => judge_rules(settings, group, notes),
        Some(Err(error)) => {
            notes.unclear(Subject::WayOut, "look at the rules of the subnet's security group", error);
            false
        }
    };
    if open && subnet.has_way_out {
        notes.ok(Subject::WayOut, "The subnet has a way out, and its rules let the agent through.");
    }
}

fn judge_rules(settings: &ProvisionSettings, group: &Found, notes: &mut Notes) -> bool {
    let takes_itself_down = settings.life.take_down != TakeDown::Outside;
    let wanted = [Some(AZURE_DEVOPS), takes_itself_down.then_some(RESOURCE_MANAGER)];
    let mut open = true;
    for (words, tags) in wanted.into_iter().flatten() {
        let WayOut::Closed { rule } = way_out(group.body(), tags, HTTPS) else { continue };
        open = false;
        let tag = tags[0];
        notes.fail(
            Subject::WayOut,
            format!("The rule `{rule}` of {} keeps agents from {words}.", group.name()),
            format!(
                "allow outbound TCP {HTTPS} to the service tag {tag} with a priority before it: `az network nsg rule \
                 create --nsg-name {} --name allow-{tag} --direction Outbound --access Allow --protocol Tcp \
                 --destination-address-prefixes {tag} --destination-port-ranges {HTTPS} --priority <number> …`.",
                group.name()
            ),
        );
    }
    open
}
