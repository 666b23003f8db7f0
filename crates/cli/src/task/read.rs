//! From the environment of a task to the command line that does the same, and what does not belong on one.

use std::collections::BTreeMap;
use std::ffi::OsString;

use redact::Secret;

use super::azure_connection::{self, AzureConnection};
use super::contract::{Connection, OWN_CONNECTION, input, is_on, variable};
use super::inputs::{self, in_words};
use super::registry_connection::{self, RegistryConnection};
use super::wording;
use crate::arguments::Arguments;
use crate::errors::{Failure, Problem};
use crate::settings::environment::{Credentials, Environment};
use crate::settings::layers::{self, Given, Refusal, undefined_macro};
use crate::settings::{AzureCredential, DevOpsCredential, devops_token};
use crate::wiring::REGISTRY_TOKEN_USER;

/// Azure connection of the task.
const AZURE: &str = "connectedServiceNameARM";
/// Registry connection of the task.
const REGISTRY: &str = "containerRegistry";

/// What a task is to do.
pub(super) struct Task {
    /// The same as a command line.
    pub(super) arguments: Arguments,
    /// What it was given that does not belong on a command line.
    pub(super) credentials: Credentials,
    /// A registry that gives a password only when it is asked.
    pub(super) exchange: Option<Exchange>,
    /// What its user should know.
    pub(super) notes: Vec<&'static str>,
}

/// A registry that gives a token for a token of Entra ID.
pub(super) struct Exchange {
    /// The registry.
    pub(super) server: String,
    /// The tenant.
    pub(super) tenant: Option<String>,
    /// As whom.
    pub(super) credential: AzureCredential,
}

/// What the inputs say that is no option of its own.
struct Translated {
    azure: AzureConnection,
    registry: Option<(String, String)>,
    secure_names: Vec<String>,
}

/// Reads inputs and service connections; `None` where there is nothing to do.
pub(super) fn read(environment: &Environment) -> Result<Option<Task>, Failure> {
    let mut typed = vec!["ephemeral-agents".to_owned()];
    match input(environment, "command").unwrap_or("create") {
        "create" => typed.push("provision".to_owned()),
        "remove" => {
            let names = names(environment)?;
            if names.is_empty() {
                return Ok(None);
            }
            typed.push("deprovision".to_owned());
            typed.extend(names);
        }
        "reap" => typed.push("reap".to_owned()),
        "doctor" => typed.push("doctor".to_owned()),
        other => {
            let remedy = "choose create, remove, reap or doctor";
            return Err(refused("command", format!("is {other:?}"), remedy));
        }
    }
    let azure = azure(environment)?;
    let (registry, registry_password, exchange) = registry(environment)?;
    let secure_environment = secure_environment(environment)?;
    let notes = notes(environment, &azure);
    let credentials = Credentials {
        azure: azure.credential.clone(),
        devops: devops(environment)?,
        registry_password,
        secure_environment,
    };
    let secure_names = credentials.secure_environment.keys().cloned().collect();
    let translated = Translated { azure, registry, secure_names };
    let typed = typed.into_iter().map(OsString::from).collect();
    let arguments = layers::read_over(typed, |option, list| given(environment, &translated, option, list))
        .map_err(refusal)?;
    Ok(Some(Task { arguments, credentials, exchange, notes }))
}

/// All that clap may refuse came from inputs: what was typed is ours.
fn refusal(refusal: Refusal) -> Failure {
    match refusal {
        Refusal::Layers(failure) => wording::failure(failure),
        Refusal::Usage(error) => Failure::Internal(error.to_string()),
    }
}

fn refused(name: &str, what: impl Into<String>, remedy: &str) -> Failure {
    Failure::Settings(vec![Problem { setting: in_words(name), what: what.into(), remedy: remedy.to_owned() }])
}

/// What is said of an option, by an input of the same meaning or by others.
fn given(
    environment: &Environment,
    translated: &Translated,
    option: &str,
    list: bool,
) -> Result<Option<Given>, Failure> {
    let of = |name: &str, value: String| Ok(Some((format!("the input {name}"), vec![value])));
    let registry = translated.registry.as_ref();
    match option {
        "cloud" => of(AZURE, translated.azure.cloud.clone()),
        "subscription" => match &translated.azure.subscription {
            Some(id) => of(AZURE, id.clone()),
            None => Err(refused(
                AZURE,
                "is a service connection that is not for a subscription",
                "use a connection whose scope level is a subscription",
            )),
        },
        "organization-url" => match variable(environment, "System.CollectionUri") {
            Some(url) => of("System.CollectionUri", url.to_owned()),
            None => Ok(None),
        },
        "project" | "pipeline-id" => {
            let name = if option == "project" { "System.TeamProject" } else { "System.DefinitionId" };
            let value = variable(environment, name).map(|value| vec![value.to_owned()]);
            Ok(value.map(|value| (name.to_owned(), value)))
        }
        "registry" | "registry-user" => match registry {
            Some((server, user)) => of(REGISTRY, if option == "registry" { server } else { user }.clone()),
            None => Ok(None),
        },
        "secure-env" if !translated.secure_names.is_empty() => {
            Ok(Some(("the input secureEnvironmentVariables".to_owned(), translated.secure_names.clone())))
        }
        "timeout-agent-online" if is_off(environment, "waitForAgent") => of("waitForAgent", "0".to_owned()),
        "take-down"
            if is_off(environment, "addSPNToContainer") && input(environment, "identity").is_none() =>
        {
            of("addSPNToContainer", "outside".to_owned())
        }
        "keep-on-error" => {
            let keeps = is_on(environment, "skipContainerDeletionOnError")
                || input(environment, "keepOnError").is_some();
            of("skipContainerDeletionOnError", keeps.to_string())
        }
        option => inputs::given(environment, option, list).map_err(wording::failure),
    }
}

