//! The inputs of the task, and what they are on the command line.
//!
//! The manifest in `extension/` is the one list of them; here is which option each means. An input without an option
//! has a meaning of its own, in `read`.

use std::sync::LazyLock;

use serde_json::Value;

use super::contract::input;
use crate::errors::Failure;
use crate::settings::environment::Environment;
use crate::settings::layers::{Given, undefined_macro};

/// The task's manifest, as the organization has it.
static MANIFEST: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../../../extension/AzureContainerAgentCreate/task.json"))
        .unwrap_or_default()
});

/// Inputs and the options that they are.
pub(super) const OPTIONS: [(&str, &str); 26] = [
    ("resourceGroupName", "resource-group"),
    ("location", "location"),
    ("zone", "zone"),
    ("imageName", "image"),
    ("registryIdentity", "registry-identity"),
    ("osType", "os-type"),
    ("agentPool", "agent-pool"),
    ("agentPrefix", "agent-prefix"),
    ("agentCount", "count"),
    ("registration", "registration"),
    ("identity", "identity"),
    ("vnetResourceGroupName", "vnet-resource-group"),
    ("vnetName", "vnet-name"),
    ("subnetName", "subnet-name"),
    ("dnsServers", "dns-server"),
    ("timeoutAgentOnline", "timeout-agent-online"),
    ("CPU", "cpu"),
    ("memory", "memory"),
    ("priority", "priority"),
    ("sku", "sku"),
    ("environmentVariables", "env"),
    ("tags", "tag"),
    ("idleTimeout", "idle-timeout"),
    ("maxLifetime", "max-lifetime"),
    ("keepOnError", "keep-for"),
    ("agentCaFile", "agent-ca-file"),
];

/// Inputs that come closest to an option, or to a variable, which a message names.
const CLOSEST: [(&str, &str); 7] = [
    ("skipContainerDeletionOnError", "keep-on-error"),
    ("addSPNToContainer", "take-down"),
    ("secureEnvironmentVariables", "secure-env"),
    ("containerRegistry", "registry"),
    ("containerRegistry", "registry-user"),
    ("containerRegistry", "EPHEMERAL_AGENTS_REGISTRY_PASSWORD"),
    ("azureDevOpsToken", "AZURE_DEVOPS_EXT_PAT"),
];

/// What people see above an input, and its name: `Agent pool (agentPool)`.
pub(super) fn in_words(name: &str) -> String {
    let inputs = MANIFEST["inputs"].as_array().into_iter().flatten();
    let label = inputs.clone().find(|input| input["name"] == name).and_then(|input| input["label"].as_str());
    label.map_or_else(|| name.to_owned(), |label| format!("{label} ({name})"))
}

/// The input that means an option, or comes closest to it.
pub(super) fn of_setting(setting: &str) -> Option<&'static str> {
    all_settings().find(|(_, known)| *known == setting).map(|(name, _)| name)
}

/// Every input with the option or variable that people at a command line know it by.
pub(super) fn all_settings() -> impl Iterator<Item = (&'static str, &'static str)> {
    OPTIONS.iter().chain(&CLOSEST).copied()
}

/// What an input says of an option.
pub(super) fn given(environment: &Environment, option: &str, list: bool) -> Result<Option<Given>, Failure> {
    let Some((name, _)) = OPTIONS.iter().find(|(_, known)| *known == option) else { return Ok(None) };
    let Some(value) = input(environment, name) else { return Ok(None) };
    if let Some(problem) = undefined_macro(&in_words(name), value) {
        return Err(Failure::Settings(vec![problem]));
    }
    let values = match (list, option) {
        (true, "dns-server") => entries(value, &['\n', ',', ' ']),
        (true, _) => entries(value, &['\n']),
        (false, _) => vec![value.to_owned()],
    };
    Ok(Some((format!("the input {name}"), values)))
}

