//! Node tasks: what they get, what they may say, and how they are ended.

use serde_json::{Value, json};

use crate::support::agent::{Agent, text};
use crate::support::server::Server;
use crate::support::world::{JOB, job, script};

const TASK: &str = "11111111-2222-4333-8444-555555555555";

/// A step that runs the task.
fn step(inputs: &Value) -> Value {
    json!({"id": "22222222-2222-4333-8444-555555555555", "name": "greet", "displayName": "Greet",
        "reference": {"id": TASK, "name": "Greeter", "version": "1.2.3"}, "inputs": inputs})
}

#[tokio::test]
async fn a_node_task_gets_its_inputs_and_talks_back() {
    let server = Server::start().await;
    let agent = Agent::configured(&server).await;
    let manifest = r#"{"friendlyName":"Greeter","inputs":[{"name":"who","aliases":["name"]},{"name":"times","defaultValue":"2"}],
        "execution":{"Node10":{"target":"old.js"},"Node20_1":{"target":"index.js"}}}"#;
    let program = "const e = process.env;
        console.log(`hello ${e.INPUT_WHO} x${e.INPUT_TIMES} at ${e.ENDPOINT_URL_SYSTEMVSSCONNECTION}`);
        console.log(`secret ${e.SECRET_PASSWORD.length} named ${e.VSTS_SECRET_VARIABLES}`);
        console.log('##vso[task.setvariable variable=greeted;isOutput=true]yes%0Aindeed');
        console.log('##vso[task.complete result=SucceededWithIssues;]done');";
    server.world.add_task(TASK, &[("task.json", manifest), ("index.js", program)]);
    let steps = json!([step(&json!({"name": "$(build.buildId)"}))]);
    server.world.send("PipelineAgentJobRequest", job(&server.url, &steps));
    let output = agent.run(&["run", "--once"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let log = server.world.log("Greet");
    assert!(log.contains(&format!("hello 42 x2 at {}/contoso/", server.url)), "{log}");
    assert!(log.contains("secret 8 named [\"password\",\"system.accessToken\"]"), "{log}");
    let record = server.world.record("Greet");
    assert_eq!(record["result"], "succeededWithIssues");
    assert_eq!(record["variables"]["greeted"]["value"], "yes\nindeed");
}

#[tokio::test]
async fn a_connection_arrives_by_its_id_and_its_secrets_reach_no_log() {
    let server = Server::start().await;
    let agent = Agent::configured(&server).await;
    let manifest = r#"{"inputs":[{"name":"arm"}],"execution":{"Node24":{"target":"index.js"}}}"#;
    let program = "const e = process.env, id = e.INPUT_ARM;
        const parameter = (name) => e[`ENDPOINT_AUTH_PARAMETER_${id}_${name}`];
        console.log(`${e[`ENDPOINT_URL_${id}`]} by ${e[`ENDPOINT_AUTH_SCHEME_${id}`]} in ${parameter('TENANTID')}`);
        console.log(`environment ${e[`ENDPOINT_DATA_${id}_ENVIRONMENT`]} key ${parameter('SERVICEPRINCIPALKEY')}`);
        console.log(`all ${JSON.parse(e[`ENDPOINT_AUTH_${id}`]).parameters.serviceprincipalkey.length} characters`);
        console.log(`plain [${e.PASSWORD}${e.SYSTEM_ACCESSTOKEN}]`);";
    server.world.add_task(TASK, &[("task.json", manifest), ("index.js", program)]);
    let id = "33333333-2222-4333-8444-555555555555";
    let mut message = job(&server.url, &json!([step(&json!({"arm": id}))]));
    let connection = json!({"id": id, "name": "prod", "type": "azurerm", "url": "https://management.example/",
        "authorization": {"scheme": "ServicePrincipal", "parameters": {
            "tenantid": "the-tenant", "serviceprincipalid": "the-client", "serviceprincipalkey": "the-key!"}},
        "data": {"environment": "AzureStack"}});
    message["resources"]["endpoints"].as_array_mut().unwrap().push(connection);
    server.world.send("PipelineAgentJobRequest", message);
    let output = agent.run(&["run", "--once"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let log = server.world.log("Greet");
    for line in [
        "https://management.example/ by ServicePrincipal in the-tenant",
        "environment AzureStack key ***",
        "all 8 characters",
        "plain [undefinedundefined]",
    ] {
        assert!(log.contains(line), "{line} is missing in {log}");
    }
    assert!(server.world.calls().iter().all(|call| !call.text().contains("the-key!")));
}

#[tokio::test]
async fn a_task_is_held_to_its_restrictions() {
    let server = Server::start().await;
    let agent = Agent::configured(&server).await;
    let manifest = r#"{"execution":{"Node20_1":{"target":"index.js"}},
        "restrictions":{"commands":{"mode":"restricted"},"settableVariables":{"allowed":["agent*"]}}}"#;
    let program = "console.log('##vso[task.setvariable variable=agentName;isOutput=true]a-1');
        console.log('##vso[task.setvariable variable=PATHEXT]x');
        console.log('##vso[build.addbuildtag]planted');";
    server.world.add_task(TASK, &[("task.json", manifest), ("index.js", program)]);
    let after = script("after", "echo agent $(greet.agentName), other [$PATHEXT]", "");
    let mut message = job(&server.url, &json!([step(&json!({})), after]));
    message["variables"]["agent.taskRestrictionsEnforcementMode"] = json!({"value": "Enabled"});
    server.world.send("PipelineAgentJobRequest", message);
    let output = agent.run(&["run", "--once"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let log = server.world.log("Greet");
    for warning in [
        "##[warning]Setting variable 'PATHEXT' has been disabled by the task or build definition.",
        "##[warning]##vso[build.addbuildtag] is not allowed in this step due to policy restrictions.",
    ] {
        assert!(log.contains(warning), "{log}");
    }
    assert_eq!(server.world.record("Greet")["result"], "succeeded", "a refused command fails nothing");
    assert_eq!(server.world.record("Greet")["warningCount"], 2);
    assert!(server.world.calls().iter().all(|call| !call.path.contains("/tags/")), "the build was tagged");
    assert!(server.world.log("after").contains("agent a-1, other []"), "{}", server.world.log("after"));
}

/// A task that starts a program and passes signals on, as a task that wraps a native program does.
const SHIM: &str = r#"const { spawn } = require('node:child_process');
    const script = "trap 'echo program heard INT' INT; trap 'echo program heard TERM; exit 0' TERM; " +
        "echo under way; while :; do sleep 600 & wait $!; done";
    const child = spawn('bash', ['-c', script], { stdio: 'inherit' });
    process.on('SIGINT', () => { console.log('shim heard INT'); child.kill('SIGTERM'); });
    child.on('exit', () => { console.log('program is gone'); process.exit(0); });"#;

#[tokio::test]
async fn cancelling_signals_the_task_alone_and_what_is_to_run_always_runs() {
    let server = Server::start().await;
    let agent = Agent::configured(&server).await;
    let manifest = r#"{"execution":{"Node20_1":{"target":"index.js"}}}"#;
    server.world.add_task(TASK, &[("task.json", manifest), ("index.js", SHIM)]);
    let steps = json!([
        step(&json!({})),
        script("next", "echo no", ""),
        script("cleanup", "echo status $AGENT_JOBSTATUS", "always()"),
    ]);
    server.world.send("PipelineAgentJobRequest", job(&server.url, &steps));
    let cancel = async {
        let world = &server.world;
        world
            .until(|world| {
                world.calls_of("POST", "/feed").iter().any(|call| call.text().contains("\"under way\""))
            })
            .await;
        world.send("JobCancellation", json!({"jobId": JOB, "timeout": "00:01:00"}));
    };
    let (output, ()) = tokio::join!(agent.run(&["run", "--once"]), cancel);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let log = server.world.log("Greet");
    for line in ["shim heard INT", "program heard TERM", "program is gone"] {
        assert!(log.contains(line), "{line} is missing in {log}");
    }
    assert!(!log.contains("program heard INT"), "the signal went past the task: {log}");
    for (name, result) in [("Greet", "canceled"), ("next", "skipped"), ("cleanup", "succeeded")] {
        assert_eq!(server.world.record(name)["result"], result, "{name}");
    }
    assert!(server.world.log("cleanup").contains("status Canceled"), "{}", server.world.log("cleanup"));
}
