//! From what was typed, exported and written down to settings that can be acted on.
//!
//! `layers` makes one command line of flags, environment and file; `connection` and `provision` check it and give
//! typed settings, or every [`Problem`] at once.

pub(crate) mod environment;
pub(crate) mod layers;

mod checks;
mod connection;
mod image;
mod limits;
mod provision;
mod reap;
pub(crate) mod sample;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use lifecycle::AgentName;
use redact::Secret;

pub(crate) use connection::{azure, azure_and_devops, devops_token};
pub(crate) use provision::{doctor, provision};
pub(crate) use reap::{ReapSettings, reap};

use crate::errors::{Failure, Problem};
use crate::services::NewAgent;

/// How to reach Azure, and which resource group.
#[derive(Clone)]
pub(crate) struct Azure {
    /// Which Azure.
    pub(crate) cloud: Cloud,
    /// Certificates to trust besides the system's, PEM.
    pub(crate) extra_ca: Option<Vec<u8>>,
    /// The file that they came from.
    pub(crate) ca_file: Option<PathBuf>,
    /// As whom.
    pub(crate) credential: AzureCredential,
    /// Id of the subscription.
    pub(crate) subscription: String,
    /// Name of the resource group.
    pub(crate) resource_group: String,
}

/// Which Azure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cloud {
    /// `AzureCloud`.
    Public,
    /// `AzureUSGovernment`.
    UsGovernment,
    /// `AzureChinaCloud`.
    China,
    /// A Resource Manager that says itself where its authority is: Azure Stack, an emulator.
    Custom(String),
}

impl Cloud {
    /// As the container is told (`AZ_CLOUD`).
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Public => "AzureCloud",
            Self::UsGovernment => "AzureUSGovernment",
            Self::China => "AzureChinaCloud",
            Self::Custom(url) => url,
        }
    }
}

/// As whom we ask Azure.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum AzureCredential {
    /// A service principal with a key.
    ClientSecret {
        /// Its tenant.
        tenant: String,
        /// Its application's id.
        client: String,
        /// Its key.
        secret: Secret,
    },
    /// A service principal with a certificate.
    ClientCertificate {
        /// Its tenant.
        tenant: String,
        /// Its application's id.
        client: String,
        /// Certificate and private key, PEM.
        pem: Secret,
    },
    /// A service principal that trusts somebody else's tokens.
    Federated {
        /// Its tenant.
        tenant: String,
        /// Its application's id.
        client: String,
        /// File that holds the other's token, read anew each time.
        token_file: std::path::PathBuf,
    },
    /// A service principal that trusts the tokens which Azure DevOps gives to a job for a service connection.
    ServiceConnection {
        /// Its tenant.
        tenant: String,
        /// Its application's id.
        client: String,
        /// `System.OidcRequestUri`.
        request_uri: url::Url,
        /// Id of the connection.
        connection: String,
        /// The job's own token.
        job_token: Secret,
    },
    /// This machine's managed identity: a client id, or none for the system-assigned one.
    ManagedIdentity(Option<String>),
    /// Whoever is logged in to the Azure CLI.
    AzureCli,
}

impl AzureCredential {
    /// The tenant, where it is known.
    pub(crate) fn tenant(&self) -> Option<&str> {
        match self {
            Self::ClientSecret { tenant, .. }
            | Self::ClientCertificate { tenant, .. }
            | Self::Federated { tenant, .. }
            | Self::ServiceConnection { tenant, .. } => Some(tenant),
            Self::ManagedIdentity(_) | Self::AzureCli => None,
        }
    }
}

/// How to reach Azure DevOps.
#[derive(Clone)]
pub(crate) struct DevOps {
    /// The organization's URL, without a slash at its end.
    pub(crate) organization: String,
    /// As whom.
    pub(crate) credential: DevOpsCredential,
}

/// As whom we ask Azure DevOps.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum DevOpsCredential {
    /// A personal access token.
    PersonalAccessToken(Secret),
    /// A token that is itself a bearer: `System.AccessToken`, or one of Entra.
    Bearer(Secret),
    /// The same identity as for Azure.
    SameAsAzure,
}

