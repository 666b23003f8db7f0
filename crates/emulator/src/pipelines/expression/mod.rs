//! Expressions of Azure Pipelines: what stands between `${{ }}`, between `$[ ]`, and in a `condition`.
//!
//! One engine serves all three. They differ in what may be named in them ([`Scope`]): parameters and variables while a
//! pipeline is put together, variables and the results of what went before while it runs.

mod compare;
mod evaluate;
mod functions;
mod parse;
mod value;

pub(crate) use evaluate::{Scope, StatusFunction};
pub(crate) use value::Value;

/// What is wrong with an expression, in a sentence for the author of the pipeline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ExpressionError(String);

impl ExpressionError {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// What an expression comes to.
pub(crate) fn evaluate(text: &str, scope: &Scope<'_>) -> Result<Value, ExpressionError> {
    let tree = parse::parse(text)?;
    evaluate::evaluate(&tree, scope)
        .map_err(|error| ExpressionError::new(format!("{error} Expression: {text}")))
}

#[cfg(test)]
mod tests;
