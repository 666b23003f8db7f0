//! The clients against a scripted Resource Manager: real sockets, real TLS, no network.

#[expect(dead_code, reason = "the server of azure-http's tests can do more than is needed here")]
#[path = "../../../azure-http/tests/service/support.rs"]
mod support;

mod image;
mod registry;
mod resources;

use azure_http::identity::{ServicePrincipal, client_secret};
use azure_http::{Cloud, HttpError};
use azure_resources::{
    ContainerGroupSpec, ContainerGroups, EnvironmentValue, EnvironmentVariable, FailureClass, GroupError,
    OperatingSystem, OperationStatus, Priority, ResourceManager, Sku, SubnetId, Subscription, same_location,
};
use lifecycle::{
    AgentName, ComputeBackend, ComputeError, ComputePhase, ContainerGroup, OwnershipTags, Timestamp,
};
use redact::Secret;
use serde_json::{Value, json as value};
use support::{Received, Reply, Server, json, with};

const GROUPS: &str =
    "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerInstance/containerGroups";

/// A Resource Manager that also gives tokens; `handler` sees everything else.
async fn start(mut handler: impl FnMut(&Received) -> Reply + Send + 'static) -> Server {
    Server::start(move |request| {
        if request.line.starts_with("POST /tenant/oauth2") {
            return json(200, r#"{"token_type":"Bearer","expires_in":3599,"access_token":"token"}"#);
        }
        handler(request)
    })
    .await
}

fn cloud(server: &Server) -> Cloud {
    Cloud {
        name: "test".to_owned(),
        authority: server.url("/"),
        resource_manager: server.url("/"),
        audience: "https://arm.example/".to_owned(),
    }
}

fn manager(server: &Server) -> ResourceManager {
    let cloud = cloud(server);
    let principal = ServicePrincipal { tenant: "tenant".to_owned(), client: "client".to_owned() };
    let pipeline = server.pipeline();
    let credential =
        client_secret(&pipeline, &cloud, principal, Secret::new("secret")).expect("a credential");
    ResourceManager::new(pipeline, &cloud, credential)
}

fn subscription(server: &Server) -> Subscription {
    Subscription::new(manager(server), "s")
}

fn groups(server: &Server) -> ContainerGroups {
    subscription(server).container_groups("rg")
}

fn name() -> AgentName {
    AgentName::new("agent1-20261124000000-abcdef").expect("a name")
}

fn tags() -> OwnershipTags {
    OwnershipTags {
        organization: "https://dev.azure.com/contoso".to_owned(),
        pool: "private".to_owned(),
        run: Some(1),
        agent_id: Some(17),
        created_at: Timestamp(0),
        expires_at: Timestamp(21_600),
        version: "0.1.0".to_owned(),
    }
}

fn spec() -> ContainerGroupSpec {
    ContainerGroupSpec {
        location: "westeurope".to_owned(),
        os: OperatingSystem::Linux,
        image: "image".to_owned(),
        command: Vec::new(),
        cpu: 1.0,
        memory_gb: 1.0,
        environment: vec![EnvironmentVariable {
            name: "AZP_JIT_CONFIG".to_owned(),
            value: EnvironmentValue::Secure(Secret::new("pl4nted-configuration")),
        }],
        registry: None,
        subnet: None,
        dns_servers: Vec::new(),
        identities: Vec::new(),
        system_assigned_identity: false,
        zone: None,
        priority: Priority::Regular,
        sku: Sku::Standard,
        log_analytics: None,
        lasting_folder: None,
    }
}

/// A group as the service shows it.
fn group(name: &str, tags: &Value, state: Option<&str>) -> Value {
    let mut group = value!({
        "id": format!("{GROUPS}/{name}"), "name": name, "location": "westeurope", "tags": tags,
        "properties": {"provisioningState": "Succeeded", "containers": []},
    });
    if let Some(state) = state {
        group["properties"]["instanceView"] = value!({"events": [], "state": state});
    }
    group
}

fn ours(state: Option<&str>) -> Value {
    group(name().as_str(), &value!(tags().to_map()), state)
}

fn refusal(status: u16, code: &str) -> Reply {
    json(status, &value!({"error": {"code": code, "message": "no"}}).to_string())
}

/// What arrived, without the token requests.
fn lines(server: &Server) -> Vec<String> {
    let received = server.received().into_iter().map(|request| request.line);
    received.filter(|line| !line.starts_with("POST /tenant")).collect()
}

fn verbs(server: &Server) -> Vec<String> {
    lines(server).iter().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[tokio::test]
async fn creating_is_one_request_and_the_operation_is_asked_at_its_own_address() {
    let mut asked = 0;
    let server = start(move |request| {
        if request.line.starts_with("PUT") {
            let host = request.header("host");
            let address = format!(
                "azure-asyncoperation: https://{host}/operations/1?api-version=2018-06-01&t=1&c=MII%2B&s=x"
            );
            return with(201, &["content-type: application/json", &address], "{}");
        }
        asked += 1;
        match asked {
            1 => with(200, &["content-type: application/json", "retry-after: 3"], r#"{"status":"Pending"}"#),
            _ => json(200, r#"{"status":"Succeeded"}"#),
        }
    })
    .await;
    let groups = groups(&server);
    let operation =
        groups.create_new(&name(), &tags(), &spec()).await.expect("accepted").expect("an operation");
    let OperationStatus::Running(next) = groups.operation(&operation).await.expect("a status") else {
        panic!("it is not done yet");
    };
    assert_eq!(next.retry_after.map(|wait| wait.as_secs()), Some(3));
    assert_eq!(groups.operation(&next).await, Ok(OperationStatus::Succeeded));
    let received = server.received();
    assert_eq!(received.len(), 4, "with the token");
    assert_eq!(received[1].line, format!("PUT {GROUPS}/{}?api-version=2025-09-01", name()));
    assert!(received[1].body.contains("pl4nted-configuration"));
    assert_eq!(received[3].line, "GET /operations/1?api-version=2018-06-01&t=1&c=MII%2B&s=x");
}

#[tokio::test]
async fn an_operation_that_failed_says_why_and_what_may_help() {
    let server = start(|request| {
        if request.line.starts_with("PUT") {
            let address = format!("azure-asyncoperation: https://{}/operations/1", request.header("host"));
            return with(201, &["content-type: application/json", &address], "{}");
        }
        json(200, r#"{"status":"Failed","error":{"code":"ServiceUnavailable","message":"not available in the location"}}"#)
    })
    .await;
    let groups = groups(&server);
    let operation =
        groups.create_new(&name(), &tags(), &spec()).await.expect("accepted").expect("an operation");
    let status = groups.operation(&operation).await.expect("a status");
    assert!(matches!(status, OperationStatus::Failed { class: FailureClass::Capacity, .. }), "{status:?}");
}

#[tokio::test]
async fn the_token_is_not_sent_to_an_address_elsewhere() {
    let server = start(|_| {
        with(
            201,
            &["content-type: application/json", "azure-asyncoperation: https://elsewhere.invalid/o"],
            "{}",
        )
    })
    .await;
    let groups = groups(&server);
    let operation =
        groups.create_new(&name(), &tags(), &spec()).await.expect("accepted").expect("an operation");
    let error = groups.operation(&operation).await.unwrap_err();
    assert!(error.to_string().contains("another host"), "{error}");
}

#[tokio::test]
async fn a_put_whose_answers_were_lost_is_looked_up() {
    let server = start(|request| match request.line.split(' ').next() {
        Some("PUT") => Reply::HangUp,
        _ => json(200, &ours(Some("Pending")).to_string()),
    })
    .await;
    assert_eq!(groups(&server).create_new(&name(), &tags(), &spec()).await, Ok(None));
    assert_eq!(verbs(&server).last().map(String::as_str), Some("GET"));
}

#[tokio::test]
async fn a_put_that_met_its_first_try_at_work_counts_as_accepted() {
    let server = start(|request| match request.line.split(' ').next() {
        Some("PUT") => refusal(409, "ContainerGroupTransitioning"),
        _ => json(200, &ours(Some("Pending")).to_string()),
    })
    .await;
    assert_eq!(groups(&server).create_new(&name(), &tags(), &spec()).await, Ok(None));
}

#[tokio::test]
async fn creating_again_changes_nothing_and_what_is_foreign_is_left_alone() {
    let foreign = group(name().as_str(), &value!({"managed-by": "terraform"}), Some("Running"));
    for (found, expected) in [
        (ours(Some("Running")), Ok(())),
        (foreign, Err(ComputeError::Foreign(GroupError::Foreign(name()).to_string()))),
    ] {
        let server = start(move |_| json(200, &found.to_string())).await;
        assert_eq!(ComputeBackend::create(&groups(&server), &name(), &tags(), &spec()).await, expected);
        assert_eq!(verbs(&server), ["GET"]);
    }
}

#[tokio::test]
async fn only_what_is_ours_is_deleted_and_absent_counts_as_deleted() {
    let foreign = group(name().as_str(), &value!(null), Some("Running"));
    for (found, deleted, verbs_sent) in [
        (json(200, &ours(None).to_string()), true, vec!["GET", "DELETE"]),
        (refusal(404, "ResourceNotFound"), true, vec!["GET"]),
        (json(200, &foreign.to_string()), false, vec!["GET"]),
    ] {
        let mut found = Some(found);
        let server = start(move |_| found.take().unwrap_or_else(|| with(204, &[], ""))).await;
        assert_eq!(ComputeBackend::delete(&groups(&server), &name()).await.is_ok(), deleted);
        assert_eq!(verbs(&server), verbs_sent);
    }
}

#[tokio::test]
async fn a_group_that_was_listed_is_marked_and_deleted_with_one_request_each() {
    let listed = |tags: Value| ContainerGroup {
        name: name().to_string(),
        phase: ComputePhase::Running,
        tags: serde_json::from_value(tags).expect("tags"),
    };
    let server = start(|_| refusal(404, "ResourceNotFound")).await;
    let groups = groups(&server);
    let mut of_ours = tags().to_map();
    of_ours.insert("owner".to_owned(), "me".to_owned());
    let ours = listed(value!(of_ours));
    assert_eq!(groups.mark(&ours, Timestamp(60)).await, Ok(()), "absent counts as marked");
    assert_eq!(groups.delete_listed(&ours).await, Ok(()), "and as deleted");
    assert_eq!(verbs(&server), ["PATCH", "DELETE"]);
    let patch = |request: &Received| request.line.starts_with("PATCH");
    let received = server.received().into_iter().find(patch).expect("the mark");
    let sent: Value = serde_json::from_str(&received.body).expect("JSON");
    assert_eq!(sent["tags"]["owner"], "me", "all the other tags stay");
    assert_eq!(sent["tags"]["ephemeral-agents-retiring"], "1970-01-01T00:01:00Z");
    let foreign = listed(value!({"managed-by": "somebody-else"}));
    assert!(groups.mark(&foreign, Timestamp(60)).await.is_err());
    assert!(groups.delete_listed(&foreign).await.is_err());
    assert_eq!(verbs(&server).len(), 2, "nothing is sent for what is not ours");
}

#[tokio::test]
async fn a_list_is_whole_and_a_look_says_what_has_ended() {
    let server = start(|request| {
        let line = request.line.as_str();
        if line.contains("page=2") {
            return json(200, &value!({"value": [ours(None)]}).to_string());
        }
        if line.contains(name().as_str()) {
            return json(200, &ours(Some("Succeeded")).to_string());
        }
        let next = format!("https://{}/list?page=2", request.header("host"));
        json(200, &value!({"value": [group("foreign", &value!(null), None)], "nextLink": next}).to_string())
    })
    .await;
    let listed = ComputeBackend::list(&groups(&server)).await.expect("a list");
    let seen: Vec<_> = listed.iter().map(|group| (group.name.as_str(), group.phase.clone())).collect();
    assert_eq!(seen, [("foreign", ComputePhase::Running), (name().as_str(), ComputePhase::Running)]);
    assert_eq!(listed[1].ownership(), Some(tags()));
    assert_eq!(verbs(&server), ["GET", "GET"], "one request a page");
    let looked_at =
        ComputeBackend::look(&groups(&server), &name()).await.expect("an answer").expect("a group");
    assert_eq!(looked_at.phase, ComputePhase::Exited);
}

#[tokio::test]
async fn half_a_list_is_an_error() {
    let server = start(|request| {
        if request.line.contains("page=2") {
            return refusal(400, "InvalidSkipToken");
        }
        let next = format!("https://{}/list?page=2", request.header("host"));
        json(200, &value!({"value": [], "nextLink": next}).to_string())
    })
    .await;
    assert!(matches!(ComputeBackend::list(&groups(&server)).await, Err(ComputeError::Rejected(_))));
}

#[tokio::test]
async fn a_log_is_a_text_or_nothing() {
    let replies: [fn() -> Reply; 4] = [
        || json(200, r#"{"content":"hello\n"}"#),
        || json(200, r#"{"content":null}"#),
        || refusal(404, "ContainerNotFound"),
        || refusal(400, "ContainerLogNotAvailable"),
    ];
    for (reply, expected) in replies.into_iter().zip([Some("hello\n"), None, None, None]) {
        let server = start(move |_| reply()).await;
        let log = groups(&server).tail(name().as_str(), Some(50)).await.expect("an answer");
        assert_eq!(log.as_deref(), expected);
        let line = format!("GET {GROUPS}/{}/containers/agent/logs?api-version=2025-09-01&tail=50", name());
        assert_eq!(lines(&server), [line]);
    }
}

#[tokio::test]
async fn what_a_refusal_repeats_of_a_secret_is_masked() {
    let server = start(|request| {
        let message = format!("cannot read {}", request.body.replace('"', "'"));
        json(400, &value!({"error": {"code": "InvalidRequestContent", "message": message}}).to_string())
    })
    .await;
    let error = groups(&server).create_new(&name(), &tags(), &spec()).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("'secureValue':'***'"), "{shown}");
    assert!(!shown.contains("pl4nted"), "{shown}");
}

#[tokio::test]
async fn preflight_reads_what_can_be_known_beforehand() {
    let server = start(|request| {
        let line = request.line.split('?').next().unwrap_or_default();
        match line {
            "GET /subscriptions/s" => json(200, r#"{"displayName":"box","state":"Enabled","tenantId":"t"}"#),
            "GET /subscriptions/s/resourceGroups/rg" => json(200, r#"{"location":"westeurope","tags":null}"#),
            "GET /subscriptions/s/providers/Microsoft.ContainerInstance" => {
                json(200, r#"{"registrationState":"NotRegistered"}"#)
            }
            "GET /subscriptions/s/providers/Microsoft.ContainerInstance/locations/westeurope/usages" => json(
                200,
                r#"[{"unit":"Count","currentValue":7,"limit":10,"name":{"value":"StandardCores"}}]"#,
            ),
            "GET /subscriptions/s/resourceGroups/n/providers/Microsoft.Network/virtualNetworks/v" => json(
                200,
                r#"{"location":"westeurope","properties":{"subnets":[{"name":"Agents","properties":{
                    "delegations":[{"properties":{"serviceName":"Microsoft.ContainerInstance/containerGroups"}}],
                    "natGateway":{"id":"x"}}}]}}"#,
            ),
            _ => refusal(404, "ResourceNotFound"),
        }
    })
    .await;
    let subscription = subscription(&server);
    let info = subscription.info().await.expect("an answer").expect("a subscription");
    assert_eq!((info.name.as_str(), info.state.as_str()), ("box", "Enabled"));
    let resource_group = subscription.resource_group("rg").await.expect("an answer").expect("a group");
    assert!(same_location(&resource_group.location, "West Europe"));
    assert_eq!(subscription.resource_group("other").await, Ok(None));
    assert_eq!(subscription.registration_state().await.as_deref(), Ok("NotRegistered"));
    let usages = subscription.usages("westeurope").await.expect("an answer");
    assert_eq!((usages[0].name.as_str(), usages[0].current, usages[0].limit), ("StandardCores", 7, 10));
    let id = |name| SubnetId::from_parts("s", "n", "v", name);
    let subnet_found = subscription.subnet(&id("agents")).await.expect("an answer").expect("a subnet");
    assert!(subnet_found.delegated && subnet_found.has_nat_gateway && !subnet_found.has_route_table);
    assert_eq!(subscription.subnet(&id("other")).await, Ok(None));
}

#[tokio::test]
async fn a_subnet_says_who_lives_in_it_and_how_full_it_is() {
    let server = start(|request| match request.line.split('?').next().unwrap_or_default() {
        "GET /subscriptions/s/resourceGroups/n/providers/Microsoft.Network/virtualNetworks/v" => json(
            200,
            r#"{"location":"westeurope","properties":{"subnets":[
                {"name":"web","properties":{"ipConfigurations":[{"id":"nic"}]}},{"name":"bare","properties":{}}]}}"#,
        ),
        "GET /subscriptions/s/resourceGroups/n/providers/Microsoft.Network/virtualNetworks/v/usages" => json(
            200,
            r#"{"value":[{"id":"/subscriptions/s/resourceGroups/n/providers/Microsoft.Network/virtualNetworks/v/subnets/WEB",
                "currentValue":3.0,"limit":251.0,"unit":"Count","name":{"value":"SubnetSpace"}}]}"#,
        ),
        _ => refusal(404, "ResourceNotFound"),
    })
    .await;
    let subscription = subscription(&server);
    let id = |name| SubnetId::from_parts("s", "n", "v", name);
    let web = subscription.subnet(&id("web")).await.expect("an answer").expect("a subnet");
    assert_eq!(web.others, ["nic"]);
    let room = subscription.subnet_room(&id("web")).await.expect("an answer").expect("numbers");
    assert_eq!((room.used, room.limit), (3, 251));
    assert_eq!(subscription.subnet_room(&id("bare")).await, Ok(None));
}

/// A subscription that is not there is no missing resource group.
#[tokio::test]
async fn a_subscription_that_is_not_there_is_an_error() {
    let server = start(|_| refusal(404, "SubscriptionNotFound")).await;
    let subscription = subscription(&server);
    assert_eq!(subscription.info().await, Ok(None));
    let error = subscription.resource_group("rg").await.expect_err("no subscription");
    assert_eq!(error.service().and_then(|error| error.code.as_deref()), Some("SubscriptionNotFound"));
}

#[tokio::test]
async fn a_missing_right_is_an_answer_with_a_remedy() {
    let server = start(|_| refusal(403, "AuthorizationFailed")).await;
    let error = groups(&server).create_new(&name(), &tags(), &spec()).await.unwrap_err();
    assert!(matches!(&error, HttpError::Service(service) if service.status == 403), "{error:?}");
    assert!(error.remedy().contains("role"), "{}", error.remedy());
    assert_eq!(verbs(&server), ["PUT"]);
}
