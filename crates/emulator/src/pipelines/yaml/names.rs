//! What the passes share: which keys and names are allowed, and how truth is written.

use super::tree::{Node, Refusal};

/// Refuses keys that are not among `allowed`.
pub(super) fn refuse_others(node: &Node, allowed: &[&str]) -> Result<(), Refusal> {
    for (key, _) in node.map()? {
        let name = key.text()?;
        if !allowed.contains(&name) {
            return Err(key.unexpected(name));
        }
    }
    Ok(())
}

/// The words for true and false.
pub(super) fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "y" | "yes" | "on" => Some(true),
        "false" | "n" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// A member that is true or false.
pub(super) fn flag(node: &Node, name: &str) -> Result<Option<bool>, Refusal> {
    let Some(node) = node.get(name) else { return Ok(None) };
    let text = node.text()?;
    truth(text).map(Some).ok_or_else(|| node.place.refuse(format!("Expected a boolean, found '{text}'")))
}

/// A member that is a whole number.
pub(super) fn number(node: &Node, name: &str) -> Result<Option<u32>, Refusal> {
    let Some(node) = node.get(name) else { return Ok(None) };
    let text = node.text()?;
    text.parse().map(Some).map_err(|_| node.place.refuse(format!("Expected an integer, found '{text}'")))
}

/// A member that is a text.
pub(super) fn text(node: &Node, name: &str) -> Result<Option<String>, Refusal> {
    node.get(name).map(|node| node.text().map(str::to_owned)).transpose()
}

/// A member that is one text or a list of texts.
pub(super) fn texts(node: &Node, name: &str) -> Result<Option<Vec<String>>, Refusal> {
    let Some(node) = node.get(name) else { return Ok(None) };
    match node.scalar() {
        Some("") => Ok(Some(Vec::new())),
        Some(text) => Ok(Some(vec![text.to_owned()])),
        None => {
            node.list()?.iter().map(|item| item.text().map(str::to_owned)).collect::<Result<_, _>>().map(Some)
        }
    }
}

/// A member that maps names to texts.
pub(super) fn pairs(node: &Node, name: &str) -> Result<Vec<(String, String)>, Refusal> {
    let Some(node) = node.get(name) else { return Ok(Vec::new()) };
    let pair = |(key, value): &(Node, Node)| Ok((key.text()?.to_owned(), value.text()?.to_owned()));
    node.map()?.iter().map(pair).collect()
}

/// Names of stages, jobs and steps: letters, digits and underscores, not beginning with a digit.
pub(super) fn identifier(node: &Node) -> Result<String, Refusal> {
    let text = node.text()?;
    let fits = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if fits {
        return Ok(text.to_owned());
    }
    Err(node.place.refuse(format!(
        "The name '{text}' is invalid. Valid names may only contain alphanumeric characters and '_' and may not \
         start with a number."
    )))
}
