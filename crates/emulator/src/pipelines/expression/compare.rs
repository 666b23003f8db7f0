//! How values compare: the right side is turned into the kind of the left side; texts compare without regard to case.

use std::cmp::Ordering;

use super::ExpressionError;
use super::value::Value;

/// Whether two values are equal. What cannot be turned into the other's kind is not.
pub(super) fn equal(left: &Value, right: &Value) -> bool {
    match left {
        Value::Null => matches!(right, Value::Null) || *right == Value::text(""),
        Value::Boolean(left) => *left == right.is_true(),
        Value::List(_) | Value::Object(_) => left == right,
        _ => order_as_left(left, right) == Some(Ordering::Equal),
    }
}

/// How two values are ordered. Unlike with [`equal`] it is an error where they cannot be compared.
pub(super) fn order(left: &Value, right: &Value) -> Result<Ordering, ExpressionError> {
    order_as_left(left, right).ok_or_else(|| {
        ExpressionError::new(format!(
            "Unable to compare {} with {}: the second must be of the kind of the first.",
            shown(left),
            shown(right)
        ))
    })
}

fn order_as_left(left: &Value, right: &Value) -> Option<Ordering> {
    match left {
        Value::Boolean(left) => Some(left.cmp(&right.is_true())),
        Value::Number(left) => left.partial_cmp(&right.to_number()?),
        Value::Version(left) => Some(compare_versions(left, &right.to_version()?)),
        Value::Text(left) => Some(folded(left).cmp(&folded(&right.to_text()?))),
        Value::Null | Value::List(_) | Value::Object(_) => None,
    }
}

/// A part that is not written counts as less than 0, as in .NET's `Version`.
fn compare_versions(left: &[u32], right: &[u32]) -> Ordering {
    left.cmp(right)
}

/// Assumed: upper case decides (.NET's ordinal comparison without regard to case), which matters for `_` against
/// letters only.
pub(super) fn folded(text: &str) -> String {
    text.to_uppercase()
}

fn shown(value: &Value) -> String {
    match value.to_text() {
        Some(text) => format!("{} '{text}'", value.kind()),
        None => value.kind().to_owned(),
    }
}