/// The parts of a list that are not empty.
pub(super) fn entries(text: &str, between: &[char]) -> Vec<String> {
    text.split(between).map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::{MANIFEST, OPTIONS, given, in_words};
    use crate::arguments::Arguments;
    use crate::settings::environment::Environment;

    /// Inputs that `read` gives a meaning.
    const OWN_MEANING: [&str; 10] = [
        "addSPNToContainer",
        "skipContainerDeletionOnError",
        "command",
        "connectedServiceNameARM",
        "azureDevOpsToken",
        "agentNames",
        "waitForAgent",
        "secureEnvironmentVariables",
        "useGlobalConfig",
        "containerRegistry",
    ];

    #[test]
    fn every_input_of_the_manifest_means_something_and_there_is_no_other() {
        let mut of_manifest: Vec<_> = MANIFEST["inputs"]
            .as_array()
            .expect("inputs")
            .iter()
            .map(|input| input["name"].as_str().expect("a name"))
            .collect();
        let mut ours: Vec<_> = OPTIONS.iter().map(|(name, _)| *name).chain(OWN_MEANING).collect();
        of_manifest.sort_unstable();
        ours.sort_unstable();
        ours.dedup();
        assert_eq!(of_manifest, ours);
    }

    #[test]
    fn every_input_and_output_is_explained() {
        let overview = include_str!("../../../../extension/overview.md");
        for part in ["inputs", "outputVariables"] {
            for described in MANIFEST[part].as_array().expect("a list") {
                let name = described["name"].as_str().expect("a name");
                let is_row = |line: &str| line.starts_with('|') && line.contains(&format!("`{name}`"));
                assert!(overview.lines().any(is_row), "{name} is not in extension/overview.md");
            }
        }
    }

    #[test]
    fn the_task_may_set_its_outputs_and_nothing_else() {
        let outputs = MANIFEST["outputVariables"].as_array().expect("a list").iter();
        let outputs: Vec<_> = outputs.map(|output| output["name"].clone()).collect();
        assert_eq!(
            MANIFEST["restrictions"]["settableVariables"]["allowed"],
            serde_json::Value::from(outputs)
        );
        let said: Vec<_> =
            crate::provision::outputs::of(&[]).into_iter().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(MANIFEST["restrictions"]["settableVariables"]["allowed"], serde_json::json!(said));
    }

    #[test]
    fn every_option_that_an_input_means_exists() {
        let mut grammar = Arguments::command();
        grammar.build();
        let provision = grammar.find_subcommand("provision").expect("provision");
        for (_, option) in OPTIONS {
            assert!(
                provision.get_arguments().any(|argument| argument.get_long() == Some(option)),
                "--{option}"
            );
        }
    }

    #[test]
    fn defaults_of_the_manifest_are_those_of_the_command_line() {
        let of = |name: &str| {
            let inputs = MANIFEST["inputs"].as_array().expect("inputs");
            inputs.iter().find(|input| input["name"] == name).expect("an input")["defaultValue"].clone()
        };
        let mut help = Arguments::command();
        help.build();
        let provision = help.find_subcommand("provision").expect("provision");
        for (name, option) in OPTIONS {
            let text = provision
                .get_arguments()
                .find(|argument| argument.get_long() == Some(option))
                .and_then(|argument| argument.get_help())
                .map(ToString::to_string)
                .unwrap_or_default();
            let Some(default) = text.rsplit_once("[default: ").map(|(_, rest)| rest.trim_end_matches(']'))
            else {
                continue;
            };
            let value = of(name);
            let value = value.as_str().unwrap_or_default();
            let same = value.is_empty() || value.eq_ignore_ascii_case(default);
            assert!(same, "{name} is {value} by default, and --{option} {default}");
        }
    }

    #[test]
    fn lists_have_the_separators_that_people_use() {
        let environment = Environment::from([
            ("INPUT_DNSSERVERS", "10.0.0.4, 10.0.0.5\n10.0.0.6"),
            ("INPUT_TAGS", "owner=me\n\n cost=a, b \n"),
        ]);
        let values = |option| given(&environment, option, true).expect("valid").expect("given").1;
        assert_eq!(values("dns-server"), ["10.0.0.4", "10.0.0.5", "10.0.0.6"]);
        assert_eq!(values("tag"), ["owner=me", "cost=a, b"]);
    }

    #[test]
    fn an_input_whose_variable_nobody_defined_is_named_as_people_see_it() {
        let environment = Environment::from([("INPUT_AGENTPOOL", "$(pool)")]);
        let failure = given(&environment, "agent-pool", false).expect_err("refused");
        assert_eq!(
            failure.message().details,
            [
                "Agent pool (agentPool): holds $(pool), a pipeline variable that is not defined; define pool in the \
              pipeline, or remove it"
            ]
        );
        assert_eq!(in_words("CPU"), "CPU cores (CPU)");
    }
}