/// Whether an input was given, and not as `true`.
fn is_off(environment: &Environment, name: &str) -> bool {
    input(environment, name).is_some() && !is_on(environment, name)
}

fn azure(environment: &Environment) -> Result<AzureConnection, Failure> {
    let Some(id) = input(environment, AZURE) else {
        return Err(refused(AZURE, "is missing", "choose a service connection"));
    };
    azure_connection::read(environment, id, &in_words(AZURE))
        .map_err(|problem| Failure::Settings(vec![problem]))
}

/// Server and user, the password or how to get one.
type Registry = (Option<(String, String)>, Option<Secret>, Option<Exchange>);

fn registry(environment: &Environment) -> Result<Registry, Failure> {
    let Some(id) = input(environment, REGISTRY) else { return Ok((None, None, None)) };
    if input(environment, "registryIdentity").is_some() {
        return Err(refused(
            "registryIdentity",
            "is given together with containerRegistry",
            "give one of them",
        ));
    }
    let read = registry_connection::read(environment, id, &in_words(REGISTRY));
    Ok(match read.map_err(|problem| Failure::Settings(vec![problem]))? {
        RegistryConnection::Password { server, user, password } => {
            (Some((server, user)), Some(password), None)
        }
        RegistryConnection::Exchange { server, tenant, credential } => {
            let login = (server.clone(), REGISTRY_TOKEN_USER.to_owned());
            (Some(login), None, Some(Exchange { server, tenant, credential }))
        }
    })
}

/// The token of the input, or else the job's own.
fn devops(environment: &Environment) -> Result<DevOpsCredential, Failure> {
    const TOKEN: &str = "azureDevOpsToken";
    if let Some(token) = input(environment, TOKEN) {
        if let Some(problem) = undefined_macro(&in_words(TOKEN), token) {
            return Err(Failure::Settings(vec![problem]));
        }
        return Ok(devops_token(Secret::new(token)));
    }
    match Connection::new(environment, OWN_CONNECTION).secret("AccessToken") {
        Some(token) => Ok(DevOpsCredential::Bearer(token)),
        None => Err(refused(TOKEN, "is missing, and the job has no token of its own", "fill it in")),
    }
}

/// Names and values. A line that is wrong is not repeated: it may hold a secret all the same.
fn secure_environment(environment: &Environment) -> Result<BTreeMap<String, Secret>, Failure> {
    const NAME: &str = "secureEnvironmentVariables";
    let mut variables = BTreeMap::new();
    for (index, line) in input(environment, NAME).unwrap_or_default().lines().enumerate() {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let wrong =
            |what: &str, remedy: &str| refused(NAME, format!("has in line {} {what}", index + 1), remedy);
        let Some((name, value)) = line.split_once('=') else {
            return Err(wrong("no equals sign", "write each line as NAME=value"));
        };
        if undefined_macro(name, value).is_some() {
            return Err(wrong(
                "a pipeline variable that is not defined",
                "define it in the pipeline, or remove the line",
            ));
        }
        variables.insert(name.trim().to_owned(), Secret::new(value));
    }
    Ok(variables)
}

fn names(environment: &Environment) -> Result<Vec<String>, Failure> {
    const NAMES: &str = "agentNames";
    let Some(text) = input(environment, NAMES) else { return Ok(Vec::new()) };
    match undefined_macro(&in_words(NAMES), text) {
        Some(problem) => Err(Failure::Settings(vec![problem])),
        None => Ok(inputs::entries(text, &[',', '\n', ' '])),
    }
}

/// What surprises who does not know it.
fn notes(environment: &Environment, azure: &AzureConnection) -> Vec<&'static str> {
    let mut notes = Vec::new();
    if is_on(environment, "useGlobalConfig") {
        notes.push("useGlobalConfig has no effect: this task needs no Azure CLI");
    }
    let creates = input(environment, "command").unwrap_or("create") == "create";
    let hands_over = matches!(
        azure.credential,
        AzureCredential::ClientSecret { .. } | AzureCredential::ClientCertificate { .. }
    );
    let wants_to = is_on(environment, "addSPNToContainer") && input(environment, "identity").is_none();
    if creates && wants_to && !hands_over {
        notes.push(
            "this service connection has no key or certificate that the container could delete itself with: take the agent down with \
             the command remove in a last job with condition: always(), or give an identity",
        );
    }
    notes
}
