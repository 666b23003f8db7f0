//! A configuration for Terraform in its JSON form, with the provider azapi, which sends bodies as they are.

use azure_resources::resources::{GUID_NAMESPACE, Resource, ResourceKind};
use serde_json::{Map, Value, json};

use super::{Dialect, Piece, is_for_provisioner, needs};
use crate::settings::sample::Sample;

const DIALECT: Dialect = Dialect {
    subscription: "var.subscription",
    location: "var.location",
    provisioner: "var.provisioner",
    guid,
    principal,
    join,
};

/// The words and the subscription, joined as a template's `guid()` joins them.
fn guid(words: &[Vec<Piece>]) -> String {
    let words: Vec<_> = words.iter().map(|word| join(word)).collect();
    format!("uuidv5(\"{GUID_NAMESPACE}\", \"${{var.subscription}}-{}\")", words.join("-"))
}

fn principal(all: &[Resource], identity: &Resource) -> String {
    format!("azapi_resource.{}.output.properties.principalId", key(identity, all))
}

fn join(pieces: &[Piece]) -> String {
    let said = pieces.iter().map(|piece| match piece {
        Piece::Text(text) => text.replace("${", "$${").replace("%{", "%%{"),
        Piece::Expression(expression) => format!("${{{expression}}}"),
    });
    said.collect()
}

/// What a resource is called in the configuration: its kind, and a number where there are several.
fn key(resource: &Resource, all: &[Resource]) -> String {
    let kind = resource.kind();
    let word = kind.words().to_lowercase().replace([' ', '-'], "_");
    let same: Vec<_> = all.iter().filter(|other| other.kind() == kind).collect();
    match same.iter().position(|other| other.id() == resource.id()) {
        Some(position) if same.len() > 1 => format!("{word}_{}", position + 1),
        _ => word,
    }
}

/// The configuration.
pub(super) fn template(sample: &Sample, all: &[Resource]) -> Value {
    let resources: Map<_, _> =
        all.iter().map(|resource| (key(resource, all), one(sample, resource, all))).collect();
    json!({
        "//": "What `ephemeral-agents sample up` creates. Made by `ephemeral-agents sample template terraform`.",
        "terraform": {
            "required_version": ">= 1.5",
            "required_providers": { "azapi": { "source": "Azure/azapi", "version": "~> 2.0" } },
        },
        "provider": { "azapi": { "subscription_id": "${var.subscription}" } },
        "variable": {
            "subscription": { "type": "string", "description": "Id of the subscription." },
            "location": { "type": "string", "description": "Region of everything." },
            "provisioner": {
                "type": "string",
                "default": "",
                "description": "Object id of the service principal that provisions; empty gives it no role.",
            },
        },
        "resource": { "azapi_resource": resources },
    })
}

fn one(sample: &Sample, resource: &Resource, all: &[Resource]) -> Value {
    let kind = resource.kind();
    let mut body = DIALECT.value(resource.body(), sample, all);
    let mut value = json!({
        "type": format!("{}@{}", kind.resource_type(), kind.api_version()),
        "name": DIALECT.text(resource.name(), sample, all),
        "parent_id": DIALECT.text(resource.parent(), sample, all),
    });
    for name in ["location", "tags"] {
        if let Some(member) = body.as_object_mut().and_then(|members| members.remove(name)) {
            value[name] = member;
        }
    }
    value["body"] = body;
    let depends_on: Vec<_> =
        needs(resource, all).iter().map(|other| format!("azapi_resource.{}", key(other, all))).collect();
    if !depends_on.is_empty() {
        value["depends_on"] = json!(depends_on);
    }
    if is_for_provisioner(resource) {
        value["count"] = "${var.provisioner == \"\" ? 0 : 1}".into();
    }
    if kind == ResourceKind::Identity {
        value["response_export_values"] = json!(["properties.principalId"]);
    }
    value
}
