//! What each input does: in the body of the container group, or in the settings that it is made from.

use lifecycle::{AgentName, Timestamp};
use redact::Secret;
use serde_json::{Value, json};

use super::read::{Task, read};
use super::wording;
use crate::arguments::Command;
use crate::fake;
use crate::provision::plan::{Circumstances, plan};
use crate::settings::environment::Environment;
use crate::settings::{self, ProvisionSettings};
use crate::wiring;

const SUBSCRIPTION: &str = "00000000-1111-2222-3333-444444444444";
const IDENTITY: &str =
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i";

/// The environment of a task whose inputs are right, and more.
fn environment(more: &[(&str, &str)]) -> Environment {
    let always = [
        ("TF_BUILD", "True"),
        ("BUILD_BUILDID", "4711"),
        ("SYSTEM_COLLECTIONURI", "https://dev.azure.com/contoso/"),
        ("ENDPOINT_AUTH_PARAMETER_SYSTEMVSSCONNECTION_ACCESSTOKEN", "pl4nted-job-token"),
        ("ENDPOINT_AUTH_SCHEME_c", "ServicePrincipal"),
        ("ENDPOINT_AUTH_PARAMETER_c_TENANTID", "tenant"),
        ("ENDPOINT_AUTH_PARAMETER_c_SERVICEPRINCIPALID", "client"),
        ("ENDPOINT_AUTH_PARAMETER_c_SERVICEPRINCIPALKEY", "pl4nted-key"),
        ("ENDPOINT_DATA_c_SUBSCRIPTIONID", SUBSCRIPTION),
        ("INPUT_CONNECTEDSERVICENAMEARM", "c"),
        ("INPUT_RESOURCEGROUPNAME", "agents"),
        ("INPUT_AGENTPOOL", "private"),
        ("INPUT_IMAGENAME", "contoso.azurecr.io/agent:1"),
        ("INPUT_ADDSPNTOCONTAINER", "true"),
        ("INPUT_AZUREDEVOPSTOKEN", "pl4nted-pat"),
    ];
    Environment::of(&[&always, more].concat())
}

fn task(environment: &Environment) -> Result<Task, String> {
    match read(environment) {
        Ok(Some(task)) => Ok(task),
        Ok(None) => Err("nothing to do".to_owned()),
        Err(failure) => Err(failure.message().to_string()),
    }
}

fn settings(more: &[(&str, &str)]) -> Result<ProvisionSettings, String> {
    let environment = environment(more);
    let task = task(&environment)?;
    let Command::Provision(arguments) = &task.arguments.command else { panic!("another command") };
    let environment = environment.with_credentials(task.credentials.clone());
    settings::provision(&task.arguments.global, arguments, &environment)
        .map_err(|failure| wording::text(&wording::failure(failure).message().to_string()))
}

fn refusal(more: &[(&str, &str)]) -> String {
    settings(more).err().expect("refused")
}

/// The body of the container group.
fn body(more: &[(&str, &str)]) -> Value {
    let settings = settings(more).expect("accepted");
    let configuration = Secret::new("pl4nted-configuration");
    let plan = plan(
        &settings,
        &Circumstances {
            name: &AgentName::new("agent4711-20261124000000-yypnqa").expect("valid"),
            pool: &fake::pool(),
            placement: &fake::placement(&settings),
            registered: Some((17, &configuration)),
            now: Timestamp(1_795_478_400),
        },
    );
    wiring::group_body(&plan, &settings.azure.subscription)
}

/// The value of a variable of the container.
fn variable(body: &Value, name: &str) -> Value {
    let variables = body["properties"]["containers"][0]["properties"]["environmentVariables"].as_array();
    let found = variables.into_iter().flatten().find(|variable| variable["name"] == name);
    found.map_or(Value::Null, |variable| {
        let secure = variable.get("secureValue").map(|value| json!({ "secure": value }));
        secure.unwrap_or_else(|| variable["value"].clone())
    })
}

