//! The only place that knows which client crate does what: the traits of `services`, implemented with them.

mod estate;
mod failures;
mod groups;
mod pools;
mod spec;
mod store;
mod surroundings;

use std::time::SystemTime;

use azure_http::identity::{
    self, IdentityId, METADATA_ENDPOINT, ServiceConnection, ServicePrincipal, TokenFile,
};
use azure_http::{Auth, Cloud, Credential, HttpError, Pipeline, PipelineOptions};
use lifecycle::Timestamp;
use redact::Secret;

pub(crate) use azure_resources::REGISTRY_TOKEN_USER;
pub(crate) use estate::LiveEstate;
pub(crate) use groups::AzureGroups;
pub(crate) use pools::DevOpsPools;
pub(crate) use store::AzureStore;
pub(crate) use surroundings::Surroundings;

use crate::errors::Failure;
use crate::services::Services;
use crate::settings::environment::Environment;
use crate::settings::{Azure, AzureCredential, DevOps, DevOpsCredential};

/// Where a managed identity is asked for, if not at the usual address.
const IDENTITY_ENDPOINT_VARIABLE: &str = "AZURE_POD_IDENTITY_AUTHORITY_HOST";

/// How we call ourselves.
const USER_AGENT: &str = concat!("ephemeral-agents/", env!("CARGO_PKG_VERSION"));

/// The real services.
pub(crate) struct Live {
    pipeline: Pipeline,
    pools: DevOpsPools,
    groups: AzureGroups,
}

impl Live {
    /// Makes the clients. Sends nothing, except to ask a custom cloud where its authority is.
    pub(crate) async fn connect(
        azure: &Azure,
        devops: &DevOps,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        Self::over(&Connection::open(azure, environment).await?, azure, devops)
    }

    fn over(connection: &Connection, azure: &Azure, devops: &DevOps) -> Result<Self, Failure> {
        Ok(Self {
            pipeline: connection.pipeline.clone(),
            pools: connection.pools(devops)?,
            groups: AzureGroups::new(connection, azure),
        })
    }
}

/// The machine's clock; one before 1970 is one at its beginning.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(since.as_secs())
}

impl Services for Live {
    type Pools = DevOpsPools;
    type Groups = AzureGroups;

    fn pools(&self) -> &DevOpsPools {
        &self.pools
    }

    fn groups(&self) -> &AzureGroups {
        &self.groups
    }

    fn now(&self) -> Timestamp {
        now()
    }

    fn random(&self) -> u64 {
        rand::random()
    }

    fn requests_sent(&self) -> u64 {
        self.pipeline.requests_sent()
    }
}

/// A pipeline, and who sends through it.
struct Connection {
    pipeline: Pipeline,
    cloud: Cloud,
    credential: Credential,
}

impl Connection {
    async fn open(azure: &Azure, environment: &Environment) -> Result<Self, Failure> {
        let failed = |error: HttpError| unusable("reach Azure", &error);
        let mut options = PipelineOptions::new(USER_AGENT);
        options.extra_ca_pem.extend(azure.extra_ca.clone());
        let pipeline = Pipeline::new(options).map_err(failed)?;
        let cloud = Cloud::discover(&pipeline, azure.cloud.as_str()).await.map_err(failed)?;
        let credential = credential(&pipeline, &cloud, &azure.credential, environment).map_err(failed)?;
        Ok(Self { pipeline, cloud, credential })
    }

    fn pools(&self, devops: &DevOps) -> Result<DevOpsPools, Failure> {
        let auth = match &devops.credential {
            DevOpsCredential::PersonalAccessToken(token) => Auth::Basic(token.clone()),
            DevOpsCredential::Bearer(token) => Auth::Bearer(token.clone()),
            DevOpsCredential::SameAsAzure => {
                let credential = self.credential.clone();
                Auth::Entra { credential, scope: identity::DEVOPS_SCOPE.to_owned() }
            }
        };
        DevOpsPools::new(self.pipeline.clone(), devops, auth)
            .map_err(|error| unusable("reach Azure DevOps", &error))
    }
}

impl DevOpsPools {
    /// For commands that need Azure DevOps alone.
    pub(crate) async fn connect(
        azure: &Azure,
        devops: &DevOps,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        Connection::open(azure, environment).await?.pools(devops)
    }
}

/// The body of a planned container group, secrets masked.
#[cfg(test)]
pub(crate) fn group_body(plan: &crate::provision::plan::GroupPlan, subscription: &str) -> serde_json::Value {
    spec::spec(plan, subscription).to_masked_json(&spec::all_tags(plan))
}

/// The password that a registry in Azure gives for somebody's token of Entra ID.
pub(crate) async fn registry_password(
    (cloud, who): (&str, &AzureCredential),
    (server, tenant): (&str, Option<&str>),
    environment: &Environment,
) -> Result<Secret, Failure> {
    let asked = async {
        let pipeline = Pipeline::new(PipelineOptions::new(USER_AGENT))?;
        let cloud = Cloud::discover(&pipeline, cloud).await?;
        let credential = credential(&pipeline, &cloud, who, environment)?;
        azure_resources::registry_token(&pipeline, &credential, server, tenant).await
    };
    asked.await.map_err(|error| unusable(&format!("log in to the registry {server}"), &error))
}

fn credential(
    pipeline: &Pipeline,
    cloud: &Cloud,
    chosen: &AzureCredential,
    environment: &Environment,
) -> Result<Credential, HttpError> {
    let principal = |tenant: &String, client: &String| ServicePrincipal {
        tenant: tenant.clone(),
        client: client.clone(),
    };
    match chosen {
        AzureCredential::ClientSecret { tenant, client, secret } => {
            identity::client_secret(pipeline, cloud, principal(tenant, client), secret.clone())
        }
        AzureCredential::ClientCertificate { tenant, client, pem } => {
            identity::client_certificate(pipeline, cloud, principal(tenant, client), pem)
        }
        AzureCredential::Federated { tenant, client, token_file } => {
            identity::federated(pipeline, cloud, principal(tenant, client), TokenFile(token_file.clone()))
        }
        AzureCredential::ServiceConnection { tenant, client, request_uri, connection, job_token } => {
            let connection = ServiceConnection {
                request_uri: request_uri.clone(),
                id: connection.clone(),
                job_token: job_token.clone(),
            };
            identity::service_connection(pipeline, cloud, principal(tenant, client), connection)
        }
        AzureCredential::ManagedIdentity(id) => {
            let id = id.as_deref().map_or(IdentityId::SystemAssigned, IdentityId::parse);
            let endpoint = environment.get(IDENTITY_ENDPOINT_VARIABLE).unwrap_or(METADATA_ENDPOINT);
            let endpoint = endpoint.parse().map_err(|error: url::ParseError| HttpError::Settings {
                what: format!("the managed identity endpoint in {IDENTITY_ENDPOINT_VARIABLE}"),
                detail: error.to_string(),
            })?;
            Ok(identity::managed_identity(pipeline, id, endpoint))
        }
        AzureCredential::AzureCli => {
            identity::azure_cli(environment.get("AZURE_TENANT_ID").map(str::to_owned))
        }
    }
}

fn unusable(doing: &str, error: &HttpError) -> Failure {
    Failure::Service { doing: doing.to_owned(), error: failures::from_http(error) }
}
