//! The command line of the official agent: verbs, flags and options, case-insensitive, completed by
//! `VSTS_AGENT_INPUT_*` settings.

use std::collections::{BTreeMap, BTreeSet};

/// What the program is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Register with a pool and write the settings files.
    Configure,
    /// Unregister and delete the settings files.
    Remove,
    /// Listen for jobs. Also what happens when no verb is given.
    Run,
    /// Load everything once and exit; the official one warms its just-in-time compiler.
    Warmup,
    /// Print the version.
    Version,
    /// Print the commit it was built from.
    Commit,
    /// Print how to use it.
    Help,
    /// Hidden: run one job as the worker process; the job arrives on standard input.
    Worker,
}

/// Switches: present or not. From the environment they need the text `true`.
const FLAGS: &[&str] = &[
    "acceptteeeula",
    "addenvironmentvirtualmachineresourcetags",
    "adddeploymentgrouptags",
    "alwaysextracttask",
    "commit",
    "debug",
    "deploymentgroup",
    "deploymentpool",
    "diagnostics",
    "disableloguploads",
    "environment",
    "gituseschannel",
    "help",
    "launchbrowser",
    "norestart",
    "once",
    "overwriteautologon",
    "preventservicestart",
    "replace",
    "restreamlogstofiles",
    "runasautologon",
    "runasservice",
    "sslskipcertvalidation",
    "unattended",
    "usebasicauthforproxy",
    "version",
];

/// Arguments that take a value.
const OPTIONS: &[&str] = &[
    "agent",
    "auth",
    "clientid",
    "clientsecret",
    "collectionname",
    "deploymentgroupname",
    "deploymentgrouptags",
    "deploymentpoolname",
    "environmentname",
    "matchedjobids",
    "monitorsocketaddress",
    "notificationpipename",
    "notificationsocketaddress",
    "password",
    "pool",
    "projectname",
    "proxypassword",
    "proxyurl",
    "proxyusername",
    "sslcacert",
    "sslclientcert",
    "sslclientcertarchive",
    "sslclientcertkey",
    "sslclientcertpassword",
    "startuptype",
    "tenantid",
    "token",
    "url",
    "username",
    "virtualmachineresourcetags",
    "windowslogonaccount",
    "windowslogonpassword",
    "work",
];

/// A parsed command line. Names are lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// What to do.
    pub(crate) verb: Verb,
    /// What nobody understood, as it was written. The official agent warns and goes on.
    pub(crate) unknown: Vec<String>,
    options: BTreeMap<String, String>,
    flags: BTreeSet<String>,
}

impl Arguments {
    /// Reads the words after the program's name, then the settings taken from the environment, which do not override.
    pub(crate) fn parse(words: impl IntoIterator<Item = String>, inputs: &BTreeMap<String, String>) -> Self {
        let mut arguments =
            Self { verb: Verb::Run, unknown: Vec::new(), options: BTreeMap::new(), flags: BTreeSet::new() };
        let mut words = words.into_iter().peekable();
        while let Some(word) = words.next() {
            let Some(name) = word.strip_prefix("--") else {
                arguments.take_verb(&word);
                continue;
            };
            let value = words.next_if(|next| !next.starts_with("--") && !is_flag(name));
            arguments.take_named(&word, &name.to_ascii_lowercase(), value);
        }
        for (name, value) in inputs {
            arguments.take_input(name, value);
        }
        arguments
    }

    /// The value of an option.
    pub(crate) fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }

    /// Whether a flag was given.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.flags.contains(name)
    }

    fn take_verb(&mut self, word: &str) {
        self.verb = match word.to_ascii_lowercase().as_str() {
            "configure" => Verb::Configure,
            "remove" => Verb::Remove,
            "run" => Verb::Run,
            "warmup" => Verb::Warmup,
            "spawnclient" => Verb::Worker,
            _ => return self.unknown.push(word.to_owned()),
        };
    }

    fn take_named(&mut self, word: &str, name: &str, value: Option<String>) {
        match (name, value) {
            ("version", _) => self.verb = Verb::Version,
            ("commit", _) => self.verb = Verb::Commit,
            ("help", _) => self.verb = Verb::Help,
            (flag, None) if is_flag(flag) => {
                self.flags.insert(flag.to_owned());
            }
            (option, Some(value)) if OPTIONS.contains(&option) => {
                self.options.insert(option.to_owned(), value);
            }
            // An option without its value counts as not given, and is asked for or defaulted later.
            (option, None) if OPTIONS.contains(&option) => {}
            _ => self.unknown.push(word.to_owned()),
        }
    }

    fn take_input(&mut self, name: &str, value: &str) {
        if is_flag(name) {
            if value.eq_ignore_ascii_case("true") {
                self.flags.insert(name.to_owned());
            }
        } else if OPTIONS.contains(&name) {
            self.options.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
    }
}

fn is_flag(name: &str) -> bool {
    FLAGS.iter().any(|flag| flag.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Arguments {
        Arguments::parse(line.split_whitespace().map(str::to_owned), &BTreeMap::new())
    }

    #[test]
    fn verbs() {
        for (line, verb) in [
            ("configure --url u", Verb::Configure),
            ("REMOVE", Verb::Remove),
            ("run --once", Verb::Run),
            ("", Verb::Run),
            ("--version", Verb::Version),
            ("--Commit", Verb::Commit),
            ("run --help", Verb::Help),
            ("warmup", Verb::Warmup),
            ("spawnclient", Verb::Worker),
        ] {
            assert_eq!(parse(line).verb, verb, "{line}");
        }
    }

    #[test]
    fn names_are_case_insensitive_and_values_are_not() {
        let arguments = parse("configure --URL https://A/b --Unattended --Token SeCrEt --once");
        assert_eq!(arguments.option("url"), Some("https://A/b"));
        assert_eq!(arguments.option("token"), Some("SeCrEt"));
        assert!(arguments.flag("unattended") && arguments.flag("once"));
        assert!(arguments.unknown.is_empty());
    }

    #[test]
    fn unknown_arguments_are_kept_apart() {
        let arguments = parse("run --wat 5 --once surplus");
        assert_eq!(arguments.unknown, ["--wat", "surplus"]);
        assert!(arguments.flag("once"));
    }

    #[test]
    fn a_flag_takes_no_value_and_an_option_needs_one() {
        let arguments = parse("configure --replace --pool --agent a1");
        assert!(arguments.flag("replace"));
        assert_eq!(arguments.option("pool"), None);
        assert_eq!(arguments.option("agent"), Some("a1"));
    }

    #[test]
    fn environment_completes_but_does_not_override() {
        let inputs =
            [("token", "env"), ("pool", "env"), ("replace", "true"), ("once", "1"), ("nonsense", "x")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into();
        let words = ["configure", "--pool", "line"].map(str::to_owned);
        let arguments = Arguments::parse(words, &inputs);
        assert_eq!(arguments.option("token"), Some("env"));
        assert_eq!(arguments.option("pool"), Some("line"));
        assert!(arguments.flag("replace") && !arguments.flag("once"));
    }
}
