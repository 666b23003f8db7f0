//! Self-update: download a package, lay it out beside the running one, and leave a script behind that swaps them.
//!
//! The script waits until `/proc/<pid>` of the listener is gone, so a supervisor that does not reap the listener
//! holds it up for ever. It ends by renaming its log to `.succeed` or `.failed`.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use flate2::read::GzDecoder;
use http_body_util::Full;
use sha2::{Digest as _, Sha256};
use tokio::task::JoinHandle;

use crate::capabilities;
use crate::clock;
use crate::configuration::files::AgentSettings;
use crate::installation::Installation;
use crate::wire::models::Package;
use crate::wire::pools::PoolClient;
use crate::wire::transport::{Request, Transport};

/// `AZP_AGENT_DOWNLOAD_TIMEOUT`'s default.
const DOWNLOAD_TIMEOUT: Duration = Duration::from_mins(25);

/// The state of an update.
#[derive(Default)]
pub(crate) struct Update {
    preparation: Option<JoinHandle<Option<PathBuf>>>,
    script: Option<PathBuf>,
}

impl Update {
    /// Whether one was begun and has not failed.
    pub(crate) fn is_under_way(&self) -> bool {
        self.preparation.is_some() || self.script.is_some()
    }

    /// Waits until the preparation is over; for ever when there is none.
    pub(crate) async fn prepared(&mut self) {
        match &mut self.preparation {
            Some(preparation) => {
                self.script = preparation.await.ok().flatten();
                self.preparation = None;
            }
            None => std::future::pending().await,
        }
    }

    /// The script that finishes the update, if it is ready.
    pub(crate) fn take_script(&mut self) -> Option<PathBuf> {
        self.script.take()
    }
}

/// Makes updates.
#[derive(Clone)]
pub(crate) struct Updater {
    pub(crate) installation: Installation,
    pub(crate) settings: AgentSettings,
    pub(crate) client: Arc<PoolClient>,
    pub(crate) transport: Arc<Transport>,
}

impl Updater {
    /// Begins an update to a version, or to the newest.
    pub(crate) fn start(&self, target: Option<String>) -> Update {
        let updater = self.clone();
        let preparation = tokio::spawn(async move {
            updater.installation.console.say("Agent update in progress, do not shutdown agent.");
            match updater.prepare(target.as_deref()).await {
                Ok(script) => Some(script),
                Err(error) => {
                    updater.installation.diagnostics.error("SelfUpdater", &format!("{error:#}"));
                    updater.installation.console.say(&format!("Agent update failed: {error:#}"));
                    None
                }
            }
        });
        Update { preparation: Some(preparation), script: None }
    }

    /// Starts the script that takes over when this process is gone.
    pub(crate) fn launch(&self, script: &Path) {
        let console = &self.installation.console;
        console.say("Agent will exit shortly for update, should back online within 10 seconds.");
        let mut command = std::process::Command::new("/bin/bash");
        command.arg(script).env_clear().envs(self.installation.environment.iter());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        if let Err(error) = command.spawn() {
            self.installation
                .diagnostics
                .error("SelfUpdater", &format!("the script was not started: {error}"));
        }
    }

    async fn prepare(&self, target: Option<&str>) -> anyhow::Result<PathBuf> {
        let package = self.find_package(target).await?;
        let version = package.version.to_string();
        self.report(&format!("Downloading {version} agent")).await;
        let archive = self.download(&package).await?;
        let work = self.installation.path(&self.settings.work_folder);
        let folder = work.join("_update");
        self.report("Extracting the package").await;
        let root = self.installation.root.clone();
        let log = root.join("_diag").join(format!("SelfUpdate-{}.log", clock::file_stamp()));
        let (old, new) = (self.installation.version.clone(), version);
        let script = work.join("_update.sh");
        let text = script_text(&root, &folder, &log, &old, &new);
        unpack(&archive, &folder)?;
        std::fs::write(&script, text).with_context(|| format!("{} cannot be written", script.display()))?;
        self.report("Waiting for current job finish running.").await;
        Ok(script)
    }

