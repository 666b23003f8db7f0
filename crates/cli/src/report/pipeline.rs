//! Azure Pipelines' logging commands.

/// Sets an output variable for later jobs.
pub(crate) fn set_output_variable(name: &str, value: &str) -> String {
    format!("##vso[task.setvariable variable={};isOutput=true]{}", property(name), data(value))
}

/// An error or a warning on the run's page; of several lines the first.
pub(crate) fn log_issue(kind: &str, text: &str) -> String {
    format!("##vso[task.logissue type={kind}]{}", data(text))
}

/// Text that is not ours may hold what the agent would take for a command, anywhere in a line: made harmless, and
/// still readable.
pub(crate) fn disarm(text: &str) -> String {
    text.replace("##vso[", "##-vso[").replace("##[", "##-[")
}

/// A command's text, as the agent decodes it.
fn data(text: &str) -> String {
    text.replace('%', "%AZP25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A command's property, as the agent decodes it.
fn property(text: &str) -> String {
    data(text).replace(']', "%5D").replace(';', "%3B")
}

#[cfg(test)]
mod tests {
    use super::{disarm, log_issue, set_output_variable};

    #[test]
    fn commands_are_encoded_as_the_agent_decodes_them() {
        assert_eq!(
            set_output_variable("a;b]", "50%\nmore]"),
            "##vso[task.setvariable variable=a%3Bb%5D;isOutput=true]50%AZP25%0Amore]"
        );
        assert_eq!(log_issue("error", "one\ntwo"), "##vso[task.logissue type=error]one%0Atwo");
    }

    #[test]
    fn disarmed_text_holds_no_command() {
        let text = disarm("a ##vso[task.complete result=Succeeded] ##[section]");
        assert!(!text.contains("##vso[") && !text.contains("##["), "{text}");
    }
}
