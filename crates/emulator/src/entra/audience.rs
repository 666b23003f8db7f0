//! Which service a token is for.

use url::Url;

/// A service that takes access tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Resource Manager, under its public names and under the emulator's own.
    ResourceManager,
    /// Azure DevOps.
    DevOps,
    /// Storage.
    Storage,
    /// Container registries.
    ContainerRegistry,
    /// Microsoft Graph, in public and in the emulator.
    Graph,
}

/// The names that each service has in public.
const NAMES: &[(&str, Audience)] = &[
    ("https://management.azure.com", Audience::ResourceManager),
    ("https://management.core.windows.net", Audience::ResourceManager),
    ("https://management.usgovcloudapi.net", Audience::ResourceManager),
    ("https://management.chinacloudapi.cn", Audience::ResourceManager),
    ("499b84ac-1321-427f-aa17-267ca6975798", Audience::DevOps),
    ("https://app.vssps.visualstudio.com", Audience::DevOps),
    ("https://storage.azure.com", Audience::Storage),
    ("https://containerregistry.azure.net", Audience::ContainerRegistry),
    ("https://graph.microsoft.com", Audience::Graph),
];

impl Audience {
    /// The service that a resource names; a final slash does not matter. The emulator is its own Resource Manager,
    /// by whatever name a client reaches it, and under `/graph` its own Microsoft Graph: `own` are URLs of it.
    pub fn of(resource: &str, own: &[&str]) -> Option<Self> {
        let resource = resource.trim_end_matches('/');
        let public = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(resource));
        public.map(|(_, audience)| *audience).or_else(|| own_service(resource, own))
    }
}

/// The service at one of our URLs, or at loopback on one of our ports.
fn own_service(resource: &str, own: &[&str]) -> Option<Audience> {
    let resource = Url::parse(resource).ok().filter(|resource| resource.scheme() == "https")?;
    let service = match resource.path() {
        "/" => Audience::ResourceManager,
        "/graph" => Audience::Graph,
        _ => return None,
    };
    let loopback = matches!(resource.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    let mut own = own.iter().filter_map(|own| Url::parse(own).ok());
    let is_own = own.any(|own| {
        let same_host = own.host_str() == resource.host_str();
        own.port_or_known_default() == resource.port_or_known_default() && (same_host || loopback)
    });
    is_own.then_some(service)
}

#[cfg(test)]
mod tests {
    use super::Audience;

    #[test]
    fn a_resource_names_one_service() {
        let own = ["https://172.18.0.1:8443"];
        for (resource, expected) in [
            ("https://management.azure.com/", Some(Audience::ResourceManager)),
            ("https://management.core.windows.net", Some(Audience::ResourceManager)),
            ("https://172.18.0.1:8443/", Some(Audience::ResourceManager)),
            ("https://localhost:8443/", Some(Audience::ResourceManager)),
            ("https://localhost:8444/", None),
            ("https://elsewhere:8443/", None),
            ("http://172.18.0.1:8443/", None),
            ("https://172.18.0.1:8443/contoso", None),
            ("https://172.18.0.1:8443/graph", Some(Audience::Graph)),
            ("https://elsewhere:8443/graph", None),
            ("499b84ac-1321-427f-aa17-267ca6975798", Some(Audience::DevOps)),
            ("https://containerregistry.azure.net", Some(Audience::ContainerRegistry)),
            ("https://vault.example", None),
            ("", None),
        ] {
            assert_eq!(Audience::of(resource, &own), expected, "{resource}");
        }
    }
}
