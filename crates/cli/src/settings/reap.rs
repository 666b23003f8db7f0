//! What `reap` needs to know, checked.

use std::path::PathBuf;
use std::time::Duration;

use super::connection::{read_access, read_devops};
use super::environment::Environment;
use super::{Azure, DevOps, Problems, checks};
use crate::arguments::Global;
use crate::arguments::reap::ReapArguments;
use crate::errors::Failure;

/// Seconds: large images take ten minutes to start, and who made an agent looks at it for longer than it may take.
const QUARTER_OF_AN_HOUR: u64 = 900;

/// A tenth below what Azure Container Instances allows, for those who delete besides.
const DELETES_AN_HOUR: u64 = 270;

/// The shortest time between two looks. Lists lag behind what was done by seconds.
const SHORTEST: Duration = Duration::from_secs(1);

/// What `reap` needs to know.
#[derive(Clone)]
pub(crate) struct ReapSettings {
    /// How to reach Azure; its resource group is none in particular.
    pub(crate) azure: Azure,
    /// How to reach Azure DevOps.
    pub(crate) devops: DevOps,
    /// Where container groups are.
    pub(crate) resource_groups: Vec<String>,
    /// Where agents are registered.
    pub(crate) pools: Vec<String>,
    /// How long an agent may take to come online.
    pub(crate) start_deadline: Duration,
    /// How long an agent may be offline while its container runs.
    pub(crate) offline_limit: Duration,
    /// How old something has to be before it counts as left over.
    pub(crate) grace: Duration,
    /// How many container groups may be deleted within an hour.
    pub(crate) deletes_an_hour: usize,
    /// How often to look; once where nobody says.
    pub(crate) every: Option<Duration>,
    /// Whether nothing is to be changed.
    pub(crate) dry_run: bool,
    /// Where it is written down what was removed.
    pub(crate) audit_file: Option<PathBuf>,
}

/// Checks what was given.
pub(crate) fn reap(
    global: &Global,
    given: &ReapArguments,
    environment: &Environment,
) -> Result<ReapSettings, Failure> {
    let mut problems = Problems::default();
    let read = read(global, given, environment, &mut problems);
    problems.unless(read)
}

fn read(
    global: &Global,
    given: &ReapArguments,
    environment: &Environment,
    problems: &mut Problems,
) -> Option<ReapSettings> {
    let access = read_access(global, given.azure_identity.as_deref(), environment, problems);
    let subscription = problems.require("subscription", given.subscription.clone());
    let subscription = subscription.and_then(|id| problems.check("subscription", checks::subscription(id)));
    let resource_groups = several("resource-group", &given.resource_group, problems);
    for name in &resource_groups {
        problems.check("resource-group", checks::resource_group(name.clone()));
    }
    let devops = read_devops(&given.devops, environment, problems);
    let pools = several("agent-pool", &given.pool, problems);
    let every = every(given, problems);
    let seconds = |given: Option<u64>| Duration::from_secs(given.unwrap_or(QUARTER_OF_AN_HOUR));
    let deletes = given.max_deletes_an_hour.unwrap_or(DELETES_AN_HOUR);
    Some(ReapSettings {
        azure: Azure { subscription: subscription?, ..access? },
        devops: devops?,
        resource_groups,
        pools,
        start_deadline: seconds(given.start_deadline),
        offline_limit: seconds(given.offline_limit),
        grace: seconds(given.grace),
        deletes_an_hour: usize::try_from(deletes).unwrap_or(usize::MAX),
        every: every?,
        dry_run: given.dry_run.unwrap_or_default(),
        audit_file: given.audit_file.clone(),
    })
}

/// Names, each once, of which there has to be one.
fn several(option: &str, given: &[String], problems: &mut Problems) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in given {
        if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            names.push(name.clone());
        }
    }
    problems.require(option, names.first());
    names
}

/// `None`: a problem was noted.
#[expect(clippy::option_option, reason = "outer: checked or not; inner: given or not")]
fn every(given: &ReapArguments, problems: &mut Problems) -> Option<Option<Duration>> {
    let Some(text) = &given.every else { return Some(None) };
    if given.once == Some(true) {
        problems.add("once", "is given together with every", "give one of them");
        return None;
    }
    let time = time(text).filter(|time| *time >= SHORTEST);
    if time.is_none() {
        problems.add("every", format!("is {text:?}, which is no time to wait"), "give it as 30s, 5m or 1h");
    }
    time.map(Some)
}

/// `30s`, `5m`, `1h`; a bare number is seconds.
fn time(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    let seconds = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return None,
    };
    Some(Duration::from_secs(number.checked_mul(seconds)?))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{ReapSettings, reap, time};
    use crate::arguments::Command;
    use crate::settings::environment::Environment;
    use crate::settings::layers;

    fn read(more: &[&str]) -> Result<ReapSettings, String> {
        let always = ["ephemeral-agents", "reap", "--subscription", "00000000-1111-2222-3333-444444444444"];
        let organization = ["--organization-url", "https://dev.azure.com/contoso"];
        let typed = [&always[..], &organization, more].concat().into_iter().map(Into::into).collect();
        let environment = Environment::from([("AZURE_DEVOPS_EXT_PAT", "pat")]);
        let arguments = layers::read(typed, &environment).map_err(|_| "usage".to_owned())?;
        let Command::Reap(given) = &arguments.command else { panic!("another command") };
        reap(&arguments.global, given, &environment).map_err(|failure| failure.message().to_string())
    }

    #[test]
    fn one_resource_group_and_one_pool_are_enough() {
        let settings = read(&["-g", "agents", "-p", "private"]).expect("enough");
        assert_eq!(
            (settings.resource_groups, settings.pools),
            (vec!["agents".into()], vec!["private".into()])
        );
        assert_eq!((settings.every, settings.dry_run, settings.deletes_an_hour), (None, false, 270));
    }

    #[test]
    fn several_of_each_and_none_twice() {
        let settings = read(&["-g", "a", "-g", "b", "-g", "A", "-p", "one", "-p", "two"]).expect("valid");
        assert_eq!(settings.resource_groups, ["a", "b"]);
        assert_eq!(settings.pools, ["one", "two"]);
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let said = read(&["-g", "a/b", "--every", "soon"]).err().expect("refused");
        for part in ["resource-group: is \"a/b\"", "agent-pool: is missing", "every: is \"soon\""] {
            assert!(said.contains(part), "{part} in {said}");
        }
        let said = read(&["-g", "a", "-p", "b", "--once", "--every", "5m"]).err().expect("refused");
        assert!(said.contains("once: is given together with every; give one of them"), "{said}");
    }

    #[test]
    fn times() {
        let table = [("30s", Some(30)), ("5m", Some(300)), ("1h", Some(3_600)), ("90", Some(90))];
        for (text, seconds) in table {
            assert_eq!(time(text), seconds.map(Duration::from_secs), "{text}");
        }
        for text in ["", "m", "5 m", "-5m", "1d", "5mm", "99999999999999999h"] {
            assert_eq!(time(text), None, "{text}");
        }
        assert!(read(&["-g", "a", "-p", "b", "--every", "0s"]).is_err(), "no time at all");
    }
}
