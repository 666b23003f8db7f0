//! The agent's registration: what `configure` makes, the files keep, and `remove` undoes.

pub(crate) mod certificates;
pub(crate) mod configure;
pub(crate) mod files;
pub(crate) mod key;
pub(crate) mod remove;
