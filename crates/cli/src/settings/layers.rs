//! One command line out of three layers: what was typed, the environment, the settings file.
//!
//! What was typed is parsed first. Every option that was not typed is then looked up in the environment and in the
//! file, appended as if it had been, and the whole is parsed again. So there is one grammar and one set of value
//! checks for all three, no option can be forgotten, and each complaint names the place that the value came from.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, CommandFactory, FromArgMatches};

use super::environment::Environment;
use crate::arguments::Arguments;
use crate::errors::{Failure, Problem};

/// What the variable of an option begins with.
const PREFIX: &str = "EPHEMERAL_AGENTS_";

/// Variables of other tools that mean the same as an option of ours.
const SHARED_VARIABLES: [(&str, &str); 5] = [
    ("subscription", "AZURE_SUBSCRIPTION_ID"),
    ("resource-group", "AZURE_RESOURCE_GROUP"),
    ("location", "AZURE_LOCATION"),
    ("organization-url", "AZURE_DEVOPS_ORG_URL"),
    ("agent-pool", "AZURE_DEVOPS_POOL"),
];

/// What a pipeline says of itself: stands in where nobody said anything.
const PIPELINE_DEFAULTS: [(&str, &str); 3] = [
    ("organization-url", "SYSTEM_COLLECTIONURI"),
    ("project", "SYSTEM_TEAMPROJECT"),
    ("pipeline-id", "SYSTEM_DEFINITIONID"),
];

/// Not settings, although they are options.
const NOT_SETTINGS: [&str; 4] = ["help", "version", "settings", "verbose"];

/// Why there is no command line to act on.
pub(crate) enum Refusal {
    /// What clap has to say: help, the version, or that what was typed is wrong.
    Usage(clap::Error),
    /// The environment or the settings file is wrong.
    Layers(Failure),
}

/// Name of the variable for an option.
pub(crate) fn variable_of(option: &str) -> String {
    format!("{PREFIX}{}", option.to_uppercase().replace('-', "_"))
}

/// The value or the values of an option, and the place that they are from.
pub(crate) type Given = (String, Vec<String>);

/// Reads the command line together with the layers beneath it.
pub(crate) fn read(typed: Vec<OsString>, environment: &Environment) -> Result<Arguments, Refusal> {
    let (grammar, matches) = parse(&typed)?;
    let (_, typed_options) = innermost(&grammar, &matches);
    let file = settings_file(typed_options, environment, &grammar).map_err(Refusal::Layers)?;
    read_over(typed, |name, list| beneath(name, list, environment, file.as_ref()))
}

fn parse(typed: &[OsString]) -> Result<(clap::Command, ArgMatches), Refusal> {
    let mut grammar = Arguments::command();
    grammar.build();
    let matches = grammar.clone().try_get_matches_from(typed).map_err(Refusal::Usage)?;
    Ok((grammar, matches))
}

/// Reads the command line over whatever `beneath` says of an option, which may be a list.
pub(crate) fn read_over(
    typed: Vec<OsString>,
    beneath: impl Fn(&str, bool) -> Result<Option<Given>, Failure>,
) -> Result<Arguments, Refusal> {
    let (grammar, matches) = parse(&typed)?;
    let (command, typed_options) = innermost(&grammar, &matches);
    let mut added = Added::default();
    for option in command.get_arguments() {
        let Some(name) = option.get_long().filter(|name| !NOT_SETTINGS.contains(name)) else { continue };
        if typed_options.value_source(option.get_id().as_str()) == Some(ValueSource::CommandLine) {
            continue;
        }
        let list = matches!(option.get_action(), ArgAction::Append);
        if let Some((origin, values)) = beneath(name, list).map_err(Refusal::Layers)? {
            added.insert(name, &origin, &values);
        }
    }
    let matches = grammar.try_get_matches_from(added.onto(typed)).map_err(|error| added.blame(error))?;
    Arguments::from_arg_matches(&matches).map_err(Refusal::Usage)
}

/// The command that was typed, with its options.
fn innermost<'a>(grammar: &'a clap::Command, matches: &'a ArgMatches) -> (&'a clap::Command, &'a ArgMatches) {
    match matches.subcommand() {
        Some((name, inner)) => {
            grammar.find_subcommand(name).map_or((grammar, matches), |command| innermost(command, inner))
        }
        None => (grammar, matches),
    }
}

