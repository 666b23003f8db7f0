//! `variables:`, in its two forms: names with values, and a list of entries.

use super::names::{flag, refuse_others};
use super::tree::{Content, Node, Refusal};
use crate::pipelines::model::Variable;

/// Reads the variables of a pipeline, stage or job.
pub(super) fn read(parent: &Node) -> Result<Vec<Variable>, Refusal> {
    let Some(node) = parent.get("variables") else { return Ok(Vec::new()) };
    if let Content::List(items) = &node.content {
        return items.iter().map(entry).collect();
    }
    let plain = |(key, value): &(Node, Node)| {
        Ok(Variable { name: key.text()?.to_owned(), value: value.text()?.to_owned(), read_only: false })
    };
    node.map()?.iter().map(plain).collect()
}

fn entry(item: &Node) -> Result<Variable, Refusal> {
    if let Some(group) = item.get("group") {
        let name = group.text()?;
        return Err(group.place.refuse(format!(
            "Variable group {name} could not be found. The emulator has no variable groups; give its variables when \
             the pipeline is registered"
        )));
    }
    refuse_others(item, &["name", "value", "readonly"])?;
    let name = item.get("name").ok_or_else(|| item.place.refuse("A variable needs a name"))?.text()?;
    let value = item.get("value").map_or(Ok(""), Node::text)?;
    Ok(Variable {
        name: name.to_owned(),
        value: value.to_owned(),
        read_only: flag(item, "readonly")?.unwrap_or_default(),
    })
}

/// The variables whose value is known while the pipeline is put together; malformed ones are left to [`read`].
pub(super) fn literals(node: &Node) -> Vec<(String, String)> {
    let pair = |name: &Node, value: &Node| Some((name.scalar()?.to_owned(), value.scalar()?.to_owned()));
    let found: Vec<_> = match &node.content {
        Content::Map(members) => members.iter().filter_map(|(name, value)| pair(name, value)).collect(),
        Content::List(items) => {
            items.iter().filter_map(|item| pair(item.get("name")?, item.get("value")?)).collect()
        }
        Content::Scalar(_) => Vec::new(),
    };
    found.into_iter().filter(|(_, value)| !value.starts_with("$[")).collect()
}

/// The first form turned into the second, for a template among entries of a list.
pub(super) fn as_list(members: &[(Node, Node)]) -> Vec<Node> {
    let key = |text: &str, place| Node { place, content: Content::Scalar(text.to_owned()) };
    members
        .iter()
        .map(|(name, value)| {
            let place = name.place.clone();
            let entry = vec![
                (key("name", place.clone()), name.clone()),
                (key("value", place.clone()), value.clone()),
            ];
            Node { place, content: Content::Map(entry) }
        })
        .collect()
}
