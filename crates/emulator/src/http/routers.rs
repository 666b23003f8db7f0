//! The routes of every service, and which of them a request takes.

use super::{Router, Service};

/// The routes of every service.
pub struct Routers {
    pub(super) entra: Router,
    /// Managed identity, which has a port of its own.
    pub(super) identity: Router,
    pub(super) arm: Router,
    pub(super) devops: Router,
    pub(super) control: Router,
}

impl Default for Routers {
    /// All the routes there are.
    fn default() -> Self {
        let mut routers = Self {
            entra: Router::default(),
            identity: Router::default(),
            arm: Router::default(),
            devops: Router::default(),
            control: Router::default(),
        };
        crate::entra::routes(&mut routers.entra);
        crate::entra::identity_routes(&mut routers.identity);
        crate::entra::control_routes(&mut routers.control);
        crate::arm::routes(&mut routers.arm);
        crate::devops::routes(&mut routers.devops);
        crate::pipelines::routes(&mut routers.devops);
        crate::devops::control_routes(&mut routers.control);
        crate::arm::control_routes(&mut routers.control);
        crate::pipelines::control_routes(&mut routers.control);
        crate::control::routes(&mut routers.control);
        routers
    }
}

impl Routers {
    fn of(&self, service: Service) -> impl Iterator<Item = &Router> {
        let (router, other) = match service {
            Service::Entra => (&self.entra, Some(&self.identity)),
            Service::Arm => (&self.arm, None),
            Service::Devops => (&self.devops, None),
            Service::Control => (&self.control, None),
        };
        std::iter::once(router).chain(other)
    }

    /// Every route of a service: method and pattern.
    pub fn all(&self, service: Service) -> impl Iterator<Item = (&str, &str)> {
        self.of(service).flat_map(Router::all)
    }

    /// The pattern that a request to a service takes.
    pub fn taken(&self, service: Service, method: &str, path: &str) -> Option<&str> {
        self.of(service).find_map(|router| router.taken(method, path))
    }
}