/// What the environment or the file says of an option, and which of them.
fn beneath(
    name: &str,
    list: bool,
    environment: &Environment,
    file: Option<&File>,
) -> Result<Option<Given>, Failure> {
    let shared = SHARED_VARIABLES.iter().filter(|(option, _)| *option == name);
    let own = variable_of(name);
    let variables = std::iter::once(own.as_str()).chain(shared.map(|(_, variable)| *variable));
    for variable in variables {
        if let Some(value) = environment.get(variable) {
            return from_variable(variable, value, list).map(Some);
        }
    }
    if let Some(file) = file
        && let Some(value) = file.table.get(name)
    {
        return Ok(Some((file.path.display().to_string(), entries(value))));
    }
    let pipeline = PIPELINE_DEFAULTS.iter().find(|(option, _)| *option == name && environment.in_pipeline());
    match pipeline.and_then(|(_, variable)| Some((*variable, environment.get(variable)?))) {
        Some((variable, value)) => from_variable(variable, value, list).map(Some),
        None => Ok(None),
    }
}

/// Azure Pipelines leaves a macro as it stands when its variable does not exist.
pub(crate) fn undefined_macro(variable: &str, value: &str) -> Option<Problem> {
    let name = value.strip_prefix("$(")?.strip_suffix(')')?;
    Some(Problem {
        setting: variable.to_owned(),
        what: format!("holds {value}, a pipeline variable that is not defined"),
        remedy: format!("define {name} in the pipeline, or remove it"),
    })
}

fn from_variable(variable: &str, value: &str, list: bool) -> Result<Given, Failure> {
    if let Some(problem) = undefined_macro(variable, value) {
        return Err(Failure::Settings(vec![problem]));
    }
    let values = if list {
        value.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
    } else {
        vec![value.to_owned()]
    };
    Ok((variable.to_owned(), values))
}

/// Options from beneath the command line, and where each came from.
#[derive(Default)]
struct Added {
    options: Vec<OsString>,
    origins: BTreeMap<String, String>,
}

impl Added {
    fn insert(&mut self, name: &str, origin: &str, values: &[String]) {
        self.options.extend(values.iter().map(|value| OsString::from(format!("--{name}={value}"))));
        self.origins.insert(name.to_owned(), origin.to_owned());
    }

    /// `typed` with these options, in front of `--` where there is one.
    fn onto(&self, mut typed: Vec<OsString>) -> Vec<OsString> {
        let end = typed.iter().position(|word| word == "--").unwrap_or(typed.len());
        typed.splice(end..end, self.options.iter().cloned());
        typed
    }

    /// Says where a value came from that clap did not like. What was typed was parsed before: it is one of these.
    fn blame(&self, error: clap::Error) -> Refusal {
        let text = |kind| match error.get(kind) {
            Some(ContextValue::String(text)) => Some(text.clone()),
            _ => None,
        };
        let option = text(ContextKind::InvalidArg).unwrap_or_default();
        let name = option.trim_start_matches('-').split([' ', '=', '[']).next().unwrap_or_default();
        let Some(origin) = self.origins.get(name) else { return Refusal::Usage(error) };
        let value = text(ContextKind::InvalidValue).unwrap_or_default();
        let accepted = match error.get(ContextKind::ValidValue) {
            Some(ContextValue::Strings(values)) if !values.is_empty() => {
                format!("one of {}", values.join(", "))
            }
            _ if error.kind() == ErrorKind::ValueValidation => "a number".to_owned(),
            _ => "a value".to_owned(),
        };
        Refusal::Layers(Failure::Settings(vec![Problem {
            setting: name.to_owned(),
            what: format!("{value:?}, from {origin}, cannot be used"),
            remedy: format!("give {accepted}, as --{name} would take it"),
        }]))
    }
}

/// A settings file.
#[derive(Debug)]
struct File {
    path: PathBuf,
    table: toml::Table,
}

fn settings_file(
    typed: &ArgMatches,
    environment: &Environment,
    grammar: &clap::Command,
) -> Result<Option<File>, Failure> {
    let typed = typed.try_get_one::<PathBuf>("settings").ok().flatten().cloned();
    let Some(path) = typed.or_else(|| environment.get(&variable_of("settings")).map(PathBuf::from)) else {
        return Ok(None);
    };
    let refused = |line, why: String| Failure::SettingsFile { path: path.clone(), line, why };
    let text = std::fs::read_to_string(&path).map_err(|error| refused(None, error.to_string()))?;
    let table: toml::Table = toml::from_str(&text).map_err(|error| {
        let line = error.span().map(|span| text[..span.start].lines().count().max(1));
        refused(line, error.message().to_owned())
    })?;
    let problems = unknown_keys(&path, &table, &known_options(grammar));
    if problems.is_empty() { Ok(Some(File { path, table })) } else { Err(Failure::Settings(problems)) }
}

