//! Unix: a second start without the secrets, file modes and owners, signals.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    io::{self, Write as _},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, lchown},
    path::Path,
};

use process::{User, handover};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::settings::Environment;

/// The environment of the first start. Takes the secrets out of it: replaces this process by a second start, which gets
/// them from [`resume`]. Comes back only if that failed.
pub(crate) fn begin(resume: &str) -> Result<Environment, String> {
    let environment = Environment::of(std::env::vars_os());
    let plain: Vec<(OsString, OsString)> =
        environment.plain().iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let secrets: BTreeMap<&str, &str> =
        environment.secrets().map(|(name, secret)| (name, secret.expose())).collect();
    let message = serde_json::to_vec(&secrets).map_err(|error| error.to_string())?;
    // Going on without the second start would leave the secrets where the job may read them.
    let error = handover::restart(&[resume], &plain, &message);
    Err(format!("the secrets cannot be taken out of the environment: {error}; is /proc mounted?"))
}

/// The environment of the second start, with the secrets from the file of this number. Closes what was inherited.
pub(crate) fn resume(number: &str) -> Result<Option<Environment>, String> {
    let Ok(number) = number.parse() else { return Ok(None) };
    // We were started through `/proc/self/exe` and would be called `exe`. Nothing depends on it.
    let _ = process::set_process_name(c"agent-supervisor");
    process::close_inherited_files(&[number])
        .map_err(|error| format!("open files cannot be closed ({error})"))?;
    let message = handover::receive(number).map_err(|error| error.to_string())?;
    process::forbid_inspection().map_err(|error| format!("this process cannot be protected ({error})"))?;
    let secrets: BTreeMap<String, String> =
        serde_json::from_slice(&message).map_err(|_| "the secrets were handed over damaged".to_owned())?;
    let secrets = secrets.into_iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    Ok(Some(Environment::of(std::env::vars_os().chain(secrets))))
}

/// This machine's name.
pub(crate) fn machine_name() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

/// SIGTERM from whoever stops the container, SIGINT from a terminal. The first process of a container hears neither
/// unless it listens.
pub(crate) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Who the agent runs as, if we may choose; else why the job runs as we do, and what that means.
pub(crate) fn agent_user(name: &str) -> Result<User, String> {
    if !process::is_superuser() {
        return Err(format!(
            "not started as root, so the agent cannot run as another user ({name}): start the container as root"
        ));
    }
    User::find(name).filter(|user| user.uid != 0).ok_or_else(|| {
        format!(
            "the agent runs as root, and the job can read this program's memory and the credentials in it: add a user \
             {name} to the image, or name one in AZP_RUN_AS"
        )
    })
}

/// Whether the job could read this file.
pub(crate) fn is_readable_by_job(path: &Path) -> bool {
    let readable = |mode: u32| mode & 0o004 != 0 || !process::is_superuser();
    fs::metadata(path).is_ok_and(|data| readable(data.permissions().mode()))
}

/// Closes a folder to the job, where it runs as another user.
pub(crate) fn close_to_job(folder: &Path) -> io::Result<()> {
    if process::is_superuser() {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Writes a file that only its owner may read.
pub(crate) fn write_private(path: &Path, text: &str) -> io::Result<()> {
    // Its mode is set before anything is in it.
    let mut file = fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(text.as_bytes())
}

/// Gives one file or folder to a user.
pub(crate) fn give_one(path: &Path, user: &User) -> io::Result<()> {
    lchown(path, Some(user.uid), Some(user.gid))
}

/// Gives a folder to a user. Of one that is that user's already only the files that lie directly in it: those are what
/// we write, and changing thousands of files that come from an image copies each of them.
pub(crate) fn give_all(root: &Path, user: &User) -> io::Result<()> {
    if fs::metadata(root).is_ok_and(|metadata| metadata.uid() != user.uid) {
        give_tree(root, user)
    } else {
        give_files(root, user)
    }
}

fn give_tree(path: &Path, user: &User) -> io::Result<()> {
    give_one(path, user)?;
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            give_tree(&entry?.path(), user)?;
        }
    }
    Ok(())
}

fn give_files(root: &Path, user: &User) -> io::Result<()> {
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            give_one(&entry.path(), user)?;
        }
    }
    Ok(())
}

/// Everything that reads certificates is pointed at the bundle by its environment.
pub(crate) async fn trust(_pem: &[u8], _home: &Path) -> Result<(), String> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registration_files_are_private_even_if_they_were_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "old and longer").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write_private(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
