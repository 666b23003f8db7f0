//! The same resources, written down for other tools: made of the same bodies, so that they cannot differ. Pure.
//!
//! What is known only where a template is used stands for itself in the bodies: the subscription, the region, the
//! object id of who provisions. Each tool has its own way to say these, to make a number of words, and to ask an
//! identity for its principal; all else is copied.

mod arm;
mod terraform;

use azure_resources::resources::authorization::identity_behind;
use azure_resources::resources::{Resource, ResourceKind};
use serde_json::{Map, Value};

use super::wanted::{Part, resources};
use crate::arguments::sample::TemplateTool;
use crate::settings::sample::Sample;

/// Stands for the region.
const LOCATION: &str = "<location>";

/// Stands for the object id of who provisions.
const PROVISIONER: &str = "<provisioner>";

/// What a template says in place of something.
struct Dialect {
    /// The id of the subscription.
    subscription: &'static str,
    /// The region.
    location: &'static str,
    /// The object id of who provisions.
    provisioner: &'static str,
    /// A number made of the subscription and of these words, which are pieces themselves.
    guid: fn(&[Vec<Piece>]) -> String,
    /// The principal of an identity, which is one of the resources.
    principal: fn(&[Resource], &Resource) -> String,
    /// Text and expressions as one value.
    join: fn(&[Piece]) -> String,
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// As it stands.
    Text(String),
    /// In the tool's language.
    Expression(String),
}

/// The template.
pub(crate) fn template(tool: TemplateTool, sample: &Sample) -> String {
    let sample =
        Sample { location: LOCATION.to_owned(), provisioner: Some(PROVISIONER.to_owned()), ..sample.clone() };
    let all = resources(&sample, &Part::ALL);
    let value = match tool {
        TemplateTool::Arm => arm::template(&sample, &all),
        TemplateTool::Terraform => terraform::template(&sample, &all),
    };
    format!("{value:#}\n")
}

/// Whether it is only there where somebody provisions.
fn is_for_provisioner(resource: &Resource) -> bool {
    resource.body().to_string().contains(PROVISIONER)
}

/// Those that have to be there first.
fn needs<'a>(resource: &Resource, all: &'a [Resource]) -> Vec<&'a Resource> {
    let text = format!("{} {}/", resource.body(), resource.id());
    let named = |other: &&Resource| {
        let is_other = other.id() != resource.id();
        let by_number = other.kind() == ResourceKind::RoleDefinition && text.contains(other.name());
        let ends = ["\"", "/", ")"].iter().any(|end| text.contains(&format!("{}{end}", other.id())));
        is_other && (by_number || ends)
    };
    all.iter().filter(named).collect()
}

impl Dialect {
    /// A value with everything said in this dialect.
    fn value(&self, value: &Value, sample: &Sample, all: &[Resource]) -> Value {
        match value {
            Value::String(text) => self.text(text, sample, all).into(),
            Value::Array(entries) => entries.iter().map(|entry| self.value(entry, sample, all)).collect(),
            Value::Object(members) => {
                let member =
                    |(name, value): (&String, &Value)| (name.clone(), self.value(value, sample, all));
                members.iter().map(member).collect::<Map<_, _>>().into()
            }
            other => other.clone(),
        }
    }

    fn text(&self, text: &str, sample: &Sample, all: &[Resource]) -> String {
        let identity = identity_behind(text).and_then(|id| all.iter().find(|resource| resource.id() == id));
        match identity {
            Some(identity) => (self.join)(&[Piece::Expression((self.principal)(all, identity))]),
            None => (self.join)(&self.pieces(text, sample, all)),
        }
    }

    /// A text taken apart at what stands for something.
    fn pieces(&self, text: &str, sample: &Sample, all: &[Resource]) -> Vec<Piece> {
        let numbers = all.iter().filter(|resource| !resource.guid_words().is_empty());
        let mut known: Vec<(String, String)> = numbers
            .map(|resource| {
                let word = |word: &String| self.pieces(word, sample, &[]);
                let words: Vec<_> = resource.guid_words().iter().map(word).collect();
                (resource.name().to_owned(), words)
            })
            .map(|(name, words)| (name, (self.guid)(&words)))
            .collect();
        known.push((sample.subscription.clone(), self.subscription.to_owned()));
        known.push((LOCATION.to_owned(), self.location.to_owned()));
        known.push((PROVISIONER.to_owned(), self.provisioner.to_owned()));
        take_apart(text, &known)
    }
}

