//! The environment of the container, read into types once.
//!
//! The names are the original system's (`AZP_*`, `AZ_*`) and a few of our own. Whatever is wrong is said with the
//! name of the variable and what to do, because the reader sees only the container's log.

mod environment;
mod registration;

use std::{path::PathBuf, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use redact::Secret;

pub use self::{
    environment::{Environment, SECRETS},
    registration::{AgentKey, JitConfiguration, Registration},
};
use crate::{machine::Policy, outcome::GroupEnd, platform::System};

/// A variable that does not make sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} {problem}: {remedy}")]
pub struct SettingsError {
    variable: &'static str,
    problem: String,
    remedy: &'static str,
}

impl SettingsError {
    pub(crate) fn new(variable: &'static str, problem: impl Into<String>, remedy: &'static str) -> Self {
        Self { variable, problem: problem.into(), remedy }
    }
}

/// Our own container group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerGroup {
    /// The subscription's id.
    pub subscription: String,
    /// The resource group's name.
    pub resource_group: String,
    /// The container group's name.
    pub name: String,
}

/// Who takes the container group down (and the agent, where no token does).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// A managed identity, in the words of `AZ_MANAGED_IDENTITY`.
    Managed(String),
    /// A service principal that was handed over.
    ServicePrincipal {
        /// The tenant's id.
        tenant: String,
        /// The client id.
        client: String,
        /// How it shows that it is that.
        proof: Proof,
    },
}

/// How a service principal shows that it is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// With its key.
    Key(Secret),
    /// With its certificate and private key, PEM.
    Certificate(Secret),
}

/// Where to ask for a managed identity's tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityEndpoint {
    /// Where every machine and container has it, or at this address.
    Metadata(Option<String>),
    /// Where a Windows container has it.
    WindowsContainer {
        /// Its whole address.
        address: String,
        /// What has to come along.
        header: Secret,
    },
}

impl IdentityEndpoint {
    fn read(system: System, environment: &Environment) -> Result<Self, SettingsError> {
        let windows = (system, environment.text("IDENTITY_ENDPOINT")?, environment.secret("IDENTITY_HEADER"));
        if let (System::Windows, Some(address), Some(header)) = windows {
            return Ok(Self::WindowsContainer { address, header });
        }
        Ok(Self::Metadata(environment.text("AZURE_POD_IDENTITY_AUTHORITY_HOST")?))
    }
}

/// An agent package that the user names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageSource {
    /// Where it is.
    pub url: String,
    /// Its SHA-256 in hexadecimal digits, if it is to be checked.
    pub sha256: Option<String>,
}

/// Everything the container was told.
#[derive(Debug)]
pub struct Settings {
    /// The organization's address, without a slash at its end.
    pub organization: String,
    /// How the agent gets its registration.
    pub registration: Registration,
    /// The token of token mode; also good for unregistering.
    pub token: Option<Secret>,
    /// Our own container group, if we know it.
    pub group: Option<ContainerGroup>,
    /// The cloud's name, or its Resource Manager's address.
    pub cloud: String,
    /// With whose rights to take down.
    pub identity: Option<Identity>,
    /// Where to ask for a managed identity's tokens.
    pub identity_endpoint: IdentityEndpoint,
    /// A PEM bundle to trust besides the system's.
    pub ca_pem: Option<Vec<u8>>,
    /// Where the supervisor keeps the agent and its own files.
    pub home: PathBuf,
    /// A folder that outlives the container.
    pub state: Option<PathBuf>,
    /// The user the agent runs as.
    pub run_as: String,
    /// The package to use instead of the organization's newest.
    pub package: Option<PackageSource>,
    times: Times,
}

#[derive(Debug)]
struct Times {
    start: Duration,
    idle: Duration,
    lifetime: Duration,
    grace: Duration,
}

impl Settings {
    /// Reads the environment. `machine` is this machine's name, the default for the agent's.
    pub fn read(environment: &Environment, machine: &str) -> Result<Self, SettingsError> {
        Self::read_on(System::CURRENT, environment, machine)
    }

    /// The same for any system.
    pub fn read_on(system: System, environment: &Environment, machine: &str) -> Result<Self, SettingsError> {
        let token = environment.token()?;
        let registration = Registration::read(environment, token.as_ref(), machine)?;
        Ok(Self {
            organization: organization(environment)?,
            registration,
            token,
            group: group(environment)?,
            cloud: environment.text("AZ_CLOUD")?.unwrap_or_else(|| "AzureCloud".to_owned()),
            identity: identity(environment)?,
            identity_endpoint: IdentityEndpoint::read(system, environment)?,
            ca_pem: ca_pem(environment)?,
            state: environment.text("AZP_STATE")?.map(PathBuf::from),
            home: environment.text("AZP_HOME")?.unwrap_or_else(|| system.home().to_owned()).into(),
            run_as: environment.text("AZP_RUN_AS")?.unwrap_or_else(|| "agent".to_owned()),
            package: package(environment)?,
            times: Times::read(environment)?,
        })
    }

