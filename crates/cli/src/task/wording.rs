//! Messages in the words of the task: who fills in inputs does not know the options of the command line.

use super::inputs::{all_settings, in_words, of_setting};
use crate::errors::{Failure, Problem};

/// A failure whose settings are called as its user calls them.
pub(super) fn failure(failure: Failure) -> Failure {
    match failure {
        Failure::Settings(problems) => Failure::Settings(problems.into_iter().map(problem).collect()),
        other => other,
    }
}

fn problem(problem: Problem) -> Problem {
    let Some(name) = of_setting(&problem.setting) else { return problem };
    let remedy = match problem.remedy.split_once(", as --") {
        _ if problem.what == "is missing" => "fill it in".to_owned(),
        Some((remedy, _)) => remedy.to_owned(),
        None => problem.remedy,
    };
    Problem { setting: in_words(name), what: problem.what, remedy }
}

/// A text in which options are called as the inputs that mean them. Commands for a terminal, in backticks, stay as they
/// are.
pub(crate) fn text(text: &str) -> String {
    let is_command = |part: &str| part.starts_with("ephemeral-agents ") || part.starts_with("az ");
    let parts = text.split('`').map(|part| if is_command(part) { part.to_owned() } else { in_inputs(part) });
    parts.collect::<Vec<_>>().join("`")
}

fn in_inputs(text: &str) -> String {
    let mut settings: Vec<_> = all_settings().collect();
    // The longest first: `subnet-name` is no `name`.
    settings.sort_by_key(|(_, setting)| std::cmp::Reverse(setting.len()));
    let mut text = text.to_owned();
    for (input, setting) in settings {
        text = replace_word(&text, &format!("--{setting}"), input);
        // A bare word may be just that; one with a hyphen is the option.
        if setting.contains(['-', '_']) {
            text = replace_word(&text, setting, input);
        }
    }
    text
}

/// Replaces a word where it stands alone.
fn replace_word(text: &str, word: &str, with: &str) -> String {
    let is_part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(position) = rest.find(word) {
        let (before, after) = (&rest[..position], &rest[position + word.len()..]);
        let alone = !before.ends_with(is_part) && !after.starts_with(is_part);
        result.push_str(before);
        result.push_str(if alone { with } else { word });
        rest = after;
    }
    result + rest
}

#[cfg(test)]
mod tests {
    use super::{failure, text};
    use crate::errors::{Failure, Problem};

    #[test]
    fn options_become_inputs_and_commands_stay() {
        assert_eq!(
            text("use --location westeurope, or leave --location out."),
            "use location westeurope, or leave location out."
        );
        assert_eq!(
            text("correct --vnet-name, --subnet-name or --vnet-resource-group"),
            "correct vnetName, subnetName or vnetResourceGroupName"
        );
        assert_eq!(
            text("raise --timeout-agent-online; the name stays"),
            "raise timeoutAgentOnline; the name stays"
        );
        let command = "remove it with `ephemeral-agents deprovision a --resource-group g --agent-pool 'p'`.";
        assert_eq!(text(command), command);
        assert_eq!(text("set AZURE_DEVOPS_EXT_PAT"), "set azureDevOpsToken");
    }

    #[test]
    fn settings_are_called_by_label_and_name() {
        let problem = |setting: &str, what: &str, remedy: &str| Problem {
            setting: setting.to_owned(),
            what: what.to_owned(),
            remedy: remedy.to_owned(),
        };
        let said = failure(Failure::Settings(vec![
            problem("agent-pool", "is missing", "give --agent-pool, or something else"),
            problem(
                "cpu",
                "\"many\", from the input CPU, cannot be used",
                "give a number, as --cpu would take it",
            ),
        ]));
        assert_eq!(
            text(&said.message().to_string()),
            "2 settings have to be corrected.\n  \
             Agent pool (agentPool): is missing; fill it in\n  \
             CPU cores (CPU): \"many\", from the input CPU, cannot be used; give a number"
        );
    }
}
