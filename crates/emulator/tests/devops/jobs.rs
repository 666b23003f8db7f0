//! Jobs: from queued to finished, with everything that may happen in between.

use emulator::devops::{self, NewJobRequest, Reference};
use reqwest::Method;
use serde_json::json;
use std::time::Duration;
use uuid::Uuid;

use crate::support::{Organization, POOL, REQUESTS};

#[tokio::test]
async fn one_agent_does_one_job() {
    let contoso = Organization::start().await;
    let job = contoso.queue(&["Agent.OS -equals linux"]);
    let waiting = contoso.get(&format!("{REQUESTS}/{}", job.request_id)).await.ok().body;
    assert!(waiting["assignTime"].is_null() && waiting["result"].is_null(), "{waiting}");
    assert_eq!(waiting["matchedAgents"][0]["name"], "placeholder");

    let agent = contoso.listening("one").await;
    let message = agent.take_job(&contoso).await;
    assert_eq!(message["requestId"], job.request_id);
    assert_eq!(message["url"], format!("{}/", contoso.url), "the name by which the agent knows the emulator");
    let running = contoso.get(&format!("{REQUESTS}/{}", job.request_id)).await.ok().body;
    assert_eq!(running["reservedAgent"]["name"], "one");
    assert!(running["receiveTime"].is_string() && running["lockedUntil"].is_string());

    let next = contoso.queue(&[]);
    let token = message["token"].as_str().expect("the job's token");
    let events = format!("{}/events", job.plan());
    let done = contoso.call_as(token, Method::POST, &events, Some(job.completed(true))).await;
    assert_eq!(done.status, 204);
    let finished = contoso.get(&format!("{REQUESTS}/{}", job.request_id)).await.ok().body;
    assert_eq!(finished["result"], "succeeded");
    let left = contoso.get(&format!("{REQUESTS}/{}", next.request_id)).await.ok().body;
    assert!(left["assignTime"].is_null(), "an agent that shuts down gets no other job");

    assert_eq!(agent.close_session(&contoso).await.status, 204);
    assert_eq!(contoso.delete(&agent.path()).await.status, 204);
    assert_eq!(contoso.delete(&agent.path()).await.refusal(), (404, "TaskAgentNotFoundException"));
}

#[tokio::test]
async fn an_agent_that_does_not_shut_down_gets_the_next_job() {
    let contoso = Organization::start().await;
    let agent = contoso.listening("one").await;
    let (first, second) = (contoso.queue(&[]), contoso.queue(&[]));
    let message = agent.take_job(&contoso).await;
    let token = message["token"].as_str().expect("the job's token");
    contoso
        .call_as(token, Method::POST, &format!("{}/events", first.plan()), Some(first.completed(false)))
        .await
        .ok();
    assert_eq!(agent.take_job(&contoso).await["requestId"], second.request_id);
}

#[tokio::test]
async fn the_service_may_overlook_that_an_agent_shuts_down() {
    let contoso = Organization::start().await;
    contoso.turn("devops.second-job", json!(1));
    let agent = contoso.listening("one").await;
    let (first, second) = (contoso.queue(&[]), contoso.queue(&[]));
    let message = agent.take_job(&contoso).await;
    let token = message["token"].as_str().expect("the job's token");
    contoso
        .call_as(token, Method::POST, &format!("{}/events", first.plan()), Some(first.completed(true)))
        .await
        .ok();
    let request = contoso.get(&format!("{REQUESTS}/{}", second.request_id)).await.ok().body;
    assert_eq!(request["reservedAgent"]["id"], agent.id);
}

#[tokio::test]
async fn a_lock_that_is_not_renewed_abandons_the_job() {
    let contoso = Organization::start().await;
    let agent = contoso.listening("one").await;
    let job = contoso.queue(&[]);
    agent.take_job(&contoso).await;
    contoso.step(599).await;
    agent.renew(&contoso, job.request_id).await.ok();
    contoso.step(599).await;
    let path = format!("{REQUESTS}/{}", job.request_id);
    assert!(contoso.get(&path).await.ok().body["result"].is_null(), "it was renewed");
    contoso.step(2).await;
    assert_eq!(contoso.get(&path).await.ok().body["result"], "abandoned");
    let late = agent.renew(&contoso, job.request_id).await;
    assert_eq!(late.refusal(), (403, "TaskAgentJobTokenExpiredException"));
}

#[tokio::test]
async fn a_job_that_no_registered_agent_can_do_is_not_queued() {
    let contoso = Organization::start().await;
    let request = |demand: &str| NewJobRequest {
        pool_id: POOL,
        queue_id: 18,
        plan_id: Uuid::new_v4(),
        job_id: Uuid::new_v4(),
        job_name: "Job".to_owned(),
        demands: vec![demand.to_owned()],
        definition: Reference::default(),
        owner: Reference::default(),
        message: json!({}),
    };
    let refused =
        contoso.change(|state| devops::queue_job(state, request("gpu"))).expect_err("nobody has a gpu");
    let expected = "No agent found in pool sample-ephemeralpool which satisfies the specified demands: gpu, Agent.Version";
    assert!(refused.message.starts_with(expected), "{}", refused.message);
    assert!(
        contoso.change(|state| devops::queue_job(state, request("Agent.OS"))).is_ok(),
        "offline agents count"
    );
}