#[test]
fn inputs_of_the_container_are_in_its_body() {
    let at = |input: &str, value: &str, pointer: &str| {
        let body = body(&[(input, value)]);
        body.pointer(pointer).cloned().unwrap_or(Value::Null)
    };
    let container = |path: &str| format!("/properties/containers/0/properties/{path}");
    let resources = container("resources/requests");
    for (input, value, pointer, expected) in [
        ("INPUT_IMAGENAME", "other.azurecr.io/a:2", container("image"), json!("other.azurecr.io/a:2")),
        ("INPUT_CPU", "2", format!("{resources}/cpu"), json!(2.0)),
        ("INPUT_MEMORY", "3.5", format!("{resources}/memoryInGB"), json!(3.5)),
        ("INPUT_OSTYPE", "Windows", "/properties/osType".to_owned(), json!("Windows")),
        ("INPUT_ZONE", "2", "/zones/0".to_owned(), json!("2")),
        ("INPUT_PRIORITY", "spot", "/properties/priority".to_owned(), json!("Spot")),
        ("INPUT_SKU", "confidential", "/properties/sku".to_owned(), json!("Confidential")),
        ("INPUT_TAGS", "owner=me\ncost=7", "/tags/cost".to_owned(), json!("7")),
        (
            "INPUT_DNSSERVERS",
            "10.0.0.4,10.0.0.5",
            "/properties/dnsConfig/nameServers/1".to_owned(),
            json!("10.0.0.5"),
        ),
        ("INPUT_IDENTITY", "system", "/identity/type".to_owned(), json!("SystemAssigned")),
        (
            "INPUT_REGISTRYIDENTITY",
            IDENTITY,
            "/properties/imageRegistryCredentials/0/identity".to_owned(),
            json!(IDENTITY),
        ),
    ] {
        assert_eq!(at(input, value, &pointer), expected, "{input}");
    }
}

#[test]
fn inputs_of_the_agent_are_in_its_environment() {
    let of = |more: &[(&str, &str)], name: &str| variable(&body(more), name);
    assert_eq!(of(&[("INPUT_IDLETIMEOUT", "60")], "AZP_IDLE_TIMEOUT"), "60");
    assert_eq!(of(&[("INPUT_MAXLIFETIME", "1000")], "AZP_MAX_LIFETIME"), "1000");
    assert_eq!(of(&[("INPUT_ENVIRONMENTVARIABLES", "A=1\nB=x=y")], "B"), "x=y");
    let secure = [("INPUT_SECUREENVIRONMENTVARIABLES", "FEED=pl4nted-feed\n")];
    assert_eq!(of(&secure, "FEED"), json!({"secure": "***"}));
    assert_eq!(of(&[], "AZP_JIT_CONFIG"), json!({"secure": "***"}));
    assert_eq!(of(&[("INPUT_REGISTRATION", "token")], "AZP_TOKEN"), json!({"secure": "***"}));
    assert_eq!(of(&[], "AZ_SERVICE_PRINCIPAL_KEY"), json!({"secure": "***"}));
    assert_eq!(of(&[("INPUT_ADDSPNTOCONTAINER", "false")], "AZ_SERVICE_PRINCIPAL_KEY"), Value::Null);
    assert_eq!(of(&[("INPUT_IDENTITY", "system")], "AZ_SERVICE_PRINCIPAL_KEY"), Value::Null);
    assert_eq!(of(&[("INPUT_IDENTITY", "system")], "AZ_MANAGED_IDENTITY"), "system");
    let file = tempfile::NamedTempFile::new().expect("a file").into_temp_path();
    std::fs::write(&file, "-----BEGIN CERTIFICATE-----\n").expect("written");
    let path = file.to_str().expect("text");
    assert_ne!(of(&[("INPUT_AGENTCAFILE", path)], "AZP_CA_PEM"), Value::Null);
}

#[test]
fn inputs_of_the_place() {
    let network =
        [("INPUT_VNETNAME", "v"), ("INPUT_SUBNETNAME", "s"), ("INPUT_VNETRESOURCEGROUPNAME", "networks")];
    let subnet = body(&network)["properties"]["subnetIds"][0]["id"].to_string();
    assert!(
        subnet.contains("/resourceGroups/networks/") && subnet.contains("/virtualNetworks/v/subnets/s"),
        "{subnet}"
    );
    assert_eq!(
        settings(&[("INPUT_LOCATION", "North Europe")]).expect("accepted").location.as_deref(),
        Some("northeurope")
    );
    assert_eq!(
        settings(&[("INPUT_RESOURCEGROUPNAME", "other")]).expect("accepted").azure.resource_group,
        "other"
    );
    assert_eq!(settings(&[]).expect("accepted").azure.subscription, SUBSCRIPTION);
    assert_eq!(settings(&[]).expect("accepted").devops.organization, "https://dev.azure.com/contoso");
}

