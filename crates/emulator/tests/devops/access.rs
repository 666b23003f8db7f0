//! Who may do what, and what the others are told.

use reqwest::Method;
use serde_json::json;

use crate::support::{AGENTS, Answer, Organization, registration};

const POOLS: &str = "_apis/distributedtask/pools";

#[tokio::test]
async fn a_stranger_gets_the_three_challenges() {
    let contoso = Organization::start().await;
    let wrong = Answer::of(contoso.request(Method::GET, POOLS).basic_auth("", Some("wrong"))).await;
    assert_eq!(wrong.refusal(), (401, "UnauthorizedRequestException"));
    let challenges: Vec<&str> =
        wrong.headers.get_all("www-authenticate").iter().map(|value| value.to_str().expect("text")).collect();
    assert_eq!(challenges.len(), 3);
    assert!(challenges[0].starts_with("Bearer authorization_uri=https://"));
    assert!(challenges[1].starts_with("Basic realm="));
    assert_eq!(challenges[2], "TFS-Federated");
}

#[tokio::test]
async fn who_seems_to_be_a_browser_gets_a_page() {
    let contoso = Organization::start().await;
    let plain = |method, path: String| {
        contoso.http.request(method, format!("{}/{path}?api-version=7.1", contoso.url))
    };
    let page = Answer::of(plain(Method::GET, POOLS.to_owned())).await;
    assert_eq!(page.status, 203);
    assert!(page.header("content-type").starts_with("text/html"));
    assert_eq!(Answer::of(plain(Method::PATCH, format!("{AGENTS}/1")).body("{}")).await.status, 401);
}

#[tokio::test]
async fn changes_need_a_version_of_the_api_and_looking_does_not() {
    let contoso = Organization::start().await;
    let token = contoso.running.emulator.read(|state| state.world.personal_access_token.clone());
    let call = |method, query: &str| {
        contoso.http.request(method, format!("{}/{AGENTS}{query}", contoso.url)).basic_auth("", Some(&token))
    };
    Answer::of(call(Method::GET, "")).await.ok();
    let refused = Answer::of(call(Method::POST, "").json(&registration("one"))).await;
    assert_eq!(refused.refusal(), (400, "VssVersionNotSpecifiedException"));
    let accepted = Answer::of(call(Method::POST, "?api-version=7.1").json(&registration("one"))).await.ok();
    assert_eq!(accepted.header("content-type"), "application/json; charset=utf-8; api-version=7.1");
    assert_eq!(Answer::of(call(Method::GET, "?api-version=old")).await.status, 400);
}

#[tokio::test]
async fn a_job_sees_pools_and_manages_them_only_when_it_may() {
    let contoso = Organization::start().await;
    let agent = contoso.listening("one").await;
    contoso.queue(&[]);
    let message = agent.take_job(&contoso).await;
    let token = message["token"].as_str().expect("the job's token");
    contoso.call_as(token, Method::GET, POOLS, None).await.ok();
    let register = async || contoso.call_as(token, Method::POST, AGENTS, Some(registration("two"))).await;
    let refused = register().await;
    assert_eq!(refused.refusal(), (403, "AccessDeniedException"));
    let text = refused.body["message"].as_str().expect("a text").to_owned();
    assert!(text.contains("needs Manage permissions for pool sample-ephemeralpool"), "{text}");

    let member = format!("{}/emulator/members/build-service", contoso.running.emulator.url);
    let role = json!({"name": "Build Service", "role": "administrator"});
    Answer::of(contoso.http.put(member).json(&role)).await.ok();
    register().await.ok();
}

#[tokio::test]
async fn a_principal_of_entra_id_must_be_a_member() {
    let contoso = Organization::start().await;
    let emulator = &contoso.running.emulator;
    let world = emulator.read(|state| state.world.clone());
    let token = async |scope: &str| {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &world.client_id.to_string()),
            ("client_secret", &world.client_secret),
            ("scope", scope),
        ];
        let url = format!("{}/{}/oauth2/v2.0/token", emulator.url, world.tenant);
        let answer = Answer::of(contoso.http.post(url).form(&form)).await.ok();
        answer.body["access_token"].as_str().expect("a token").to_owned()
    };
    let right = token("499b84ac-1321-427f-aa17-267ca6975798/.default").await;
    contoso.call_as(&right, Method::GET, POOLS, None).await.ok();
    let for_another_service = token("https://management.azure.com/.default").await;
    assert_eq!(contoso.call_as(&for_another_service, Method::GET, POOLS, None).await.status, 401);
    contoso.change(|state| state.devops.members.clear());
    assert_eq!(contoso.call_as(&right, Method::GET, POOLS, None).await.status, 401);
}

#[tokio::test]
async fn replies_may_say_that_they_were_delayed() {
    let contoso = Organization::start().await;
    contoso.turn("devops.rate-limit-delay-header", json!(1.5));
    let answer = contoso.get(POOLS).await.ok();
    assert_eq!((answer.header("x-ratelimit-delay"), answer.header("retry-after")), ("1.500", "2"));
}
