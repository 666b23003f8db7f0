//! The environment of this process as a value.
//!
//! The official agent edits its own process environment: it loads `.env` into it at every start and takes the
//! `VSTS_AGENT_INPUT_*` settings out of it. Here the environment is read once, edited as data, and every child process
//! is started with exactly this value, so what was taken out cannot be inherited.

use std::collections::BTreeMap;
use std::path::Path;

/// What a settings variable begins with; the rest is the name of a command line argument.
const INPUT_PREFIX: &str = "VSTS_AGENT_INPUT_";

/// Environment variables by name. Names are case-sensitive, as on Linux.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The environment this process was started with. Variables that are not UTF-8 are left out.
    pub(crate) fn of_process() -> Self {
        let text = |value: std::ffi::OsString| value.into_string().ok();
        Self(std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect())
    }

    /// Adds the `KEY=VALUE` lines of an `.env` file. Lines without `=` are ignored, a missing file is none.
    pub(crate) fn load_file(&mut self, path: &Path) {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        for line in text.lines() {
            if let Some((name, value)) = line.split_once('=')
                && !name.is_empty()
            {
                self.set(name, value);
            }
        }
    }

    /// Takes the `VSTS_AGENT_INPUT_*` settings out: lower-case argument name to value.
    pub(crate) fn take_inputs(&mut self) -> BTreeMap<String, String> {
        let is_input = |name: &str| name.to_ascii_uppercase().starts_with(INPUT_PREFIX);
        let names: Vec<_> = self.0.keys().filter(|name| is_input(name)).cloned().collect();
        names
            .into_iter()
            .filter_map(|name| {
                let value = self.0.remove(&name)?;
                Some((name[INPUT_PREFIX.len()..].to_ascii_lowercase(), value))
            })
            .collect()
    }

    /// The value of a variable that is set and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Sets a variable, replacing what was there.
    pub(crate) fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), value.into());
    }

    /// All variables in order of their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(variables: T) -> Self {
        Self(variables.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_taken_out() {
        let mut environment: Environment =
            [("VSTS_AGENT_INPUT_TOKEN", "t"), ("vsts_agent_input_Url", "u"), ("HOME", "/h")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into_iter()
                .collect();
        let inputs = environment.take_inputs();
        assert_eq!(inputs.get("token").map(String::as_str), Some("t"));
        assert_eq!(inputs.get("url").map(String::as_str), Some("u"));
        assert_eq!(environment.iter().collect::<Vec<_>>(), [("HOME", "/h")]);
    }

    #[test]
    fn env_file_adds_and_replaces() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(".env");
        std::fs::write(&file, "LANG=C.UTF-8\nno equals sign\nA=b=c\n=x\n").unwrap();
        let mut environment = Environment::default();
        environment.set("LANG", "de_DE");
        environment.load_file(&file);
        assert_eq!(environment.iter().collect::<Vec<_>>(), [("A", "b=c"), ("LANG", "C.UTF-8")]);
    }
}
