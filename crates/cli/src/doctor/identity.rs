//! The identities of the container group.

use azure_resources::resources::authorization::{Permissions, TAKE_DOWN_ACTIONS};

use super::facts::{Facts, IdentityFacts, Use};
use crate::checks::{Notes, Subject};
use crate::settings::{Identity, ProvisionSettings, TakeDown};

const PULL: &str = "Microsoft.ContainerRegistry/registries/pull/read";

/// Whoever may do this may do more than end an agent.
const MORE: &str = "Microsoft.ContainerInstance/containerGroups/write";

/// Whether the identities are there, and may do what they are for.
pub(super) fn judge(settings: &ProvisionSettings, facts: &Facts, notes: &mut Notes) {
    let own = settings.life.identity == Some(Identity::SystemAssigned);
    if own && settings.life.take_down == TakeDown::Identity {
        notes.warn(
            Subject::Identity,
            "The container group's own identity is made with it, and may do nothing until somebody gives it a role.",
            "use a user-assigned identity, which has its role beforehand (`ephemeral-agents sample up` makes one).",
        );
    }
    for identity in &facts.identities {
        judge_one(identity, notes);
    }
    if facts.identities.is_empty() && !own {
        notes.ok(Subject::Identity, "None is wanted.");
    }
}

fn judge_one(identity: &IdentityFacts, notes: &mut Notes) {
    let name = identity.id.rsplit('/').next().unwrap_or_default();
    let principal = match &identity.principal {
        Err(error) => {
            notes.unclear(Subject::Identity, &format!("look at the identity {name}"), error);
            return;
        }
        Ok(None) => {
            notes.fail(
                Subject::Identity,
                format!("There is no identity {}.", identity.id),
                "correct its resource id (`az identity list --query [].id`).",
            );
            return;
        }
        Ok(Some(principal)) => principal,
    };
    match (identity.used_for, &identity.scope, &identity.permissions) {
        (Use::Job, ..) => notes.ok(Subject::Identity, format!("{name} is there, for jobs.")),
        (_, Some(scope), Some(Ok(permissions))) => {
            judge_permissions((name, principal), (identity.used_for, scope), permissions, notes);
        }
        (_, _, Some(Err(error))) => {
            notes.unclear(Subject::Identity, &format!("see what {name} may do"), error);
        }
        (..) => notes.skip(
            Subject::Identity,
            format!("{name} is there; what it may do in the registry is not known, which is in another subscription."),
        ),
    }
}

fn judge_permissions(
    (name, principal): (&str, &str),
    (used_for, scope): (Use, &str),
    permissions: &Permissions,
    notes: &mut Notes,
) {
    let (doing, actions, role): (_, &[&str], _) = match used_for {
        Use::Pull => ("pull the image", &[PULL], "AcrPull"),
        Use::TakeDown | Use::Job => {
            ("delete its container group", &TAKE_DOWN_ACTIONS, "Azure Container Instances Contributor Role")
        }
    };
    if !actions.iter().all(|action| permissions.allow(action)) {
        let sample = if used_for == Use::Pull {
            ""
        } else {
            ", or better a role with no other action (`ephemeral-agents sample up` makes one)"
        };
        notes.fail(
            Subject::Identity,
            format!("{name} may not {doing}."),
            format!(
                "give it a role: `az role assignment create --assignee-object-id {principal} \
                 --assignee-principal-type ServicePrincipal --role \"{role}\" --scope {scope}`{sample}."
            ),
        );
    } else if used_for == Use::TakeDown && permissions.allow(MORE) {
        notes.warn(
            Subject::Exposure,
            format!("{name} may create container groups, and not only delete them; every job can use it"),
            "give it a role that allows nothing but to read and delete container groups (docs/security.md).",
        );
        notes.ok(Subject::Identity, format!("{name} may {doing}."));
    } else {
        notes.ok(Subject::Identity, format!("{name} may {doing}."));
    }
}
