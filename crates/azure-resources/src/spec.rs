//! What a container group is made from.

use redact::Secret;

use crate::SubnetId;

/// Everything about a container group but its name and tags. It never restarts: an agent runs once.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerGroupSpec {
    /// The region.
    pub location: String,
    /// What the image runs on.
    pub os: OperatingSystem,
    /// The image, with registry and tag.
    pub image: String,
    /// Overrides the image's command where it is not empty.
    pub command: Vec<String>,
    /// Cores.
    pub cpu: f64,
    /// Memory in GB (10^9 bytes; the service takes one decimal).
    pub memory_gb: f64,
    /// An empty folder that outlives its container: what a container wrote anywhere else is gone when the service
    /// starts it again. Not for Windows, which has none.
    pub lasting_folder: Option<String>,
    /// The container's environment.
    pub environment: Vec<EnvironmentVariable>,
    /// How the image may be pulled; none for a public one.
    pub registry: Option<RegistryCredential>,
    /// The subnet that it joins, without a public address. Without a subnet it has no address at all: an agent only
    /// calls out.
    pub subnet: Option<SubnetId>,
    /// Name servers; a virtual network's own are not inherited.
    pub dns_servers: Vec<String>,
    /// User-assigned identities.
    pub identities: Vec<UserAssignedIdentity>,
    /// Whether it has an identity that lives and dies with it.
    pub system_assigned_identity: bool,
    /// The availability zone.
    pub zone: Option<String>,
    /// Regular or spot.
    pub priority: Priority,
    /// What it runs on.
    pub sku: Sku,
    /// Where what the container prints is kept when the group is gone.
    pub log_analytics: Option<LogAnalytics>,
}

/// A Log Analytics workspace. What the container prints is found there in the table `ContainerInstanceLog_CL`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogAnalytics {
    /// The workspace's id.
    pub workspace: String,
    /// One of its keys.
    pub key: Secret,
}

/// What an image runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperatingSystem {
    /// Linux.
    Linux,
    /// Windows Server Core.
    Windows,
}

/// How a container group is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Stays.
    Regular,
    /// Cheaper, may be taken away at any time, and cannot join a virtual network.
    Spot,
}

/// What a container group runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sku {
    /// Hosts that others use too.
    Standard,
    /// A host of its own.
    Dedicated,
    /// A trusted execution environment, which the host cannot look into.
    Confidential,
}

/// One variable of the container's environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvironmentVariable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: EnvironmentValue,
}

/// A value that anybody with read access may see, or one that nobody can read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvironmentValue {
    /// Shown in the portal.
    Plain(String),
    /// Write-only.
    Secure(Secret),
}

/// Who may pull from which registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryCredential {
    /// The registry's host.
    pub server: String,
    /// As whom.
    pub login: RegistryLogin,
}

/// As whom an image is pulled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistryLogin {
    /// With a user's name and password (also a service principal's id and key).
    Password {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// With a user-assigned identity, by resource id. It has to be among the group's identities too.
    Identity(String),
}

/// A user-assigned identity and who in the group may use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserAssignedIdentity {
    /// Its resource id.
    pub resource_id: String,
    /// Who may use it.
    pub access: IdentityAccess,
}

/// Who may use an identity of the group (`identityAcls`, api-version 2025-09-01).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityAccess {
    /// Only the platform, to pull images: no process of the container gets a token.
    System,
    /// Only the container's processes.
    User,
    /// Both.
    All,
}

impl ContainerGroupSpec {
    /// Every secret in it, for masking.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let environment = self.environment.iter().filter_map(|variable| match &variable.value {
            EnvironmentValue::Secure(secret) => Some(secret),
            EnvironmentValue::Plain(_) => None,
        });
        let registry = self.registry.iter().filter_map(|registry| match &registry.login {
            RegistryLogin::Password { password, .. } => Some(password),
            RegistryLogin::Identity(_) => None,
        });
        environment.chain(registry).chain(self.log_analytics.iter().map(|workspace| &workspace.key))
    }
}