    /// What the machine needs to know.
    pub fn policy(&self) -> Policy {
        let may_delete = self.group.is_some() && self.identity.is_some();
        let just_in_time = matches!(self.registration, Registration::JustInTime(_));
        let group = match (may_delete, &self.group) {
            (true, _) => GroupEnd::DeletedByUs,
            (false, Some(_)) => GroupEnd::LeftToOthers,
            // Whoever registered the agent for us will also take it down.
            (false, None) if just_in_time => GroupEnd::LeftToOthers,
            (false, None) => GroupEnd::None,
        };
        Policy {
            configure: !just_in_time,
            start: self.times.start,
            idle: self.times.idle,
            lifetime: self.times.lifetime,
            grace: self.times.grace,
            may_unregister: self.token.is_some() || self.identity.is_some(),
            group,
        }
    }

    /// Every secret among the settings, for the masker.
    pub fn secrets(&self) -> Vec<Secret> {
        let mut secrets: Vec<Secret> = self.token.iter().cloned().collect();
        if let Some(Identity::ServicePrincipal { proof: Proof::Key(key) | Proof::Certificate(key), .. }) =
            &self.identity
        {
            secrets.push(key.clone());
        }
        if let IdentityEndpoint::WindowsContainer { header, .. } = &self.identity_endpoint {
            secrets.push(header.clone());
        }
        if let Registration::JustInTime(configuration) = &self.registration {
            secrets.extend(configuration.secrets());
        }
        secrets
    }
}

impl Times {
    fn read(environment: &Environment) -> Result<Self, SettingsError> {
        Ok(Self {
            start: environment.seconds("AZP_START_TIMEOUT", 300, 1)?,
            idle: environment.seconds("AZP_IDLE_TIMEOUT", 900, 1)?,
            lifetime: environment.seconds("AZP_MAX_LIFETIME", 21_600, 1)?,
            grace: environment.seconds("AZP_GRACE", 60, 0)?,
        })
    }
}

fn organization(environment: &Environment) -> Result<String, SettingsError> {
    let remedy = "set it to the organization's address, such as https://dev.azure.com/contoso";
    let url =
        environment.text("AZP_URL")?.ok_or_else(|| SettingsError::new("AZP_URL", "is missing", remedy))?;
    let has_host = url.split_once("://").is_some_and(|(scheme, rest)| {
        ["http", "https"].contains(&scheme) && !rest.is_empty() && !rest.starts_with('/')
    });
    if !has_host {
        return Err(SettingsError::new("AZP_URL", format!("is no address ({url})"), remedy));
    }
    Ok(url.trim_end_matches('/').to_owned())
}

fn group(environment: &Environment) -> Result<Option<ContainerGroup>, SettingsError> {
    let Some(name) = environment.text("AZ_ACI_NAME")? else { return Ok(None) };
    let needed = |variable| {
        let missing = || {
            SettingsError::new(
                variable,
                "is missing, and AZ_ACI_NAME is set",
                "set it too, so that the container group can delete itself, or leave out AZ_ACI_NAME",
            )
        };
        environment.text(variable)?.ok_or_else(missing)
    };
    let (resource_group, subscription) = (needed("AZ_ACI_RG")?, needed("AZ_SUBSCRIPTION_ID")?);
    Ok(Some(ContainerGroup { subscription, resource_group, name }))
}

/// A handed-over service principal goes first, as it did in the original; both at once is what its task used to set.
fn identity(environment: &Environment) -> Result<Option<Identity>, SettingsError> {
    let key = environment.secret("AZ_SERVICE_PRINCIPAL_KEY").map(Proof::Key);
    let certificate = || environment.secret("AZ_SERVICE_PRINCIPAL_CERTIFICATE").map(Proof::Certificate);
    match (environment.text("AZ_SERVICE_PRINCIPAL")?, key.or_else(certificate)) {
        (Some(client), Some(proof)) => {
            let tenant = environment.text("AZ_TENANT_ID")?.ok_or_else(|| {
                SettingsError::new(
                    "AZ_TENANT_ID",
                    "is missing, and AZ_SERVICE_PRINCIPAL is set",
                    "set it to the tenant of the service principal",
                )
            })?;
            Ok(Some(Identity::ServicePrincipal { tenant, client, proof }))
        }
        (Some(_), None) => Err(SettingsError::new(
            "AZ_SERVICE_PRINCIPAL_KEY",
            "is missing, and AZ_SERVICE_PRINCIPAL is set",
            "hand it over as a secure value, or AZ_SERVICE_PRINCIPAL_CERTIFICATE, or use AZ_MANAGED_IDENTITY",
        )),
        (None, Some(_)) => Err(SettingsError::new(
            "AZ_SERVICE_PRINCIPAL",
            "is missing, and its key or certificate is set",
            "set it to the client id of the service principal",
        )),
        (None, None) => Ok(environment.text("AZ_MANAGED_IDENTITY")?.map(Identity::Managed)),
    }
}

