//! Template expressions (`${{ }}`), conditional and repeated insertion, and templates in files of their own.

use super::parameters;
use super::tree::{Content, Node, Place, Refusal};
use super::variables;
use crate::pipelines::expression::{self, Scope, Value};

/// Fetches the text of a template by its path in the repository.
pub(crate) type Source<'a> = dyn Fn(&str) -> Result<String, String> + 'a;

/// Templates within templates end here, as in the service.
const DEPTH_MAX: u32 = 100;

/// Puts everything in place in a pipeline.
pub(super) fn expand_pipeline(
    root: Node,
    parameters: &Value,
    given: &[(String, String)],
    source: &Source<'_>,
) -> Result<Node, Refusal> {
    let known = given.iter().map(|(name, value)| (name.clone(), Value::text(value))).collect();
    let expander = Expander { source, depth: 0 };
    expander.one(root, &Context { parameters: parameters.clone(), variables: known, loops: Vec::new() })
}

/// What may be named where something is put in place.
#[derive(Clone)]
struct Context {
    parameters: Value,
    variables: Vec<(String, Value)>,
    /// Names of `each`, innermost last.
    loops: Vec<(String, Value)>,
}

impl Context {
    fn evaluate(&self, text: &str, place: &Place) -> Result<Value, Refusal> {
        let mut scope = Scope::default()
            .with("parameters", self.parameters.clone())
            .with("variables", Value::Object(self.variables.clone()));
        for (name, value) in &self.loops {
            scope = scope.with(name, value.clone());
        }
        expression::evaluate(text, &scope).map_err(|error| place.refuse(error))
    }

    /// The same with the variables that `node` declares; a later declaration hides an earlier one.
    fn with_variables_of(&self, node: &Node) -> Self {
        let mut context = self.clone();
        for (name, value) in variables::literals(node) {
            context.variables.retain(|(known, _)| !known.eq_ignore_ascii_case(&name));
            context.variables.push((name, Value::Text(value)));
        }
        context
    }
}

/// What a key or a lone item in `${{ }}` asks for.
enum Directive<'a> {
    If(&'a str),
    ElseIf(&'a str),
    Else,
    Each { name: &'a str, of: &'a str },
    Insert,
}

struct Expander<'a> {
    source: &'a Source<'a>,
    depth: u32,
}

