//! The clients against a scripted Azure DevOps: real sockets, real TLS, no network.

#[expect(dead_code, reason = "the server of azure-http's tests can do more than is needed here")]
#[path = "../../../azure-http/tests/service/support.rs"]
mod support;

use std::collections::BTreeMap;

use azure_devops::registration::{AgentKey, AgentRegistration};
use azure_devops::{Organization, Pool, PoolClient, PoolRight};
use azure_http::{Auth, HttpError};
use lifecycle::{AgentName, AgentPool, AgentStatus, PoolError, Removal};
use redact::Secret;
use serde_json::{Value, json as value};
use support::{Received, Reply, Server, json, with};

fn organization(server: &Server) -> Organization {
    let url = server.url("/contoso/").to_string();
    Organization::new(server.pipeline(), &url, Auth::Basic(Secret::new("a-token"))).expect("an organization")
}

fn pool_client(server: &Server) -> PoolClient {
    let pool = Pool { id: 3, name: "private".to_owned(), hosted: false, auto_update: None };
    PoolClient::new(organization(server), pool)
}

fn registration() -> AgentRegistration {
    AgentRegistration {
        key: AgentKey::generate().expect("a key"),
        version: "4.275.0".to_owned(),
        os_description: "Linux".to_owned(),
        os: "Linux".to_owned(),
        extra_capabilities: BTreeMap::from([("network".to_owned(), "private".to_owned())]),
    }
}

fn name() -> AgentName {
    AgentName::new("agent1-20261124000000-abcdef").expect("a name")
}

fn refusal(status: u16, type_key: &str) -> Reply {
    json(status, &value!({"$id": "1", "message": "no", "typeKey": type_key}).to_string())
}

/// What the service answers to a registration: what it was sent, with an id and an identity.
fn accepted(body: &str) -> Value {
    let mut agent: Value = serde_json::from_str(body).expect("JSON");
    agent["id"] = 17.into();
    agent["status"] = "offline".into();
    agent["authorization"]["clientId"] = "client".into();
    agent["authorization"]["authorizationUrl"] = "https://box/oauth2/token".into();
    agent
}

fn lines(server: &Server) -> Vec<String> {
    server.received().iter().map(|request| request.line.clone()).collect()
}

