//! From the text of a pipeline to what it says: YAML with positions, template expressions, and the strict reader.
//!
//! Three passes, as in the service: the text becomes a tree ([`tree`]), template expressions and templates are put in
//! place ([`template`]), and what remains is read key by key ([`read`]). Each refusal names file, line and column.

mod names;
mod parameters;
mod read;
mod read_jobs;
mod read_steps;
mod template;
mod tree;
mod variables;

pub(crate) use template::Source;
pub(crate) use tree::Refusal;

use super::expression::Value;
use super::model::Pipeline;

/// What a run gives to the pipeline while it is put together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    /// Values for the pipeline's parameters.
    pub(crate) parameters: Vec<(String, Value)>,
    /// Variables that are known before the run: those of the queue dialog and of the build. None of them is a secret.
    pub(crate) variables: Vec<(String, String)>,
}

/// Reads a pipeline. `source` fetches the files of templates.
pub(crate) fn read_pipeline(
    file: &str,
    text: &str,
    given: &Given,
    source: &Source<'_>,
) -> Result<Pipeline, Refusal> {
    let root = tree::parse(file, text)?;
    let (parameters, root) = parameters::take(root, &given.parameters)?;
    let expanded = template::expand_pipeline(root, &parameters, &given.variables, source)?;
    read::pipeline(&expanded)
}

#[cfg(test)]
mod tests;