impl Expander<'_> {
    fn one(&self, node: Node, context: &Context) -> Result<Node, Refusal> {
        let Node { place, content } = node;
        Ok(match content {
            Content::Scalar(text) => scalar(&text, &place, context)?,
            Content::List(items) => Node { content: Content::List(self.items(items, context)?), place },
            Content::Map(members) => Node { content: Content::Map(self.members(members, context)?), place },
        })
    }

    fn items(&self, items: Vec<Node>, context: &Context) -> Result<Vec<Node>, Refusal> {
        let mut expanded = Vec::new();
        let mut chain = Chain::default();
        for item in items {
            if let Some((key, value)) = lone_directive(&item) {
                for (chosen, context) in chain.choose(key, value, context)? {
                    match self.one(chosen, &context)?.content {
                        Content::List(items) => expanded.extend(items),
                        Content::Scalar(text) if text.is_empty() => {}
                        _ => return Err(key.place.refuse("A sequence was expected to be inserted here")),
                    }
                }
                continue;
            }
            chain = Chain::default();
            if item.get("template").is_some() {
                expanded.extend(self.template_items(&item, context)?);
                continue;
            }
            let whole = item.scalar().is_some_and(|text| whole_expression(text).is_some());
            let item = self.one(item, context)?;
            match item.content {
                Content::List(items) if whole => expanded.extend(items),
                _ => expanded.push(item),
            }
        }
        Ok(expanded)
    }

    fn members(&self, members: Vec<(Node, Node)>, context: &Context) -> Result<Vec<(Node, Node)>, Refusal> {
        let mut expanded: Vec<(Node, Node)> = Vec::new();
        let mut context = context.clone();
        let mut members = members;
        // Variables first: everything beside them may use them.
        if let Some(position) = members.iter().position(|(key, _)| key.scalar() == Some("variables")) {
            let (key, value) = members.remove(position);
            let value = self.one(value, &context)?;
            context = context.with_variables_of(&value);
            expanded.push((key, value));
        }
        let mut chain = Chain::default();
        for (key, value) in members {
            if directive(&key)?.is_some() {
                for (chosen, context) in chain.choose(&key, &value, &context)? {
                    match self.one(chosen, &context)?.content {
                        Content::Map(more) => {
                            for (key, value) in more {
                                add_member(&mut expanded, key, value)?;
                            }
                        }
                        Content::Scalar(text) if text.is_empty() => {}
                        _ => return Err(key.place.refuse("A mapping was expected to be inserted here")),
                    }
                }
                continue;
            }
            chain = Chain::default();
            let key = self.one(key, &context)?;
            let value = self.one(value, &context)?;
            add_member(&mut expanded, key, value)?;
        }
        Ok(expanded)
    }

    /// The items of `- template: file`, expanded with the parameters given to it.
    fn template_items(&self, item: &Node, context: &Context) -> Result<Vec<Node>, Refusal> {
        super::names::refuse_others(item, &["template", "parameters"])?;
        let place = &item.place;
        if self.depth >= DEPTH_MAX {
            return Err(place.refuse("Templates are nested too deep"));
        }
        let path = item.get("template").map(|node| self.one(node.clone(), context)).transpose()?;
        let path = path.as_ref().map_or(Ok(""), Node::text)?.to_owned();
        let path = resolve(place.file(), &path).map_err(|text| place.refuse(text))?;
        let text = (self.source)(&path).map_err(|text| place.refuse(text))?;
        let given = match item.get("parameters") {
            Some(node) => match to_value(&self.one(node.clone(), context)?) {
                Value::Object(members) => members,
                _ => return Err(node.place.refuse("A mapping was expected")),
            },
            None => Vec::new(),
        };
        let (parameters, root) = parameters::take(super::tree::parse(&path, &text)?, &given)?;
        let inner = Context { parameters, variables: context.variables.clone(), loops: Vec::new() };
        let deeper = Expander { source: self.source, depth: self.depth + 1 };
        let root = deeper.one(root, &inner)?;
        let mut items = Vec::new();
        for (key, value) in root.map()? {
            match (key.text()?, &value.content) {
                ("steps" | "jobs" | "stages" | "variables", Content::List(found)) => {
                    items.extend(found.clone());
                }
                ("variables", Content::Map(found)) => items.extend(variables::as_list(found)),
                (name, _) => return Err(key.unexpected(name)),
            }
        }
        Ok(items)
    }
}

/// A run of `if`, `elseif`, `else` beside each other.
#[derive(Default)]
struct Chain {
    /// Whether one stood before, and whether one of the chain was taken already.
    taken: Option<bool>,
}

impl Chain {
    /// What is to be inserted for a directive: nothing, its value, or its value many times.
    fn choose(
        &mut self,
        key: &Node,
        value: &Node,
        context: &Context,
    ) -> Result<Vec<(Node, Context)>, Refusal> {
        let once = || vec![(value.clone(), context.clone())];
        let found = directive(key)?.ok_or_else(|| key.place.refuse("A directive was expected"))?;
        let holds = |text: &str| Ok(context.evaluate(text, &key.place)?.is_true());
        let before = self.taken.take();
        let chosen = match (found, before) {
            (Directive::If(condition), _) => holds(condition)?,
            (Directive::ElseIf(condition), Some(taken)) => {
                self.taken = Some(true);
                if taken {
                    return Ok(Vec::new());
                }
                holds(condition)?
            }
            (Directive::Else, Some(taken)) => return Ok(if taken { Vec::new() } else { once() }),
            (Directive::ElseIf(_) | Directive::Else, None) => {
                return Err(key.place.refuse("An 'else' needs an 'if' right before it"));
            }
            (Directive::Insert, _) => return Ok(once()),
            (Directive::Each { name, of }, _) => return each(name, of, key, value, context),
        };
        self.taken = Some(chosen);
        Ok(if chosen { once() } else { Vec::new() })
    }
}

fn each(
    name: &str,
    of: &str,
    key: &Node,
    value: &Node,
    context: &Context,
) -> Result<Vec<(Node, Context)>, Refusal> {
    let items = match context.evaluate(of, &key.place)? {
        Value::List(items) => items,
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| {
                Value::Object(vec![("key".to_owned(), Value::Text(name)), ("value".to_owned(), value)])
            })
            .collect(),
        Value::Null => Vec::new(),
        other => {
            return Err(key.place.refuse(format!("'each' needs a list, and was given a {}", other.kind())));
        }
    };
    let with = |item: Value| {
        let mut context = context.clone();
        context.loops.push((name.to_owned(), item));
        (value.clone(), context)
    };
    Ok(items.into_iter().map(with).collect())
}

