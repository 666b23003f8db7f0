//! `parameters:` of a pipeline or template, and the values given for them.

use super::names::{refuse_others, truth};
use super::template::to_value;
use super::tree::{Content, Node, Refusal};
use crate::pipelines::expression::Value;

/// Types whose values are YAML rather than one text.
const STRUCTURED: &[&str] =
    &["object", "step", "stepList", "job", "jobList", "deployment", "deploymentList", "stage", "stageList"];

/// Takes `parameters:` out of a file, and gives each its value or default.
pub(super) fn take(root: Node, given: &[(String, Value)]) -> Result<(Value, Node), Refusal> {
    let Node { place, content: Content::Map(mut members) } = root else {
        return Ok((Value::Object(Vec::new()), root));
    };
    let declared = members.iter().position(|(key, _)| key.scalar() == Some("parameters"));
    let declared = declared.map(|position| members.remove(position).1);
    let mut values = Vec::new();
    match declared.as_ref().map(|node| &node.content) {
        Some(Content::List(items)) => {
            for item in items {
                values.push(declared_value(item, given)?);
            }
        }
        // The old form: names and defaults.
        Some(Content::Map(defaults)) => {
            for (key, default) in defaults {
                let name = key.text()?;
                let found = given.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
                let value = found.map_or_else(|| to_value(default), |(_, value)| value.clone());
                values.push((name.to_owned(), value));
            }
        }
        _ => {}
    }
    for (name, _) in given {
        if !values.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            return Err(place.refuse(format!("Unexpected parameter '{name}'")));
        }
    }
    Ok((Value::Object(values), Node { place, content: Content::Map(members) }))
}

fn declared_value(item: &Node, given: &[(String, Value)]) -> Result<(String, Value), Refusal> {
    refuse_others(item, &["name", "displayName", "type", "default", "values"])?;
    let name = item.get("name").ok_or_else(|| item.place.refuse("A parameter needs a name"))?.text()?;
    let kind = item.get("type").map(Node::text).transpose()?.unwrap_or("string");
    let found =
        given.iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone());
    let value = match found.or_else(|| item.get("default").map(to_value)) {
        Some(value) => typed(item, name, kind, value)?,
        None => {
            return Err(item.place.refuse(format!("A value for the '{name}' parameter must be provided.")));
        }
    };
    if let Some(allowed) = item.get("values") {
        let text = value.to_text().unwrap_or_default();
        if !allowed.list()?.iter().any(|allowed| allowed.scalar() == Some(&text)) {
            return Err(item.place.refuse(format!(
                "The '{name}' parameter value '{text}' is not a valid value for the parameter"
            )));
        }
    }
    Ok((name.to_owned(), value))
}

fn typed(item: &Node, name: &str, kind: &str, value: Value) -> Result<Value, Refusal> {
    let invalid = || {
        let shown = value.to_text().unwrap_or_else(|| value.kind().to_owned());
        item.place.refuse(format!("The '{name}' parameter is not a valid {kind}: '{shown}'"))
    };
    match (kind, &value) {
        ("string", _) => value.to_text().map(Value::Text).ok_or_else(invalid),
        ("number", _) => value.to_number().map(Value::Number).ok_or_else(invalid),
        ("boolean", Value::Boolean(_)) => Ok(value),
        ("boolean", Value::Text(text)) => truth(text).map(Value::Boolean).ok_or_else(invalid),
        (kind, _) if STRUCTURED.contains(&kind) => Ok(value),
        _ => Err(invalid()),
    }
}
