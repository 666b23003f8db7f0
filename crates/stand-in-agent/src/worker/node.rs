//! What a Node task finds in its environment: the official agent's `Handler.cs` writes it, azure-pipelines-task-lib
//! reads it (`_loadData` in its internal.js, which takes inputs and secrets out of the environment before the task
//! runs).

use std::collections::BTreeMap;

use super::message::{Endpoint, Resources, SYSTEM_CONNECTION};
use super::variables::{Variables, environment_name};
use crate::environment::Environment;

/// What the environment of a task is made from.
pub(crate) struct Contract<'a> {
    pub(crate) inputs: &'a BTreeMap<String, String>,
    pub(crate) resources: &'a Resources,
    pub(crate) variables: &'a Variables,
    /// What an earlier attempt of the task set for itself.
    pub(crate) task_variables: &'a BTreeMap<String, String>,
}

/// Adds inputs, service connections, secure files and variables.
pub(crate) fn add_task_contract(environment: &mut Environment, contract: &Contract<'_>) {
    let Contract { inputs, resources, variables, task_variables } = contract;
    for (name, value) in *inputs {
        environment.set(format!("INPUT_{}", environment_name(name)), value.clone());
    }
    for endpoint in &resources.endpoints {
        add_endpoint(environment, endpoint);
    }
    for file in &resources.secure_files {
        environment.set(format!("SECUREFILE_NAME_{}", file.id), file.name.clone());
        environment.set(format!("SECUREFILE_TICKET_{}", file.id), file.ticket.clone());
    }
    let names = |names: Vec<&str>| serde_json::Value::from(names).to_string();
    environment.set("VSTS_PUBLIC_VARIABLES", names(variables.public().map(|(name, _)| name).collect()));
    environment.set("VSTS_SECRET_VARIABLES", names(variables.secret().map(|(name, _)| name).collect()));
    for (name, value) in variables.secret() {
        environment.set(format!("SECRET_{}", environment_name(name)), value);
    }
    for (name, value) in *task_variables {
        environment.set(format!("VSTS_TASKVARIABLE_{}", environment_name(name)), value.clone());
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
        let resources: Resources = serde_json::from_str(
            r#"{"endpoints":[{"name":"SystemVssConnection","url":"https://h/","authorization":{"scheme":"OAuth","parameters":{"AccessToken":"jwt"}}},
                {"id":"e1","name":"arm","url":"https://m/","authorization":{"scheme":"ServicePrincipal","parameters":{"tenantid":"t"}},"data":{"subscriptionId":"s"}},
                {"name":"nobody","url":"https://n/"}],
                "secureFiles":[{"id":"f1","name":"cert.pem","ticket":"t1"}]}"#,
        )
        .unwrap();
        let mut variables = Variables::default();
        variables.set("Build.Reason", "Manual", false);
        variables.set("my.pass", "p", true);
        let mut environment = Environment::default();
        let inputs = [("azure Sub".to_owned(), "e1".to_owned())].into();
        let task_variables = [("attempt.Id".to_owned(), "7".to_owned())].into();
        let contract = Contract {
            inputs: &inputs,
            resources: &resources,
            variables: &variables,
            task_variables: &task_variables,
        };
        add_task_contract(&mut environment, &contract);
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
            ("SECUREFILE_NAME_f1", "cert.pem"),
            ("SECUREFILE_TICKET_f1", "t1"),
            ("VSTS_TASKVARIABLE_ATTEMPT_ID", "7"),
        ] {
            assert_eq!(environment.get(name), Some(value), "{name}");
        }
        assert!(environment.iter().all(|(_, value)| value != "https://n/"));
        assert_eq!(environment.get("MY_PASS"), None, "a secret is nowhere but under its own prefix");
    }
}
