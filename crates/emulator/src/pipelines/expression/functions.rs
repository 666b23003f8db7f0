//! The functions that need nothing but their arguments.

use super::ExpressionError;
use super::compare::{equal, folded, order};
use super::value::Value;

/// Names in lower case, with the fewest and the most arguments.
const COUNTS: &[(&str, usize, usize)] = &[
    ("always", 0, 0),
    ("and", 2, usize::MAX),
    ("canceled", 0, 0),
    ("coalesce", 2, usize::MAX),
    ("contains", 2, 2),
    ("containsvalue", 2, 2),
    ("converttojson", 1, 1),
    ("counter", 0, 2),
    ("endswith", 2, 2),
    ("eq", 2, 2),
    ("failed", 0, usize::MAX),
    ("format", 1, usize::MAX),
    ("ge", 2, 2),
    ("gt", 2, 2),
    ("iif", 3, 3),
    ("in", 2, usize::MAX),
    ("join", 2, 2),
    ("le", 2, 2),
    ("length", 1, 1),
    ("lower", 1, 1),
    ("lt", 2, 2),
    ("ne", 2, 2),
    ("not", 1, 1),
    ("notin", 2, usize::MAX),
    ("or", 2, usize::MAX),
    ("replace", 3, 3),
    ("split", 2, 2),
    ("startswith", 2, 2),
    ("succeeded", 0, usize::MAX),
    ("succeededorfailed", 0, usize::MAX),
    ("trim", 1, 1),
    ("upper", 1, 1),
    ("xor", 2, 2),
];

/// Refuses functions that do not exist and calls with too few or too many arguments.
pub(super) fn check_count(name: &str, written: &str, count: usize) -> Result<(), ExpressionError> {
    let Some((_, fewest, most)) = COUNTS.iter().find(|(known, ..)| *known == name) else {
        return Err(unrecognized(written));
    };
    if count < *fewest {
        return Err(ExpressionError::new(format!("Too few parameters supplied for function: '{written}'.")));
    }
    if count > *most {
        return Err(ExpressionError::new(format!("Too many parameters supplied for function: '{written}'.")));
    }
    Ok(())
}

fn unrecognized(written: &str) -> ExpressionError {
    ExpressionError::new(format!("Unrecognized function: '{written}', or it cannot be used here."))
}

/// Applies a function to as many values as [`check_count`] allows.
pub(super) fn apply(name: &str, written: &str, values: &[Value]) -> Result<Value, ExpressionError> {
    if let Some(truth) = truth(name, values)? {
        return Ok(Value::Boolean(truth));
    }
    let text = |index: usize| text_of(written, &values[index]);
    Ok(match name {
        "coalesce" => {
            let empty = |value: &&Value| !equal(&Value::Null, value);
            values.iter().find(empty).cloned().unwrap_or(Value::Null)
        }
        "converttojson" => {
            Value::text(serde_json::to_string_pretty(&values[0].to_json()).unwrap_or_default())
        }
        "format" => Value::Text(format_text(&text(0)?, written, &values[1..])?),
        "join" => Value::Text(join(&text(0)?, &values[1])),
        "length" => Value::Number(length(written, &values[0])?),
        "lower" => Value::Text(text(0)?.to_lowercase()),
        "replace" => Value::Text(text(0)?.replace(&text(1)?, &text(2)?)),
        "split" => split(&text(0)?, &text(1)?),
        "trim" => Value::text(text(0)?.trim()),
        "upper" => Value::Text(text(0)?.to_uppercase()),
        _ => return Err(unrecognized(written)),
    })
}

/// The functions that say true or false; `None` where this is none of them.
fn truth(name: &str, values: &[Value]) -> Result<Option<bool>, ExpressionError> {
    let ordered = || order(&values[0], &values[1]);
    let texts = || {
        let folded = |value: &Value| value.to_text().map(|text| folded(&text));
        folded(&values[0]).zip(folded(&values[1]))
    };
    Ok(Some(match name {
        "not" => !values[0].is_true(),
        "xor" => values[0].is_true() != values[1].is_true(),
        "eq" => equal(&values[0], &values[1]),
        "ne" => !equal(&values[0], &values[1]),
        "lt" => ordered()?.is_lt(),
        "le" => ordered()?.is_le(),
        "gt" => ordered()?.is_gt(),
        "ge" => ordered()?.is_ge(),
        "in" => values[1..].iter().any(|value| equal(&values[0], value)),
        "notin" => !values[1..].iter().any(|value| equal(&values[0], value)),
        "contains" => texts().is_some_and(|(text, part)| text.contains(&part)),
        "startswith" => texts().is_some_and(|(text, part)| text.starts_with(&part)),
        "endswith" => texts().is_some_and(|(text, part)| text.ends_with(&part)),
        "containsvalue" => match &values[0] {
            Value::List(items) => items.iter().any(|item| equal(item, &values[1])),
            Value::Object(members) => members.iter().any(|(_, item)| equal(item, &values[1])),
            _ => false,
        },
        _ => return Ok(None),
    }))
}

fn text_of(written: &str, value: &Value) -> Result<String, ExpressionError> {
    value.to_text().ok_or_else(|| {
        ExpressionError::new(format!("Function '{written}' takes a text, and was given an {}.", value.kind()))
    })
}

/// Lists are joined, and of their items those that have a text; anything else is taken as it is.
fn join(separator: &str, value: &Value) -> String {
    match value {
        Value::List(items) => {
            items.iter().map(|item| item.to_text().unwrap_or_default()).collect::<Vec<_>>().join(separator)
        }
        other => other.to_text().unwrap_or_default(),
    }
}

/// An empty separator splits nothing.
fn split(text: &str, separator: &str) -> Value {
    if separator.is_empty() {
        return Value::List(vec![Value::text(text)]);
    }
    Value::List(text.split(separator).map(Value::text).collect())
}

fn length(written: &str, value: &Value) -> Result<f64, ExpressionError> {
    let length = match value {
        Value::List(items) => items.len(),
        Value::Object(members) => members.len(),
        other => text_of(written, other)?.chars().count(),
    };
    #[expect(clippy::cast_precision_loss, reason = "no list is that long")]
    Ok(length as f64)
}

/// `{0}` and so on; `{{` and `}}` for braces.
fn format_text(pattern: &str, written: &str, values: &[Value]) -> Result<String, ExpressionError> {
    let mut text = String::new();
    let mut rest = pattern;
    while let Some(position) = rest.find(['{', '}']) {
        text.push_str(&rest[..position]);
        let brace = &rest[position..=position];
        rest = &rest[position + 1..];
        if let Some(after) = rest.strip_prefix(brace) {
            text.push_str(brace);
            rest = after;
            continue;
        }
        let (place, after) =
            rest.split_once('}').filter(|_| brace == "{").ok_or_else(|| bad_format(pattern))?;
        let index: usize = place.parse().map_err(|_| bad_format(pattern))?;
        let value = values.get(index).ok_or_else(|| {
            ExpressionError::new(format!(
                "The format '{pattern}' asks for argument {index}, and there is none."
            ))
        })?;
        text.push_str(&text_of(written, value)?);
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

fn bad_format(pattern: &str) -> ExpressionError {
    ExpressionError::new(format!(
        "The format '{pattern}' is not understood: {{0}} and so on, without formats for dates and numbers; braces \
         are written twice."
    ))
}
