//! YAML as a pipeline's schema sees it: every scalar is a text.

use saphyr_parser::{Event, Parser, StrInput};
use serde_json::{Map, Value};

/// Reads one document.
pub(crate) fn texts(text: &str) -> Result<Value, String> {
    let mut parser = Parser::new_from_str(text);
    loop {
        match next(&mut parser)? {
            Event::StreamStart | Event::DocumentStart(_) => {}
            event => return node(&mut parser, event),
        }
    }
}

fn next<'a>(parser: &mut Parser<'a, StrInput<'a>>) -> Result<Event<'a>, String> {
    match parser.next_event() {
        Some(Ok((event, _))) => Ok(event),
        Some(Err(error)) => Err(error.to_string()),
        None => Err("it ends too early".to_owned()),
    }
}

fn node<'a>(parser: &mut Parser<'a, StrInput<'a>>, event: Event<'a>) -> Result<Value, String> {
    match event {
        Event::Scalar(text, ..) => Ok(Value::String(text.into_owned())),
        Event::SequenceStart(..) => {
            let mut items = Vec::new();
            loop {
                match next(parser)? {
                    Event::SequenceEnd => return Ok(Value::Array(items)),
                    event => items.push(node(parser, event)?),
                }
            }
        }
        Event::MappingStart(..) => {
            let mut members = Map::new();
            loop {
                let event = next(parser)?;
                if event == Event::MappingEnd {
                    return Ok(Value::Object(members));
                }
                let Value::String(name) = node(parser, event)? else {
                    return Err("a member's name is no text".to_owned());
                };
                let event = next(parser)?;
                let value = node(parser, event)?;
                if members.insert(name.clone(), value).is_some() {
                    return Err(format!("{name} is written twice"));
                }
            }
        }
        other => Err(format!("{other:?} is nothing that a pipeline may hold")),
    }
}

#[test]
fn scalars_are_texts() {
    let expected = serde_json::json!({"a": ["1", "true", "", "x: y"], "b": {"c": "two\nlines\n"}});
    assert_eq!(texts("a: [1, true, '', 'x: y']\nb:\n  c: |\n    two\n    lines\n"), Ok(expected));
    assert_eq!(texts("a: 1\na: 2\n").unwrap_err(), "a is written twice");
    assert!(texts("a: [").is_err());
}
