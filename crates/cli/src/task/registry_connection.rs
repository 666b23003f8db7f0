//! A service connection of the type Docker Registry.

use redact::Secret;

use super::azure_connection;
use super::contract::Connection;
use crate::errors::Problem;
use crate::settings::AzureCredential;
use crate::settings::environment::Environment;

/// How a registry is logged in to.
pub(super) enum RegistryConnection {
    /// With a user and a password.
    Password {
        /// The registry.
        server: String,
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A registry in Azure, which gives a token for somebody's token of Entra ID.
    Exchange {
        /// The registry.
        server: String,
        /// The tenant.
        tenant: Option<String>,
        /// Whose token.
        credential: AzureCredential,
    },
}

/// Reads a connection; `input` is what people see above it.
pub(super) fn read(environment: &Environment, id: &str, input: &str) -> Result<RegistryConnection, Problem> {
    let connection = Connection::new(environment, id);
    let problem = |(what, remedy): (String, String)| Problem { setting: input.to_owned(), what, remedy };
    let part = |names: &[&str]| {
        let value = names.iter().find_map(|name| connection.parameter(name));
        value.map(str::to_owned).ok_or_else(|| {
            problem((
                format!("is a service connection without its part {}", names[0]),
                "open it under Project settings, Service connections, and save it anew".to_owned(),
            ))
        })
    };
    let in_azure = connection.data("registrytype").is_some_and(|kind| kind.eq_ignore_ascii_case("ACR"));
    match connection.scheme() {
        // A connection to a registry in Azure holds a service principal, which the registry takes as a user.
        Some("ServicePrincipal") => Ok(RegistryConnection::Password {
            server: server_of(&part(&["loginServer", "registry"])?),
            user: part(&["serviceprincipalid"])?,
            password: Secret::new(part(&["serviceprincipalkey"])?),
        }),
        Some("UsernamePassword") if !in_azure => Ok(RegistryConnection::Password {
            server: server_of(&part(&["registry"])?),
            user: part(&["username"])?,
            password: Secret::new(part(&["password"])?),
        }),
        _ => {
            let credential = azure_connection::credential(environment, &connection).map_err(problem)?;
            Ok(RegistryConnection::Exchange {
                server: server_of(&part(&["loginServer", "registry"])?),
                tenant: connection.parameter("tenantid").map(str::to_owned),
                credential,
            })
        }
    }
}

/// The host of a registry's address: connections hold `https://index.docker.io/v1/` as well as `contoso.azurecr.io`.
fn server_of(address: &str) -> String {
    let host = address.split_once("://").map_or(address, |(_, rest)| rest);
    host.split('/').next().unwrap_or(host).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::{RegistryConnection, read};
    use crate::settings::environment::Environment;

    fn said(pairs: &[(&str, &str)]) -> String {
        match read(&Environment::of(pairs), "r", "Container registry (containerRegistry)") {
            Ok(RegistryConnection::Password { server, user, password }) => {
                format!("{user} with {} at {server}", password.expose())
            }
            Ok(RegistryConnection::Exchange { server, tenant, .. }) => {
                format!("exchange at {server} of {}", tenant.unwrap_or_default())
            }
            Err(problem) => format!("{}: {}; {}", problem.setting, problem.what, problem.remedy),
        }
    }

    #[test]
    fn every_sort_of_connection() {
        let azure = [
            ("ENDPOINT_DATA_r_REGISTRYTYPE", "ACR"),
            ("ENDPOINT_AUTH_PARAMETER_r_LOGINSERVER", "Contoso.azurecr.io"),
            ("ENDPOINT_AUTH_PARAMETER_r_TENANTID", "t"),
            ("ENDPOINT_AUTH_PARAMETER_r_SERVICEPRINCIPALID", "p"),
        ];
        let with = |more: &[(&str, &str)]| said(&[&azure, more].concat());
        let key = [
            ("ENDPOINT_AUTH_SCHEME_r", "ServicePrincipal"),
            ("ENDPOINT_AUTH_PARAMETER_r_SERVICEPRINCIPALKEY", "k"),
        ];
        assert_eq!(with(&key), "p with k at contoso.azurecr.io");
        let federated = [
            ("ENDPOINT_AUTH_SCHEME_r", "WorkloadIdentityFederation"),
            ("SYSTEM_OIDCREQUESTURI", "https://h/oidctoken"),
            ("ENDPOINT_AUTH_PARAMETER_SYSTEMVSSCONNECTION_ACCESSTOKEN", "job"),
        ];
        assert_eq!(with(&federated), "exchange at contoso.azurecr.io of t");
        let managed = [("ENDPOINT_AUTH_SCHEME_r", "ManagedServiceIdentity")];
        assert_eq!(with(&managed), "exchange at contoso.azurecr.io of t");
        let generic = [
            ("ENDPOINT_AUTH_SCHEME_r", "UsernamePassword"),
            ("ENDPOINT_AUTH_PARAMETER_r_REGISTRY", "https://index.docker.io/v1/"),
            ("ENDPOINT_AUTH_PARAMETER_r_USERNAME", "u"),
            ("ENDPOINT_AUTH_PARAMETER_r_PASSWORD", "w"),
        ];
        assert_eq!(said(&generic), "u with w at index.docker.io");
    }

    #[test]
    fn what_is_missing_is_said_with_the_input_and_the_part() {
        let generic = ("ENDPOINT_AUTH_SCHEME_r", "UsernamePassword");
        let server = ("ENDPOINT_AUTH_PARAMETER_r_REGISTRY", "registry.example");
        let all = [
            said(&[]),
            said(&[generic]),
            said(&[generic, server]),
            said(&[("ENDPOINT_AUTH_SCHEME_r", "ServicePrincipal")]),
            said(&[("ENDPOINT_AUTH_SCHEME_r", "Token")]),
        ];
        insta::assert_snapshot!(all.join("\n"));
    }
}
