//! Which version of the official agent this one passes for.

use std::path::Path;

/// The release whose command line and protocol are played (facts read in its source).
pub(crate) const PROTOCOL: &str = "4.275.0";

/// What `--commit` prints: there is no commit of the official agent behind this program.
pub(crate) const COMMIT: &str = "stand-in";

/// The version this installation says it is: the text of `bin/version` if the package has one (so that one binary can
/// be packaged as an update of itself), else [`PROTOCOL`].
pub(crate) fn of_installation(root: &Path) -> String {
    std::fs::read_to_string(root.join("bin/version"))
        .map(|text| text.trim().to_owned())
        .ok()
        .filter(|text| !text.is_empty())
        .unwrap_or_else(|| PROTOCOL.to_owned())
}
