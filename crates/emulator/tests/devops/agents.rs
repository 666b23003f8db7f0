//! Registering, changing and removing agents.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{AGENTS, Agent, Organization, registration};

#[tokio::test]
async fn a_registered_agent_is_shown_as_it_is() {
    let contoso = Organization::start().await;
    let agent = contoso.register("one").await;
    let shown = contoso.get(&format!("{}?includeCapabilities=true", agent.path())).await.ok().body;
    assert_eq!((&shown["status"], &shown["enabled"]), (&json!("offline"), &json!(true)));
    assert_eq!(shown["systemCapabilities"]["docker"], "/usr/bin/docker");
    assert_eq!(shown["authorization"]["authorizationUrl"], format!("{}/_apis/oauth2/token", contoso.url));
    let plain = contoso.get(&agent.path()).await.ok().body;
    assert!(plain["systemCapabilities"].is_null(), "only when asked for");
}

#[tokio::test]
async fn what_people_say_that_an_agent_can_do_is_put_as_a_whole() {
    let contoso = Organization::start().await;
    let agent = contoso.register("one").await;
    let path = format!("{}/usercapabilities", agent.path());
    contoso.call(Method::PUT, &path, Some(json!({"rack": "6", "row": "2"}))).await.ok();
    let put = contoso.call(Method::PUT, &path, Some(json!({"rack": "7"}))).await.ok().body;
    assert_eq!(put["userCapabilities"], json!({"rack": "7"}));
    assert_eq!(contoso.get(&format!("{AGENTS}?demands=rack -equals 7")).await.ok().items().len(), 1);
    assert_eq!(contoso.call(Method::PUT, &path, Some(json!([]))).await.status, 400);
}

#[tokio::test]
async fn a_name_is_taken_once_in_a_pool() {
    let contoso = Organization::start().await;
    contoso.register("one").await;
    assert_eq!(contoso.post(AGENTS, registration("ONE")).await.refusal(), (409, "TaskAgentExistsException"));
    contoso.post("_apis/distributedtask/pools/1/agents", registration("one")).await.ok();
}

#[tokio::test]
async fn a_registration_needs_a_name_and_a_key_that_is_one() {
    let contoso = Organization::start().await;
    let mut short = registration("one");
    short["authorization"]["publicKey"]["modulus"] = json!("AQAB");
    for body in [registration(""), registration("a/b"), short] {
        assert_eq!(contoso.post(AGENTS, body).await.status, 400);
    }
    let unknown = contoso.post("_apis/distributedtask/pools/99/agents", registration("one")).await;
    assert_eq!(unknown.refusal(), (404, "TaskAgentPoolNotFoundException"));
}

#[tokio::test]
async fn an_agent_that_runs_a_job_is_not_removed() {
    let contoso = Organization::start().await;
    let agent = contoso.listening("one").await;
    let job = contoso.queue(&[]);
    let message = agent.take_job(&contoso).await;
    let refused = contoso.delete(&agent.path()).await;
    assert_eq!(refused.refusal(), (400, "TaskAgentJobStillRunningException"));
    assert_eq!(refused.body["message"], "Agent \"one\" is running a job for pool \"sample-ephemeralpool\".");
    let token = message["token"].as_str().expect("the job's token");
    contoso
        .call_as(token, Method::POST, &format!("{}/events", job.plan()), Some(job.completed(true)))
        .await
        .ok();
    assert_eq!(contoso.delete(&agent.path()).await.status, 204);
}

#[tokio::test]
async fn removing_an_agent_abandons_a_job_that_it_has_not_begun() {
    let contoso = Organization::start().await;
    let agent = contoso.listening("one").await;
    let job = contoso.queue(&[]);
    assert_eq!(contoso.delete(&agent.path()).await.status, 204);
    let request = contoso.get(&format!("{}/{}", crate::support::REQUESTS, job.request_id)).await.ok().body;
    assert_eq!((&request["result"], &request["reservedAgent"]["name"]), (&json!("abandoned"), &json!("one")));
}

#[tokio::test]
async fn removals_are_refused_as_often_as_the_knob_says() {
    let contoso = Organization::start().await;
    contoso.turn("devops.remove-busy", json!(2));
    let agent = contoso.register("one").await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(contoso.delete(&agent.path()).await.status.as_u16());
    }
    assert_eq!(statuses, [400, 400, 204]);
}

#[tokio::test]
async fn replacing_a_registration_ends_the_old_one() {
    let contoso = Organization::start().await;
    let agent = contoso.listening("one").await;
    let replaced = contoso.call(Method::PUT, &agent.path(), Some(registration("one"))).await.ok().body;
    assert_eq!(replaced["id"], agent.id);
    assert_ne!(replaced["authorization"]["clientId"], agent.client_id);
    assert_eq!(agent.poll(&contoso).await.refusal(), (401, "TaskAgentAccessTokenExpiredException"));
}

#[tokio::test]
async fn lists_of_agents_show_what_was_asked_for() {
    let contoso = Organization::start().await;
    contoso.register("one").await;
    let names = async |query: &str| -> Vec<Value> {
        let answer = contoso.get(&format!("{AGENTS}{query}")).await.ok();
        answer.items().iter().map(|agent| agent["name"].clone()).collect()
    };
    assert_eq!(names("").await, ["placeholder", "one"]);
    assert_eq!(names("?agentName=ONE").await, ["one"]);
    assert_eq!(names("?agentName=nobody").await, [""; 0]);
    assert_eq!(names("?demands=docker,Agent.OS%20-equals%20Linux").await, ["one"]);
}

#[tokio::test]
async fn lists_may_lag() {
    let contoso = Organization::start().await;
    contoso.turn("devops.agent-list-lag-seconds", json!(30));
    let agent = contoso.register("late").await;
    let listed = async || contoso.get(&format!("{AGENTS}?agentName=late")).await.ok().items().len();
    assert_eq!(listed().await, 0);
    contoso.get(&agent.path()).await.ok();
    contoso.step(30).await;
    assert_eq!(listed().await, 1);
}

#[tokio::test]
async fn an_assertion_must_be_right_in_every_part() {
    let contoso = Organization::start().await;
    let agent = contoso.register("one").await;
    let now = contoso.running.emulator.read(|state| state.now);
    let with = |key: &str, value: Value| {
        let mut claims = agent.claims(now);
        claims[key] = value;
        Agent::assertion(&claims)
    };
    let old = now.as_second() - 301;
    for (assertion, text) in [
        (with("aud", json!("https://elsewhere/token")), "audience"),
        (with("sub", json!("00000000-0000-0000-0000-000000000001")), "not registered"),
        (with("exp", json!(old)), "Current server time is"),
        (with("exp", Value::Null), "expiry"),
        ("nonsense".to_owned(), "not a JSON Web Token"),
    ] {
        let answer = agent.exchange(&contoso, &assertion).await;
        let description = answer.body["error_description"].as_str().unwrap_or_default();
        assert!(answer.status == 400 && description.contains(text), "{text}: {description}");
    }
    let other_host = with("aud", json!("https://another.name:1/contoso/_apis/oauth2/token"));
    agent.exchange(&contoso, &other_host).await.ok();
    contoso.turn("devops.auth-skew-seconds", json!(1000));
    let skewed = agent.exchange(&contoso, &Agent::assertion(&agent.claims(now))).await;
    assert!(skewed.body["error_description"].as_str().unwrap_or_default().contains("Current server time is"));
}
