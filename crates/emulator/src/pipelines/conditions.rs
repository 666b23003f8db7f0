//! What conditions and runtime expressions see of a run: variables, and how what went before has ended.

use super::expression::{self, ExpressionError, Scope, StatusFunction, Value};
use super::model::Variable;
use super::run::{JobRun, Outcome, Run, Shade, Shades, StageRun};

/// The condition of stages and jobs that have none.
const DEFAULT: &str = "succeeded()";

/// Whether a stage whose dependencies have ended may run.
pub(crate) fn stage_may_run(run: &Run, index: usize) -> Result<bool, ExpressionError> {
    let stage = &run.stages[index];
    let outcomes = ancestors(
        &stage.depends_on,
        |name| run.stages.iter().find(|stage| stage.name.eq_ignore_ascii_case(name)),
        |stage| (&stage.name, &stage.depends_on, stage.phase.outcome()),
    );
    let status = |function, names: &[String]| status(run.cancel_requested, function, &outcomes, names);
    let dependencies = named_stages(run, &stage.depends_on, stage_as_dependency);
    let variables = with_declared(run.variables.clone(), &stage.variables);
    let scope = Scope::default()
        .with("variables", open_values(&variables))
        .with("dependencies", dependencies)
        .with_status(&status);
    Ok(expression::evaluate(stage.condition.as_deref().unwrap_or(DEFAULT), &scope)?.is_true())
}

/// Whether a job whose dependencies have ended may run.
pub(crate) fn job_may_run(run: &Run, stage: usize, index: usize) -> Result<bool, ExpressionError> {
    let siblings = &run.stages[stage].jobs;
    let job = &siblings[index].job;
    let outcomes = ancestors(
        &job.depends_on,
        |name| siblings.iter().find(|other| other.job.name.eq_ignore_ascii_case(name)),
        |other| (&other.job.name, &other.job.depends_on, other.phase.outcome()),
    );
    let status = |function, names: &[String]| status(run.cancel_requested, function, &outcomes, names);
    let variables = with_declared(run.variables.clone(), &run.stages[stage].variables);
    let variables = with_declared(variables, &job.variables);
    let scope =
        dependency_scope(run, stage, index).with("variables", open_values(&variables)).with_status(&status);
    Ok(expression::evaluate(job.condition.as_deref().unwrap_or(DEFAULT), &scope)?.is_true())
}

/// `dependencies` and `stageDependencies` as a job sees them.
pub(crate) fn dependency_scope(run: &Run, stage: usize, index: usize) -> Scope<'static> {
    let stage_run = &run.stages[stage];
    let wanted = &stage_run.jobs[index].job.depends_on;
    let jobs = stage_run.jobs.iter().filter(|other| names(wanted, &other.job.name));
    let dependencies =
        Value::Object(jobs.map(|job| (job.job.name.clone(), job_as_dependency(job))).collect());
    let stages = named_stages(run, &stage_run.depends_on, |stage| {
        Value::Object(stage.jobs.iter().map(|job| (job.job.name.clone(), job_as_dependency(job))).collect())
    });
    Scope::default().with("dependencies", dependencies).with("stageDependencies", stages)
}

/// The variables that expressions may see.
/// Assumed: secrets are not among them, since what an expression makes of them would not be masked.
pub(crate) fn open_values(variables: &Shades) -> Value {
    let open = variables.iter().filter(|(_, value)| !value.is_hidden());
    Value::Object(open.map(|(name, value)| (name.clone(), Value::text(value.reveal()))).collect())
}

/// Adds declared variables whose value needs no evaluation.
fn with_declared(mut variables: Shades, declared: &[Variable]) -> Shades {
    for variable in declared.iter().filter(|variable| !variable.value.starts_with("$[")) {
        set(&mut variables, &variable.name, Shade::open(&variable.value));
    }
    variables
}

/// Sets a variable; names are compared without regard to case.
pub(crate) fn set(variables: &mut Shades, name: &str, value: Shade) {
    match variables.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        Some((_, old)) => *old = value,
        None => variables.push((name.to_owned(), value)),
    }
}

