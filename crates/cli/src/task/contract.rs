//! What an agent tells a task: the environment as azure-pipelines-task-lib reads it.
//!
//! Inputs are `INPUT_NAME`, service connections `ENDPOINT_URL_id`, `ENDPOINT_AUTH_SCHEME_id`,
//! `ENDPOINT_AUTH_PARAMETER_id_NAME` and `ENDPOINT_DATA_id_NAME`, secret variables `SECRET_NAME`, where NAME is in
//! upper case, of inputs and variables with underscores for dots and blanks. A test holds it against the library.

use redact::Secret;

use crate::settings::environment::Environment;

/// The connection by which a job talks to its own organization.
pub(super) const OWN_CONNECTION: &str = "SYSTEMVSSCONNECTION";

/// Parameters of connections that are secrets. The others are names and ids, which messages may show.
const SECRET_PARAMETERS: [&str; 6] =
    ["ACCESSTOKEN", "APITOKEN", "PASSWORD", "SERVICEPRINCIPALCERTIFICATE", "SERVICEPRINCIPALKEY", "IDTOKEN"];

fn key(name: &str) -> String {
    name.to_uppercase().replace(['.', ' '], "_")
}

/// An input, without blanks around it; one that is empty counts as not given.
pub(super) fn input<'a>(environment: &'a Environment, name: &str) -> Option<&'a str> {
    environment.get(&format!("INPUT_{}", key(name))).map(str::trim).filter(|value| !value.is_empty())
}

/// Whether an input is switched on: `true` in any case, as the library has it.
pub(super) fn is_on(environment: &Environment, name: &str) -> bool {
    input(environment, name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// A variable of the pipeline that is no secret.
pub(super) fn variable<'a>(environment: &'a Environment, name: &str) -> Option<&'a str> {
    environment.get(&key(name))
}

/// A service connection, as far as the environment tells.
pub(super) struct Connection<'a> {
    environment: &'a Environment,
    id: &'a str,
}

impl<'a> Connection<'a> {
    /// The one of that id.
    pub(super) fn new(environment: &'a Environment, id: &'a str) -> Self {
        Self { environment, id }
    }

    /// Its id.
    pub(super) fn id(&self) -> &'a str {
        self.id
    }

    /// Its address.
    pub(super) fn url(&self) -> Option<&'a str> {
        self.environment.get(&format!("ENDPOINT_URL_{}", self.id))
    }

    /// How it authenticates.
    pub(super) fn scheme(&self) -> Option<&'a str> {
        self.environment.get(&format!("ENDPOINT_AUTH_SCHEME_{}", self.id))
    }

    /// A part of how it authenticates.
    pub(super) fn parameter(&self, name: &str) -> Option<&'a str> {
        self.environment.get(&format!("ENDPOINT_AUTH_PARAMETER_{}_{}", self.id, name.to_uppercase()))
    }

    /// A part of how it authenticates that is a secret.
    pub(super) fn secret(&self, name: &str) -> Option<Secret> {
        self.parameter(name).map(Secret::new)
    }

    /// What else it says of itself.
    pub(super) fn data(&self, name: &str) -> Option<&'a str> {
        self.environment.get(&format!("ENDPOINT_DATA_{}_{}", self.id, name.to_uppercase()))
    }
}

/// Every secret that the agent handed over: to be masked before anything is printed.
pub(crate) fn secrets(environment: &Environment) -> Vec<Secret> {
    let variables = environment.beginning_with("SECRET_").map(|(_, value)| value);
    let parameters = environment.beginning_with("ENDPOINT_AUTH_PARAMETER_").filter_map(|(name, value)| {
        let parameter = name.rsplit('_').next().unwrap_or_default();
        SECRET_PARAMETERS.contains(&parameter).then_some(value)
    });
    variables.chain(parameters).map(Secret::new).filter(|secret| !secret.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::{Connection, input, is_on, secrets, variable};
    use crate::settings::environment::Environment;

    fn environment() -> Environment {
        Environment::from([
            ("INPUT_IMAGENAME", " agent:1 "),
            ("INPUT_LOCATION", " "),
            ("INPUT_WAITFORAGENT", "TRUE"),
            ("SYSTEM_OIDCREQUESTURI", "https://h/oidctoken"),
            ("ENDPOINT_URL_c1", "https://management.azure.com/"),
            ("ENDPOINT_AUTH_SCHEME_c1", "ServicePrincipal"),
            ("ENDPOINT_AUTH_PARAMETER_c1_TENANTID", "t"),
            ("ENDPOINT_AUTH_PARAMETER_c1_SERVICEPRINCIPALKEY", "pl4nted-key"),
            ("ENDPOINT_AUTH_PARAMETER_SYSTEMVSSCONNECTION_ACCESSTOKEN", "pl4nted-token"),
            ("ENDPOINT_DATA_c1_SUBSCRIPTIONID", "s"),
            ("SECRET_FEED_PASSWORD", "pl4nted-variable"),
        ])
    }

    #[test]
    fn inputs_and_variables() {
        let environment = environment();
        assert_eq!(input(&environment, "imageName"), Some("agent:1"));
        assert_eq!(input(&environment, "location"), None);
        assert!(is_on(&environment, "waitForAgent") && !is_on(&environment, "useGlobalConfig"));
        assert_eq!(variable(&environment, "System.OidcRequestUri"), Some("https://h/oidctoken"));
    }

    #[test]
    fn connections() {
        let environment = environment();
        let connection = Connection::new(&environment, "c1");
        assert_eq!(connection.url(), Some("https://management.azure.com/"));
        assert_eq!(connection.scheme(), Some("ServicePrincipal"));
        assert_eq!(connection.parameter("tenantid"), Some("t"));
        assert_eq!(connection.data("subscriptionId"), Some("s"));
        assert_eq!(Connection::new(&environment, "c2").scheme(), None, "not handed to this task");
    }

    #[test]
    fn what_is_secret_is_known_as_such_and_ids_are_not() {
        let environment = environment();
        let mut found: Vec<_> =
            secrets(&environment).iter().map(|secret| secret.expose().to_owned()).collect();
        found.sort();
        assert_eq!(found, ["pl4nted-key", "pl4nted-token", "pl4nted-variable"]);
    }
}
