//! What is said. Pure.

use azure_resources::resources::authorization::identity_behind;
use azure_resources::resources::{Resource, ResourceKind};
use serde_json::{Value, json};

use super::plan::{Action, Step};
use crate::errors::Blame;
use crate::errors::Finding;
use crate::services::{ErrorKind, ServiceError};

use super::StoreError;

/// The option by which something gets another name.
pub(super) fn option_of(kind: ResourceKind) -> &'static str {
    match kind {
        ResourceKind::Registry => "--registry-name",
        ResourceKind::StorageAccount | ResourceKind::BlobContainer => "--storage-account",
        ResourceKind::ResourceGroup | ResourceKind::Identity => "--resource-group",
        _ => "--vnet-name",
    }
}

/// What helps where somebody else in the world has the name.
pub(super) fn another_name(kind: ResourceKind) -> String {
    let option = option_of(kind);
    format!(
        "choose another name, since such names are one for all of Azure: `{option} <name>`, here and with every other \
         `ephemeral-agents sample`."
    )
}

/// Whether it is about who may do what.
pub(super) fn is_role(kind: ResourceKind) -> bool {
    matches!(kind, ResourceKind::RoleDefinition | ResourceKind::RoleAssignment)
}

/// With a full stop at its end.
pub(super) fn sentence(text: &str) -> String {
    let text = text.trim();
    if text.ends_with(['.', '!', '?']) { text.to_owned() } else { format!("{text}.") }
}

/// What somebody with the right runs, for a role that whoever runs the sample may not make or give.
pub(super) fn command_of_owner(role: &Resource) -> String {
    let properties = &role.body()["properties"];
    let text = |name: &str| properties[name].as_str().unwrap_or_default();
    if role.kind() == ResourceKind::RoleDefinition {
        return format!(
            "az rest --method put --url '{}?api-version={}' --body '{}'",
            role.id(),
            role.kind().api_version(),
            role.body()
        );
    }
    let (scope, name) =
        role.id().split_once("/providers/Microsoft.Authorization/roleAssignments/").unwrap_or_default();
    let principal = text("principalId");
    let who = match identity_behind(principal) {
        Some(identity) => {
            format!("\"$(az identity show --ids {identity} --query principalId --output tsv)\"")
        }
        None => principal.to_owned(),
    };
    let number = text("roleDefinitionId").rsplit('/').next().unwrap_or_default();
    format!(
        "az role assignment create --name {name} --role {number} --scope {scope} \
         --assignee-object-id {who} --assignee-principal-type ServicePrincipal"
    )
}

/// Whether the lock of that id keeps a resource as it is: it lies on it, on something in it, or on what it is in.
pub(super) fn is_locked_by(id: &str, lock: &str) -> bool {
    let (id, lock) = (id.to_lowercase(), lock.to_lowercase());
    let Some((scope, _)) = lock.rsplit_once("/providers/microsoft.authorization/locks/") else {
        return false;
    };
    let within = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    within(&id, scope) || within(scope, &id)
}

/// A lock that is in the way.
pub(super) fn locked(lock: &str, done: &str) -> Finding {
    let scope = lock.to_lowercase().rfind("/providers/microsoft.authorization/locks/");
    let scope = scope.map_or(lock, |end| &lock[..end]);
    let name = lock.rsplit('/').next().unwrap_or_default();
    Finding {
        what: format!("The lock {name} keeps {scope} from being {done}."),
        remedy: format!(
            "if that is meant to happen, have an owner remove it: `az lock delete --ids {lock}`."
        ),
        blame: Blame::User,
    }
}

/// A refusal, with what helps against it where the sample knows more than the service's code says.
pub(super) fn refused(refusal: StoreError, resource: &Resource) -> ServiceError {
    let StoreError { code, mut error } = refusal;
    match code.as_str() {
        "AuthorizationFailed" if is_role(resource.kind()) => {
            error.remedy = format!(
                "go on with --without-roles, and have an owner run `{}`.",
                command_of_owner(resource)
            );
        }
        // Somebody was faster: it was free a moment ago.
        "AlreadyInUse" | "StorageAccountAlreadyTaken" => error.remedy = another_name(resource.kind()),
        "ScopeLocked" => {
            "have an owner list the locks (`az lock list --output table`) and remove the one on what the message \
             names (`az lock delete --ids <id>`)."
                .clone_into(&mut error.remedy);
        }
        "InUseSubnetCannotBeDeleted" => {
            "wait until the last container group is gone (`ephemeral-agents list`), then run the same command again."
                .clone_into(&mut error.remedy);
        }
        "RoleDefinitionHasAssignments" => {
            format!("take the role from whoever has it (`az role assignment list --all --role {}`), then run the same \
                     command again.", resource.id().rsplit('/').next().unwrap_or_default())
            .clone_into(&mut error.remedy);
        }
        _ => {}
    }
    error
}