fn names(wanted: &[String], name: &str) -> bool {
    wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
}

fn named_stages(run: &Run, wanted: &[String], describe: impl Fn(&StageRun) -> Value) -> Value {
    let stages = run.stages.iter().filter(|stage| names(wanted, &stage.name));
    Value::Object(stages.map(|stage| (stage.name.clone(), describe(stage))).collect())
}

/// A stage as conditions of stages see it: outputs are named `job.step.variable`.
fn stage_as_dependency(stage: &StageRun) -> Value {
    let outputs = stage.jobs.iter().flat_map(|job| {
        outputs_of(job).into_iter().map(|(name, value)| (format!("{}.{name}", job.job.name), value))
    });
    described(stage.phase.outcome(), outputs.collect())
}

fn job_as_dependency(job: &JobRun) -> Value {
    described(job.phase.outcome(), outputs_of(job))
}

fn described(outcome: Option<Outcome>, outputs: Vec<(String, Value)>) -> Value {
    let result = outcome.map_or(Value::Null, |outcome| Value::text(outcome.word()));
    Value::Object(vec![("result".to_owned(), result), ("outputs".to_owned(), Value::Object(outputs))])
}

/// Output variables as others name them: `step.variable`, for copies `copy.step.variable`, and for deployments
/// `job.step.variable`.
fn outputs_of(job: &JobRun) -> Vec<(String, Value)> {
    let prefix = |copy: &str| match (&job.job.environment, copy) {
        (Some(_), _) => format!("{}.", job.job.name),
        (None, "") => String::new(),
        (None, copy) => format!("{copy}."),
    };
    let of_copy = |copy: &super::run::Copy| {
        let prefix = prefix(&copy.name);
        let open: Vec<_> = copy
            .outputs
            .iter()
            .filter(|(_, value)| !value.is_hidden())
            .map(|(name, value)| (format!("{prefix}{name}"), Value::text(value.reveal())))
            .collect();
        open
    };
    job.copies.iter().flat_map(of_copy).collect()
}

/// All that something depends on, directly or through others, with how it ended.
fn ancestors<'a, T: 'a>(
    depends_on: &[String],
    find: impl Fn(&str) -> Option<&'a T>,
    describe: impl Fn(&'a T) -> (&'a String, &'a Vec<String>, Option<Outcome>),
) -> Vec<(String, Option<Outcome>)> {
    let mut found: Vec<(String, Option<Outcome>)> = Vec::new();
    let mut open: Vec<String> = depends_on.to_vec();
    while let Some(name) = open.pop() {
        let Some(item) = find(&name) else { continue };
        let (name, needs, outcome) = describe(item);
        if !found.iter().any(|(known, _)| known == name) {
            found.push((name.clone(), outcome));
            open.extend(needs.iter().cloned());
        }
    }
    found
}

/// Assumed: without names these functions ask about everything in the dependency graph before, as the documentation's
/// words have it, and not only about what is directly before.
fn status(
    canceled: bool,
    function: StatusFunction,
    ancestors: &[(String, Option<Outcome>)],
    named: &[String],
) -> bool {
    let mut asked = ancestors.iter().filter(|(name, _)| named.is_empty() || names(named, name));
    let good =
        |outcome: Option<Outcome>| matches!(outcome, Some(Outcome::Succeeded | Outcome::SucceededWithIssues));
    let bad = |outcome: Option<Outcome>| matches!(outcome, Some(Outcome::Failed | Outcome::Abandoned));
    match function {
        StatusFunction::Always => true,
        StatusFunction::Canceled => canceled,
        StatusFunction::Failed => asked.any(|(_, outcome)| bad(*outcome)),
        StatusFunction::Succeeded => !canceled && asked.all(|(_, outcome)| good(*outcome)),
        StatusFunction::SucceededOrFailed => {
            !canceled && asked.all(|(_, outcome)| good(*outcome) || bad(*outcome))
        }
    }
}
