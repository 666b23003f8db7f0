//! Names that nobody else in the world may have: those of registries and storage accounts.

use serde_json::Value;

use crate::State;

/// Whether a fault says that somebody outside of the subscription has a name.
pub(super) fn taken_elsewhere(state: &State, name: &str) -> bool {
    let is_it = |taken: &Value| taken.as_str().is_some_and(|taken| taken.eq_ignore_ascii_case(name));
    match state.faults.get("arm.names-taken") {
        Some(Value::Array(names)) => names.iter().any(is_it),
        Some(taken) => is_it(taken),
        None => false,
    }
}