/// Every option of every command that a file may set.
fn known_options(grammar: &clap::Command) -> Vec<String> {
    let mut known = Vec::new();
    for command in grammar.get_subcommands().filter(|command| command.get_name() != "help") {
        let options = command.get_arguments().filter_map(clap::Arg::get_long);
        known.extend(options.filter(|name| !NOT_SETTINGS.contains(name)).map(str::to_owned));
        known.extend(known_options(command));
    }
    known.sort();
    known.dedup();
    known
}

fn unknown_keys(path: &Path, table: &toml::Table, known: &[String]) -> Vec<Problem> {
    let unknown = table.keys().filter(|key| !known.contains(key));
    unknown
        .map(|key| Problem {
            setting: key.clone(),
            what: format!("in {} is not a setting", path.display()),
            remedy: remedy_for_unknown(key, known),
        })
        .collect()
}

fn remedy_for_unknown(key: &str, known: &[String]) -> String {
    let lower = key.to_lowercase();
    if ["token", "password", "secret", "pat"]
        .iter()
        .any(|word| lower.split(['-', '_']).any(|part| part == *word))
    {
        return "remove it: secrets do not belong in this file; `ephemeral-agents --help` says where they go"
            .to_owned();
    }
    let closest = known.iter().min_by_key(|name| distance(name, &lower.replace('_', "-")));
    match closest.filter(|name| distance(name, &lower.replace('_', "-")) <= 3) {
        Some(name) => format!("did you mean `{name}`?"),
        None => {
            "remove it; the settings are the long options of `ephemeral-agents provision --help`".to_owned()
        }
    }
}

/// How many letters have to change to make one word the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, right) in b.chars().enumerate() {
            let change = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