fn take_apart(text: &str, known: &[(String, String)]) -> Vec<Piece> {
    let first = known
        .iter()
        .filter_map(|(sign, meaning)| Some((text.find(sign.as_str())?, sign, meaning)))
        .min_by_key(|(at, ..)| *at);
    let Some((at, sign, meaning)) = first else {
        return if text.is_empty() { Vec::new() } else { vec![Piece::Text(text.to_owned())] };
    };
    let mut pieces = take_apart(&text[..at], &[]);
    pieces.push(Piece::Expression(meaning.clone()));
    pieces.extend(take_apart(&text[at + sign.len()..], known));
    pieces
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::Value;

    use super::{Piece, take_apart, template};
    use crate::arguments::sample::TemplateTool;
    use crate::sample::fake::sample;
    use crate::sample::wanted::{Part, resources};

    /// What `sample template` prints without options.
    fn printed(tool: TemplateTool) -> String {
        let defaults = crate::settings::sample::Sample {
            subscription: "00000000-0000-0000-0000-000000000000".to_owned(),
            ..sample()
        };
        template(tool, &defaults)
    }

    fn committed(name: &str) -> String {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/infra").join(name);
        let read = std::fs::read_to_string(&path);
        read.unwrap_or_else(|error| panic!("samples/infra/{name}: {error}"))
    }

    #[test]
    fn the_files_in_samples_are_what_the_command_prints() {
        for (tool, name, word) in [
            (TemplateTool::Arm, "azuredeploy.json", "arm"),
            (TemplateTool::Terraform, "main.tf.json", "terraform"),
        ] {
            let hint =
                format!("write it anew: `ephemeral-agents sample template {word} > samples/infra/{name}`");
            assert!(
                committed(name) == printed(tool),
                "samples/infra/{name} is not what the command prints; {hint}"
            );
        }
    }

    #[test]
    fn every_resource_of_up_is_in_both() {
        let types: Vec<_> =
            resources(&sample(), &Part::ALL).iter().map(|resource| resource.kind().resource_type()).collect();
        let arm: Value = serde_json::from_str(&printed(TemplateTool::Arm)).expect("JSON");
        let terraform: Value = serde_json::from_str(&printed(TemplateTool::Terraform)).expect("JSON");
        let mut in_arm = Vec::new();
        collect(&arm["resources"], &mut in_arm);
        let in_terraform = terraform["resource"]["azapi_resource"].as_object().expect("resources");
        for kind in &types {
            let wanted = types.iter().filter(|other| *other == kind).count();
            // Grants to whoever provisions are in a template, and only there where nobody is named.
            let more = if kind.ends_with("roleAssignments") { 4 } else { 0 };
            assert_eq!(in_arm.iter().filter(|found| found == kind).count(), wanted + more, "{kind} in ARM");
            let found = in_terraform
                .values()
                .filter(|one| one["type"].as_str().is_some_and(|text| text.starts_with(&format!("{kind}@"))));
            assert_eq!(found.count(), wanted + more, "{kind} in Terraform");
        }
    }

    fn collect(resources: &Value, types: &mut Vec<String>) {
        for resource in resources.as_array().into_iter().flatten() {
            types.push(resource["type"].as_str().unwrap_or_default().to_owned());
            collect(&resource["properties"]["template"]["resources"], types);
        }
    }

    #[test]
    fn nothing_that_stands_for_something_is_left() {
        for tool in [TemplateTool::Arm, TemplateTool::Terraform] {
            let text = printed(tool);
            for sign in ["<location>", "<provisioner>", "00000000-0000", "principalId(/"] {
                assert!(!text.contains(sign), "{tool:?} has {sign}");
            }
        }
    }

    #[test]
    fn a_text_is_taken_apart_where_something_stands_for_something() {
        let known = [("S".to_owned(), "sub()".to_owned())];
        let text = |text: &str| Piece::Text(text.to_owned());
        let sub = || Piece::Expression("sub()".to_owned());
        assert_eq!(take_apart("/S/x/S", &known), [text("/"), sub(), text("/x/"), sub()]);
        assert_eq!(take_apart("plain", &known), [text("plain")]);
        assert_eq!(take_apart("S", &known), [sub()]);
    }
}