fn add_member(members: &mut Vec<(Node, Node)>, key: Node, value: Node) -> Result<(), Refusal> {
    let name = key.text()?;
    if members.iter().any(|(known, _)| known.scalar() == Some(name)) {
        return Err(key.place.refuse(format!("'{name}' is already defined")));
    }
    members.push((key, value));
    Ok(())
}

/// The directive that is the only key of an item of a list.
fn lone_directive(item: &Node) -> Option<(&Node, &Node)> {
    match &item.content {
        Content::Map(members) => match members.as_slice() {
            [(key, value)] if directive(key).is_ok_and(|found| found.is_some()) => Some((key, value)),
            _ => None,
        },
        _ => None,
    }
}

fn directive(key: &Node) -> Result<Option<Directive<'_>>, Refusal> {
    let Some(inner) = key.scalar().and_then(whole_expression) else { return Ok(None) };
    let (word, rest) = inner.split_once(char::is_whitespace).unwrap_or((inner, ""));
    let rest = rest.trim();
    Ok(Some(match (word, rest) {
        ("if", condition) => Directive::If(condition),
        ("elseif", condition) => Directive::ElseIf(condition),
        ("else", "") => Directive::Else,
        ("insert", "") => Directive::Insert,
        ("each", rest) => {
            let (name, of) = rest
                .split_once(" in ")
                .ok_or_else(|| key.place.refuse("'each' is written: each name in list"))?;
            Directive::Each { name: name.trim(), of: of.trim() }
        }
        _ => return Ok(None),
    }))
}

/// What stands between `${{` and `}}`, where that is all there is.
fn whole_expression(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("${{")?.strip_suffix("}}")?;
    (!inner.contains("${{")).then(|| inner.trim())
}

/// A text with its expressions replaced. One that is nothing but an expression becomes whatever that comes to.
fn scalar(text: &str, place: &Place, context: &Context) -> Result<Node, Refusal> {
    if let Some(inner) = whole_expression(text) {
        return Ok(from_value(context.evaluate(inner, place)?, place));
    }
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${{") {
        let (inner, after) = after
            .split_once("}}")
            .ok_or_else(|| place.refuse("A template expression lacks its closing '}}'"))?;
        let value = context.evaluate(inner.trim(), place)?;
        let shown = value
            .to_text()
            .ok_or_else(|| place.refuse(format!("Unable to convert from {} to String", value.kind())))?;
        expanded.push_str(before);
        expanded.push_str(&shown);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(Node { place: place.clone(), content: Content::Scalar(expanded) })
}

fn from_value(value: Value, place: &Place) -> Node {
    let content = match value {
        Value::List(items) => Content::List(items.into_iter().map(|item| from_value(item, place)).collect()),
        Value::Object(members) => Content::Map(
            members
                .into_iter()
                .map(|(name, value)| (from_value(Value::Text(name), place), from_value(value, place)))
                .collect(),
        ),
        other => Content::Scalar(other.to_text().unwrap_or_default()),
    };
    Node { place: place.clone(), content }
}

/// YAML as a value: every scalar is a text.
pub(super) fn to_value(node: &Node) -> Value {
    match &node.content {
        Content::Scalar(text) => Value::text(text),
        Content::List(items) => Value::List(items.iter().map(to_value).collect()),
        Content::Map(members) => Value::Object(
            members
                .iter()
                .filter_map(|(key, value)| Some((key.scalar()?.to_owned(), to_value(value))))
                .collect(),
        ),
    }
}

/// A template's path: from the root of the repository with a leading slash, else from the folder of the file that
/// names it.
fn resolve(from: &str, path: &str) -> Result<String, String> {
    if path.contains('@') {
        return Err(format!("Template '{path}': templates of other repositories are not emulated"));
    }
    let folder =
        if path.starts_with('/') { "" } else { from.rsplit_once('/').map_or("", |(folder, _)| folder) };
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or_else(|| format!("Template '{path}' lies outside of the repository"))?;
            }
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}
