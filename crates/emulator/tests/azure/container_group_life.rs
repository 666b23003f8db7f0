//! A container group from its creation to its end, on processes.

use std::path::Path;

use emulator::options::{Mode, Options};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Azure, container_group, options, script};

/// Options with an image `agent` that is this shell script.
fn with_image(folder: &Path, text: &str) -> Options {
    Options { images: vec![("agent".to_owned(), script(folder, "agent", text))], ..options() }
}

fn current_state(group: &Value) -> &Value {
    &group["properties"]["containers"][0]["properties"]["instanceView"]["currentState"]
}

#[tokio::test]
async fn a_group_is_accepted_provisioned_runs_ends_and_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let azure = Azure::start(with_image(folder.path(), "echo hello from $WHO; exit 0")).await;
    let path = azure.group("one");
    let environment = json!([{"name": "WHO", "value": "the group"}]);
    let mut body = container_group("registry.example/agent:1", &json!({}));
    body["properties"]["containers"][0]["properties"]["environmentVariables"] = environment;

    let accepted = azure.put(&path, &body).await;
    assert_eq!(accepted.status, 201, "{accepted:?}");
    assert_eq!(accepted.body["properties"]["provisioningState"], "Pending");
    let operation = accepted.header("azure-asyncoperation").to_owned();
    let pending = azure.get(&operation).await;
    assert_eq!((&pending.body["status"], pending.header("retry-after")), (&json!("Pending"), "1"));

    azure.step(1).await;
    let ended = azure.wait_until(&path, |group| current_state(group)["state"] == "Terminated").await;
    assert_eq!(current_state(&ended)["exitCode"], 0);
    azure.step(1).await;
    azure.wait_until(&operation, |operation| operation["status"] == "Succeeded").await;
    let done = azure.get(&path).await.body;
    assert_eq!(done["properties"]["provisioningState"], "Succeeded");
    assert_eq!(done["properties"]["instanceView"]["state"], "Succeeded");

    let logs = azure.get(&format!("{path}/containers/agent/logs")).await;
    assert_eq!(logs.body["content"], "hello from the group\n");
    assert_eq!(azure.delete(&path).await.status, 200);
    assert_eq!(azure.get(&path).await.code(), "ResourceNotFound");
    assert_eq!(azure.delete(&path).await.status, 204);
}

#[tokio::test]
async fn a_failed_container_fails_its_group_but_not_its_provisioning() {
    let folder = tempfile::tempdir().unwrap();
    let azure = Azure::start(with_image(folder.path(), "echo broken >&2; exit 3")).await;
    let path = azure.group("failing");
    azure.put(&path, &container_group("agent", &json!({}))).await;
    azure.step(1).await;
    azure.wait_until(&path, |group| current_state(group)["state"] == "Terminated").await;
    azure.step(1).await;
    let done = azure.get(&path).await.body;
    assert_eq!(done["properties"]["provisioningState"], "Succeeded");
    assert_eq!(done["properties"]["instanceView"]["state"], "Failed");
    assert_eq!(
        (&current_state(&done)["exitCode"], &current_state(&done)["detailStatus"]),
        (&json!(3), &json!("Error"))
    );
}

#[tokio::test]
async fn deleting_a_running_group_ends_all_its_processes_and_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let running = folder.path().join("running");
    let text = format!("echo $AZP_HOME > {0}.new; mv {0}.new {0}; sleep 600 & wait", running.display());
    let azure = Azure::start(with_image(folder.path(), &text)).await;
    let path = azure.group("long");
    azure.put(&path, &container_group("agent", &json!({}))).await;
    azure.step(1).await;
    azure.wait_until(&path, |group| group["properties"]["provisioningState"] == "Succeeded").await;
    let home = loop {
        // The script writes it first of all; there is nothing in the emulator that would tell.
        match std::fs::read_to_string(&running) {
            Ok(home) => break home,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let home = Path::new(home.trim()).to_owned();
    assert!(home.is_dir());
    assert_eq!(azure.delete(&path).await.status, 200);
    azure.running.stop().await;
    assert!(!home.exists(), "the group's folder is gone");
    let left = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok).any(|process| {
        std::fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(&home))
    });
    assert!(!left, "no process of the group is left");
}

#[tokio::test]
async fn a_policy_of_on_failure_starts_a_container_again() {
    let folder = tempfile::tempdir().unwrap();
    let text = "if [ -e $AZP_HOME/used ]; then exit 0; fi; touch $AZP_HOME/used; exit 1";
    let azure = Azure::start(with_image(folder.path(), text)).await;
    let path = azure.group("again");
    azure.put(&path, &container_group("agent", &json!({"restartPolicy": "OnFailure"}))).await;
    azure.step(1).await;
    azure.wait_until(&path, |group| current_state(group)["state"] == "Waiting").await;
    azure.step(1).await;
    let done = azure.wait_until(&path, |group| current_state(group)["state"] == "Terminated").await;
    let view = &done["properties"]["containers"][0]["properties"]["instanceView"];
    assert_eq!((&view["restartCount"], &view["previousState"]["exitCode"]), (&json!(1), &json!(1)));
    assert_eq!(view["currentState"]["exitCode"], 0);
}

