//! What a job reports: records, live output, logs, attachments.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Answer, Job, Organization};

/// A job that runs, and its token.
async fn running() -> (Organization, Job, String) {
    let contoso = Organization::start().await;
    let agent = contoso.listening("one").await;
    let job = contoso.queue(&[]);
    let message = agent.take_job(&contoso).await;
    let token = message["token"].as_str().expect("the job's token").to_owned();
    (contoso, job, token)
}

#[tokio::test]
async fn a_job_reports_what_it_does() {
    let (contoso, job, token) = running().await;
    let records = format!("{}/timelines/{}/records", job.plan(), job.timeline_id);
    let step = Uuid::new_v4();
    let patch = async |record: Value| {
        let body = json!({"count": 1, "value": [record]});
        contoso.call_as(&token, Method::PATCH, &records, Some(body)).await.ok()
    };
    patch(json!({"id": step, "parentId": job.job_id, "type": "Task", "name": "Step", "state": "inProgress"}))
        .await;
    let feed = json!({"stepId": step, "value": ["hello", "world"], "count": 2, "startLine": 1});
    let feed_path = format!("{records}/{step}/feed");
    assert_eq!(contoso.call_as(&token, Method::POST, &feed_path, Some(feed)).await.status, 204);

    let logs = format!("{}/logs", job.plan());
    let log = contoso.call_as(&token, Method::POST, &logs, Some(json!({"path": "logs\\1"}))).await.ok().body;
    let log_path = format!("{logs}/{}", log["id"]);
    for page in ["hello\n", "world\n"] {
        let request = contoso.request(Method::POST, &log_path).bearer_auth(&token);
        Answer::of(request.header("content-type", "application/octet-stream").body(page)).await.ok();
    }
    let secret = json!({"plain": {"value": "1"}, "key": {"value": "hunter2", "isSecret": true}});
    let done = json!({"id": step, "state": "completed", "result": "succeeded", "log": {"id": log["id"]}, "variables": secret});
    patch(done).await;

    let timeline = format!("{}/timelines/{}?includeRecords=true", job.plan(), job.timeline_id);
    let seen = contoso.get(&timeline).await.ok();
    let record = &seen.body["records"][0];
    assert_eq!((&record["name"], &record["result"]), (&json!("Step"), &json!("succeeded")));
    assert_eq!(record["variables"]["plain"]["value"], "1");
    assert!(!String::from_utf8_lossy(&seen.bytes).contains("hunter2"), "a secret is not shown");
    let lines = contoso.get(&log_path).await.ok();
    assert_eq!(lines.body, json!({"count": 2, "value": ["hello", "world"]}));
    assert_eq!(contoso.get(&feed_path).await.ok().body["value"], json!(["hello", "world"]));
    let outputs = contoso.change(|state| state.devops.plans[&job.plan_id].output_variables(step));
    assert_eq!(outputs["key"].value.0, "hunter2");
}

#[tokio::test]
async fn the_view_of_the_state_shows_no_secret_of_a_job() {
    let (contoso, job, token) = running().await;
    let records = format!("{}/timelines/{}/records", job.plan(), job.timeline_id);
    let variables = json!({"key": {"value": "hunter2", "isSecret": true}});
    let body = json!({"count": 1, "value": [{"id": job.job_id, "variables": variables}]});
    contoso.call_as(&token, Method::PATCH, &records, Some(body)).await.ok();
    let url = format!("{}/emulator/state", contoso.running.emulator.url);
    let state = Answer::of(contoso.http.get(url)).await.ok();
    let text = String::from_utf8_lossy(&state.bytes);
    assert!(text.contains(&job.job_id.to_string()), "it shows the job");
    assert!(!text.contains("hunter2") && !text.contains("{job-token}"));
    let key = &state.body["devops"]["sessions"].as_object().expect("sessions").values().next().expect("one")
        ["secret_key"];
    assert_eq!(*key, "***");
}

#[tokio::test]
async fn an_attachment_can_be_read_again() {
    let (contoso, job, token) = running().await;
    let name = "DistributedTask.Core.Summary/summary.md";
    let path =
        format!("{}/timelines/{}/records/{}/attachments/{name}", job.plan(), job.timeline_id, job.job_id);
    let request = contoso.request(Method::PUT, &path).bearer_auth(&token);
    Answer::of(request.header("content-type", "application/octet-stream").body("# Done")).await.ok();
    assert_eq!(contoso.get(&path).await.ok().bytes, b"# Done");
    let list = contoso.get(&format!("{}/attachments/DistributedTask.Core.Summary", job.plan())).await.ok();
    assert_eq!(list.items()[0]["name"], "summary.md");
}

#[tokio::test]
async fn a_job_reports_to_its_own_plan_only() {
    let (contoso, _, token) = running().await;
    let other = contoso.queue(&[]);
    let path = format!("{}/events", other.plan());
    let answer = contoso.call_as(&token, Method::POST, &path, Some(other.completed(true))).await;
    assert_eq!(answer.refusal(), (403, "TaskOrchestrationPlanSecurityException"));
    let unknown = format!("sample/_apis/distributedtask/hubs/Build/plans/{}/events", Uuid::new_v4());
    let answer = contoso.call_as(&token, Method::POST, &unknown, Some(json!({}))).await;
    assert_eq!(answer.refusal(), (404, "TaskOrchestrationPlanNotFoundException"));
}

#[tokio::test]
async fn a_timeline_is_made_once() {
    let (contoso, job, token) = running().await;
    let path = format!("{}/timelines", job.plan());
    let body = || Some(json!({"id": job.job_id}));
    contoso.call_as(&token, Method::POST, &path, body()).await.ok();
    let again = contoso.call_as(&token, Method::POST, &path, body()).await;
    assert_eq!(again.refusal(), (409, "TimelineExistsException"));
}

#[tokio::test]
async fn a_token_for_a_service_connection_needs_one_that_exists() {
    let (contoso, job, token) = running().await;
    let path = |query: &str| format!("{}/jobs/{}/oidctoken{query}", job.plan(), job.job_id);
    let ask = async |query: &str| contoso.call_as(&token, Method::POST, &path(query), Some(json!({}))).await;
    assert_eq!(ask("").await.status, 400);
    let unknown = ask("?serviceConnectionId=00000000-0000-0000-0000-000000000001").await;
    assert_eq!(unknown.refusal(), (404, "ServiceEndpointNotFoundException"));
}