/// What `provision` needs to know.
#[derive(Clone)]
pub(crate) struct ProvisionSettings {
    /// How to reach Azure.
    pub(crate) azure: Azure,
    /// How to reach Azure DevOps.
    pub(crate) devops: DevOps,
    /// Name of the agent pool.
    pub(crate) pool: String,
    /// How the agent's name comes about.
    pub(crate) name: NameChoice,
    /// How many agents of this kind.
    pub(crate) count: u32,
    /// Id of the pipeline's run.
    pub(crate) run: Option<u64>,
    /// The organization's URL as the container sees it.
    pub(crate) agent_url: String,
    /// How the agent is registered.
    pub(crate) registration: Registration,
    /// Region, if somebody chose one.
    pub(crate) location: Option<String>,
    /// Subnet, if it goes into a virtual network.
    pub(crate) network: Option<Network>,
    /// The container.
    pub(crate) container: Container,
    /// What may stand in where there is no room for it.
    pub(crate) fallbacks: Fallbacks,
    /// How long it lives and who ends it.
    pub(crate) life: Life,
    /// Further tags.
    pub(crate) tags: BTreeMap<String, String>,
}

/// What `doctor` needs to know.
#[derive(Clone)]
pub(crate) struct DoctorSettings {
    /// What would be provisioned.
    pub(crate) provision: ProvisionSettings,
    /// The project of the pipelines that are to use it.
    pub(crate) project: Option<String>,
    /// Id of the pipeline that is to use it.
    pub(crate) pipeline: Option<u64>,
}

/// How an agent's name comes about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NameChoice {
    /// Minted, beginning with this.
    Prefix(String),
    /// Chosen by the user.
    Explicit(AgentName),
}

/// How the agent is registered.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Registration {
    /// By the provisioner, just in time.
    JustInTime,
    /// By itself, with this token.
    Token(Secret),
}

/// A subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    /// Resource group of the virtual network.
    pub(crate) resource_group: String,
    /// Name of the virtual network.
    pub(crate) name: String,
    /// Name of the subnet.
    pub(crate) subnet: String,
}

/// The container.
#[derive(Clone)]
pub(crate) struct Container {
    /// Full name of its image.
    pub(crate) image: String,
    /// Who pulls it.
    pub(crate) registry: Registry,
    /// Its operating system.
    pub(crate) os: Os,
    /// Cores.
    pub(crate) cpu: f64,
    /// Memory in GB.
    pub(crate) memory_gb: f64,
    /// Its availability zone.
    pub(crate) zone: Option<String>,
    /// Whether it stays.
    pub(crate) priority: Priority,
    /// What it runs on.
    pub(crate) sku: Sku,
    /// Its DNS servers.
    pub(crate) dns_servers: Vec<IpAddr>,
    /// The user's variables.
    pub(crate) environment: BTreeMap<String, String>,
    /// The user's secure variables.
    pub(crate) secure_environment: BTreeMap<String, Secret>,
    /// Certificates that the agent trusts besides its image's, PEM.
    pub(crate) agent_ca: Option<Vec<u8>>,
    /// Who keeps what it prints.
    pub(crate) log_analytics: Option<LogAnalytics>,
}

/// A Log Analytics workspace.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct LogAnalytics {
    /// Its id.
    pub(crate) workspace: String,
    /// One of its keys.
    pub(crate) key: Secret,
}

/// What may stand in, in this order, for what was asked for where there is no room for that.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Fallbacks {
    /// Regions.
    pub(crate) locations: Vec<String>,
    /// Availability zones.
    pub(crate) zones: Vec<String>,
    /// Sizes.
    pub(crate) sizes: Vec<Size>,
}

/// Cores and memory.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Size {
    /// Cores.
    pub(crate) cpu: f64,
    /// Memory in GB.
    pub(crate) memory_gb: f64,
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} CPU and {} GB", self.cpu, self.memory_gb)
    }
}

/// An operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Os {
    /// Linux.
    Linux,
    /// Windows.
    Windows,
}

/// Whether a container group stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Priority {
    /// It does.
    Regular,
    /// It may be taken away at any time.
    Spot,
}

/// What a container group runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sku {
    /// Hosts that others use too.
    Standard,
    /// A host of its own.
    Dedicated,
    /// A trusted execution environment.
    Confidential,
}

/// Who pulls the image.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Registry {
    /// Nobody in particular.
    Anonymous,
    /// A user with a password.
    Password {
        /// The registry.
        server: String,
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A user-assigned identity.
    Identity {
        /// The registry.
        server: String,
        /// Its resource id.
        identity: String,
    },
}

