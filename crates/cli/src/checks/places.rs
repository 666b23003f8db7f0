//! The resource group, and the room for container groups.

use super::placement::{Placement, Shortage, shortage};
use super::{Notes, Subject};
use crate::services::{Answer, ErrorKind, ResourceGroup, Usage};
use crate::settings::ProvisionSettings;

const MORE: &str = "take down what is not needed (`ephemeral-agents list`), use another region, or ask for a higher \
                    quota in the portal (Quotas, Container Instances).";

/// Whether the resource group is there.
pub(crate) fn judge_resource_group(
    settings: &ProvisionSettings,
    group: &Answer<Option<ResourceGroup>>,
    notes: &mut Notes,
) {
    let name = &settings.azure.resource_group;
    match group {
        Ok(Some(group)) => notes.ok(Subject::ResourceGroup, format!("`{name}` is in {}.", group.location)),
        Ok(None) => notes.fail(
            Subject::ResourceGroup,
            format!(
                "There is no resource group `{name}` in the subscription {}.",
                settings.azure.subscription
            ),
            format!("create it (`az group create --name {name} --location <region>`), or correct the name."),
        ),
        Err(error) => notes.refused(Subject::ResourceGroup, "look at the resource group", error),
    }
}

/// The placements that the quotas leave. Where they leave none, each is a reason why it would not work.
pub(crate) fn judge_usages(
    usages: &[(String, Answer<Vec<Usage>>)],
    (placements, count): (Vec<Placement>, u32),
    notes: &mut Notes,
) -> Vec<Placement> {
    for (location, usages) in usages {
        match usages {
            // Quotas are the subscription's, and the least role reaches no further than its resource group. Whoever may
            // not read them has made no mistake, and learns it from the answer to the creation.
            Err(error) if error.kind == ErrorKind::Refused => {
                notes.skip(Subject::Quota, format!("You may not read it in {location}, and need not."));
            }
            Err(error) => notes.warn(
                Subject::Quota,
                format!("the quota in {location} could not be checked beforehand: {}", error.what),
                error.remedy.clone(),
            ),
            Ok(_) => {}
        }
    }
    let short = |placement: &Placement| {
        let (_, usages) = usages.iter().find(|(location, _)| *location == placement.location)?;
        shortage(usages.as_ref().ok()?, placement.size, count)
    };
    let (left, without): (Vec<_>, Vec<_>) =
        placements.into_iter().partition(|placement| short(placement).is_none());
    let what =
        without.iter().filter_map(|placement| Some(in_words(&placement.location, short(placement)?, count)));
    if left.is_empty() {
        what.for_each(|what| notes.fail(Subject::Quota, what, MORE));
    } else {
        what.for_each(|what| notes.warn(Subject::Quota, format!("{what} It is not tried there."), MORE));
    }
    for placement in &left {
        if usages.iter().any(|(location, usages)| *location == placement.location && usages.is_ok()) {
            notes.ok(Subject::Quota, format!("There is room in {placement}."));
        }
    }
    left
}

fn in_words(location: &str, short: Shortage, count: u32) -> String {
    let Shortage { words, limit, used, wanted } = short;
    let needed = if count == 1 { "this one needs".to_owned() } else { format!("these {count} need") };
    format!(
        "The subscription may have {limit} {words} in {location}, and {used} are in use; {needed} {wanted} more."
    )
}
