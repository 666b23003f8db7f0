//! Values of expressions and how one kind turns into another.

use serde_json::json;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// Nothing: what an unknown name or property comes to.
    Null,
    /// True or false.
    Boolean(bool),
    /// A number.
    Number(f64),
    /// A version of three or four parts. Two parts are a number.
    Version(Vec<u32>),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// Names and values, in the order in which they were written.
    Object(Vec<(String, Value)>),
}

impl Value {
    /// A text.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// Whether a condition of this value is met.
    pub(crate) fn is_true(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Boolean(value) => *value,
            Self::Number(number) => *number != 0.0 && !number.is_nan(),
            Self::Text(text) => !text.is_empty(),
            Self::Version(_) | Self::List(_) | Self::Object(_) => true,
        }
    }

    /// As text; `None` for lists and objects, which have none.
    pub(crate) fn to_text(&self) -> Option<String> {
        match self {
            Self::Null => Some(String::new()),
            Self::Boolean(true) => Some("True".to_owned()),
            Self::Boolean(false) => Some("False".to_owned()),
            Self::Number(number) => Some(number.to_string()),
            Self::Version(parts) => Some(parts.iter().map(u32::to_string).collect::<Vec<_>>().join(".")),
            Self::Text(text) => Some(text.clone()),
            Self::List(_) | Self::Object(_) => None,
        }
    }

    /// As a number; an empty text is 0, as is nothing at all.
    pub(crate) fn to_number(&self) -> Option<f64> {
        match self {
            Self::Null => Some(0.0),
            Self::Boolean(value) => Some(f64::from(u8::from(*value))),
            Self::Number(number) => Some(*number),
            Self::Text(text) if text.trim().is_empty() => Some(0.0),
            Self::Text(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
            Self::Version(_) | Self::List(_) | Self::Object(_) => None,
        }
    }

    /// As a version of two to four parts.
    pub(crate) fn to_version(&self) -> Option<Vec<u32>> {
        match self {
            Self::Version(parts) => Some(parts.clone()),
            Self::Text(_) | Self::Number(_) => parse_version(&self.to_text()?),
            _ => None,
        }
    }

    /// A property of an object or an element of a list; nothing where it has none. Names are compared without regard
    /// to case.
    pub(crate) fn property(&self, key: &Value) -> Value {
        let found = match self {
            Self::Object(members) => {
                let name = key.to_text().unwrap_or_default();
                members.iter().find(|(found, _)| found.eq_ignore_ascii_case(&name)).map(|(_, value)| value)
            }
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "an index that is no whole number of the list finds nothing either way"
            )]
            Self::List(items) => {
                key.to_number().filter(|index| *index >= 0.0).and_then(|index| items.get(index as usize))
            }
            _ => None,
        };
        found.cloned().unwrap_or(Value::Null)
    }

    /// What kind of value it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "Null",
            Self::Boolean(_) => "Boolean",
            Self::Number(_) => "Number",
            Self::Version(_) => "Version",
            Self::Text(_) => "String",
            Self::List(_) => "Array",
            Self::Object(_) => "Object",
        }
    }

    /// As JSON, for `convertToJson`.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Boolean(value) => json!(value),
            #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
            Self::Number(number) if number.fract() == 0.0 && number.abs() < 1e15 => json!(*number as i64),
            Self::Number(number) => json!(number),
            Self::Version(_) | Self::Text(_) => json!(self.to_text()),
            Self::List(items) => items.iter().map(Value::to_json).collect(),
            Self::Object(members) => {
                members.iter().map(|(name, value)| (name.clone(), value.to_json())).collect()
            }
        }
    }
}

/// Reads a version of two to four parts.
pub(super) fn parse_version(text: &str) -> Option<Vec<u32>> {
    let parts: Option<Vec<u32>> = text.trim().split('.').map(|part| part.parse().ok()).collect();
    parts.filter(|parts| (2..=4).contains(&parts.len()))
}
