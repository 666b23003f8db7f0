//! The time, in the forms the protocol, the files and the console want it.

use jiff::Timestamp;

/// `2026-11-23 10:20:30Z`, in front of the agent's messages on standard output.
pub(crate) fn console_stamp() -> String {
    Timestamp::now().strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// `2026-11-23T10:20:30.1234560Z`, in the wire format and in front of every line of an uploaded log.
pub(crate) fn wire_stamp() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%6f0Z").to_string()
}

/// `20261123-102030`, in the names of diagnostic files.
pub(crate) fn file_stamp() -> String {
    Timestamp::now().strftime("%Y%m%d-%H%M%S").to_string()
}

/// Seconds since 1970, for token assertions.
pub(crate) fn unix_seconds() -> i64 {
    Timestamp::now().as_second()
}
