//! What a Node task finds in its environment (the contract of azure-pipelines-task-lib).

use std::collections::BTreeMap;

use super::message::{Endpoint, SYSTEM_CONNECTION};
use super::variables::{Variables, environment_name};
use crate::environment::Environment;

/// Adds inputs, service connections and variables.
pub(crate) fn add_task_contract(
    environment: &mut Environment,
    inputs: &BTreeMap<String, String>,
    endpoints: &[Endpoint],
    variables: &Variables,
) {
    for (name, value) in inputs {
        environment.set(format!("INPUT_{}", environment_name(name)), value.clone());
    }
    for endpoint in endpoints {
        add_endpoint(environment, endpoint);
    }
    let names = |names: Vec<&str>| serde_json::Value::from(names).to_string();
    environment.set("VSTS_PUBLIC_VARIABLES", names(variables.public().map(|(name, _)| name).collect()));
    environment.set("VSTS_SECRET_VARIABLES", names(variables.secret().map(|(name, _)| name).collect()));
    for (name, value) in variables.secret() {
        environment.set(format!("SECRET_{}", environment_name(name)), value);
    }
    if let Some(status) = variables.get("agent.jobstatus") {
        environment.set("agent.jobstatus", status);
    }
}

fn add_endpoint(environment: &mut Environment, endpoint: &Endpoint) {
    let id = endpoint.id.as_deref().filter(|id| !id.is_empty() && *id != uuid::Uuid::nil().to_string());
    let key = match id {
        Some(id) => id.to_owned(),
        None if endpoint.name.eq_ignore_ascii_case(SYSTEM_CONNECTION) => SYSTEM_CONNECTION.to_uppercase(),
        None => return,
    };
    environment.set(format!("ENDPOINT_URL_{key}"), endpoint.url.clone());
    if let Some(authorization) = &endpoint.authorization {
        // Two maps of texts: they cannot fail to serialize.
        let json = serde_json::to_string(authorization).unwrap_or_default();
        environment.set(format!("ENDPOINT_AUTH_{key}"), json);
        environment.set(format!("ENDPOINT_AUTH_SCHEME_{key}"), authorization.scheme.clone());
        for (name, value) in &authorization.parameters {
            let name = format!("ENDPOINT_AUTH_PARAMETER_{key}_{}", environment_name(name));
            environment.set(name, value.clone().unwrap_or_default());
        }
    }
    if id.is_some() {
        let json = serde_json::to_string(&endpoint.data).unwrap_or_default();
        environment.set(format!("ENDPOINT_DATA_{key}"), json);
        for (name, value) in &endpoint.data {
            let name = format!("ENDPOINT_DATA_{key}_{}", environment_name(name));
            environment.set(name, value.clone().unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract() {
        let endpoints: Vec<Endpoint> = serde_json::from_str(
            r#"[{"name":"SystemVssConnection","url":"https://h/","authorization":{"scheme":"OAuth","parameters":{"AccessToken":"jwt"}}},
                {"id":"e1","name":"arm","url":"https://m/","authorization":{"scheme":"ServicePrincipal","parameters":{"tenantid":"t"}},"data":{"subscriptionId":"s"}},
                {"name":"nobody","url":"https://n/"}]"#,
        )
        .unwrap();
        let mut variables = Variables::default();
        variables.set("Build.Reason", "Manual", false);
        variables.set("my.pass", "p", true);
        let mut environment = Environment::default();
        let inputs = [("azure Sub".to_owned(), "e1".to_owned())].into();
        add_task_contract(&mut environment, &inputs, &endpoints, &variables);
        for (name, value) in [
            ("INPUT_AZURE_SUB", "e1"),
            ("ENDPOINT_URL_SYSTEMVSSCONNECTION", "https://h/"),
            ("ENDPOINT_AUTH_SYSTEMVSSCONNECTION", r#"{"parameters":{"AccessToken":"jwt"},"scheme":"OAuth"}"#),
            ("ENDPOINT_AUTH_PARAMETER_SYSTEMVSSCONNECTION_ACCESSTOKEN", "jwt"),
            ("ENDPOINT_URL_e1", "https://m/"),
            ("ENDPOINT_AUTH_SCHEME_e1", "ServicePrincipal"),
            ("ENDPOINT_AUTH_PARAMETER_e1_TENANTID", "t"),
            ("ENDPOINT_DATA_e1_SUBSCRIPTIONID", "s"),
            ("VSTS_PUBLIC_VARIABLES", r#"["Build.Reason"]"#),
            ("VSTS_SECRET_VARIABLES", r#"["my.pass"]"#),
            ("SECRET_MY_PASS", "p"),
        ] {
            assert_eq!(environment.get(name), Some(value), "{name}");
        }
        assert!(environment.iter().all(|(_, value)| value != "https://n/"));
    }
}
