//! Resources behind which a real service stands: what to start for them, and what becomes of them when it answers.

use uuid::Uuid;

use super::operations::{self, Status};
use super::resources::Resource;
use super::{registries, storage};
use crate::backends::{Kind, Plan};
use crate::{Emulator, State};

/// What stands behind a resource of this kind.
pub(super) fn kind(resource: &Resource) -> Option<Kind> {
    match resource.kind.as_str() {
        registries::KIND => Some(Kind::Registry),
        storage::KIND => Some(Kind::Storage),
        _ => None,
    }
}

/// The ids of the resources behind which something stands.
pub(crate) fn backends(state: &State) -> Vec<String> {
    let resources = state.arm.resources.values().filter(|resource| kind(resource).is_some());
    resources.map(|resource| resource.id.clone()).collect()
}

/// What to open for a resource, if it is still there.
pub(crate) fn backend_plan(emulator: &Emulator, id: &str) -> Option<Plan> {
    emulator.read(|state| {
        let resource = state.arm.resources.get(&id.to_ascii_lowercase())?;
        let kind = kind(resource)?;
        let (address, environment) = match kind {
            Kind::Registry => (&resource.properties["loginServer"], Vec::new()),
            Kind::Storage => {
                (&resource.properties["primaryEndpoints"]["blob"], storage::environment(state, resource))
            }
        };
        let port = address.as_str().and_then(port_of).unwrap_or(0);
        Some(Plan { kind, name: resource.name.clone(), port, environment })
    })
}

/// The port in `host:port` or `https://host:port/…`.
fn port_of(address: &str) -> Option<u16> {
    let host = address.trim_start_matches("https://").split('/').next()?;
    host.rsplit_once(':')?.1.parse().ok()
}

/// What stands behind a resource answers on a port, or does not. `host` is the emulator's own.
pub(crate) fn backend_opened(
    state: &mut State,
    id: &str,
    host: &str,
    outcome: Result<u16, String>,
    operation: Option<Uuid>,
) {
    let kind = state.arm.resources.get(&id.to_ascii_lowercase()).and_then(kind);
    let (status, error) = match outcome {
        Ok(port) => {
            match kind {
                Some(Kind::Registry) => registries::opened(state, id, port),
                Some(Kind::Storage) => storage::opened(state, id, host, port),
                None => {}
            }
            (Status::Succeeded, None)
        }
        Err(problem) => {
            tracing::error!("nothing stands behind {id}: {problem}");
            (Status::Failed, Some(("BackendNotStarted".to_owned(), problem)))
        }
    };
    if let Some(operation) = operation {
        operations::end(state, operation, status, error);
    }
}

#[cfg(test)]
mod tests {
    use super::port_of;

    #[test]
    fn a_port_is_taken_up_again() {
        assert_eq!(port_of("127.0.0.1:5001"), Some(5001));
        assert_eq!(port_of("https://172.17.0.1:4444/account"), Some(4444));
        assert_eq!(port_of(""), None);
    }
}
