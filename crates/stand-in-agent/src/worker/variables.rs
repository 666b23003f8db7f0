//! The variables of a job: names are case-insensitive, values may refer to other variables as `$(name)`.

use std::collections::BTreeMap;

use crate::wire::models::VariableValue;

/// How deep a value may refer to a value.
const DEPTH_MAX: usize = 20;

/// One variable.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Variable {
    /// As it was first written.
    name: String,
    value: String,
    secret: bool,
    read_only: bool,
}

/// The variables of a job.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables(BTreeMap<String, Variable>);

impl Variables {
    /// The variables of the job message.
    pub(crate) fn from_message(variables: &BTreeMap<String, VariableValue>) -> Self {
        let mut all = Self::default();
        for (name, variable) in variables {
            all.set(name, variable.value.as_deref().unwrap_or_default(), variable.is_secret);
            all.set_read_only(name, variable.is_read_only);
        }
        all
    }

    /// Sets a variable. What was secret stays secret.
    pub(crate) fn set(&mut self, name: &str, value: &str, secret: bool) {
        let entry = self.0.entry(name.to_lowercase()).or_insert_with(|| Variable {
            name: name.to_owned(),
            value: String::new(),
            secret: false,
            read_only: false,
        });
        value.clone_into(&mut entry.value);
        entry.secret |= secret;
    }

    /// Marks a variable that a job may not change.
    pub(crate) fn set_read_only(&mut self, name: &str, read_only: bool) {
        if let Some(variable) = self.0.get_mut(&name.to_lowercase()) {
            variable.read_only = read_only;
        }
    }

    /// Whether a job may change it.
    pub(crate) fn is_read_only(&self, name: &str) -> bool {
        self.0.get(&name.to_lowercase()).is_some_and(|variable| variable.read_only)
    }

    /// The value, with what it refers to filled in.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        self.lookup(name, DEPTH_MAX)
    }

    /// Whether a variable says `true`.
    pub(crate) fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// A text with every `$(name)` filled in. Unknown names are left as they are.
    pub(crate) fn expand(&self, text: &str) -> String {
        self.expand_to(text, DEPTH_MAX)
    }

    /// Those that are not secret: name and value.
    pub(crate) fn public(&self) -> impl Iterator<Item = (&str, String)> {
        self.of_secrecy(false)
    }

    /// Those that are secret: name and value.
    pub(crate) fn secret(&self) -> impl Iterator<Item = (&str, String)> {
        self.of_secrecy(true)
    }

    fn of_secrecy(&self, secret: bool) -> impl Iterator<Item = (&str, String)> {
        let chosen = self.0.values().filter(move |variable| variable.secret == secret);
        chosen.map(|variable| (variable.name.as_str(), self.expand(&variable.value)))
    }

    fn lookup(&self, name: &str, depth: usize) -> Option<String> {
        self.0.get(&name.to_lowercase()).map(|variable| self.expand_to(&variable.value, depth))
    }

    fn expand_to(&self, text: &str, depth: usize) -> String {
        let mut expanded = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find("$(") {
            let (before, macro_on) = rest.split_at(start);
            expanded.push_str(before);
            let value = macro_on.find(')').and_then(|end| {
                let value = depth.checked_sub(1).and_then(|depth| self.lookup(&macro_on[2..end], depth))?;
                Some((value, end))
            });
            if let Some((value, end)) = value {
                expanded.push_str(&value);
                rest = &macro_on[end + 1..];
            } else {
                expanded.push_str("$(");
                rest = &macro_on[2..];
            }
        }
        expanded.push_str(rest);
        expanded
    }
}

/// The name of the environment variable for a variable: upper case, `.` and space become `_`.
pub(crate) fn environment_name(name: &str) -> String {
    name.replace(['.', ' '], "_").to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> Variables {
        let mut variables = Variables::default();
        variables.set("Name", "world", false);
        variables.set("greeting", "hello $(name)", false);
        variables.set("loop", "<$(loop)>", false);
        variables.set("pass", "s", true);
        variables
    }

    #[test]
    fn macros() {
        for (text, expected) in [
            ("$(NAME)!", "world!"),
            ("$(greeting)", "hello world"),
            ("$(unknown) $(name)", "$(unknown) world"),
            ("$(date +%s)", "$(date +%s)"),
            ("$($(name))", "$(world)"),
            ("open $(name", "open $(name"),
            ("$(pass)", "s"),
        ] {
            assert_eq!(variables().expand(text), expected, "{text}");
        }
    }

    #[test]
    fn a_value_that_refers_to_itself_comes_to_an_end() {
        assert!(variables().expand("$(loop)").len() < 100);
    }

    #[test]
    fn what_was_secret_stays_secret() {
        let mut variables = variables();
        variables.set("PASS", "t", false);
        assert_eq!(variables.secret().collect::<Vec<_>>(), [("pass", "t".to_owned())]);
        assert!(variables.public().all(|(name, _)| name != "pass"));
    }

    #[test]
    fn environment_names() {
        assert_eq!(environment_name("build.Source Branch"), "BUILD_SOURCE_BRANCH");
    }
}