#[tokio::test]
async fn an_image_that_is_not_there_fails_the_provisioning_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let azure = Azure::start(with_image(folder.path(), "exit 0")).await;
    let path = azure.group("unknown");
    let accepted = azure.put(&path, &container_group("registry.example/other:1", &json!({}))).await;
    azure.step(1).await;
    let operation = accepted.header("azure-asyncoperation").to_owned();
    let failed = azure.wait_until(&operation, |operation| operation["status"] == "Failed").await;
    assert_eq!(failed["error"]["code"], "InaccessibleImage");
    let group = azure.get(&path).await.body;
    assert_eq!(group["properties"]["provisioningState"], "Failed");
    let events = &group["properties"]["containers"][0]["properties"]["instanceView"]["events"];
    let failed = events.as_array().unwrap().iter().find(|event| event["name"] == "Failed").unwrap();
    assert!(failed["message"].as_str().unwrap().starts_with("Failed to pull image"), "{failed}");
}

#[tokio::test]
async fn secret_volumes_are_files_and_init_containers_come_first() {
    let folder = tempfile::tempdir().unwrap();
    let azure =
        Azure::start(with_image(folder.path(), "cat $HOME/root/mnt/secret/key; cat $HOME/first")).await;
    let path = azure.group("volumes");
    let mut body = container_group(
        "agent",
        &json!({
            "volumes": [{"name": "secret-files", "secret": {"key": "cGxhbnRlZAo="}}],
            "initContainers": [{
                "name": "init",
                "properties": {"image": "agent", "command": ["/bin/sh", "-c", "echo init > $HOME/first"]},
            }],
        }),
    );
    body["properties"]["containers"][0]["properties"]["volumeMounts"] =
        json!([{"name": "secret-files", "mountPath": "/mnt/secret", "readOnly": true}]);
    let accepted = azure.put(&path, &body).await;
    assert_eq!(accepted.status, 201, "{accepted:?}");
    azure.step(1).await;
    azure.wait_until(&path, |group| current_state(group)["state"] == "Terminated").await;
    let logs = azure.get(&format!("{path}/containers/agent/logs?api-version=2023-05-01&tail=5")).await;
    assert_eq!(logs.body["content"], "planted\ninit\n");
}

#[tokio::test]
async fn a_group_can_be_stopped_and_started() {
    let folder = tempfile::tempdir().unwrap();
    let azure = Azure::start(with_image(folder.path(), "sleep 600")).await;
    let path = azure.group("stoppable");
    azure.put(&path, &container_group("agent", &json!({}))).await;
    let creating = azure.call(Method::POST, &format!("{path}/stop"), None).await;
    assert_eq!((creating.status.as_u16(), creating.code()), (409, "ContainerGroupTransitioning"));
    azure.step(1).await;
    azure.wait_until(&path, |group| group["properties"]["instanceView"]["state"] == "Running").await;
    assert_eq!(azure.call(Method::POST, &format!("{path}/stop"), None).await.status, 204);
    assert_eq!(azure.get(&path).await.body["properties"]["instanceView"]["state"], "Stopped");
    assert_eq!(azure.call(Method::POST, &format!("{path}/start"), None).await.status, 202);
    azure.step(1).await;
    azure.wait_until(&path, |group| group["properties"]["instanceView"]["state"] == "Running").await;
    azure.running.stop().await;
}

#[tokio::test]
async fn kept_state_is_taken_up_and_what_ran_was_ended_by_maintenance() {
    let (folder, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let options = || Options {
        state: Some(state.path().to_owned()),
        mode: Mode::Run,
        ..with_image(folder.path(), "sleep 600")
    };
    let first = Azure::start(options()).await;
    let path = first.group("kept");
    first.put(&path, &container_group("agent", &json!({}))).await;
    first.wait_until(&path, |group| group["properties"]["instanceView"]["state"] == "Running").await;
    let kept = || {
        let text = std::fs::read_to_string(state.path().join("state.json")).unwrap_or_default();
        text.contains("\"provisioning_state\":\"Succeeded\"")
    };
    while !kept() {
        tokio::task::yield_now().await;
    }
    first.running.stop().await;

    let second = Azure::start(options()).await;
    assert_eq!(second.group("kept"), path, "the subscription is the same");
    let group = second.wait_until(&path, |group| current_state(group)["state"] == "Terminated").await;
    assert_eq!(current_state(&group)["exitCode"], 7147);
    assert_eq!(group["tags"]["made-by"], "test");
}

#[tokio::test]
async fn a_public_address_has_a_name_and_slashes_may_be_doubled() {
    let azure = Azure::start(options()).await;
    let public = json!({"ipAddress": {
        "type": "Public", "dnsNameLabel": "mine", "ports": [{"port": 80, "protocol": "TCP"}],
    }});
    let path = azure.group("public");
    let mut body = container_group("agent", &public);
    body["properties"]["containers"][0]["properties"]["ports"] = json!([{"port": 80}]);
    // The Azure CLI, for a container group out of a file.
    let doubled = path.replace("/containerGroups", "//containerGroups");
    assert_eq!(azure.put(&doubled, &body).await.status, 201);
    let shown = &azure.get(&path).await.body["properties"]["ipAddress"];
    assert_eq!(shown["fqdn"], "mine.westeurope.azurecontainer.io");
    assert!(shown["ip"].as_str().unwrap().starts_with("198.51.100."), "{shown}");
}
