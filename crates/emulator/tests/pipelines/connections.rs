//! Service connections: what they need, and what a task on a hosted agent can do with each.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::Person;
use crate::vsix::{extension, task};

const PIPELINE: &str = "steps: [{checkout: none}, {task: Greeter@1, inputs: {azureSubscription: prod}}]";

/// What the task knows of its connection, and a call that shows no certificate it does not trust.
const PRELUDE: &str = "
    const e = process.env, id = e.INPUT_CONNECTEDSERVICENAMEARM;
    const parameter = (name) => e[`ENDPOINT_AUTH_PARAMETER_${id}_${name}`];
    const cloud = e[`ENDPOINT_DATA_${id}_ENVIRONMENTURL`].replace(/\\/$/, '');
    const claims = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
    const show = (text) => console.log(text);";

/// An emulator in which the extension is installed, with this script as its task.
async fn with_task(script: &str) -> Person {
    let person = Person::start().await;
    let script = format!("{PRELUDE}\n(async () => {{{script}}})();");
    let package = extension("1.0.0", &task((1, 0, 0)), &script);
    person.install(package.bytes()).await.expect("installed");
    person
}

/// A connection to the emulator's own cloud.
fn connection(person: &Person, scheme: &str, parameters: Value) -> Value {
    let mut parameters = parameters;
    let (tenant, subscription) =
        person.running.emulator.read(|state| (state.world.tenant, state.world.subscription));
    parameters["tenantid"] = json!(tenant);
    json!({
        "type": "azurerm", "scheme": scheme, "parameters": parameters,
        "data": {
            "environment": "AzureStack", "environmentUrl": format!("{}/", person.running.emulator.url),
            "subscriptionId": subscription, "subscriptionName": "Sample", "scopeLevel": "Subscription",
        },
    })
}

/// Runs the pipeline to its end, and gives what it printed.
async fn run(person: &Person) -> String {
    let run = person.run(PIPELINE).await;
    assert_eq!(person.result(run).await, "succeeded", "{}", person.logs(run).await);
    person.logs(run).await
}

#[tokio::test]
async fn a_connection_is_shown_without_what_is_confidential() {
    let person = Person::start_with(None).await;
    let key = json!({"serviceprincipalid": "app", "serviceprincipalkey": "planted-5ecret"});
    person.connect("prod", connection(&person, "ServicePrincipal", key)).await.expect("a connection");
    let all = person.get("serviceendpoint/endpoints?type=azurerm&authSchemes=ServicePrincipal").await;
    let shown = &all["value"][0];
    assert!(!all.to_string().contains("planted-5ecret"), "{all}");
    assert_eq!(shown["authorization"]["parameters"]["serviceprincipalid"], "app");
    let one =
        person.get(&format!("serviceendpoint/endpoints/{}", shown["id"].as_str().expect("an id"))).await;
    assert_eq!(one, *shown);
    for (query, count) in [("endpointNames=PROD,other", 1), ("endpointIds=other", 0), ("type=generic", 0)] {
        assert_eq!(
            person.get(&format!("serviceendpoint/endpoints?{query}")).await["count"],
            count,
            "{query}"
        );
    }
    assert_eq!(
        person.get("serviceendpoint/endpoints/00000000-0000-0000-0000-000000000001").await,
        Value::Null
    );
}

/// Asks for a token of the job, shows whom it is about, and takes it to Entra ID.
const FEDERATED: &str = "
    const uri = `${e.SYSTEM_OIDCREQUESTURI}?api-version=7.1&serviceConnectionId=${id}`;
    const bearer = e.ENDPOINT_AUTH_PARAMETER_SYSTEMVSSCONNECTION_ACCESSTOKEN;
    const asked = await fetch(uri, { method: 'POST', headers: {
        Authorization: `Bearer ${bearer}`, 'Content-Type': 'application/json' } });
    const { oidcToken } = await asked.json();
    const { sub, aud, exp, iat } = claims(oidcToken);
    show(`about ${sub} for ${aud}, good for ${exp - iat} s`);
    const form = new URLSearchParams({ grant_type: 'client_credentials', client_id: parameter('SERVICEPRINCIPALID'),
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: oidcToken, scope: `${cloud}/.default` });
    const answer = await fetch(`${cloud}/${parameter('TENANTID')}/oauth2/v2.0/token`, { method: 'POST', body: form });
    const body = await answer.json();
    show(`Entra ID: ${answer.status} ${(body.error_description || 'a token').split(':')[0]}`);";

