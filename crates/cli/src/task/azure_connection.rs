//! A service connection of the type Azure Resource Manager: which cloud, which subscription, as whom.
//!
//! Names of parts and schemes are those of azure-pipelines-tasks (azure-arm-common) and of the service endpoint type.

use redact::Secret;
use url::Url;

use super::contract::{Connection, OWN_CONNECTION, variable};
use crate::errors::Problem;
use crate::settings::AzureCredential;
use crate::settings::environment::Environment;

/// What such a connection says.
pub(super) struct AzureConnection {
    /// As `--cloud` takes it.
    pub(super) cloud: String,
    /// Id of the subscription; `None` where the connection is for something else.
    pub(super) subscription: Option<String>,
    /// As whom.
    pub(super) credential: AzureCredential,
}

/// What is wrong with a connection, without its input's name.
type Wrong = (String, String);

/// Reads a connection; `input` is what people see above it.
pub(super) fn read(environment: &Environment, id: &str, input: &str) -> Result<AzureConnection, Problem> {
    let connection = Connection::new(environment, id);
    let problem = |(what, remedy)| Problem { setting: input.to_owned(), what, remedy };
    let subscription = connection.data("subscriptionId").map(str::to_owned);
    let cloud = cloud(&connection).map_err(problem)?;
    let credential = credential(environment, &connection).map_err(problem)?;
    Ok(AzureConnection { cloud, subscription, credential })
}

/// As whom a connection works. The same parts make a connection of a registry in Azure.
pub(super) fn credential(
    environment: &Environment,
    connection: &Connection<'_>,
) -> Result<AzureCredential, Wrong> {
    match connection.scheme() {
        Some("ServicePrincipal") => service_principal(connection),
        Some("WorkloadIdentityFederation") => federated(environment, connection),
        Some("ManagedServiceIdentity") => {
            Ok(AzureCredential::ManagedIdentity(connection.data("msiClientId").map(str::to_owned)))
        }
        Some(other) => Err((
            format!("is a service connection of the scheme {other}, which this task does not know"),
            "use one with a service principal, workload identity federation or a managed identity".to_owned(),
        )),
        None => Err((
            "is a service connection that the agent did not hand over".to_owned(),
            "check that it exists, and that this pipeline may use it".to_owned(),
        )),
    }
}

fn service_principal(connection: &Connection<'_>) -> Result<AzureCredential, Wrong> {
    let (tenant, client) = (part(connection, "tenantid")?, part(connection, "serviceprincipalid")?);
    let certificate = connection
        .parameter("authenticationType")
        .is_some_and(|kind| kind.eq_ignore_ascii_case("spnCertificate"));
    if certificate {
        let pem = Secret::new(part(connection, "servicePrincipalCertificate")?);
        return Ok(AzureCredential::ClientCertificate { tenant, client, pem });
    }
    let secret = Secret::new(part(connection, "serviceprincipalkey")?);
    Ok(AzureCredential::ClientSecret { tenant, client, secret })
}

fn federated(environment: &Environment, connection: &Connection<'_>) -> Result<AzureCredential, Wrong> {
    let (tenant, client) = (part(connection, "tenantid")?, part(connection, "serviceprincipalid")?);
    let uri = variable(environment, "System.OidcRequestUri").and_then(|text| Url::parse(text).ok());
    let job_token = Connection::new(environment, OWN_CONNECTION).secret("AccessToken");
    match (uri, job_token) {
        (Some(request_uri), Some(job_token)) => Ok(AzureCredential::ServiceConnection {
            tenant,
            client,
            request_uri,
            connection: connection.id().to_owned(),
            job_token,
        }),
        _ => Err((
            "is a service connection with workload identity federation, for which this agent gives no tokens"
                .to_owned(),
            "update the agent that runs this task, or use a connection with a key".to_owned(),
        )),
    }
}

fn part(connection: &Connection<'_>, name: &str) -> Result<String, Wrong> {
    connection.parameter(name).map(str::to_owned).ok_or_else(|| {
        (
            format!("is a service connection without its part {name}"),
            "open it under Project settings, Service connections, and save it anew".to_owned(),
        )
    })
}

