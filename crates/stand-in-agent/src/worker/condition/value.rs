//! Values of conditions, how they convert, and the functions on them. Texts compare without regard to case.

use std::cmp::Ordering;

use anyhow::bail;

/// A value.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Flag(bool),
    Number(f64),
    Text(String),
    /// Two to four parts.
    Version(Vec<u64>),
    /// The `variables` themselves.
    Variables,
}

impl Value {
    /// A number or a version.
    pub(crate) fn from_number(text: &str) -> Option<Self> {
        text.parse().map(Self::Number).ok().or_else(|| version_of(text).map(Self::Version))
    }

    /// Whether it counts as true: everything but null, false, 0 and the empty text.
    pub(crate) fn is_true(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Flag(flag) => *flag,
            Self::Number(number) => *number != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::Version(_) | Self::Variables => true,
        }
    }

    /// As a text.
    pub(crate) fn to_text(&self) -> String {
        match self {
            Self::Null | Self::Variables => String::new(),
            Self::Flag(flag) => if *flag { "True" } else { "False" }.to_owned(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
            Self::Version(parts) => parts.iter().map(u64::to_string).collect::<Vec<_>>().join("."),
        }
    }

    fn to_number(&self) -> Option<f64> {
        match self {
            Self::Null => Some(0.0),
            Self::Flag(flag) => Some(f64::from(u8::from(*flag))),
            Self::Number(number) => Some(*number),
            Self::Text(text) if text.trim().is_empty() => Some(0.0),
            Self::Text(text) => text.trim().parse().ok(),
            Self::Version(_) | Self::Variables => None,
        }
    }

    /// How it stands to another one, which is converted to its type; nothing when that does not work.
    fn compare(&self, other: &Self) -> Option<Ordering> {
        match self {
            Self::Null => other.to_text().is_empty().then_some(Ordering::Equal),
            Self::Flag(flag) => Some(flag.cmp(&other.is_true())),
            Self::Number(number) => number.partial_cmp(&other.to_number()?),
            Self::Text(text) => Some(text.to_lowercase().cmp(&other.to_text().to_lowercase())),
            Self::Version(parts) => Some(parts.cmp(&version_of(&other.to_text())?)),
            Self::Variables => None,
        }
    }

    fn equals(&self, other: &Self) -> bool {
        self.compare(other) == Some(Ordering::Equal)
    }
}

fn version_of(text: &str) -> Option<Vec<u64>> {
    let parts: Vec<u64> = text.split('.').map(str::parse).collect::<Result<_, _>>().ok()?;
    (2..=4).contains(&parts.len()).then_some(parts)
}

/// Calls a function on values.
///
/// # Errors
/// There is no such function, or not with that many values.
#[expect(clippy::cast_precision_loss, reason = "no text is 2^52 characters long")]
pub(crate) fn apply(function: &str, values: &[Value]) -> anyhow::Result<Value> {
    let text = |index: usize| values.get(index).map(Value::to_text).unwrap_or_default();
    let folded = |index: usize| text(index).to_lowercase();
    let order = |wanted: &[Ordering]| match values {
        [left, right] => Ok(left.compare(right).is_some_and(|order| wanted.contains(&order))),
        _ => bail!("'{function}' takes two values"),
    };
    let is_in =
        || values.split_first().is_some_and(|(value, list)| list.iter().any(|other| value.equals(other)));
    let flag = match function {
        "eq" => order(&[Ordering::Equal])?,
        "ne" => !order(&[Ordering::Equal])?,
        "gt" => order(&[Ordering::Greater])?,
        "ge" => order(&[Ordering::Greater, Ordering::Equal])?,
        "lt" => order(&[Ordering::Less])?,
        "le" => order(&[Ordering::Less, Ordering::Equal])?,
        "not" => !values.first().is_some_and(Value::is_true),
        "xor" => values.iter().filter(|value| value.is_true()).count() == 1,
        "in" => is_in(),
        "notin" => !is_in(),
        "contains" => folded(0).contains(&folded(1)),
        "startswith" => folded(0).starts_with(&folded(1)),
        "endswith" => folded(0).ends_with(&folded(1)),
        "lower" => return Ok(Value::Text(text(0).to_lowercase())),
        "upper" => return Ok(Value::Text(text(0).to_uppercase())),
        "trim" => return Ok(Value::Text(text(0).trim().to_owned())),
        "replace" => return Ok(Value::Text(text(0).replace(&text(1), &text(2)))),
        "length" => return Ok(Value::Number(text(0).chars().count() as f64)),
        "format" => return Ok(Value::Text(format(&text(0), &values[1.min(values.len())..]))),
        "join" => {
            let texts: Vec<_> = values.iter().skip(1).map(Value::to_text).collect();
            return Ok(Value::Text(texts.join(&text(0))));
        }
        _ => bail!("there is no function '{function}'"),
    };
    Ok(Value::Flag(flag))
}

fn format(pattern: &str, values: &[Value]) -> String {
    let filled = values.iter().enumerate().fold(pattern.to_owned(), |text, (index, value)| {
        text.replace(&format!("{{{index}}}"), &value.to_text())
    });
    filled.replace("{{", "{").replace("}}", "}")
}