#[tokio::test]
async fn a_pool_is_found_by_its_exact_name_and_the_right_one_has() {
    let server = Server::start(|_| {
        json(200, r#"{"count":2,"value":[{"id":1,"name":"Default","isHosted":false},{"id":3,"name":"Private","isHosted":false,"autoUpdate":true}]}"#)
    })
    .await;
    let pool = organization(&server).pool("private", PoolRight::Manage).await.expect("an answer");
    let expected = Pool { id: 3, name: "Private".to_owned(), hosted: false, auto_update: Some(true) };
    assert_eq!(pool, Some(expected));
    assert_eq!(organization(&server).pool("other", PoolRight::View).await, Ok(None));
    assert_eq!(
        lines(&server)[0],
        "GET /contoso/_apis/distributedtask/pools?api-version=7.1&poolName=private&poolType=automation&actionFilter=manage"
    );
}

#[tokio::test]
async fn a_pool_is_made_for_every_project_and_removed() {
    let server = Server::start(|request| {
        let made = r#"{"id":7,"name":"private","isHosted":false,"autoUpdate":false}"#;
        if request.line.starts_with("POST") { json(200, made) } else { json(404, "{}") }
    })
    .await;
    let pool = organization(&server).create_pool("private").await.expect("made");
    assert_eq!((pool.id, pool.auto_update), (7, Some(false)));
    let body: Value = serde_json::from_str(&server.received()[0].body).expect("JSON");
    assert_eq!((&body["name"], &body["autoProvision"]), (&value!("private"), &value!(true)));
    assert_eq!(organization(&server).delete_pool(7).await, Ok(()));
    assert_eq!(lines(&server)[1], "DELETE /contoso/_apis/distributedtask/pools/7?api-version=7.1");
}

#[tokio::test]
async fn a_queue_is_looked_for_in_its_project() {
    let server =
        Server::start(|_| json(200, r#"{"count":1,"value":[{"id":18,"name":"p","pool":{"id":3}}]}"#)).await;
    let queue = organization(&server).queue("my project", "p").await.expect("an answer").expect("a queue");
    assert_eq!((queue.id, queue.pool_id), (18, Some(3)));
    assert_eq!(
        lines(&server)[0],
        "GET /contoso/my%20project/_apis/distributedtask/queues?api-version=7.1&queueName=p"
    );
}

#[tokio::test]
async fn registering_sends_the_public_key_and_reads_the_identity() {
    let server = Server::start(|request| json(200, &accepted(&request.body).to_string())).await;
    let registered = pool_client(&server).register_agent(&name(), &registration()).await.expect("registered");
    assert_eq!((registered.id, registered.pool_id, registered.client_id.as_str()), (17, 3, "client"));
    let received = server.received();
    assert_eq!(received[0].line, "POST /contoso/_apis/distributedtask/pools/3/agents?api-version=7.1");
    let body: Value = serde_json::from_str(&received[0].body).expect("JSON");
    assert_eq!(body["authorization"]["publicKey"]["exponent"], "AQAB");
    assert_eq!(body["maxParallelism"], 1);
    assert_eq!(body["systemCapabilities"]["Agent.Name"], name().as_str());
    assert_eq!(body["systemCapabilities"]["network"], "private");
}

#[tokio::test]
async fn defect_05_a_name_that_is_taken_is_not_replaced() {
    let server = Server::start(|_| refusal(409, "TaskAgentExistsException")).await;
    let error = pool_client(&server).register(&name(), &registration()).await.unwrap_err();
    assert_eq!(error, PoolError::NameTaken(name()));
    assert_eq!(lines(&server).len(), 1);
}

/// Loses the reply to the first POST; what was registered is then listed or not.
async fn forgetful(listed: impl Fn(Value) -> Vec<Value> + Send + 'static) -> Server {
    let mut kept: Option<Value> = None;
    Server::start(move |request: &Received| {
        if request.line.starts_with("POST") {
            let agent = accepted(&request.body);
            return match kept.replace(agent.clone()) {
                None => Reply::HangUp,
                Some(_) => json(200, &agent.to_string()),
            };
        }
        let list = listed(kept.clone().expect("the POST came first"));
        json(200, &value!({"count": list.len(), "value": list}).to_string())
    })
    .await
}

#[tokio::test]
async fn after_a_lost_reply_our_own_agent_is_found_by_name() {
    let server = forgetful(|agent| vec![agent]).await;
    let registered = pool_client(&server).register_agent(&name(), &registration()).await.expect("registered");
    assert_eq!(registered.id, 17);
    let lines = lines(&server);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines[1].starts_with("GET") && lines[1].contains("agentName=agent1-20261124000000-abcdef"),
        "{lines:?}"
    );
}

#[tokio::test]
async fn after_a_lost_reply_that_changed_nothing_it_is_sent_once_more() {
    let server = forgetful(|_| Vec::new()).await;
    assert!(pool_client(&server).register_agent(&name(), &registration()).await.is_ok());
    assert_eq!(lines(&server).iter().filter(|line| line.starts_with("POST")).count(), 2);
}

/// Lists lag behind: the first look finds nothing, and the second POST finds the name taken.
#[tokio::test]
async fn after_a_lost_reply_our_own_agent_is_waited_for() {
    let mut kept: Option<Value> = None;
    let mut looks = 0;
    let server = Server::start(move |request: &Received| {
        if request.line.starts_with("POST") {
            return match kept.replace(accepted(&request.body)) {
                None => Reply::HangUp,
                Some(first) => {
                    kept = Some(first);
                    refusal(409, "TaskAgentExistsException")
                }
            };
        }
        looks += 1;
        let list: Vec<&Value> = kept.iter().filter(|_| looks > 1).collect();
        json(200, &value!({"count": list.len(), "value": list}).to_string())
    })
    .await;
    let registered = pool_client(&server).register_agent(&name(), &registration()).await.expect("registered");
    assert_eq!(registered.id, 17);
}

#[tokio::test]
async fn after_a_lost_reply_an_agent_with_another_key_is_not_taken_over() {
    let server = forgetful(|mut agent| {
        agent["authorization"]["publicKey"]["modulus"] = "b3RoZXI=".into();
        vec![agent]
    })
    .await;
    let error = pool_client(&server).register(&name(), &registration()).await.unwrap_err();
    assert!(matches!(error, PoolError::Indeterminate(_)), "{error:?}");
}

#[tokio::test]
async fn agents_are_listed_with_what_they_do() {
    let server = Server::start(|_| {
        json(
            200,
            r#"{"count":2,"value":[
            {"id":1,"name":"placeholder","enabled":true,"status":"offline"},
            {"id":2,"name":"busy","enabled":false,"status":"online","assignedRequest":{"requestId":9}}]}"#,
        )
    })
    .await;
    let agents = pool_client(&server).agents().await.expect("a list");
    assert_eq!(agents[1].assigned_request, Some(9));
    assert_eq!((agents[1].enabled, agents[1].status), (false, AgentStatus::Online));
    assert_eq!(
        (agents[0].enabled, agents[0].status, agents[0].assigned_request),
        (true, AgentStatus::Offline, None)
    );
    assert!(lines(&server)[0].contains("includeAssignedRequest=true"));
}

