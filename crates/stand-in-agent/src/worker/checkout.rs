//! The checkout task: a copy of a folder (`file:///path`), or a clone with git.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use url::Url;

use super::child::{Invocation, SignalReach};
use super::folders::Folders;
use super::message::Repository;
use crate::capabilities::find_program;
use crate::environment::Environment;

/// What to do to get the sources.
pub(crate) enum Plan {
    /// Nothing to get (`checkout: none`).
    Nothing,
    /// Copy a folder of this machine.
    Copy {
        /// From where.
        from: PathBuf,
        /// Where to; it is emptied first.
        to: PathBuf,
    },
    /// Run these one after the other.
    Git {
        /// Emptied before the first command.
        to: PathBuf,
        /// The commands.
        commands: Vec<Invocation>,
    },
}

/// Decides how to get the repository a step names. `token` authenticates a clone from the server itself.
///
/// # Errors
/// The job does not have that repository, or git is missing.
pub(crate) fn plan(
    inputs: &BTreeMap<String, String>,
    repositories: &[Repository],
    folders: &Folders,
    environment: &Environment,
    token: Option<&str>,
) -> anyhow::Result<Plan> {
    let alias = inputs.get("repository").map_or("self", String::as_str);
    if alias.eq_ignore_ascii_case("none") {
        return Ok(Plan::Nothing);
    }
    let repository = repositories
        .iter()
        .find(|repository| repository.alias.eq_ignore_ascii_case(alias))
        .with_context(|| format!("The job has no repository '{alias}'"))?;
    let location = repository.location().with_context(|| format!("Repository '{alias}' has no url"))?;
    let url = Url::parse(location).with_context(|| format!("'{location}' is not the url of a repository"))?;
    let to = match inputs.get("path").filter(|path| !path.is_empty()) {
        Some(path) => folders.build.join(path),
        None => folders.sources.clone(),
    };
    if url.scheme() == "file" {
        let from = url.to_file_path().ok().with_context(|| format!("'{location}' is not a path"))?;
        if !from.is_dir() {
            bail!("Repository '{alias}' is not there: {} is not a folder", from.display());
        }
        return Ok(Plan::Copy { from, to });
    }
    let commands = clone(&url, repository.version.as_deref(), &to, environment, token)?;
    Ok(Plan::Git { to, commands })
}

fn clone(
    url: &Url,
    version: Option<&str>,
    to: &Path,
    environment: &Environment,
    token: Option<&str>,
) -> anyhow::Result<Vec<Invocation>> {
    let git = find_program("git", environment.get("PATH").unwrap_or_default())
        .context("git was not found in PATH")?;
    let mut environment = environment.clone();
    environment.set("GIT_TERMINAL_PROMPT", "0");
    if let Some(token) = token {
        // By environment, not by argument: every user of the machine can read arguments.
        environment.set("GIT_CONFIG_COUNT", "1");
        environment.set("GIT_CONFIG_KEY_0", "http.extraheader");
        environment.set("GIT_CONFIG_VALUE_0", format!("AUTHORIZATION: bearer {token}"));
    }
    let command = |arguments: &[&str]| Invocation {
        program: git.clone(),
        arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
        folder: to.to_owned(),
        environment: environment.clone(),
        reach: SignalReach::Group,
    };
    let mut commands = vec![command(&["clone", "--no-checkout", url.as_str(), "."])];
    let version = version.filter(|version| !version.is_empty()).unwrap_or("HEAD");
    commands.push(command(&["checkout", "--progress", "--force", version]));
    Ok(commands)
}

/// Makes a folder, or makes it empty.
///
/// # Errors
/// It cannot be written.
pub(crate) fn empty(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| format!("{} cannot be emptied", folder.display()))?;
    }
    std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))
}

/// Copies a folder with everything in it; links stay links. Returns the number of files.
///
/// # Errors
/// Something cannot be read or written.
pub(crate) fn copy(from: &Path, to: &Path) -> anyhow::Result<usize> {
    let mut files = 0;
    let mut folders = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = folders.pop() {
        std::fs::create_dir_all(&to).with_context(|| format!("{} cannot be made", to.display()))?;
        for entry in std::fs::read_dir(&from).with_context(|| format!("{} cannot be read", from.display()))? {
            let entry = entry?;
            let (source, target) = (entry.path(), to.join(entry.file_name()));
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push((source, target));
                continue;
            }
            files += 1;
            let copied = if kind.is_symlink() {
                std::fs::read_link(&source).and_then(|link| std::os::unix::fs::symlink(link, &target))
            } else {
                std::fs::copy(&source, &target).map(drop)
            };
            copied.with_context(|| format!("{} cannot be copied", source.display()))?;
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan_for(url: &str, inputs: &[(&str, &str)]) -> anyhow::Result<Plan> {
        let work = tempfile::tempdir().unwrap();
        let folders = Folders::prepare(work.path().to_owned(), None).unwrap();
        let repository = Repository { alias: "self".into(), url: Some(url.into()), ..Repository::default() };
        let inputs = inputs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut environment = Environment::default();
        environment.set("PATH", "/usr/bin:/bin");
        plan(&inputs, &[repository], &folders, &environment, Some("t0ken"))
    }

    #[test]
    fn folders_are_copied_with_links() {
        let from = tempfile::tempdir().unwrap();
        std::fs::create_dir(from.path().join("sub")).unwrap();
        std::fs::write(from.path().join("sub/a"), "x").unwrap();
        std::os::unix::fs::symlink("sub/a", from.path().join("link")).unwrap();
        let Plan::Copy { from: source, to } =
            plan_for(&format!("file://{}", from.path().display()), &[("path", "elsewhere")]).unwrap()
        else {
            panic!("a folder is copied")
        };
        assert!(to.ends_with("1/elsewhere"));
        let target = tempfile::tempdir().unwrap();
        assert_eq!(copy(&source, target.path()).unwrap(), 2);
        assert_eq!(std::fs::read_to_string(target.path().join("link")).unwrap(), "x");
        assert!(target.path().join("link").is_symlink());
    }

    #[test]
    fn other_addresses_are_cloned_without_the_token_in_an_argument() {
        let Plan::Git { commands, .. } = plan_for("https://h/contoso/_git/r", &[]).unwrap() else {
            panic!("an address is cloned")
        };
        assert_eq!(commands[1].arguments.last().map(String::as_str), Some("HEAD"));
        assert!(commands.iter().all(|command| !command.arguments.join(" ").contains("t0ken")));
        assert!(
            commands[0].environment.get("GIT_CONFIG_VALUE_0").is_some_and(|value| value.ends_with("t0ken"))
        );
    }

    #[test]
    fn none_and_unknown() {
        assert!(matches!(plan_for("file:///", &[("repository", "none")]), Ok(Plan::Nothing)));
        assert!(plan_for("file:///", &[("repository", "other")]).is_err());
        assert!(plan_for("file:///no/such/folder", &[]).is_err());
    }
}