/// A value of the file as a command line would have it: an array repeats the option, a table gives name=value pairs.
fn entries(value: &toml::Value) -> Vec<String> {
    match value {
        toml::Value::String(text) => vec![text.clone()],
        toml::Value::Array(items) => items.iter().flat_map(entries).collect(),
        toml::Value::Table(table) => table
            .iter()
            .flat_map(|(name, value)| entries(value).into_iter().map(move |value| format!("{name}={value}")))
            .collect(),
        other => vec![other.to_string()],
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::{Refusal, read};
    use crate::arguments::{Arguments, Command, ProvisionArguments};
    use crate::settings::environment::Environment;

    fn argv(words: &[&str]) -> Vec<OsString> {
        std::iter::once("ephemeral-agents").chain(words.iter().copied()).map(OsString::from).collect()
    }

    fn provision(words: &[&str], environment: &Environment) -> ProvisionArguments {
        match read(argv(words), environment) {
            Ok(Arguments { command: Command::Provision(provision), .. }) => *provision,
            Ok(_) => panic!("another command"),
            Err(refusal) => panic!("{}", text(refusal)),
        }
    }

    fn text(refusal: Refusal) -> String {
        match refusal {
            Refusal::Usage(error) => error.to_string(),
            Refusal::Layers(failure) => failure.message().to_string(),
        }
    }

    fn refusal(words: &[&str], environment: &Environment) -> String {
        match read(argv(words), environment) {
            Ok(_) => panic!("accepted"),
            Err(refusal) => text(refusal),
        }
    }

    fn file(content: &str) -> tempfile::TempPath {
        let file = tempfile::NamedTempFile::new().expect("temporary file").into_temp_path();
        std::fs::write(&file, content).expect("written");
        file
    }

    #[test]
    fn the_command_line_wins_over_the_environment_and_that_over_the_file() {
        let file = file("agent-pool = 'of-file'\nimage = 'of-file'\nlocation = 'of-file'\ncpu = 2\n");
        let environment = Environment::from([
            ("EPHEMERAL_AGENTS_RESOURCE_GROUP", "ours"),
            ("AZURE_RESOURCE_GROUP", "of-another-tool"),
            ("EPHEMERAL_AGENTS_AGENT_POOL", "of-environment"),
            ("EPHEMERAL_AGENTS_IMAGE", "of-environment"),
        ]);
        let path = file.to_str().expect("text");
        let read = provision(&["provision", "--settings", path, "--agent-pool", "typed"], &environment);
        assert_eq!(read.agent.pool.as_deref(), Some("typed"));
        assert_eq!(read.azure.resource_group.as_deref(), Some("ours"));
        assert_eq!(read.container.image.as_deref(), Some("of-environment"));
        assert_eq!(read.place.location.as_deref(), Some("of-file"));
        assert_eq!(read.container.cpu, Some(2.0));
    }

    #[test]
    fn lists_come_a_line_each_or_as_arrays_and_tables() {
        let file = file("dns-server = ['10.0.0.4', '10.0.0.5']\n[tag]\nowner = 'me'\ncost = 7\n");
        let environment = Environment::from([("EPHEMERAL_AGENTS_ENV", "A=1\n B=x,y\n\n")]);
        let read = provision(&["provision", "--settings", file.to_str().expect("text")], &environment);
        assert_eq!(read.place.dns_server, ["10.0.0.4", "10.0.0.5"]);
        assert_eq!(read.container.tag, ["cost=7", "owner=me"]);
        assert_eq!(read.container.env, ["A=1", "B=x,y"]);
    }

    #[test]
    fn what_other_tools_and_the_pipeline_say_stands_in() {
        let environment = Environment::from([
            ("TF_BUILD", "True"),
            ("SYSTEM_COLLECTIONURI", "https://dev.azure.com/contoso/"),
            ("AZURE_RESOURCE_GROUP", "agents"),
        ]);
        let read = provision(&["provision"], &environment);
        assert_eq!(read.devops.organization.as_deref(), Some("https://dev.azure.com/contoso/"));
        assert_eq!(read.azure.resource_group.as_deref(), Some("agents"));
        let file = file("organization-url = 'https://dev.azure.com/fabrikam'");
        let read = provision(&["provision", "--settings", file.to_str().expect("text")], &environment);
        assert_eq!(read.devops.organization.as_deref(), Some("https://dev.azure.com/fabrikam"));
    }

    #[test]
    fn a_switch_can_be_turned_off_again() {
        let file = file("keep-on-error = true");
        let path = file.to_str().expect("text");
        let none = Environment::default();
        let read = provision(&["provision", "--settings", path], &none);
        assert_eq!(read.life.keep_on_error, Some(true));
        let read = provision(&["provision", "--settings", path, "--keep-on-error=false"], &none);
        assert_eq!(read.life.keep_on_error, Some(false));
    }

    #[test]
    fn says_where_a_wrong_value_came_from() {
        let environment = Environment::from([("EPHEMERAL_AGENTS_CPU", "many")]);
        insta::assert_snapshot!(refusal(&["provision"], &environment), @r#"
        One setting has to be corrected.
          cpu: "many", from EPHEMERAL_AGENTS_CPU, cannot be used; give a number, as --cpu would take it
        "#);
        let environment = Environment::from([("EPHEMERAL_AGENTS_TAKE_DOWN", "me")]);
        insta::assert_snapshot!(refusal(&["provision"], &environment));
    }

    #[test]
    fn says_which_pipeline_variable_is_not_defined() {
        let environment = Environment::from([("EPHEMERAL_AGENTS_AGENT_POOL", "$(agentPool)")]);
        insta::assert_snapshot!(refusal(&["provision"], &environment));
    }

    #[test]
    fn refuses_unknown_keys_of_the_file_and_secrets_in_it() {
        let file = file("resource_group = 'a'\ntoken = 'x'\nwhatever-this-is = 1\n");
        let path = file.to_str().expect("text");
        let said = refusal(&["list", "--settings", path], &Environment::default()).replace(path, "FILE");
        insta::assert_snapshot!(said);
    }

    #[test]
    fn says_where_the_file_is_no_toml() {
        let file = file("pool = 'a'\nimage = \n");
        let path = file.to_str().expect("text");
        let said = refusal(&["list", "--settings", path], &Environment::default()).replace(path, "FILE");
        assert!(said.starts_with("The settings file FILE cannot be read (line 2): "), "{said}");
    }

    #[test]
    fn options_from_beneath_stay_options_behind_a_double_dash() {
        let environment = Environment::from([("EPHEMERAL_AGENTS_RESOURCE_GROUP", "agents")]);
        let Ok(Arguments { command: Command::Deprovision(read), .. }) =
            read(argv(&["deprovision", "--", "a1"]), &environment)
        else {
            panic!("refused");
        };
        assert_eq!(read.names, ["a1"]);
        assert_eq!(read.azure.resource_group.as_deref(), Some("agents"));
    }
}