#[tokio::test]
async fn a_lock_is_as_long_as_a_knob_says() {
    let contoso = Organization::start().await;
    contoso.turn("devops.lock-seconds", json!(30));
    let agent = contoso.listening("one").await;
    let job = contoso.queue(&[]);
    agent.take_job(&contoso).await;
    let path = format!("{REQUESTS}/{}", job.request_id);
    contoso.step(29).await;
    assert!(contoso.get(&path).await.ok().body["result"].is_null());
    contoso.step(2).await;
    assert_eq!(contoso.get(&path).await.ok().body["result"], "abandoned");
}

#[tokio::test]
async fn a_disabled_agent_finishes_its_job_and_gets_no_other() {
    let contoso = Organization::start().await;
    let agent = contoso.listening("one").await;
    let first = contoso.queue(&[]);
    let message = agent.take_job(&contoso).await;
    contoso.patch(&agent.path(), json!({"id": agent.id, "enabled": false})).await.ok();
    let second = contoso.queue(&[]);
    let token = message["token"].as_str().expect("the job's token");
    contoso
        .call_as(token, Method::POST, &format!("{}/events", first.plan()), Some(first.completed(false)))
        .await
        .ok();
    let path = format!("{REQUESTS}/{}", second.request_id);
    assert!(contoso.get(&path).await.ok().body["assignTime"].is_null());
    contoso.patch(&agent.path(), json!({"id": agent.id, "enabled": true})).await.ok();
    assert!(contoso.get(&path).await.ok().body["assignTime"].is_string());
}

#[tokio::test]
async fn cancelling_ends_a_waiting_job_at_once_and_tells_the_agent_of_a_running_one() {
    let contoso = Organization::start().await;
    let waiting = contoso.queue(&[]);
    contoso.change(|state| devops::cancel_job(state, waiting.request_id, Duration::from_mins(5)));
    let path = |id| format!("{REQUESTS}/{id}");
    assert_eq!(contoso.get(&path(waiting.request_id)).await.ok().body["result"], "canceled");

    let agent = contoso.listening("one").await;
    let running = contoso.queue(&[]);
    agent.take_job(&contoso).await;
    contoso.change(|state| devops::cancel_job(state, running.request_id, Duration::from_mins(5)));
    let message = agent.poll(&contoso).await.ok().body;
    assert_eq!(message["messageType"], "JobCancellation");
    assert_eq!(agent.decrypt(&message), json!({"jobId": running.job_id, "timeout": "00:05:00"}));
    assert!(contoso.get(&path(running.request_id)).await.ok().body["result"].is_null());
    contoso.step(361).await;
    assert_eq!(contoso.get(&path(running.request_id)).await.ok().body["result"], "canceled");
}

#[tokio::test]
async fn lists_of_requests_show_what_was_asked_for() {
    let contoso = Organization::start().await;
    let agent = contoso.listening("one").await;
    let jobs = [contoso.queue(&[]), contoso.queue(&[]), contoso.queue(&[])];
    contoso.change(|state| devops::finish_job(state, jobs[0].request_id, "failed", true));
    let ids = async |query: &str| -> Vec<u64> {
        let answer = contoso.get(&format!("{REQUESTS}{query}")).await.ok();
        answer.items().iter().map(|request| request["requestId"].as_u64().expect("an id")).collect()
    };
    let [first, second, third] = jobs.map(|job| job.request_id);
    assert_eq!(ids("").await, [third, second, first]);
    assert_eq!(ids("?completedRequestCount=0").await, [third, second], "only what is not finished");
    assert_eq!(ids(&format!("?agentId={}", agent.id)).await, [first]);
    assert_eq!(ids(&format!("?agentIds=999,{}&completedRequestCount=0", agent.id)).await, [0; 0]);

    let page = contoso.get(&format!("{REQUESTS}?$top=2")).await.ok();
    assert_eq!(page.items().len(), 2);
    assert!(page.items()[0]["matchedAgents"].is_null(), "pages do not have them");
    let token = page.header("x-ms-continuationtoken");
    let rest = contoso.get(&format!("{REQUESTS}?$top=2&continuationToken={token}")).await.ok();
    assert_eq!(rest.items().len(), 1);
    assert_eq!(rest.header("x-ms-continuationtoken"), "", "the last page");
}

#[tokio::test]
async fn jobs_are_listed_by_the_queue_they_came_through() {
    let contoso = Organization::start().await;
    let (first, second) = (contoso.queue(&[]), contoso.queue(&[]));
    let queues = contoso.get("sample/_apis/distributedtask/queues").await.ok();
    let of = |pool: u64| {
        queues.items().iter().find(|queue| queue["pool"]["id"] == pool).expect("a queue")["id"].clone()
    };
    let listed = async |pool: u64, query: &str| {
        let path = format!("sample/_apis/distributedtask/queues/{}/agentrequests{query}", of(pool));
        let answer = contoso.get(&path).await.ok();
        answer.items().iter().map(|request| request["requestId"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(listed(POOL, "").await, [second.request_id, first.request_id]);
    assert_eq!(listed(POOL, "?$top=1").await, [second.request_id]);
    assert!(listed(1, "").await.is_empty());
    let nowhere = contoso.get("sample/_apis/distributedtask/queues/99/agentrequests").await;
    assert_eq!(nowhere.refusal(), (404, "TaskAgentQueueNotFoundException"));
}
