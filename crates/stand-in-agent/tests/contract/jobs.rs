//! Jobs: what the server learns of them.

use serde_json::json;
use tokio::io::AsyncReadExt as _;

use crate::support::agent::{Agent, text};
use crate::support::server::Server;
use crate::support::world::{JOB, job, script};

/// The message of the event that ended the job.
fn completion(server: &Server) -> serde_json::Value {
    let events = server.world.calls_of("POST", "/events");
    events.last().expect("the job was never completed").json()
}

#[tokio::test]
async fn one_job_in_order() {
    let server = Server::start().await;
    let agent = Agent::configured(&server).await;
    let before = server.world.calls().len();
    let steps = json!([script("one", "echo hello", ""), script("two", "echo $BUILD_BUILDID", "succeeded()")]);
    server.world.send("PipelineAgentJobRequest", job(&server.url, &steps));
    let output = agent.run(&["run", "--once"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let calls: Vec<_> = server.world.calls()[before..]
        .iter()
        .filter(|call| !call.authorization.is_empty() && !call.path.ends_with("/feed"))
        .map(|call| format!("{} {}", call.method, call.path.rsplit("/_apis/").next().unwrap()))
        .collect();
    let milestones = [
        "GET connectionData",
        "POST distributedtask/pools/3/sessions",
        "GET distributedtask/pools/3/messages",
        "PATCH distributedtask/pools/3/jobrequests/9",
        "DELETE distributedtask/pools/3/messages/1",
        "GET distributedtask/tasks/d9bafed4-0b18-4f58-968d-86655b4d2ce9/2.250.0",
        "POST distributedtask/hubs/Build/plans/plan/logs",
        "PATCH distributedtask/hubs/Build/plans/plan/timelines/timeline/records",
        "POST distributedtask/hubs/Build/plans/plan/events",
        "DELETE distributedtask/pools/3/sessions/00000000-0000-4000-8000-000000000005",
    ];
    let mut rest = calls.iter();
    for milestone in milestones {
        assert!(rest.any(|call| call == milestone), "{milestone} is missing or too early in {calls:#?}");
    }
    let tasks = calls.iter().filter(|call| call.contains("/tasks/")).count();
    assert_eq!(tasks, 1, "a task is downloaded once");
    assert!(
        server.world.log("two").lines().any(|line| line.ends_with("Z 42")),
        "{}",
        server.world.log("two")
    );
    let lines = text(&output);
    for line in ["Listening for Jobs", "Running job: Deploy", "Job Deploy completed with result: Succeeded"] {
        assert!(lines.contains(&format!("Z: {line}")), "{lines}");
    }
    let event = completion(&server);
    assert_eq!((&event["result"], &event["agentShuttingDown"]), (&json!("succeeded"), &json!(true)));
    assert_eq!((&event["jobId"], &event["requestId"]), (&json!(JOB), &json!(9)));
    assert_eq!(server.world.record("Deploy")["state"], "completed");
}

#[tokio::test]
async fn outputs_reach_later_steps_and_secrets_nobody() {
    let server = Server::start().await;
    let agent = Agent::configured(&server).await;
    let first = "echo '##vso[task.setvariable variable=color;isOutput=true]blue'\n\
                 echo '##vso[task.setvariable variable=token;isSecret=true]s3cr3t-value'\n\
                 echo 'password is $(password)'";
    let second = "echo got $(one.color) and $(token)\n\
                  [ -z \"$PASSWORD$TOKEN\" ] && echo not in the environment\n\
                  echo \"input: $VSTS_AGENT_INPUT_TOKEN.\"";
    let steps = json!([script("one", first, ""), script("two", second, "")]);
    server.world.send("PipelineAgentJobRequest", job(&server.url, &steps));
    let agent = agent.with("VSTS_AGENT_INPUT_TOKEN", "must-vanish");
    let output = agent.run(&["run", "--once"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let variables = &server.world.record("one")["variables"];
    assert_eq!(variables["color"], json!({"value": "blue", "isSecret": false}));
    assert_eq!(completion(&server)["outputs"]["one.color"]["value"], "blue");
    let log = server.world.log("two");
    for line in ["got blue and ***", "not in the environment", "input: ."] {
        assert!(log.contains(line), "{log}");
    }
    assert!(server.world.log("one").contains("password is ***"));
    for call in server.world.calls() {
        for secret in ["s3cr3t-value", "hunter2!", "must-vanish"] {
            assert!(!call.text().contains(secret), "{} {} carries {secret}", call.method, call.path);
        }
    }
}

#[tokio::test]
async fn the_supervisor_is_notified() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server::start().await;
    let agent = Agent::install(&server);
    let address = listener.local_addr().unwrap().to_string();
    assert!(agent.configure(&["--notificationsocketaddress", &address]).await.status.success());
    server.world.send("PipelineAgentJobRequest", job(&server.url, &json!([script("one", "true", "")])));
    let accepted = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = String::new();
        stream.read_to_string(&mut heard).await.unwrap();
        heard
    };
    let (output, heard) = tokio::join!(agent.run(&["run", "--once"]), accepted);
    assert!(output.status.success());
    assert_eq!(heard, format!("Starting job: {JOB}Finished job: {JOB}"));
}

#[tokio::test]
async fn a_failing_step_fails_the_job_but_not_the_agent() {
    let server = Server::start().await;
    let agent = Agent::configured(&server).await;
    let mut lenient = script("lenient", "exit 3", "");
    lenient["continueOnError"] = json!(true);
    let steps = json!([
        lenient,
        script("broken", "echo '##vso[task.logissue type=error]because'; exit 1", ""),
        script("skipped", "echo no", ""),
        script("after", "echo status $AGENT_JOBSTATUS", "failed()"),
    ]);
    server.world.send("PipelineAgentJobRequest", job(&server.url, &steps));
    let output = agent.run(&["run", "--once"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("completed with result: Failed"));
    assert_eq!(completion(&server)["result"], "failed");
    for (name, result) in [
        ("lenient", "succeededWithIssues"),
        ("broken", "failed"),
        ("skipped", "skipped"),
        ("after", "succeeded"),
    ] {
        assert_eq!(server.world.record(name)["result"], result, "{name}");
    }
    let issues: Vec<_> = server.world.record("broken")["issues"].as_array().unwrap().clone();
    let messages: Vec<_> = issues.iter().map(|issue| issue["message"].as_str().unwrap()).collect();
    assert_eq!(messages, ["because", "Bash exited with code '1'."]);
    assert!(server.world.log("after").contains("status Failed"));
}

#[tokio::test]
async fn a_cancelled_job_stops_its_step_and_cleans_up() {
    let server = Server::start().await;
    let agent = Agent::configured(&server).await;
    let steps = json!([
        script("long", "echo under way; sleep 600", ""),
        script("next", "echo no", ""),
        script("cleanup", "echo cleaning", "always()"),
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
    assert_eq!(completion(&server)["result"], "canceled");
    for (name, result) in [("long", "canceled"), ("next", "skipped"), ("cleanup", "succeeded")] {
        assert_eq!(server.world.record(name)["result"], result, "{name}");
    }
}

#[tokio::test]
async fn the_repository_is_checked_out_and_files_are_attached() {
    let server = Server::start().await;
    let agent = Agent::configured(&server).await;
    let repository = tempfile::tempdir().unwrap();
    std::fs::write(
        repository.path().join("deploy.sh"),
        "echo deployed from $PWD; echo '# fine' > summary.md",
    )
    .unwrap();
    let checkout = json!({"id": "33333333-2222-4333-8444-555555555555", "name": "", "displayName": "Checkout",
        "reference": {"id": "6d15af64-176c-496d-b583-fd2ae21d4df4", "name": "Checkout", "version": "1.0.0"},
        "inputs": {"repository": "self"}});
    let deploy = script("deploy", "bash deploy.sh; echo \"##vso[task.uploadsummary]$PWD/summary.md\"", "");
    let mut message = job(&server.url, &json!([checkout, deploy]));
    message["resources"]["repositories"][0]["properties"]["url"] =
        json!(format!("file://{}", repository.path().display()));
    server.world.send("PipelineAgentJobRequest", message);
    let output = agent.run(&["run", "--once"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let sources = agent.root.join("_work/1/s");
    assert!(server.world.log("deploy").contains(&format!("deployed from {}", sources.display())));
    let summary = &server.world.calls_of("PUT", "/attachments/DistributedTask.Core.Summary/summary.md")[0];
    assert_eq!(summary.text(), "# fine\n");
}

#[tokio::test]
async fn a_task_the_server_does_not_have_fails_the_job() {
    let server = Server::start().await;
    let agent = Agent::configured(&server).await;
    let mut step = script("one", "true", "");
    step["reference"]["id"] = json!("99999999-2222-4333-8444-555555555555");
    server.world.send("PipelineAgentJobRequest", job(&server.url, &json!([step])));
    let output = agent.run(&["run", "--once"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(completion(&server)["result"], "failed");
    assert!(server.world.log("Initialize job").contains("Failed to download task 'CmdLine'"));
}

#[tokio::test]
async fn a_step_that_takes_too_long_fails_and_one_that_is_tried_again_succeeds() {
    let server = Server::start().await;
    let agent = Agent::configured(&server).await;
    let mut slow = script("slow", "sleep 600", "");
    slow["timeoutInMinutes"] = json!(0.005);
    slow["continueOnError"] = json!(true);
    let mut moody = script("moody", "[ -e been-here ] || { touch been-here; exit 1; }", "");
    moody["retryCountOnTaskFailure"] = json!(1);
    let talkative = "echo oops >&2; echo '##vso[task.prependpath]/opt/first'";
    let mut strict = script("strict", talkative, "");
    strict["inputs"]["failOnStderr"] = json!("true");
    let mut path = script("path", "echo path $PATH; echo own $OWN", "always()");
    path["environment"] = json!({"OWN": "$(build.buildId)!"});
    server.world.send("PipelineAgentJobRequest", job(&server.url, &json!([slow, moody, strict, path])));
    let output = agent.run(&["run", "--once"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert_eq!(server.world.record("slow")["issues"][0]["message"], "The task has timed out.");
    assert_eq!(server.world.record("moody")["result"], "succeeded");
    assert_eq!(server.world.record("strict")["result"], "failed");
    assert!(server.world.log("strict").contains("##[error]oops"));
    let log = server.world.log("path");
    assert!(log.contains("path /opt/first:") && log.contains("own 42!"), "{log}");
}
