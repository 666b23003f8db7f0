//! From a tree to a value.

use super::parse::Tree;
use super::value::Value;
use super::{ExpressionError, functions};

/// Functions that ask how what went before has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StatusFunction {
    /// Whatever happened.
    Always,
    /// The run was cancelled.
    Canceled,
    /// Something failed.
    Failed,
    /// All succeeded.
    Succeeded,
    /// All ended, and nothing was cancelled.
    SucceededOrFailed,
}

type AskStatus<'a> = &'a dyn Fn(StatusFunction, &[String]) -> bool;
type Count<'a> = &'a dyn Fn(&str, i64) -> i64;

/// What an expression may name.
#[derive(Clone, Default)]
pub(crate) struct Scope<'a> {
    names: Vec<(String, Value)>,
    status: Option<AskStatus<'a>>,
    counter: Option<Count<'a>>,
}

impl<'a> Scope<'a> {
    /// Adds a name; a later one of the same name hides the earlier.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        self.names.push((name.to_owned(), value));
        self
    }

    /// Allows `succeeded()` and its kin.
    #[must_use]
    pub(crate) fn with_status(mut self, status: AskStatus<'a>) -> Self {
        self.status = Some(status);
        self
    }

    /// Allows `counter(prefix, seed)`.
    #[must_use]
    pub(crate) fn with_counter(mut self, counter: Count<'a>) -> Self {
        self.counter = Some(counter);
        self
    }

    /// What a name stands for.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.names.iter().rev().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// What a tree comes to.
pub(super) fn evaluate(tree: &Tree, scope: &Scope<'_>) -> Result<Value, ExpressionError> {
    match tree {
        Tree::Literal(value) => Ok(value.clone()),
        Tree::Name(name) => scope
            .get(name)
            .cloned()
            .ok_or_else(|| ExpressionError::new(format!("Unrecognized value: '{name}'."))),
        Tree::Property { of, key } => Ok(evaluate(of, scope)?.property(&evaluate(key, scope)?)),
        Tree::Call { function, arguments } => call(function, arguments, scope),
    }
}

fn call(function: &str, arguments: &[Tree], scope: &Scope<'_>) -> Result<Value, ExpressionError> {
    let name = function.to_ascii_lowercase();
    functions::check_count(&name, function, arguments.len())?;
    let at = |index: usize| evaluate(&arguments[index], scope);
    match name.as_str() {
        // These do not look at what no longer matters.
        "and" | "or" => {
            let decisive = name == "or";
            for argument in arguments {
                if evaluate(argument, scope)?.is_true() == decisive {
                    return Ok(Value::Boolean(decisive));
                }
            }
            Ok(Value::Boolean(!decisive))
        }
        "iif" => at(if at(0)?.is_true() { 1 } else { 2 }),
        _ => {
            let values: Vec<Value> =
                arguments.iter().map(|argument| evaluate(argument, scope)).collect::<Result<_, _>>()?;
            match scope_function(&name, &values, scope) {
                Some(value) => Ok(value),
                None => functions::apply(&name, function, &values),
            }
        }
    }
}

/// The functions whose answer only the scope has; `None` where this is none of them or the scope has none.
fn scope_function(name: &str, values: &[Value], scope: &Scope<'_>) -> Option<Value> {
    let texts = || values.iter().filter_map(Value::to_text).collect::<Vec<_>>();
    let status = match name {
        "always" => StatusFunction::Always,
        "canceled" => StatusFunction::Canceled,
        "failed" => StatusFunction::Failed,
        "succeeded" => StatusFunction::Succeeded,
        "succeededorfailed" => StatusFunction::SucceededOrFailed,
        "counter" => {
            let prefix = texts().first().cloned().unwrap_or_default();
            #[expect(clippy::cast_possible_truncation, reason = "a seed is a small whole number")]
            let seed = values.get(1).and_then(Value::to_number).unwrap_or_default() as i64;
            #[expect(clippy::cast_precision_loss, reason = "nobody counts that far")]
            return scope.counter.map(|count| Value::Number(count(&prefix, seed) as f64));
        }
        _ => return None,
    };
    scope.status.map(|ask| Value::Boolean(ask(status, &texts())))
}
