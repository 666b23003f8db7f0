//! Variables of a run and of its jobs: layered, evaluated, and put into texts.

use super::conditions::{dependency_scope, open_values, set};
use super::expression::{self, ExpressionError, Scope};
use super::model::Variable;
use super::run::{At, Run, Shade, Shades};

/// Adds declared variables, evaluating those that are written `$[ ]`.
pub(crate) fn declare(
    variables: &mut Shades,
    declared: &[Variable],
    scope: &Scope<'_>,
) -> Result<(), ExpressionError> {
    for variable in declared {
        let value = match runtime_expression(&variable.value) {
            Some(inner) => {
                let scope = scope.clone().with("variables", open_values(variables));
                expression::evaluate(inner, &scope)?.to_text().unwrap_or_default()
            }
            None => variable.value.clone(),
        };
        set(variables, &variable.name, Shade::Open { value });
    }
    Ok(())
}

/// What stands between `$[` and `]`, where that is all there is.
pub(crate) fn runtime_expression(text: &str) -> Option<&str> {
    Some(text.trim().strip_prefix("$[")?.strip_suffix(']')?.trim())
}

/// All variables of a copy of a job that the pipeline gives it: the run's, the stage's, the job's, the copy's.
pub(crate) fn of_job(run: &Run, at: At) -> Result<Shades, ExpressionError> {
    let scope = dependency_scope(run, at.stage, at.job);
    let mut variables = run.variables.clone();
    declare(&mut variables, &run.stages[at.stage].variables, &scope)?;
    declare(&mut variables, &run.job(at).job.variables, &scope)?;
    for (name, value) in &run.copy(at).variables {
        set(&mut variables, name, Shade::open(value));
    }
    Ok(variables)
}

/// Puts variables in the place of `$(name)`. What is not known stays as it is written. A value may name others, to a
/// bounded depth.
pub(crate) fn expand(text: &str, variables: &Shades) -> String {
    const DEPTH_MAX: usize = 10;
    let mut text = text.to_owned();
    for _ in 0..DEPTH_MAX {
        let expanded = expand_once(&text, variables);
        if expanded == text {
            break;
        }
        text = expanded;
    }
    text
}

fn expand_once(text: &str, variables: &Shades) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("$(") {
        expanded.push_str(before);
        let found = after.split_once(')').and_then(|(name, after)| {
            let value = variables.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            Some((value?.1.reveal(), after))
        });
        let (value, after) = found.unwrap_or(("$(", after));
        expanded.push_str(value);
        rest = after;
    }
    expanded.push_str(rest);
    expanded
}

#[cfg(test)]
mod tests {
    use super::{declare, expand};
    use crate::pipelines::conditions::open_values;
    use crate::pipelines::expression::Scope;
    use crate::pipelines::model::Variable;
    use crate::pipelines::run::Shade;

    #[test]
    fn variables_are_put_in_their_places() {
        let variables = vec![
            ("a".to_owned(), Shade::open("1")),
            ("b".to_owned(), Shade::open("$(A)2")),
            ("loop".to_owned(), Shade::open("$(loop)")),
        ];
        let table = [
            ("Agent.Name -equals $(a)", "Agent.Name -equals 1"),
            ("$(B)$(b)", "1212"),
            ("$(unknown) $(a) $(open", "$(unknown) 1 $(open"),
            ("$(loop)", "$(loop)"),
            ("plain", "plain"),
        ];
        for (text, expected) in table {
            assert_eq!(expand(text, &variables), expected, "{text}");
        }
    }

    #[test]
    fn runtime_expressions_see_earlier_variables_and_no_secrets() {
        let mut variables = vec![("key".to_owned(), Shade::hidden("s")), ("a".to_owned(), Shade::open("1"))];
        let variable = |name: &str, value: &str| Variable {
            name: name.to_owned(),
            value: value.to_owned(),
            read_only: false,
        };
        let declared = [
            variable("b", "$[ format('{0}2', variables.a) ]"),
            variable("c", "$[ coalesce(variables.key, 'hidden') ]"),
            variable("A", "new"),
        ];
        declare(&mut variables, &declared, &Scope::default()).expect("values");
        let value = |name: &str| {
            open_values(&variables).property(&crate::pipelines::expression::Value::text(name)).to_text()
        };
        assert_eq!(value("b").as_deref(), Some("12"));
        assert_eq!(value("c").as_deref(), Some("hidden"));
        assert_eq!(value("a").as_deref(), Some("new"));
        assert!(declare(&mut variables, &[variable("x", "$[ nope() ]")], &Scope::default()).is_err());
    }
}
