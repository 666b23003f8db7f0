//! The folder the agent was unpacked into, and what everything in this process shares.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::console::Console;
use crate::diagnostics::Diagnostics;
use crate::environment::Environment;
use crate::misbehaviour::{self, Misbehaviour};
use crate::version;

/// One installation of the agent and this process's view of it.
#[derive(Clone)]
pub(crate) struct Installation {
    /// The agent root.
    pub(crate) root: PathBuf,
    /// What child processes get.
    pub(crate) environment: Environment,
    /// Standard output.
    pub(crate) console: Arc<Console>,
    /// `_diag`.
    pub(crate) diagnostics: Diagnostics,
    /// What to do wrong.
    pub(crate) misbehaviour: Misbehaviour,
    /// The version it says it is.
    pub(crate) version: String,
}

impl Installation {
    /// Looks around. `kind` names the diagnostic log: `Agent` or `Worker`.
    pub(crate) fn new(root: PathBuf, environment: Environment, kind: &str) -> Self {
        let diag = root.join("_diag");
        let misbehaviour =
            Misbehaviour::parse(environment.get(misbehaviour::VARIABLE).unwrap_or_default(), &diag);
        let log_variable = format!("{}_DIAGLOGPATH", kind.to_ascii_uppercase());
        let logs = environment.get(&log_variable).map_or(diag, PathBuf::from);
        Self {
            console: Arc::new(Console::new(misbehaviour.clone())),
            diagnostics: Diagnostics::open(&logs, kind),
            version: version::of_installation(&root),
            misbehaviour,
            environment,
            root,
        }
    }

    /// A file or folder in the root.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }
}

/// The agent root: the program lies in `bin` (or `bin.4.276.0` after an update) below it.
pub(crate) fn root_of(program: &Path) -> PathBuf {
    let folder = program.parent().unwrap_or(Path::new("/"));
    let is_bin =
        folder.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("bin"));
    match folder.parent() {
        Some(root) if is_bin => root.to_owned(),
        _ => folder.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_above_bin() {
        for (program, root) in [
            ("/azp/agent/bin/Agent.Listener", "/azp/agent"),
            ("/azp/agent/bin.4.276.0/Agent.Listener", "/azp/agent"),
            ("/work/stand-in-agent", "/work"),
        ] {
            assert_eq!(root_of(Path::new(program)), Path::new(root));
        }
    }
}
