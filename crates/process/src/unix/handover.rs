//! Starting ourselves anew with an empty slate.
//!
//! The environment a process was started with stays readable in `/proc/<id>/environ` for its whole life, whatever it
//! does to its variables. To get a secret out of there the process has to be replaced by one that was started without.
//! What the new one must know is handed over in an anonymous file in memory, which is gone when it has been read.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Read, Write},
    os::{fd::AsRawFd, unix::process::CommandExt},
    process::Command,
};

use nix::sys::memfd::{MFdFlags, memfd_create};

/// The new start, or reading what was handed over, did not work.
#[derive(Debug, thiserror::Error)]
#[error("could not {step}: {source}")]
pub struct HandoverError {
    step: &'static str,
    source: io::Error,
}

fn failed(step: &'static str) -> impl FnOnce(io::Error) -> HandoverError {
    move |source| HandoverError { step, source }
}

/// Replaces this process by a new start of the same program, with the arguments `arguments` followed by the number of
/// the file that holds `message`, and with exactly this environment. Returns only if that failed.
pub fn restart(arguments: &[&str], environment: &[(OsString, OsString)], message: &[u8]) -> HandoverError {
    match write(message) {
        // The file must outlive this function: it is inherited because it is open.
        Ok(file) => {
            let name = std::env::args_os().next().unwrap_or_else(|| "/proc/self/exe".into());
            let error = Command::new("/proc/self/exe")
                .arg0(name)
                .args(arguments)
                .arg(file.as_raw_fd().to_string())
                .env_clear()
                .envs(environment.iter().map(|(name, value)| (name, value)))
                .exec();
            failed("start myself anew through /proc/self/exe")(error)
        }
        Err(error) => error,
    }
}

fn write(message: &[u8]) -> Result<File, HandoverError> {
    // Not closed on exec: that is the point.
    let file = memfd_create("handover", MFdFlags::empty())
        .map_err(|errno| failed("make a file in memory")(errno.into()))?;
    let mut file = File::from(file);
    file.write_all(message).map_err(failed("write to a file in memory"))?;
    Ok(file)
}

/// Reads the message that [`restart`] handed over in file `number`, and closes it, which destroys it.
pub fn receive(number: i32) -> Result<Vec<u8>, HandoverError> {
    let mut message = Vec::new();
    File::open(format!("/proc/self/fd/{number}"))
        .and_then(|mut file| file.read_to_end(&mut message))
        .map_err(failed("read what was handed over"))?;
    nix::unistd::close(number).map_err(|errno| failed("close what was handed over")(errno.into()))?;
    Ok(message)
}
