//! What the service would not run, and what it says.

use serde_json::json;

use crate::support::Person;

#[tokio::test]
async fn a_pipeline_that_cannot_run_is_refused_with_the_reason() {
    let person = Person::start_with(None).await;
    let table = [
        ("steps: [{scrip: echo}]", "/azure-pipelines.yml (Line: 1, Col: 10): Unexpected value 'scrip'"),
        (
            "pool: nowhere\nsteps: [{script: echo}]",
            "Could not find a pool with name nowhere. The pool does not exist or has not been authorized for use.",
        ),
        (
            "steps: [{task: Missing@1}]",
            "A task is missing. The pipeline references a task called 'Missing'. This usually indicates the task isn't \
             installed. (Task version 1, job '__default', step ''.)",
        ),
        (
            "parameters: [{name: size}]\nsteps: [{script: echo}]",
            "/azure-pipelines.yml (Line: 1, Col: 14): A value for the 'size' parameter must be provided.",
        ),
    ];
    for (yaml, expected) in table {
        let refused = person.try_run(json!({ "yaml": yaml }), json!({})).await;
        assert_eq!(refused, Err(expected.to_owned()), "{yaml}");
    }
}

#[tokio::test]
async fn a_job_that_no_registered_agent_can_do_fails_at_once() {
    let person = Person::start_with(None).await;
    let run =
        person.run("pool: {name: sample-ephemeralpool, demands: docker}\nsteps: [{script: echo}]").await;
    assert_eq!(person.result(run).await, "failed");
    let (_, _, issues) = &person.records(run, "Job").await[0];
    assert!(
        issues.starts_with(
            "No agent found in pool sample-ephemeralpool which satisfies the specified demands: docker"
        ),
        "{issues}"
    );
}

#[tokio::test]
async fn a_hosted_pool_without_its_agent_fails_the_job_and_says_so() {
    let person = Person::start_with(Some("/no/such/agent".into())).await;
    let run = person.run("steps: [{script: echo}]").await;
    assert_eq!(person.result(run).await, "failed");
    let (_, _, issues) = &person.records(run, "Job").await[0];
    assert!(issues.starts_with("The hosted agent could not be started"), "{issues}");
}
