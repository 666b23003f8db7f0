//! From text to a tree: function calls, literals, names, and `.property` or `['property']` after them.

use super::ExpressionError;
use super::value::{Value, parse_version};

/// An expression taken apart.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tree {
    Literal(Value),
    /// A name that the scope knows, such as `variables`.
    Name(String),
    Call {
        function: String,
        arguments: Vec<Tree>,
    },
    Property {
        of: Box<Tree>,
        key: Box<Tree>,
    },
}

/// Reads one expression to its end.
pub(super) fn parse(text: &str) -> Result<Tree, ExpressionError> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    let tree = reader.expression()?;
    reader.skip_space();
    if reader.at < text.len() {
        return Err(reader.unexpected());
    }
    Ok(tree)
}

/// An expression that nests deeper than this is refused, as the service does.
const DEPTH_MAX: u32 = 50;

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: u32,
}

impl Reader<'_> {
    fn expression(&mut self) -> Result<Tree, ExpressionError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(ExpressionError::new(format!(
                "Exceeded max expression depth {DEPTH_MAX}. Located within expression: {}",
                self.text
            )));
        }
        let mut tree = self.start()?;
        while let Some(key) = self.dereference()? {
            tree = Tree::Property { of: Box::new(tree), key: Box::new(key) };
        }
        self.depth -= 1;
        Ok(tree)
    }

    fn start(&mut self) -> Result<Tree, ExpressionError> {
        self.skip_space();
        match self.peek() {
            Some('\'') => Ok(Tree::Literal(Value::Text(self.quoted()?))),
            Some(c) if c.is_ascii_digit() || matches!(c, '-' | '+') => self.number(),
            Some(c) if c.is_ascii_alphabetic() || c == '_' => self.word(),
            _ => Err(self.unexpected()),
        }
    }

    /// `.name` or `[expression]`, if one follows.
    fn dereference(&mut self) -> Result<Option<Tree>, ExpressionError> {
        self.skip_space();
        if self.take('.') {
            let name = self.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
            return if name.is_empty() {
                Err(self.unexpected())
            } else {
                Ok(Some(Tree::Literal(Value::Text(name))))
            };
        }
        if !self.take('[') {
            return Ok(None);
        }
        let key = self.expression()?;
        self.expect(']')?;
        Ok(Some(key))
    }

    fn word(&mut self) -> Result<Tree, ExpressionError> {
        let word = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
        self.skip_space();
        if self.take('(') {
            return Ok(Tree::Call { function: word, arguments: self.arguments()? });
        }
        Ok(match word.to_ascii_lowercase().as_str() {
            "true" => Tree::Literal(Value::Boolean(true)),
            "false" => Tree::Literal(Value::Boolean(false)),
            "null" => Tree::Literal(Value::Null),
            _ => Tree::Name(word),
        })
    }

    fn arguments(&mut self) -> Result<Vec<Tree>, ExpressionError> {
        let mut arguments = Vec::new();
        self.skip_space();
        if self.take(')') {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expression()?);
            self.skip_space();
            if !self.take(',') {
                self.expect(')')?;
                return Ok(arguments);
            }
        }
    }

    fn number(&mut self) -> Result<Tree, ExpressionError> {
        let start = self.at;
        let text = self.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+'));
        let value = match text.matches('.').count() {
            0 | 1 => text.parse().ok().map(Value::Number),
            _ => parse_version(&text).map(Value::Version),
        };
        value.map(Tree::Literal).ok_or_else(|| {
            self.at = start;
            self.unexpected()
        })
    }

    /// A text between single quotes, in which a quote is written twice.
    fn quoted(&mut self) -> Result<String, ExpressionError> {
        self.take('\'');
        let mut text = String::new();
        loop {
            text.push_str(&self.take_while(|c| c != '\''));
            if !self.take('\'') {
                return Err(ExpressionError::new(format!(
                    "A text lacks its closing quote. Located within expression: {}",
                    self.text
                )));
            }
            if !self.take('\'') {
                return Ok(text);
            }
            text.push('\'');
        }
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn expect(&mut self, wanted: char) -> Result<(), ExpressionError> {
        self.skip_space();
        if self.take(wanted) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let rest = &self.text[self.at..];
        let length = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += length;
        rest[..length].to_owned()
    }

    fn skip_space(&mut self) {
        self.take_while(char::is_whitespace);
    }

    fn unexpected(&self) -> ExpressionError {
        let what = self.peek().map_or("Unexpected end".to_owned(), |c| format!("Unexpected symbol: '{c}'"));
        let position = self.text[..self.at].chars().count() + 1;
        ExpressionError::new(format!(
            "{what}. Located at position {position} within expression: {}",
            self.text
        ))
    }
}