/// Azure Container Instances does not let go of a subnet: there are container groups in it, of which whoever asks does
/// not know.
pub(super) fn not_freed(refusal: StoreError, subnet: &str) -> ServiceError {
    let StoreError { code, mut error } = refusal;
    if code == "ServiceAssociationLinkInUse" {
        error.remedy = format!(
            "take down what is in the subnet; whoever may see every container group of the subscription finds it: \
             `az container list --query \"[?subnetIds[0].id=='{subnet}'].id\"`."
        );
    }
    error
}

/// Whether asking again in a moment helps: a new identity is not known everywhere at once, and a network does one thing
/// at a time.
pub(super) fn passes(refusal: &StoreError) -> bool {
    refusal.error.kind == ErrorKind::Transient
}

/// What happened to a resource, or would.
fn verb(action: &Action, dry: bool) -> String {
    match (action, dry) {
        (Action::Create, false) => "created".to_owned(),
        (Action::Create, true) => "would create".to_owned(),
        (Action::Update(paths), false) => format!("updated ({})", paths.join(", ")),
        (Action::Update(paths), true) => format!("would update ({})", paths.join(", ")),
        (Action::Replace, false) => "replaced".to_owned(),
        (Action::Replace, true) => "would replace".to_owned(),
        (Action::Keep, _) => "unchanged".to_owned(),
        (Action::Borrow, _) => "used as it is, since the sample did not make it".to_owned(),
    }
}

/// One line about a step.
pub(super) fn line(step: &Step, dry: bool) -> String {
    format!("{}: {}", step.resource.in_words(), verb(&step.action, dry))
}

/// What is said when everything is there, or what would be done; and the same for programs.
pub(super) fn created(steps: &[Step], dry: bool, commands: &[String]) -> (String, Value) {
    let mut lines: Vec<_> = steps.iter().map(|step| line(step, dry)).collect();
    let changes = steps.iter().any(|step| !matches!(step.action, Action::Keep | Action::Borrow));
    if !changes {
        lines.push("Nothing to do: all of it is there as it is wanted.".to_owned());
    }
    if !commands.is_empty() {
        lines.push("Roles are left to an owner, who runs:".to_owned());
        lines.extend(commands.iter().map(|command| format!("  {command}")));
    }
    let resources: Vec<_> = steps.iter().map(|step| as_json(step, dry)).collect();
    let json =
        json!({ "version": 1, "changed": changes && !dry, "resources": resources, "commands": commands });
    (lines.join("\n"), json)
}

fn as_json(step: &Step, dry: bool) -> Value {
    let resource = &step.resource;
    let mut value = json!({
        "id": resource.id(),
        "type": resource.kind().resource_type(),
        "action": match step.action {
            Action::Create => "create",
            Action::Update(_) => "update",
            Action::Replace => "replace",
            Action::Keep => "keep",
            Action::Borrow => "borrow",
        },
    });
    if let Action::Update(paths) = &step.action {
        value["differences"] = json!(paths);
    }
    if dry {
        value["apiVersion"] = json!(resource.kind().api_version());
        value["body"] = resource.body().clone();
    }
    value
}

/// What is said when everything is gone, or what would be done.
pub(super) fn deleted(done: &[(String, &'static str)], dry: bool) -> (String, Value) {
    let mut lines: Vec<_> = done.iter().map(|(what, how)| format!("{what}: {how}")).collect();
    if done.is_empty() {
        lines.push("Nothing to do: nothing of it is there.".to_owned());
    }
    let all: Vec<_> = done.iter().map(|(what, how)| json!({ "what": what, "outcome": how })).collect();
    (lines.join("\n"), json!({ "version": 1, "dryRun": dry, "resources": all }))
}

/// Adds what happened to the agent pool.
pub(super) fn add_pool(text: &mut String, json: &mut Value, about: &str) {
    text.push('\n');
    text.push_str(about);
    json["pool"] = about.into();
}

#[cfg(test)]
mod tests {
    use super::is_locked_by;

    #[test]
    fn a_lock_works_downwards_and_keeps_what_it_lies_in() {
        let lock = "/subscriptions/s/resourceGroups/RG/providers/Microsoft.Authorization/locks/keep";
        let on_network = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v/providers/Microsoft.Authorization/locks/keep";
        let group = "/subscriptions/s/resourceGroups/rg";
        let network = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v";
        for (id, lock, expected) in [
            (network, lock, true),
            (group, lock, true),
            (network, on_network, true),
            (group, on_network, true),
            ("/subscriptions/s/resourceGroups/rg2", lock, false),
            (
                "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/a",
                on_network,
                false,
            ),
        ] {
            assert_eq!(is_locked_by(id, lock), expected, "{id} {lock}");
        }
    }
}
