//! Conditions of steps: `and(succeeded(), eq(variables['Build.Reason'], 'Manual'))`.
//!
//! Text to tree in [`parse`], tree to answer here. What depends on other jobs was resolved by the server.

mod parse;
mod value;

use super::variables::Variables;
use crate::wire::models::TaskResult;
use parse::Expression;
use value::Value;

/// What a condition may look at.
pub(crate) struct Circumstances<'a> {
    /// The job's result so far.
    pub(crate) status: TaskResult,
    /// The job's variables.
    pub(crate) variables: &'a Variables,
}

/// Whether a step runs. An empty condition is `succeeded()`.
///
/// # Errors
/// The condition cannot be understood; the text says where.
pub(crate) fn is_met(condition: &str, circumstances: &Circumstances<'_>) -> anyhow::Result<bool> {
    let condition = if condition.trim().is_empty() { "succeeded()" } else { condition };
    Ok(circumstances.evaluate(&parse::parse(condition)?)?.is_true())
}

impl Circumstances<'_> {
    fn evaluate(&self, expression: &Expression) -> anyhow::Result<Value> {
        match expression {
            Expression::Literal(value) => Ok(value.clone()),
            Expression::Name(name) => Ok(match name.to_ascii_lowercase().as_str() {
                "variables" => Value::Variables,
                _ => Value::Null,
            }),
            Expression::Index(container, index) => {
                let container = self.evaluate(container)?;
                let index = self.evaluate(index)?;
                Ok(match container {
                    Value::Variables => self.variables.get(&index.to_text()).map_or(Value::Null, Value::Text),
                    _ => Value::Null,
                })
            }
            Expression::Call(function, arguments) => self.call(&function.to_ascii_lowercase(), arguments),
        }
    }

    fn call(&self, function: &str, arguments: &[Expression]) -> anyhow::Result<Value> {
        if let Some(answer) = self.ask_status(function) {
            return Ok(Value::Flag(answer));
        }
        match function {
            "and" => self.first_that(arguments, false),
            "or" => self.first_that(arguments, true),
            "iif" => {
                let chosen = if self.argument(arguments, 0)?.is_true() { 1 } else { 2 };
                self.argument(arguments, chosen)
            }
            "coalesce" => {
                for argument in arguments {
                    let value = self.evaluate(argument)?;
                    if !value.to_text().is_empty() {
                        return Ok(value);
                    }
                }
                Ok(Value::Null)
            }
            _ => {
                let values: Vec<_> =
                    arguments.iter().map(|argument| self.evaluate(argument)).collect::<Result<_, _>>()?;
                value::apply(function, &values)
            }
        }
    }

    /// The functions that look at the job.
    fn ask_status(&self, function: &str) -> Option<bool> {
        let succeeded = matches!(self.status, TaskResult::Succeeded | TaskResult::SucceededWithIssues);
        let failed = self.status == TaskResult::Failed;
        Some(match function {
            "always" => true,
            "succeeded" => succeeded,
            "failed" => failed,
            "canceled" => self.status == TaskResult::Canceled,
            "succeededorfailed" => succeeded || failed,
            _ => return None,
        })
    }

    /// Whether an argument is `wanted`; the rest is not looked at.
    fn first_that(&self, arguments: &[Expression], wanted: bool) -> anyhow::Result<Value> {
        for argument in arguments {
            if self.evaluate(argument)?.is_true() == wanted {
                return Ok(Value::Flag(wanted));
            }
        }
        Ok(Value::Flag(!wanted))
    }

    fn argument(&self, arguments: &[Expression], index: usize) -> anyhow::Result<Value> {
        arguments.get(index).map_or(Ok(Value::Null), |argument| self.evaluate(argument))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(condition: &str, status: TaskResult) -> anyhow::Result<bool> {
        let mut variables = Variables::default();
        variables.set("Build.Reason", "Manual", false);
        variables.set("count", "10", false);
        variables.set("yes", "True", false);
        is_met(condition, &Circumstances { status, variables: &variables })
    }

    #[test]
    fn job_status() {
        use TaskResult::{Canceled, Failed, Succeeded, SucceededWithIssues};
        for (condition, status, expected) in [
            ("", Succeeded, true),
            ("", SucceededWithIssues, true),
            ("", Failed, false),
            ("failed()", Failed, true),
            ("failed()", Canceled, false),
            ("succeededOrFailed()", Failed, true),
            ("succeededOrFailed()", Canceled, false),
            ("always()", Canceled, true),
            ("canceled()", Canceled, true),
            ("canceled()", Succeeded, false),
        ] {
            assert_eq!(check(condition, status).unwrap(), expected, "{condition} {status:?}");
        }
    }

    #[test]
    fn expressions() {
        for (condition, expected) in [
            ("eq(variables['build.reason'], 'manual')", true),
            ("ne(variables.missing, '')", false),
            ("eq(variables['Build.Reason'], 'It''s')", false),
            ("and(succeeded(), eq(variables.count, 10))", true),
            ("or(failed(), not(false))", true),
            ("xor(true, true)", false),
            ("in('b', 'a', 'B')", true),
            ("notIn('c', 'a', 'b')", true),
            ("contains('abc', 'BC')", true),
            ("startsWith(variables['Build.Reason'], 'man')", true),
            ("endsWith('abc', 'ab')", false),
            ("gt(10, 9)", true),
            ("gt('10', '9')", false),
            ("ge(2.10.0, '2.9.0')", true),
            ("lt(variables.count, 9)", true),
            ("le(1, 1)", true),
            ("variables.yes", true),
            ("eq(variables.yes, true)", true),
            ("eq(lower('AB'), 'ab')", true),
            ("eq(coalesce('', variables.missing, 'x'), 'x')", true),
            ("eq(format('{0}-{1}', 'a', 2), 'a-2')", true),
            ("eq(iif(true, 'a', 'b'), 'a')", true),
            ("eq(length('abc'), 3)", true),
            ("eq(replace('a-b', '-', '+'), 'a+b')", true),
        ] {
            assert_eq!(check(condition, TaskResult::Succeeded).unwrap(), expected, "{condition}");
        }
    }

    #[test]
    fn what_cannot_be_understood_is_an_error() {
        for condition in ["eq(1", "eq(1, 2) x", "'open", "nosuchfunction(1)", "eq(1)", "and(,)", "#"] {
            assert!(check(condition, TaskResult::Succeeded).is_err(), "{condition}");
        }
    }
}
