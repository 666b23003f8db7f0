//! azure-pipelines-task-lib itself says what a task's environment means: it reads the same one as we do.
//!
//! `TASK_LIB` names its folder; `cargo xtask test` installs it.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Value, json};

use super::contract::{Connection, OWN_CONNECTION, input, is_on, secrets, variable};
use crate::settings::environment::Environment;

/// What the library answers, in its own calls.
const SCRIPT: &str = "
const tl = require(process.argv[1]);
const c = 'c1-é';
const connection = (id) => ({
  url: tl.getEndpointUrl(id, true),
  scheme: tl.getEndpointAuthorizationScheme(id, true),
  tenant: tl.getEndpointAuthorizationParameter(id, 'tenantid', true),
  certificate: tl.getEndpointAuthorizationParameter(id, 'servicePrincipalCertificate', true),
  token: tl.getEndpointAuthorizationParameter(id, 'AccessToken', true),
  subscription: tl.getEndpointDataParameter(id, 'subscriptionId', true),
  blank: tl.getEndpointDataParameter(id, 'with a blank', true),
});
const secret = tl.getVariables().filter((v) => v.secret).map((v) => v.value);
console.log('ANSWER' + JSON.stringify({
  inputs: Object.fromEntries(['imageName', 'location', 'CPU', 'tags', 'azureDevOpsToken', 'nothing'].map(
    (name) => [name, tl.getInput(name) ?? null])),
  on: Object.fromEntries(['waitForAgent', 'addSPNToContainer', 'useGlobalConfig', 'nothing'].map(
    (name) => [name, tl.getBoolInput(name)])),
  connections: { [c]: connection(c), SYSTEMVSSCONNECTION: connection('SYSTEMVSSCONNECTION') },
  oidc: tl.getVariable('System.OidcRequestUri'),
  secret,
}));
";

const VARIABLES: [(&str, &str); 19] = [
    ("INPUT_IMAGENAME", "agent:1"),
    ("INPUT_LOCATION", ""),
    ("INPUT_CPU", "2"),
    ("INPUT_TAGS", "a=1\nb=2"),
    ("INPUT_AZUREDEVOPSTOKEN", "pl4nted-pat"),
    ("INPUT_WAITFORAGENT", "TRUE"),
    ("INPUT_ADDSPNTOCONTAINER", "true"),
    ("INPUT_USEGLOBALCONFIG", "yes"),
    ("ENDPOINT_URL_c1-é", "https://management.azure.com/"),
    ("ENDPOINT_AUTH_SCHEME_c1-é", "ServicePrincipal"),
    ("ENDPOINT_AUTH_PARAMETER_c1-é_TENANTID", "tenant"),
    ("ENDPOINT_AUTH_PARAMETER_c1-é_SERVICEPRINCIPALCERTIFICATE", "-----BEGIN\nCERT-----"),
    ("ENDPOINT_DATA_c1-é_SUBSCRIPTIONID", "s"),
    ("ENDPOINT_DATA_c1-é_WITH A BLANK", "b"),
    ("ENDPOINT_AUTH_PARAMETER_SYSTEMVSSCONNECTION_ACCESSTOKEN", "pl4nted-job"),
    ("SYSTEM_OIDCREQUESTURI", "https://dev.azure.com/oidctoken"),
    ("VSTS_SECRET_VARIABLES", "[\"feed.password\"]"),
    ("VSTS_PUBLIC_VARIABLES", "[\"System.OidcRequestUri\"]"),
    ("SECRET_FEED_PASSWORD", "pl4nted-feed"),
];

fn ours(environment: &Environment) -> Value {
    let connection = |id| {
        let connection = Connection::new(environment, id);
        json!({
            "url": connection.url(), "scheme": connection.scheme(),
            "tenant": connection.parameter("tenantid"),
            "certificate": connection.parameter("servicePrincipalCertificate"),
            "token": connection.parameter("AccessToken"),
            "subscription": connection.data("subscriptionId"),
            "blank": connection.data("with a blank"),
        })
    };
    let inputs: BTreeMap<_, _> = ["imageName", "location", "CPU", "tags", "azureDevOpsToken", "nothing"]
        .map(|name| (name, input(environment, name)))
        .into();
    let on: BTreeMap<_, _> = ["waitForAgent", "addSPNToContainer", "useGlobalConfig", "nothing"]
        .map(|name| (name, is_on(environment, name)))
        .into();
    json!({
        "inputs": inputs, "on": on,
        "connections": {"c1-é": connection("c1-é"), OWN_CONNECTION: connection(OWN_CONNECTION)},
        "oidc": variable(environment, "System.OidcRequestUri"),
        "secret": ["pl4nted-feed"],
    })
}

/// What is absent is left out by one and null in the other.
fn without_nulls(value: &mut Value) {
    if let Value::Object(members) = value {
        members.retain(|_, member| !member.is_null());
        members.values_mut().for_each(without_nulls);
    }
}

#[test]
fn azure_pipelines_task_lib_reads_the_same() {
    // Without it, as for somebody who runs this test alone, there is nobody to ask.
    let Some(library) = std::env::var_os("TASK_LIB") else { return };
    let mut node = Command::new("node");
    node.args(["-e", SCRIPT, "--"]).arg(library).env_clear();
    node.envs(std::env::var_os("PATH").map(|path| ("PATH", path))).envs(VARIABLES);
    let output = node.output().expect("node");
    let text = String::from_utf8_lossy(&output.stdout);
    let answer = text.lines().find_map(|line| line.strip_prefix("ANSWER"));
    let answer = answer.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    let mut theirs: Value = serde_json::from_str(answer).expect("JSON");
    let environment = Environment::of(&VARIABLES);
    let mut ours = ours(&environment);
    without_nulls(&mut theirs);
    without_nulls(&mut ours);
    assert_eq!(ours, theirs);
    let known: Vec<_> = secrets(&environment).iter().map(|secret| secret.expose().to_owned()).collect();
    assert!(known.contains(&"pl4nted-feed".to_owned()), "{known:?}");
}