/// How long an agent lives and who ends it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Life {
    /// How long to wait until it is online; `None` does not wait.
    pub(crate) online_timeout: Option<Duration>,
    /// After how long without a job it goes.
    pub(crate) idle_timeout: Duration,
    /// After how long it goes in any case.
    pub(crate) max_lifetime: Duration,
    /// Who takes it down.
    pub(crate) take_down: TakeDown,
    /// Managed identity of the container group.
    pub(crate) identity: Option<Identity>,
    /// How long what failed is kept for a look, if it is.
    pub(crate) keep_on_error: Option<Duration>,
}

/// Who takes an agent down.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum TakeDown {
    /// Nobody in the container.
    Outside,
    /// The container, as this service principal.
    Secrets {
        /// Its tenant.
        tenant: String,
        /// Its application's id.
        client: String,
        /// How it shows that it is that.
        proof: Proof,
        /// Token that unregisters the agent; without one, the service principal does that too.
        token: Option<Secret>,
    },
    /// The container, with its managed identity.
    Identity,
}

/// What is handed over so that the container can work as a service principal.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Its key.
    Key(Secret),
    /// Its certificate and private key, PEM.
    Certificate(Secret),
}

/// A managed identity of the container group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// Its own.
    SystemAssigned,
    /// A user-assigned one: its resource id.
    UserAssigned(String),
}

impl Identity {
    /// As the container is told (`AZ_MANAGED_IDENTITY`).
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::SystemAssigned => "system",
            Self::UserAssigned(id) => id,
        }
    }
}

/// Every secret by which we prove who we are.
pub(crate) fn secrets_of(azure: &Azure, devops: Option<&DevOps>) -> Vec<Secret> {
    let of_azure = match &azure.credential {
        AzureCredential::ClientSecret { secret, .. } => Some(secret),
        AzureCredential::ClientCertificate { pem, .. } => Some(pem),
        AzureCredential::ServiceConnection { job_token, .. } => Some(job_token),
        AzureCredential::Federated { .. }
        | AzureCredential::ManagedIdentity(_)
        | AzureCredential::AzureCli => None,
    };
    let of_devops = match devops.map(|devops| &devops.credential) {
        Some(DevOpsCredential::PersonalAccessToken(token) | DevOpsCredential::Bearer(token)) => Some(token),
        Some(DevOpsCredential::SameAsAzure) | None => None,
    };
    of_azure.into_iter().chain(of_devops).cloned().collect()
}

impl ProvisionSettings {
    /// What the agent is to be.
    pub(crate) fn new_agent(&self) -> NewAgent {
        NewAgent { url: self.agent_url.clone(), os: self.container.os }
    }

    /// Every secret in them.
    pub(crate) fn secrets(&self) -> Vec<Secret> {
        let mut secrets = secrets_of(&self.azure, Some(&self.devops));
        secrets.extend(self.container.secure_environment.values().cloned());
        if let Registry::Password { password, .. } = &self.container.registry {
            secrets.push(password.clone());
        }
        secrets.extend(self.container.log_analytics.iter().map(|workspace| workspace.key.clone()));
        secrets
    }
}

/// Problems found so far. Checking goes on after one, so that a user sees all of them at once.
#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    /// Notes a problem with an option.
    fn add(&mut self, option: &str, what: impl Into<String>, remedy: impl Into<String>) {
        self.0.push(Problem { setting: option.to_owned(), what: what.into(), remedy: remedy.into() });
    }

    /// The value of an option that has to be there.
    fn require<T>(&mut self, option: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            let remedy =
                format!("give --{option}, {}, or `{option}` in a settings file", layers::variable_of(option));
            self.add(option, "is missing", remedy);
        }
        value
    }

    /// The value of a check that may have failed.
    fn check<T>(&mut self, option: &str, checked: Result<T, checks::Refused>) -> Option<T> {
        checked.map_err(|refused| self.add(option, refused.what, refused.remedy)).ok()
    }

    /// The result, if there was no problem.
    fn unless<T>(self, result: Option<T>) -> Result<T, Failure> {
        match result {
            Some(result) if self.0.is_empty() => Ok(result),
            _ => Err(Failure::Settings(self.0)),
        }
    }
}
