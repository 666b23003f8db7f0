//! A matrix that an earlier job made: `strategy: matrix: $[ … ]` is a JSON object of objects, known when the job
//! begins.

use std::collections::BTreeMap;

use super::conditions::{dependency_scope, open_values};
use super::expression;
use super::run::{Copy, Run};
use super::variables::{declare, runtime_expression};

/// Names of copies, each with its variables.
type Legs = BTreeMap<String, BTreeMap<String, String>>;

/// Gives a job that begins its copies. `Err` says what is wrong with its matrix.
pub(crate) fn expand(run: &mut Run, stage: usize, job: usize) -> Result<(), String> {
    let Some(text) = run.stages[stage].jobs[job].job.matrix_expression.clone() else { return Ok(()) };
    let legs = evaluate(run, stage, job, &text)?;
    let copies: Vec<Copy> =
        legs.into_iter().map(|(name, variables)| Copy::new(name, variables.into_iter().collect())).collect();
    if copies.is_empty() {
        return Err("The matrix has no entry.".to_owned());
    }
    run.stages[stage].jobs[job].copies = copies;
    Ok(())
}

/// Assumed: of values that are no texts the service takes numbers and truth values; here all are to be texts.
fn evaluate(run: &Run, stage: usize, job: usize, text: &str) -> Result<Legs, String> {
    let scope = dependency_scope(run, stage, job);
    let mut variables = run.variables.clone();
    let declared = declare(&mut variables, &run.stages[stage].variables, &scope);
    let inner = runtime_expression(text).unwrap_or_default();
    let value = declared
        .and_then(|()| expression::evaluate(inner, &scope.with("variables", open_values(&variables))))
        .map_err(|error| error.to_string())?;
    let made = value.to_text().unwrap_or_default();
    serde_json::from_str(&made).map_err(|error| {
        format!("The matrix {text} came to {made:?}, which is no object of objects of texts: {error}")
    })
}