#[tokio::test]
async fn a_federated_connection_needs_the_credential_that_names_it() {
    let person = with_task(FEDERATED).await;
    let client = person.running.emulator.read(|state| state.world.client_id);
    let federated = connection(&person, "WorkloadIdentityFederation", json!({"serviceprincipalid": client}));
    let made = person.connect("prod", federated).await.expect("made");
    assert_eq!(made["workloadIdentityFederationSubject"], "sc://contoso/sample/prod");
    let log = run(&person).await;
    assert!(
        log.contains("about sc://contoso/sample/prod for api://AzureADTokenExchange, good for 600 s"),
        "{log}"
    );
    assert!(log.contains("Entra ID: 401 AADSTS700211"), "nobody trusts the issuer yet: {log}");
    let trust = async |subject: &Value| {
        let credential = json!({"issuer": made["workloadIdentityFederationIssuer"], "subject": subject});
        let (status, body) =
            person.put("apps/provisioner", json!({"federated_credentials": [credential]})).await;
        assert!(status.is_success(), "{body}");
    };
    trust(&json!("sc://contoso/sample/other")).await;
    assert!(run(&person).await.contains("Entra ID: 401 AADSTS700213"), "another connection is trusted");
    trust(&made["workloadIdentityFederationSubject"]).await;
    assert!(run(&person).await.contains("Entra ID: 200 a token"));
}

#[tokio::test]
async fn a_connection_with_a_key_of_its_own_gets_no_federated_token() {
    let script = "
        const uri = `${e.SYSTEM_OIDCREQUESTURI}?api-version=7.1&serviceConnectionId=${id}`;
        const asked = await fetch(uri, { method: 'POST', headers: {
            Authorization: `Bearer ${e.ENDPOINT_AUTH_PARAMETER_SYSTEMVSSCONNECTION_ACCESSTOKEN}` } });
        show(`asked: ${asked.status}, key ${parameter('SERVICEPRINCIPALKEY')}`);";
    let person = with_task(script).await;
    let with_key = json!({"serviceprincipalid": "c", "serviceprincipalkey": "planted-key"});
    let with_key = connection(&person, "ServicePrincipal", with_key);
    person.connect("prod", with_key).await.expect("made");
    let log = run(&person).await;
    assert!(log.contains("asked: 400, key ***") && !log.contains("planted-key"), "{log}");
    assert!(!person.state().await.contains("planted-key"));
}

#[tokio::test]
async fn the_machine_of_hosted_agents_can_have_an_identity() {
    let script = "
        const host = e.AZURE_POD_IDENTITY_AUTHORITY_HOST;
        if (!host) return show('no identity here');
        const query = `api-version=2018-02-01&resource=${encodeURIComponent(cloud)}`;
        const answer = await fetch(`${host}/metadata/identity/oauth2/token?${query}`, { headers: { Metadata: 'true' } });
        const body = await answer.json();
        show(`identity ${answer.status} ${body.client_id} ${claims(body.access_token).xms_mirid}`);";
    let person = with_task(script).await;
    let machine = connection(&person, "ManagedServiceIdentity", json!({}));
    person.connect("prod", machine).await.expect("made");
    assert!(run(&person).await.contains("no identity here"), "agents that Microsoft hosts have none");
    let id = person.make_identity("builders").await;
    let (status, body) = person.put("hosted-agents/identities", json!({"identities": [id]})).await;
    assert!(status.is_success(), "{body}");
    let client = body["identities"][0]["clientId"].as_str().expect("a client id");
    let log = run(&person).await;
    assert!(log.contains(&format!("identity 200 {client} {id}")), "{log}");
    let missing = person.put("hosted-agents/identities", json!({"identities": ["/subscriptions/x"]})).await;
    assert_eq!(missing.0.as_u16(), 400, "{}", missing.1);
}

#[tokio::test]
async fn a_connection_that_lacks_something_is_refused_by_the_name_of_it() {
    let person = with_task("show('ran')").await;
    let lacking = connection(&person, "ServicePrincipal", json!({"serviceprincipalid": "c"}));
    let refused = person.connect("prod", lacking).await.expect_err("no key");
    assert_eq!(
        refused,
        "the service connection \"prod\" was not made: parameters.serviceprincipalkey is missing"
    );
    let refused = person.try_run(json!({ "yaml": PIPELINE }), json!({})).await.expect_err("no connection");
    assert!(
        refused
            .contains("input azureSubscription references service connection prod which could not be found"),
        "{refused}"
    );
}

/// Resource Manager takes a token of the organization's app; the person makes the identity with it.
impl Person {
    async fn make_identity(&self, name: &str) -> String {
        let (tenant, subscription, client, secret) = self.running.emulator.read(|state| {
            let world = &state.world;
            (world.tenant, world.subscription, world.client_id, world.client_secret.clone())
        });
        let url = &self.running.emulator.url;
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &client.to_string()),
            ("client_secret", &secret),
            ("scope", &format!("{url}/.default")),
        ];
        let token: Value = self
            .http
            .post(format!("{url}/{tenant}/oauth2/v2.0/token"))
            .form(&form)
            .send()
            .await
            .expect("an answer")
            .json()
            .await
            .expect("JSON");
        let id = format!(
            "/subscriptions/{subscription}/resourceGroups/ephemeral-agents-sample/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"
        );
        let made = self
            .http
            .request(Method::PUT, format!("{url}{id}?api-version=2024-11-30"))
            .bearer_auth(token["access_token"].as_str().expect("a token"))
            .json(&json!({"location": "westeurope"}))
            .send()
            .await
            .expect("an answer");
        assert!(made.status().is_success(), "{}", made.text().await.unwrap_or_default());
        id
    }
}
