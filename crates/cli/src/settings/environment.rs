//! The environment as a value, so that what reads it can be tested.

use std::collections::BTreeMap;

use redact::Secret;

use super::{AzureCredential, DevOpsCredential};

/// Variables of the process, and what else it was given. Has no `Debug`: some are secrets.
#[derive(Clone, Default)]
pub(crate) struct Environment {
    variables: BTreeMap<String, String>,
    credentials: Option<Box<Credentials>>,
}

/// What a pipeline task was given by its inputs and service connections, which are not variables like others.
#[derive(Clone)]
pub(crate) struct Credentials {
    /// As whom to ask Azure.
    pub(crate) azure: AzureCredential,
    /// As whom to ask Azure DevOps.
    pub(crate) devops: DevOpsCredential,
    /// The registry's password.
    pub(crate) registry_password: Option<Secret>,
    /// Values of secure variables of the container.
    pub(crate) secure_environment: BTreeMap<String, Secret>,
}

impl Environment {
    /// This process's own.
    pub(crate) fn of_process() -> Self {
        let text = |value: std::ffi::OsString| value.to_string_lossy().into_owned();
        let variables = std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect();
        Self { variables, credentials: None }
    }

    /// The same for a task, with what it was given.
    pub(crate) fn with_credentials(&self, credentials: Credentials) -> Self {
        Self { variables: self.variables.clone(), credentials: Some(Box::new(credentials)) }
    }

    /// What a task was given.
    pub(crate) fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_deref()
    }

    /// The names and values of the variables that begin so, without that beginning.
    pub(crate) fn beginning_with<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let of_prefix =
            move |(name, value): (&'a String, &'a String)| Some((name.strip_prefix(prefix)?, value.as_str()));
        self.variables.iter().filter_map(of_prefix)
    }

    /// A variable; one that is empty counts as absent, as pipelines set variables to nothing.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
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
impl Environment {
    /// With these variables.
    pub(crate) fn of(pairs: &[(&str, &str)]) -> Self {
        let variables = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { variables, credentials: None }
    }
}

#[cfg(test)]
impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(pairs: [(&str, &str); N]) -> Self {
        Self::of(&pairs)
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
