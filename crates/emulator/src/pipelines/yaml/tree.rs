//! YAML as a tree that remembers where everything stands.

use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

/// Why a pipeline is refused: the service's form, with file, line and column.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refusal(pub(crate) String);

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    file: Arc<str>,
    line: usize,
    column: usize,
}

impl Place {
    /// The first character of a file, for what has no place of its own.
    pub(crate) fn start_of(file: &str) -> Self {
        Self { file: file.into(), line: 1, column: 1 }
    }

    /// A refusal of what stands here.
    pub(crate) fn refuse(&self, text: impl std::fmt::Display) -> Refusal {
        Refusal(format!("/{} (Line: {}, Col: {}): {text}", self.file, self.line, self.column))
    }

    /// The file it stands in.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }
}

/// A piece of YAML.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    /// Where it begins.
    pub(crate) place: Place,
    /// What it is.
    pub(crate) content: Content,
}

/// What a piece of YAML is. Every scalar is a text: pipelines know no other.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    /// A text; empty where nothing is written.
    Scalar(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping. Each key is used once.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// Its text, if it is one.
    pub(crate) fn scalar(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// Its text, or the refusal.
    pub(crate) fn text(&self) -> Result<&str, Refusal> {
        match &self.content {
            Content::Scalar(text) => Ok(text),
            Content::List(_) => Err(self.place.refuse("A sequence was not expected")),
            Content::Map(_) => Err(self.place.refuse("A mapping was not expected")),
        }
    }

    /// Its items; nothing written is no item.
    pub(crate) fn list(&self) -> Result<&[Node], Refusal> {
        match &self.content {
            Content::List(items) => Ok(items),
            Content::Scalar(text) if text.is_empty() => Ok(&[]),
            Content::Scalar(text) => Err(self.unexpected(text)),
            Content::Map(_) => Err(self.place.refuse("A mapping was not expected")),
        }
    }

    /// Its members; nothing written is no member.
    pub(crate) fn map(&self) -> Result<&[(Node, Node)], Refusal> {
        match &self.content {
            Content::Map(members) => Ok(members),
            Content::Scalar(text) if text.is_empty() => Ok(&[]),
            Content::Scalar(text) => Err(self.unexpected(text)),
            Content::List(_) => Err(self.place.refuse("A sequence was not expected")),
        }
    }

    /// The member of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Node> {
        let Content::Map(members) = &self.content else { return None };
        members.iter().find(|(key, _)| key.scalar() == Some(name)).map(|(_, value)| value)
    }

    /// The refusal of a text that is not expected here.
    pub(crate) fn unexpected(&self, text: &str) -> Refusal {
        self.place.refuse(format!("Unexpected value '{text}'"))
    }
}

/// Reads one document.
pub(crate) fn parse(file: &str, text: &str) -> Result<Node, Refusal> {
    let mut reader = Reader { parser: Parser::new_from_str(text), file: file.into() };
    loop {
        let (event, place) = reader.next()?;
        match event {
            Event::StreamStart | Event::DocumentStart(_) => {}
            Event::StreamEnd => return Err(place.refuse("The file is empty; a pipeline was expected")),
            event => return reader.node(event, place),
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    file: Arc<str>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Place), Refusal> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, self.place(span))),
            Some(Err(error)) => {
                let marker = *error.marker();
                let place = self.place(Span::empty(marker));
                Err(place.refuse(format!("The YAML is not well formed: {}", error.info())))
            }
            None => Err(Place::start_of(&self.file).refuse("The YAML ends too early")),
        }
    }

    fn place(&self, span: Span) -> Place {
        Place { file: Arc::clone(&self.file), line: span.start.line(), column: span.start.col() + 1 }
    }

    fn node(&mut self, event: Event<'a>, place: Place) -> Result<Node, Refusal> {
        let content = match event {
            Event::Scalar(text, style, anchor, _) => {
                no_anchor(anchor, &place)?;
                let nothing = style == ScalarStyle::Plain && matches!(&*text, "~" | "null");
                Content::Scalar(if nothing { String::new() } else { text.into_owned() })
            }
            Event::SequenceStart(anchor, _) => {
                no_anchor(anchor, &place)?;
                Content::List(self.items()?)
            }
            Event::MappingStart(anchor, _) => {
                no_anchor(anchor, &place)?;
                Content::Map(self.members()?)
            }
            _ => return Err(place.refuse("Anchors and aliases are not supported in pipelines")),
        };
        Ok(Node { place, content })
    }

    fn items(&mut self) -> Result<Vec<Node>, Refusal> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, place) => items.push(self.node(event, place)?),
            }
        }
    }

    fn members(&mut self) -> Result<Vec<(Node, Node)>, Refusal> {
        let mut members: Vec<(Node, Node)> = Vec::new();
        loop {
            let key = match self.next()? {
                (Event::MappingEnd, _) => return Ok(members),
                (event, place) => self.node(event, place)?,
            };
            let name = key.text()?;
            // The same condition may well stand twice in one mapping.
            if !name.starts_with("${{") && members.iter().any(|(known, _)| known.scalar() == Some(name)) {
                return Err(key.place.refuse(format!("'{name}' is already defined")));
            }
            let (event, place) = self.next()?;
            let value = self.node(event, place)?;
            members.push((key, value));
        }
    }
}

fn no_anchor(anchor: usize, place: &Place) -> Result<(), Refusal> {
    if anchor == 0 {
        return Ok(());
    }
    Err(place.refuse("Anchors and aliases are not supported in pipelines"))
}
