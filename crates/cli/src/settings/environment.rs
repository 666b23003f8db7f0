//! The environment as a value, so that what reads it can be tested.

use std::collections::BTreeMap;

use redact::Secret;

/// Variables of the process. Has no `Debug`: some of them are secrets.
#[derive(Clone, Default)]
pub(crate) struct Environment(BTreeMap<String, String>);

impl Environment {
    /// This process's own.
    pub(crate) fn of_process() -> Self {
        let text = |value: std::ffi::OsString| value.to_string_lossy().into_owned();
        Self(std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect())
    }

    /// A variable; one that is empty counts as absent, as pipelines set variables to nothing.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A variable that holds a secret.
    pub(crate) fn secret(&self, name: &str) -> Option<Secret> {
        self.get(name).map(Secret::new).filter(|secret| !secret.is_empty())
    }

    /// Whether this is a job of Azure Pipelines.
    pub(crate) fn in_pipeline(&self) -> bool {
        self.get("TF_BUILD").is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Id of the pipeline's run.
    pub(crate) fn run_id(&self) -> Option<u64> {
        self.in_pipeline().then(|| self.get("BUILD_BUILDID")?.parse().ok()).flatten()
    }
}

#[cfg(test)]
impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(pairs: [(&str, &str); N]) -> Self {
        Self(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::Environment;

    #[test]
    fn the_run_is_known_inside_a_pipeline_only() {
        let pipeline = Environment::from([("TF_BUILD", "True"), ("BUILD_BUILDID", "4711")]);
        assert_eq!(pipeline.run_id(), Some(4711));
        assert_eq!(Environment::from([("BUILD_BUILDID", "4711")]).run_id(), None);
    }

    #[test]
    fn an_empty_variable_is_no_variable() {
        let environment = Environment::from([("A", ""), ("B", "x\n")]);
        assert_eq!(environment.get("A"), None);
        assert_eq!(environment.secret("B").expect("set").expose(), "x");
    }
}