#[tokio::test]
async fn removing_tells_gone_busy_and_removed_apart() {
    let mut turn = 0;
    let server = Server::start(move |_| {
        turn += 1;
        match turn {
            1 => refusal(400, "TaskAgentJobStillRunningException"),
            2 => with(204, &[], ""),
            3 => refusal(404, "TaskAgentNotFoundException"),
            _ => refusal(403, "AccessDeniedException"),
        }
    })
    .await;
    let pool = pool_client(&server);
    assert_eq!(pool.remove(17).await, Ok(Removal::JobRunning));
    assert_eq!(pool.remove(17).await, Ok(Removal::Removed));
    assert_eq!(pool.remove(17).await, Ok(Removal::AlreadyGone));
    assert!(matches!(pool.remove(17).await, Err(PoolError::Unauthorized(_))));
}

#[tokio::test]
async fn disabling_changes_one_thing_and_what_is_gone_counts_as_disabled() {
    let mut turn = 0;
    let server = Server::start(move |_| {
        turn += 1;
        if turn == 1 { json(200, "{}") } else { refusal(404, "TaskAgentNotFoundException") }
    })
    .await;
    let pool = pool_client(&server);
    assert_eq!(pool.disable(17).await, Ok(()));
    assert_eq!(pool.disable(17).await, Ok(()));
    let received = server.received();
    assert_eq!(received[0].line, "PATCH /contoso/_apis/distributedtask/pools/3/agents/17?api-version=7.1");
    assert_eq!(
        serde_json::from_str::<Value>(&received[0].body).expect("JSON"),
        value!({"id": 17, "enabled": false})
    );
}

#[tokio::test]
async fn only_unfinished_job_requests_are_asked_for() {
    let server = Server::start(|_| {
        json(200, r#"{"count":2,"value":[
            {"requestId":9,"demands":["Agent.Version -gtVersion 2.182.1"],"reservedAgent":{"id":5,"name":"n"}},
            {"requestId":8,"result":"succeeded"}]}"#)
    })
    .await;
    let requests = pool_client(&server).job_requests().await.expect("a list");
    assert_eq!(requests.len(), 1);
    assert_eq!((requests[0].id, requests[0].reserved_agent), (9, Some(5)));
    assert!(lines(&server)[0].contains("completedRequestCount=0"));
}

#[tokio::test]
async fn an_expired_token_is_said_to_be_one() {
    let server = Server::start(|_| with(203, &["content-type: text/html"], "<html>")).await;
    let error = organization(&server).pool("p", PoolRight::View).await.unwrap_err();
    assert!(matches!(error, HttpError::AuthenticationFailed { .. }), "{error:?}");
    assert!(matches!(pool_client(&server).agents().await, Err(PoolError::Unauthorized(_))));
}

#[tokio::test]
async fn an_address_that_cannot_be_an_organizations_is_refused_before_anything_is_sent() {
    let server = Server::start(|_| json(200, "{}")).await;
    for (url, why) in [
        ("contoso", "relative URL"),
        ("mailto:a@b", "should look like"),
        ("https://dev.azure.com/", "name is missing"),
    ] {
        let error = Organization::new(server.pipeline(), url, Auth::None).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
}