#[test]
fn inputs_of_the_run() {
    let with = |more: &[(&str, &str)]| settings(more).expect("accepted");
    let seconds = |settings: &ProvisionSettings| settings.life.online_timeout.map(|time| time.as_secs());
    assert_eq!(seconds(&with(&[])), Some(240));
    assert_eq!(seconds(&with(&[("INPUT_TIMEOUTAGENTONLINE", "30")])), Some(30));
    assert_eq!(seconds(&with(&[("INPUT_WAITFORAGENT", "false")])), None);
    assert_eq!(with(&[("INPUT_AGENTCOUNT", "3")]).count, 3);
    assert_eq!(with(&[("INPUT_AGENTPOOL", "other")]).pool, "other");
    assert!(
        with(&[("INPUT_AGENTPREFIX", "deploy")]).name == settings::NameChoice::Prefix("deploy".to_owned())
    );
    let kept = |more: &[(&str, &str)]| with(more).life.keep_on_error.map(|time| time.as_secs());
    assert_eq!(kept(&[]), None);
    assert_eq!(kept(&[("INPUT_SKIPCONTAINERDELETIONONERROR", "true")]), Some(86_400));
    assert_eq!(kept(&[("INPUT_KEEPONERROR", "600")]), Some(600));
}

#[test]
fn the_jobs_own_token_stands_in_for_one() {
    let with = |token| settings(&[("INPUT_AZUREDEVOPSTOKEN", token)]).expect("accepted").devops.credential;
    let expected = settings::DevOpsCredential::PersonalAccessToken(Secret::new("pl4nted-pat"));
    assert!(with("pl4nted-pat") == expected);
    assert!(with("") == settings::DevOpsCredential::Bearer(Secret::new("pl4nted-job-token")));
    assert!(
        with("eyJx") == settings::DevOpsCredential::Bearer(Secret::new("eyJx")),
        "a JSON Web Token is a bearer"
    );
}

#[test]
fn a_registry_connection_logs_in() {
    let connection = [
        ("INPUT_CONTAINERREGISTRY", "r"),
        ("ENDPOINT_AUTH_SCHEME_r", "UsernamePassword"),
        ("ENDPOINT_AUTH_PARAMETER_r_REGISTRY", "https://registry.example"),
        ("ENDPOINT_AUTH_PARAMETER_r_USERNAME", "u"),
        ("ENDPOINT_AUTH_PARAMETER_r_PASSWORD", "pl4nted-password"),
        ("INPUT_IMAGENAME", "agent:1"),
    ];
    let body = body(&connection);
    let login = &body["properties"]["imageRegistryCredentials"][0];
    assert_eq!(login, &json!({"server": "registry.example", "username": "u", "password": "***"}));
    assert_eq!(body["properties"]["containers"][0]["properties"]["image"], "registry.example/agent:1");
}