fn cloud(connection: &Connection<'_>) -> Result<String, Wrong> {
    let name = connection.data("environment").unwrap_or("AzureCloud");
    match name.to_lowercase().as_str() {
        "azurecloud" | "azureusgovernment" | "azurechinacloud" => Ok(name.to_owned()),
        "azuregermancloud" => Err((
            "is a service connection to Azure Germany, which was closed in 2021".to_owned(),
            "use a connection to another cloud".to_owned(),
        )),
        _ => connection.url().map(str::to_owned).ok_or_else(|| {
            (
                format!(
                    "is a service connection to the cloud {name}, without the URL of its Resource Manager"
                ),
                "open it under Project settings, Service connections, and give its server URL".to_owned(),
            )
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::{AzureConnection, read};
    use crate::settings::AzureCredential;
    use crate::settings::environment::Environment;

    const INPUT: &str = "Azure subscription (connectedServiceNameARM)";

    fn with(more: &[(&str, &str)]) -> Environment {
        let always = [
            ("ENDPOINT_URL_c", "https://management.local.azurestack.external/"),
            ("ENDPOINT_DATA_c_SUBSCRIPTIONID", "s"),
            ("ENDPOINT_AUTH_PARAMETER_c_TENANTID", "t"),
            ("ENDPOINT_AUTH_PARAMETER_c_SERVICEPRINCIPALID", "p"),
        ];
        Environment::of(&[&always, more].concat())
    }

    fn accepted(more: &[(&str, &str)]) -> AzureConnection {
        read(&with(more), "c", INPUT).map_err(|problem| problem.what).expect("accepted")
    }

    fn refused(more: &[(&str, &str)]) -> String {
        let problem = read(&with(more), "c", INPUT).err().expect("refused");
        format!("{}: {}; {}", problem.setting, problem.what, problem.remedy)
    }

    const KEY: [(&str, &str); 2] = [
        ("ENDPOINT_AUTH_SCHEME_c", "ServicePrincipal"),
        ("ENDPOINT_AUTH_PARAMETER_c_SERVICEPRINCIPALKEY", "k"),
    ];

    #[test]
    fn a_service_principal_with_a_key() {
        let AzureConnection { cloud, subscription, credential } = accepted(&KEY);
        assert_eq!((cloud.as_str(), subscription.as_deref()), ("AzureCloud", Some("s")));
        assert!(
            credential
                == AzureCredential::ClientSecret {
                    tenant: "t".into(),
                    client: "p".into(),
                    secret: "k".into()
                }
        );
    }

    #[test]
    fn a_service_principal_with_a_certificate() {
        let found = accepted(&[
            KEY[0],
            ("ENDPOINT_AUTH_PARAMETER_c_AUTHENTICATIONTYPE", "spnCertificate"),
            ("ENDPOINT_AUTH_PARAMETER_c_SERVICEPRINCIPALCERTIFICATE", "pem"),
        ]);
        assert!(
            matches!(found.credential, AzureCredential::ClientCertificate { pem, .. } if pem.expose() == "pem")
        );
    }

    #[test]
    fn workload_identity_federation() {
        let found = accepted(&[
            ("ENDPOINT_AUTH_SCHEME_c", "WorkloadIdentityFederation"),
            ("SYSTEM_OIDCREQUESTURI", "https://dev.azure.com/contoso/oidctoken"),
            ("ENDPOINT_AUTH_PARAMETER_SYSTEMVSSCONNECTION_ACCESSTOKEN", "job"),
        ]);
        let AzureCredential::ServiceConnection { request_uri, connection, job_token, .. } = found.credential
        else {
            panic!("another credential")
        };
        assert_eq!(request_uri.path(), "/contoso/oidctoken");
        assert_eq!((connection.as_str(), job_token.expose()), ("c", "job"));
    }

    #[test]
    fn a_managed_identity() {
        let scheme = ("ENDPOINT_AUTH_SCHEME_c", "ManagedServiceIdentity");
        assert!(accepted(&[scheme]).credential == AzureCredential::ManagedIdentity(None));
        let found = accepted(&[scheme, ("ENDPOINT_DATA_c_MSICLIENTID", "m")]);
        assert!(found.credential == AzureCredential::ManagedIdentity(Some("m".to_owned())));
    }

    #[test]
    fn clouds() {
        let cloud = |name| accepted(&[KEY[0], KEY[1], ("ENDPOINT_DATA_c_ENVIRONMENT", name)]).cloud;
        assert_eq!(cloud("AzureUSGovernment"), "AzureUSGovernment");
        assert_eq!(cloud("AzureChinaCloud"), "AzureChinaCloud");
        assert_eq!(cloud("AzureStack"), "https://management.local.azurestack.external/");
    }

    #[test]
    fn what_is_missing_or_unknown_is_said_with_the_input_and_the_part() {
        let scheme = |name| ("ENDPOINT_AUTH_SCHEME_c", name);
        let certificate = ("ENDPOINT_AUTH_PARAMETER_c_AUTHENTICATIONTYPE", "spnCertificate");
        let all = [
            refused(&[]),
            refused(&[scheme("ServicePrincipal")]),
            refused(&[scheme("ServicePrincipal"), certificate]),
            refused(&[scheme("ServicePrincipal"), ("ENDPOINT_AUTH_PARAMETER_c_TENANTID", "")]),
            refused(&[scheme("WorkloadIdentityFederation")]),
            refused(&[scheme("PublishProfile")]),
            refused(&[scheme("ServicePrincipal"), ("ENDPOINT_DATA_c_ENVIRONMENT", "AzureGermanCloud")]),
        ];
        insta::assert_snapshot!(all.join("\n"));
    }
}
