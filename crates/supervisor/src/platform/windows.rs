//! Windows: console events, the system's certificate store, and a job that runs as we do.
//!
//! Starting a program as another user needs calls that safe code cannot make. So the job runs as the user that the
//! supervisor is, and can read what the supervisor holds, whatever is done about the environment: docs/security.md says
//! what follows from that.

use std::{ffi::OsString, fs, io, path::Path, path::PathBuf};

use process::User;
use tokio::signal::windows::{CtrlBreak, CtrlC, CtrlClose, CtrlShutdown};

use crate::{certificates, settings::Environment};

/// The environment. Nothing is replaced: another process of the same user could read the secrets of either. What we
/// start gets none of them, as it gets exactly the environment that we give it.
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
pub(crate) fn begin(_resume: &str) -> Result<Environment, String> {
    Ok(Environment::of(std::env::vars_os()))
}

/// There is no second start.
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
pub(crate) fn resume(_number: &str) -> Result<Option<Environment>, String> {
    Ok(None)
}

/// This machine's name.
pub(crate) fn machine_name() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_default()
}

/// Ctrl-Shutdown from whoever stops the container, the others from a terminal.
pub(crate) struct StopSignals {
    shutdown: CtrlShutdown,
    close: CtrlClose,
    interrupt: CtrlC,
    stop: CtrlBreak,
}

impl StopSignals {
    pub(crate) fn listen() -> io::Result<Self> {
        use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_shutdown};
        Ok(Self {
            shutdown: ctrl_shutdown()?,
            close: ctrl_close()?,
            interrupt: ctrl_c()?,
            stop: ctrl_break()?,
        })
    }

    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.shutdown.recv() => {}
            _ = self.close.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.stop.recv() => {}
        }
    }
}

/// Nobody else, and what that means.
pub(crate) fn agent_user(_name: &str) -> Result<User, String> {
    Err("on Windows the job runs as this program's own user and can read its memory and the credentials in it: hand \
         over none (--take-down outside, or identity)"
        .to_owned())
}

/// Whether the job could read this file: whatever we can, it can.
pub(crate) fn is_readable_by_job(path: &Path) -> bool {
    path.exists()
}

/// There is nobody to close it to.
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
pub(crate) fn close_to_job(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// Writes a file. Who may read it follows from its folder: administrators and our own user.
pub(crate) fn write_private(path: &Path, text: &str) -> io::Result<()> {
    fs::write(path, text)
}

/// Everything is ours, and the agent is us.
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
pub(crate) fn give_one(_path: &Path, _user: &User) -> io::Result<()> {
    Ok(())
}

/// Everything is ours, and the agent is us.
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
pub(crate) fn give_all(_root: &Path, _user: &User) -> io::Result<()> {
    Ok(())
}

/// Puts the certificates into the system's store, where .NET and git look: with the system's own program for that,
/// which takes one certificate a file.
pub(crate) async fn trust(pem: &[u8], home: &Path) -> Result<(), String> {
    let system = std::env::var_os("SystemRoot").unwrap_or_else(|| OsString::from(r"C:\Windows"));
    let program = PathBuf::from(&system).join("System32").join("certutil.exe");
    for (number, certificate) in certificates::split(pem).iter().enumerate() {
        let file = home.join(format!("ca-{number}.crt"));
        fs::write(&file, certificate)
            .map_err(|error| format!("{} cannot be written ({error})", file.display()))?;
        let command = process::Command::new(&program)
            .arguments([OsString::from("-addstore"), "-f".into(), "Root".into(), file.clone().into()])
            .environment([("SystemRoot", &system)]);
        let (child, mut lines) = command.spawn().map_err(|error| error.to_string())?;
        let mut said = Vec::new();
        while let Some(line) = lines.next().await {
            said.push(line.text);
        }
        if !child.wait().await.is_success() {
            return Err(format!(
                "the certificates in AZP_CA_PEM cannot be added to the system's store ({}): start the container as an \
                 administrator (ContainerAdministrator)",
                said.join(" ").trim()
            ));
        }
        let _ = fs::remove_file(&file);
    }
    Ok(())
}