#[test]
fn wrong_values_are_refused_with_the_label_of_their_input() {
    let all = [
        ("INPUT_AGENTPOOL", ""),
        ("INPUT_CONNECTEDSERVICENAMEARM", ""),
        ("INPUT_COMMAND", "destroy"),
        ("INPUT_RESOURCEGROUPNAME", "a/b"),
        ("INPUT_AGENTPREFIX", "Agent-1"),
        ("INPUT_AGENTCOUNT", "some"),
        ("INPUT_CPU", "many"),
        ("INPUT_MEMORY", "1.55"),
        ("INPUT_OSTYPE", "BeOS"),
        ("INPUT_SUBNETNAME", "alone"),
        ("INPUT_DNSSERVERS", "dns.example"),
        ("INPUT_TAGS", "no-value"),
        ("INPUT_ENVIRONMENTVARIABLES", "AZP_URL=x"),
        ("INPUT_SECUREENVIRONMENTVARIABLES", "GOOD=1\npl4nted"),
        ("INPUT_SECUREENVIRONMENTVARIABLES", "A=$(nobody)"),
        ("INPUT_AZUREDEVOPSTOKEN", "$(token)"),
        ("INPUT_TIMEOUTAGENTONLINE", "soon"),
        ("INPUT_IDLETIMEOUT", "0"),
        ("INPUT_KEEPONERROR", "0"),
        ("INPUT_IDENTITY", "mine"),
        ("INPUT_REGISTRYIDENTITY", "mine"),
        ("INPUT_AGENTCAFILE", "nowhere.pem"),
        ("ENDPOINT_DATA_c_SUBSCRIPTIONID", ""),
        ("ENDPOINT_AUTH_PARAMETER_c_SERVICEPRINCIPALKEY", ""),
    ];
    let said: Vec<_> = all.iter().map(|pair| refusal(&[*pair])).collect();
    assert!(!said.join("").contains("pl4nted"), "nothing secret is repeated");
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn what_surprises_is_said() {
    let notes = |more: &[(&str, &str)]| task(&environment(more)).expect("read").notes.join("; ");
    assert_eq!(notes(&[]), "");
    assert!(notes(&[("INPUT_USEGLOBALCONFIG", "true")]).contains("no effect"));
    let managed = ("ENDPOINT_AUTH_SCHEME_c", "ManagedServiceIdentity");
    assert!(notes(&[managed]).contains("condition: always()"));
    assert_eq!(notes(&[managed, ("INPUT_IDENTITY", "system")]), "");
    assert_eq!(notes(&[managed, ("INPUT_COMMAND", "remove"), ("INPUT_AGENTNAMES", "a")]), "");
}

#[test]
fn remove_takes_the_names_of_the_output() {
    let environment = |names| environment(&[("INPUT_COMMAND", "remove"), ("INPUT_AGENTNAMES", names)]);
    let task = task(&environment("a1,a2")).expect("read");
    let Command::Deprovision(arguments) = task.arguments.command else { panic!("another command") };
    assert_eq!(arguments.names, ["a1", "a2"]);
    assert_eq!(arguments.pool.as_deref(), Some("private"));
    assert!(matches!(read(&environment("")), Ok(None)), "the first job may have made none");
    assert!(read(&environment("$(agentNames)")).is_err());
}

#[test]
fn doctor_takes_what_create_takes_and_knows_its_pipeline() {
    let environment = environment(&[
        ("INPUT_COMMAND", "doctor"),
        ("SYSTEM_TEAMPROJECT", "sample"),
        ("SYSTEM_DEFINITIONID", "12"),
    ]);
    let task = task(&environment).expect("valid");
    let Command::Doctor(arguments) = &task.arguments.command else { panic!("another command") };
    let environment = environment.with_credentials(task.credentials.clone());
    let settings = settings::doctor(&task.arguments.global, arguments, &environment);
    let settings = settings.map_err(|failure| failure.message().to_string()).expect("valid");
    assert_eq!((settings.project.as_deref(), settings.pipeline), (Some("sample"), Some(12)));
    assert_eq!(settings.provision.pool, "private");
}

#[test]
fn reap_takes_several_pools_and_resource_groups() {
    let environment = environment(&[
        ("INPUT_COMMAND", "reap"),
        ("INPUT_RESOURCEGROUPNAME", "agents\nmore-agents"),
        ("INPUT_AGENTPOOL", "private\npublic"),
        ("INPUT_IMAGENAME", ""),
    ]);
    let task = task(&environment).expect("valid");
    let Command::Reap(arguments) = &task.arguments.command else { panic!("another command") };
    let environment = environment.with_credentials(task.credentials.clone());
    let settings = settings::reap(&task.arguments.global, arguments, &environment);
    let settings = settings.map_err(|failure| failure.message().to_string()).expect("valid");
    assert_eq!(settings.resource_groups, ["agents", "more-agents"]);
    assert_eq!(settings.pools, ["private", "public"]);
    assert_eq!((settings.every, settings.dry_run), (None, false));
    assert_eq!(settings.azure.subscription, SUBSCRIPTION);
    assert_eq!(task.notes, [""; 0]);
}
