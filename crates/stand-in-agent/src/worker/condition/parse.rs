//! From the text of a condition to its tree.

use std::iter::Peekable;
use std::str::CharIndices;

use anyhow::{Context as _, bail};

use super::value::Value;

/// A node of the tree.
#[derive(Debug)]
pub(crate) enum Expression {
    Literal(Value),
    /// A named value, such as `variables`.
    Name(String),
    /// `container[index]`, or `container.index`.
    Index(Box<Expression>, Box<Expression>),
    /// `function(arguments)`.
    Call(String, Vec<Expression>),
}

/// Reads a whole condition.
///
/// # Errors
/// It is not one.
pub(crate) fn parse(text: &str) -> anyhow::Result<Expression> {
    let mut parser = Parser { text, characters: text.char_indices().peekable() };
    let expression = parser.expression().with_context(|| format!("The condition is not valid: {text}"))?;
    parser.skip_space();
    match parser.characters.peek() {
        None => Ok(expression),
        Some((at, _)) => bail!("The condition is not valid: {text}. Unexpected: '{}'", &text[*at..]),
    }
}

struct Parser<'a> {
    text: &'a str,
    characters: Peekable<CharIndices<'a>>,
}

impl Parser<'_> {
    fn expression(&mut self) -> anyhow::Result<Expression> {
        self.skip_space();
        let mut expression = match self.characters.peek() {
            None => bail!("it ends too soon"),
            Some((_, '\'')) => Expression::Literal(Value::Text(self.quoted()?)),
            Some((_, character)) if character.is_ascii_digit() || *character == '-' => {
                let word =
                    self.word(|character| character.is_ascii_alphanumeric() || ".-+".contains(character));
                Expression::Literal(
                    Value::from_number(&word).with_context(|| format!("'{word}' is no number"))?,
                )
            }
            Some((_, character)) if is_name(*character) => self.named()?,
            Some((at, _)) => bail!("unexpected '{}'", &self.text[*at..]),
        };
        loop {
            if self.take('[') {
                let index = self.expression()?;
                self.expect(']')?;
                expression = Expression::Index(Box::new(expression), Box::new(index));
            } else if self.take('.') {
                let index = Expression::Literal(Value::Text(self.word(is_name)));
                expression = Expression::Index(Box::new(expression), Box::new(index));
            } else {
                return Ok(expression);
            }
        }
    }

    fn named(&mut self) -> anyhow::Result<Expression> {
        let word = self.word(is_name);
        if self.take('(') {
            return Ok(Expression::Call(word, self.arguments()?));
        }
        Ok(match word.to_ascii_lowercase().as_str() {
            "true" => Expression::Literal(Value::Flag(true)),
            "false" => Expression::Literal(Value::Flag(false)),
            "null" => Expression::Literal(Value::Null),
            _ => Expression::Name(word),
        })
    }

    fn arguments(&mut self) -> anyhow::Result<Vec<Expression>> {
        let mut arguments = Vec::new();
        if self.take(')') {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expression()?);
            if !self.take(',') {
                self.expect(')')?;
                return Ok(arguments);
            }
        }
    }

    /// A text in single quotes; two of them stand for one.
    fn quoted(&mut self) -> anyhow::Result<String> {
        self.characters.next();
        let mut text = String::new();
        while let Some((_, character)) = self.characters.next() {
            if character != '\'' {
                text.push(character);
            } else if self.characters.next_if(|(_, next)| *next == '\'').is_some() {
                text.push('\'');
            } else {
                return Ok(text);
            }
        }
        bail!("a quote is not closed")
    }

    fn word(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let mut word = String::new();
        while let Some((_, character)) = self.characters.next_if(|(_, character)| belongs(*character)) {
            word.push(character);
        }
        word
    }

    fn take(&mut self, wanted: char) -> bool {
        self.skip_space();
        self.characters.next_if(|(_, character)| *character == wanted).is_some()
    }

    fn expect(&mut self, wanted: char) -> anyhow::Result<()> {
        if self.take(wanted) { Ok(()) } else { bail!("'{wanted}' is missing") }
    }

    fn skip_space(&mut self) {
        while self.characters.next_if(|(_, character)| character.is_whitespace()).is_some() {}
    }
}

fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}