fn ca_pem(environment: &Environment) -> Result<Option<Vec<u8>>, SettingsError> {
    let remedy = "set it to the Base64 of a PEM file with the certificates to trust";
    let Some(encoded) = environment.text("AZP_CA_PEM")? else { return Ok(None) };
    let encoded: String = encoded.split_whitespace().collect();
    match STANDARD.decode(encoded) {
        Ok(pem) if pem.windows(11).any(|window| window == b"-----BEGIN ") => Ok(Some(pem)),
        Ok(_) => Err(SettingsError::new("AZP_CA_PEM", "holds no certificate", remedy)),
        Err(_) => Err(SettingsError::new("AZP_CA_PEM", "is not Base64", remedy)),
    }
}

fn package(environment: &Environment) -> Result<Option<PackageSource>, SettingsError> {
    let sha256 = environment.text("AZP_AGENT_PACKAGE_SHA256")?.map(|hash| hash.to_ascii_lowercase());
    let well_formed = |hash: &String| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    if sha256.as_ref().is_some_and(|hash| !well_formed(hash)) {
        return Err(SettingsError::new(
            "AZP_AGENT_PACKAGE_SHA256",
            "is no SHA-256",
            "set it to the 64 hexadecimal digits that `sha256sum` prints for the package",
        ));
    }
    Ok(environment.text("AZP_AGENT_PACKAGE_URL")?.map(|url| PackageSource { url, sha256 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A token-mode environment with changes; an empty value takes a variable away.
    fn environment(changes: &[(&str, &str)]) -> Environment {
        let mut variables = vec![("AZP_URL", "https://dev.azure.com/contoso/"), ("AZP_TOKEN", "t0ken")];
        variables.extend(changes);
        Environment::of(variables)
    }

    fn read(changes: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::read(&environment(changes), "machine")
    }

    #[test]
    fn the_original_interface_has_its_defaults() {
        let settings = read(&[]).unwrap();
        assert_eq!(settings.organization, "https://dev.azure.com/contoso");
        let Registration::Token { pool, agent, work } = &settings.registration else {
            panic!("{:?}", settings.registration)
        };
        assert_eq!((pool.as_str(), agent.as_str(), work.as_str()), ("Default", "machine", "_work"));
        assert_eq!(settings.run_as, "agent");
        assert_eq!(settings.home, PathBuf::from("/azp"));
        let policy = settings.policy();
        assert_eq!(policy.idle, Duration::from_mins(15));
        assert!(policy.configure && policy.may_unregister);
        assert_eq!(policy.group, GroupEnd::None);
    }

    #[test]
    fn defect_03_without_a_cloud_it_is_the_public_one() {
        assert_eq!(read(&[]).unwrap().cloud, "AzureCloud");
        assert_eq!(read(&[("AZ_CLOUD", "AzureChinaCloud")]).unwrap().cloud, "AzureChinaCloud");
    }

    const GROUP: [(&str, &str); 3] = [("AZ_ACI_NAME", "n"), ("AZ_ACI_RG", "rg"), ("AZ_SUBSCRIPTION_ID", "s")];

    #[test]
    fn defect_06_a_managed_identity_is_read_and_deletes_the_group() {
        let mut changes = GROUP.to_vec();
        assert_eq!(read(&changes).unwrap().policy().group, GroupEnd::LeftToOthers);
        changes.push(("AZ_MANAGED_IDENTITY", "system"));
        let settings = read(&changes).unwrap();
        assert_eq!(settings.identity, Some(Identity::Managed("system".into())));
        assert_eq!(settings.policy().group, GroupEnd::DeletedByUs);
    }

    #[test]
    fn defect_06_a_windows_container_deletes_its_group_too() {
        let mut variables = vec![
            ("AZP_URL", "https://dev.azure.com/contoso"),
            ("AZP_TOKEN", "t0ken"),
            ("AZ_MANAGED_IDENTITY", "system"),
            ("IDENTITY_ENDPOINT", "http://169.254.128.1/token"),
            ("Identity_Header", "planted-header"),
        ];
        variables.extend(GROUP);
        let environment = Environment::on(System::Windows, variables);
        let settings = Settings::read_on(System::Windows, &environment, "machine").unwrap();
        assert_eq!(settings.policy().group, GroupEnd::DeletedByUs);
        assert_eq!(settings.home, PathBuf::from(r"C:\azp"));
        let header = Secret::new("planted-header");
        let address = "http://169.254.128.1/token".to_owned();
        assert!(settings.secrets().contains(&header), "it is masked");
        assert!(!format!("{settings:?}").contains("planted"));
        assert_eq!(settings.identity_endpoint, IdentityEndpoint::WindowsContainer { address, header });
        // What Linux images are told by these names is somebody else's.
        let unix = Settings::read_on(System::Unix, &environment, "machine").unwrap();
        assert_eq!(unix.identity_endpoint, IdentityEndpoint::Metadata(None));
    }

    #[test]
    fn what_is_wrong_is_named_with_a_remedy() {
        let cases: [(&[(&str, &str)], &str); 13] = [
            (&[("AZP_URL", "")], "AZP_URL is missing: set it to the organization's address"),
            (&[("AZP_URL", "contoso")], "AZP_URL is no address (contoso)"),
            (&[("AZP_TOKEN", "")], "AZP_TOKEN is missing: hand over a token"),
            (&[("AZP_IDLE_TIMEOUT", "soon")], "AZP_IDLE_TIMEOUT is no number of seconds (soon)"),
            (&[("AZP_IDLE_TIMEOUT", "0")], "AZP_IDLE_TIMEOUT is less than 1"),
            (&[("AZ_ACI_NAME", "n")], "AZ_ACI_RG is missing, and AZ_ACI_NAME is set"),
            (&[("AZ_SERVICE_PRINCIPAL", "c")], "AZ_SERVICE_PRINCIPAL_KEY is missing"),
            (&[("AZ_SERVICE_PRINCIPAL_KEY", "k")], "AZ_SERVICE_PRINCIPAL is missing"),
            (
                &[("AZ_SERVICE_PRINCIPAL_KEY", "k"), ("AZ_SERVICE_PRINCIPAL", "c")],
                "AZ_TENANT_ID is missing, and AZ_SERVICE_PRINCIPAL is set",
            ),
            (&[("AZP_CA_PEM", "?")], "AZP_CA_PEM is not Base64"),
            (&[("AZP_CA_PEM", "aGVsbG8=")], "AZP_CA_PEM holds no certificate"),
            (&[("AZP_AGENT_PACKAGE_SHA256", "abc")], "AZP_AGENT_PACKAGE_SHA256 is no SHA-256"),
            (&[("AZP_JIT_CONFIG", "e30=")], "AZP_JIT_CONFIG"),
        ];
        for (changes, expected) in cases {
            let error = read(changes).expect_err(expected).to_string();
            assert!(error.starts_with(expected), "{error}");
            assert!(
                error.split_once(": ").is_some_and(|(_, remedy)| remedy.len() > 10),
                "no remedy: {error}"
            );
        }
    }

    #[test]
    fn a_service_principal_has_a_key_or_a_certificate() {
        let proof = |more: &[(&str, &str)]| {
            let always = [("AZP_TOKEN", "t"), ("AZ_SERVICE_PRINCIPAL", "c"), ("AZ_TENANT_ID", "t")];
            let settings = read(&[&always, more].concat()).unwrap();
            assert_eq!(settings.secrets().len(), 2, "it is masked");
            match settings.identity {
                Some(Identity::ServicePrincipal { proof, .. }) => proof,
                other => panic!("{other:?}"),
            }
        };
        let certificate = ("AZ_SERVICE_PRINCIPAL_CERTIFICATE", "pem");
        assert_eq!(proof(&[certificate]), Proof::Certificate("pem".into()));
        assert_eq!(proof(&[certificate, ("AZ_SERVICE_PRINCIPAL_KEY", "k")]), Proof::Key("k".into()));
    }

    #[test]
    fn a_secret_is_in_no_debug_output() {
        let settings = read(&[
            ("AZP_TOKEN", "planted-token"),
            ("AZ_SERVICE_PRINCIPAL", "c"),
            ("AZ_SERVICE_PRINCIPAL_KEY", "planted-key"),
            ("AZ_TENANT_ID", "t"),
        ])
        .unwrap();
        assert!(!format!("{settings:?}").contains("planted"));
        assert_eq!(settings.secrets().len(), 2);
    }
}
