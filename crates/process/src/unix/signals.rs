//! Giving children the default signal dispositions.
//!
//! A disposition of *ignore* is inherited through `exec`. A shell that starts us in the background makes us ignore
//! SIGINT, and then the agent we start could not be interrupted. A *handler* is not inherited: the child has the
//! default again. So it is enough to put an empty handler wherever we ignore: for us nothing changes, and the child
//! can hear.

use std::{io, sync::OnceLock};

use tokio::signal::unix::{SignalKind, signal};

/// Signals that may be left ignored: SIGPIPE, which Rust programs ignore and the standard library resets in children,
/// and those for which no handler may be set (SIGILL, SIGFPE, SIGKILL, SIGSEGV, SIGSTOP).
const LEFT_ALONE: [u32; 6] = [4, 8, 9, 11, 13, 19];

/// The last of the signals with a fixed meaning; those above are real-time signals, partly used by the C library.
const LAST_STANDARD: u32 = 31;

/// Replaces *ignore* by an empty handler, once in the life of this process.
pub(crate) fn stop_ignoring() -> io::Result<()> {
    static DONE: OnceLock<()> = OnceLock::new();
    if DONE.get().is_some() {
        return Ok(());
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    for number in ignored(&status) {
        // The handler outlives the listener.
        drop(signal(SignalKind::from_raw(number))?);
    }
    let _ = DONE.set(());
    Ok(())
}

/// The standard signals that `/proc/self/status` says are ignored.
fn ignored(status: &str) -> Vec<i32> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).map_or("0", str::trim);
    let mask = u64::from_str_radix(mask, 16).unwrap_or(0);
    (1..=LAST_STANDARD)
        .filter(|number| mask >> (number - 1) & 1 == 1 && !LEFT_ALONE.contains(number))
        .map(u32::cast_signed)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::ignored;

    #[test]
    fn ignored_signals_are_read_from_the_mask() {
        let cases: [(&str, &[i32]); 5] = [
            ("", &[]),
            ("SigIgn:\t0000000000000000\n", &[]),
            ("SigIgn:\t0000000000000006\n", &[2, 3]),
            ("SigIgn:\t0000000000001000\n", &[]),
            ("Name:\tx\nSigIgn:\tffffffff00004001\n", &[1, 15]),
        ];
        for (status, expected) in cases {
            assert_eq!(ignored(status), expected, "{status:?}");
        }
    }
}