    async fn find_package(&self, target: Option<&str>) -> anyhow::Result<Package> {
        let packages = self.client.packages(capabilities::platform()).await?;
        let wanted = |package: &Package| target.is_none_or(|target| package.version.to_string() == target);
        packages
            .into_iter()
            .filter(wanted)
            .max_by_key(|package| package.version)
            .with_context(|| format!("the server has no agent package {}", target.unwrap_or_default()))
    }

    async fn download(&self, package: &Package) -> anyhow::Result<Vec<u8>> {
        let url = url::Url::parse(&package.download_url).context("the package's address is none")?;
        let answer = self.transport.send(&url, Request::new(Full::default()), DOWNLOAD_TIMEOUT).await?;
        if !answer.status().is_success() {
            bail!("{url} was answered with {}", answer.status());
        }
        // A package from the server itself is trusted as the server is.
        let own = package.download_url.starts_with(&self.settings.server_url);
        let hash = hex(&Sha256::digest(answer.body()));
        if !own && !package.hash_value.is_empty() && !hash.eq_ignore_ascii_case(&package.hash_value) {
            bail!("the package from {url} is not the one the server lists: its SHA-256 is {hash}");
        }
        Ok(answer.into_body().to_vec())
    }

    async fn report(&self, state: &str) {
        self.installation.console.say(state);
        let told = self.client.report_update(self.settings.pool_id, self.settings.agent_id, state).await;
        if let Err(error) = told {
            self.installation.diagnostics.info("SelfUpdater", &format!("progress was not taken: {error}"));
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits =
        |byte: &u8| [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0'));
    bytes.iter().flat_map(digits).collect()
}

fn unpack(archive: &[u8], folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| format!("{} cannot be emptied", folder.display()))?;
    }
    std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    let decoder: &mut dyn Read = &mut GzDecoder::new(archive);
    tar::Archive::new(decoder).unpack(folder).context("the package cannot be unpacked")
}

/// The script. Paths are the agent's own; they are quoted for the shell.
fn script_text(root: &Path, package: &Path, log: &Path, old: &str, new: &str) -> String {
    let quoted = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', r"'\''"));
    let (root, package, log, pid) = (quoted(root), quoted(package), quoted(log), std::process::id());
    format!(
        r#"#!/bin/bash
# Swaps the agent's folders for those of version {new} once the listener is gone.
root={root}; package={package}; log={log}
mkdir -p "$(dirname "$log")"
exec >"$log" 2>&1
while [ -e /proc/{pid} ]; do ping -c 1 -W 1 127.0.0.1 >/dev/null 2>&1; done
set -e
trap 'mv "$log" "$log.failed"' ERR
for folder in bin externals; do
    if [ ! -d "$package/$folder" ]; then continue; fi
    rm -rf "$root/$folder.{new}"
    mv "$package/$folder" "$root/$folder.{new}"
    if [ -L "$root/$folder" ]; then
        rm "$root/$folder"
    elif [ -d "$root/$folder" ]; then
        rm -rf "$root/$folder.{old}"
        mv "$root/$folder" "$root/$folder.{old}"
    fi
    ln -s "$root/$folder.{new}" "$root/$folder"
done
for file in "$package"/*; do
    if [ -f "$file" ]; then mv -f "$file" "$root/"; fi
done
rm -rf "$package"
mv "$log" "$log.succeed"
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_lower_case_hex() {
        assert_eq!(hex(&[0x00, 0x0f, 0xa9]), "000fa9");
    }

    #[test]
    fn script_quotes_paths() {
        let text = script_text(Path::new("/it's"), Path::new("/p"), Path::new("/l"), "1", "2");
        assert!(text.contains(r"root='/it'\''s'; package='/p'; log='/l'"));
        assert!(text.contains(&format!("/proc/{}", std::process::id())));
    }

    #[tokio::test]
    async fn an_update_is_under_way_until_its_script_is_taken() {
        let preparation = tokio::spawn(async { Some(PathBuf::from("/s")) });
        let mut update = Update { preparation: Some(preparation), script: None };
        assert!(update.is_under_way());
        update.prepared().await;
        assert_eq!(update.take_script(), Some(PathBuf::from("/s")));
        assert!(!update.is_under_way());
    }
}
