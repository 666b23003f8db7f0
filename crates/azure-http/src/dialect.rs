//! Whose answers a request expects.

/// The service that answers, since each has its own words for "no": error envelopes, sign-in pages, redirects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Azure DevOps: `typeKey` envelopes; a sign-in page or a redirect means that the token is not accepted.
    DevOps,
    /// Azure Resource Manager: `{"error":{"code","message"}}` and two older shapes.
    ResourceManager,
    /// Entra ID's token endpoint: `{"error","error_description","error_codes"}`.
    Entra,
    /// The managed identity endpoint of a container or machine, which is never reached through a proxy.
    InstanceMetadata,
    /// A container registry: `{"errors":[{"code","message"}]}` (OCI distribution specification).
    Registry,
    /// Anything else: a package mirror, a metadata document.
    Plain,
}
