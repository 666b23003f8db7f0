//! A template for Azure Resource Manager, deployed to a subscription.

use azure_resources::resources::{Resource, ResourceGroupId, ResourceKind, group_of};
use serde_json::{Value, json};

use super::{Dialect, Piece, is_for_provisioner, needs};
use crate::settings::sample::Sample;

const SCHEMA: &str =
    "https://schema.management.azure.com/schemas/2018-05-01/subscriptionDeploymentTemplate.json#";
const INNER_SCHEMA: &str = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#";
const DEPLOYMENTS: &str = "2022-09-01";

const DIALECT: Dialect = Dialect {
    subscription: "subscription().subscriptionId",
    location: "parameters('location')",
    provisioner: "parameters('provisioner')",
    guid,
    principal,
    join,
};

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn guid(words: &[Vec<Piece>]) -> String {
    let words: Vec<_> = words.iter().map(|word| expression(word)).collect();
    format!("guid(subscription().subscriptionId, {})", words.join(", "))
}

/// The identity's own answer; within one deployment its id is enough to find it.
fn principal(_: &[Resource], identity: &Resource) -> String {
    let (kind, name) = (identity.kind(), identity.name());
    format!(
        "reference(resourceId('{}', '{name}'), '{}').principalId",
        kind.resource_type(),
        kind.api_version()
    )
}

/// Pieces as one expression.
fn expression(pieces: &[Piece]) -> String {
    let said: Vec<_> = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Text(text) => quoted(text),
            Piece::Expression(expression) => expression.clone(),
        })
        .collect();
    match said.as_slice() {
        [one] => one.clone(),
        many => format!("concat({})", many.join(", ")),
    }
}

fn join(pieces: &[Piece]) -> String {
    match pieces {
        [] => String::new(),
        // A text that begins like an expression has to say that it is none.
        [Piece::Text(text)] if text.starts_with('[') => format!("[{text}"),
        [Piece::Text(text)] => text.clone(),
        many => format!("[{}]", expression(many)),
    }
}

/// The template: resource groups, then one deployment for each run of resources in one of them.
pub(super) fn template(sample: &Sample, all: &[Resource]) -> Value {
    let (groups, others): (Vec<_>, Vec<_>) =
        all.iter().partition(|resource| resource.kind() == ResourceKind::ResourceGroup);
    let mut resources: Vec<_> = groups.into_iter().map(|group| one(sample, group, all, &[])).collect();
    let mut before: Option<String> = None;
    for (number, run) in runs(&others).iter().enumerate() {
        let name = format!("ephemeral-agents-sample-{}", number + 1);
        resources.push(deployment(sample, (&name, run), all, before.as_deref()));
        before = Some(name);
    }
    json!({
        "$schema": SCHEMA,
        "contentVersion": "1.0.0.0",
        "metadata": { "description": "What `ephemeral-agents sample up` creates. Made by `ephemeral-agents sample template arm`." },
        "parameters": parameters(),
        "resources": resources,
    })
}

fn parameters() -> Value {
    json!({
        "location": {
            "type": "string",
            "defaultValue": "[deployment().location]",
            "metadata": { "description": "Region of everything." },
        },
        "provisioner": {
            "type": "string",
            "defaultValue": "",
            "metadata": { "description": "Object id of the service principal that provisions; empty gives it no role." },
        },
    })
}

/// Neighbours in one resource group.
fn runs<'a>(others: &[&'a Resource]) -> Vec<(ResourceGroupId, Vec<&'a Resource>)> {
    let mut runs: Vec<(ResourceGroupId, Vec<&'a Resource>)> = Vec::new();
    for resource in others {
        let Some(group) = group_of(resource.id()) else { continue };
        match runs.last_mut() {
            Some((last, run)) if *last == group => run.push(resource),
            _ => runs.push((group, vec![resource])),
        }
    }
    runs
}

fn deployment(
    sample: &Sample,
    (name, (group, run)): (&str, &(ResourceGroupId, Vec<&Resource>)),
    all: &[Resource],
    before: Option<&str>,
) -> Value {
    let resources: Vec<_> = run.iter().map(|resource| one(sample, resource, all, run)).collect();
    let inner = json!({ "location": { "type": "string" }, "provisioner": { "type": "string" } });
    let mut depends_on =
        vec![format!("[subscriptionResourceId('Microsoft.Resources/resourceGroups', '{}')]", group.name())];
    depends_on
        .extend(before.map(|before| {
            format!("[subscriptionResourceId('Microsoft.Resources/deployments', '{before}')]")
        }));
    json!({
        "type": "Microsoft.Resources/deployments",
        "apiVersion": DEPLOYMENTS,
        "name": name,
        "resourceGroup": group.name(),
        "dependsOn": depends_on,
        "properties": {
            "mode": "Incremental",
            "expressionEvaluationOptions": { "scope": "inner" },
            "parameters": {
                "location": { "value": "[parameters('location')]" },
                "provisioner": { "value": "[parameters('provisioner')]" },
            },
            "template": {
                "$schema": INNER_SCHEMA,
                "contentVersion": "1.0.0.0",
                "parameters": inner,
                "resources": resources,
            },
        },
    })
}

fn one(sample: &Sample, resource: &Resource, all: &[Resource], run: &[&Resource]) -> Value {
    let kind = resource.kind();
    let mut value = DIALECT.value(resource.body(), sample, all);
    value["type"] = kind.resource_type().into();
    value["apiVersion"] = kind.api_version().into();
    value["name"] = DIALECT.text(&full_name(resource), sample, all).into();
    let is_near = |other: &&Resource| run.iter().any(|near| near.id() == other.id());
    let depends_on: Vec<_> = needs(resource, all)
        .into_iter()
        .filter(is_near)
        .map(|other| DIALECT.text(other.id(), sample, all))
        .collect();
    if !depends_on.is_empty() {
        value["dependsOn"] = json!(depends_on);
    }
    if is_for_provisioner(resource) {
        value["condition"] = "[not(empty(parameters('provisioner')))]".into();
    }
    let is_about_more = kind == ResourceKind::RoleAssignment && resource.parent().contains("/providers/");
    if is_about_more {
        value["scope"] = DIALECT.text(resource.parent(), sample, all).into();
    }
    value
}

/// The names of what it is in, and its own.
fn full_name(resource: &Resource) -> String {
    match resource.kind() {
        ResourceKind::BlobContainer => {
            let account = resource.parent().trim_end_matches("/blobServices/default");
            let account = account.rsplit('/').next().unwrap_or_default();
            format!("{account}/default/{}", resource.name())
        }
        _ => resource.name().to_owned(),
    }
}
