//! Runs whose jobs really run.

use serde_json::json;

use crate::support::Person;

#[tokio::test]
async fn what_one_job_puts_out_reaches_the_next_and_secrets_reach_no_log() {
    let person = Person::start().await;
    let repository = tempfile::tempdir().expect("a folder");
    std::fs::write(repository.path().join("greeting.txt"), "hello from the repository\n").expect("a file");
    std::fs::write(
        repository.path().join("say.yml"),
        "parameters:\n- name: word\nsteps:\n- script: echo said ${{ parameters.word }} to $(color)\n",
    )
    .expect("a template");
    let yaml = r###"
stages:
- stage: first
  jobs:
  - job: pick
    steps:
    - script: |
        cat greeting.txt
        echo "##vso[task.setvariable variable=color;isOutput=true]red"
      name: choose
- stage: second
  jobs:
  - job: use
    variables:
      color: $[ stageDependencies.first.pick.outputs['choose.color'] ]
    steps:
    - checkout: none
    - template: say.yml
      parameters: {word: hi}
    - bash: echo "the key is $KEY"
      env: {KEY: $(key)}
"###;
    let pipeline = json!({
        "yaml": yaml, "secrets": {"key": "planted-5ecret"}, "repository": repository.path().to_str().expect("a path"),
    });
    let run = person.try_run(pipeline, json!({})).await.expect("a run");
    assert_eq!(person.result(run).await, "succeeded", "{}", person.logs(run).await);
    let logs = person.logs(run).await;
    assert!(logs.contains("hello from the repository"), "{logs}");
    assert!(logs.contains("said hi to red"), "{logs}");
    assert!(logs.contains("the key is ***") && !logs.contains("planted-5ecret"), "{logs}");
    let state = person.state().await;
    assert!(state.contains("choose.color") && !state.contains("planted-5ecret"), "{state}");
}

#[tokio::test]
async fn after_a_failure_only_those_run_that_want_to() {
    let person = Person::start().await;
    let run = person
        .run(
            "
jobs:
- job: broken
  steps: [{checkout: none}, {script: exit 3}]
- job: next
  dependsOn: broken
  steps: [{checkout: none}, {script: echo never}]
- job: tidy
  dependsOn: [broken, next]
  condition: always()
  steps: [{checkout: none}, {script: echo tidied up}]
",
        )
        .await;
    assert_eq!(person.result(run).await, "failed");
    let jobs = person.records(run, "Phase").await;
    let results: Vec<(&str, &str)> =
        jobs.iter().map(|(name, result, _)| (name.as_str(), result.as_str())).collect();
    assert_eq!(results, [("broken", "failed"), ("next", "skipped"), ("tidy", "succeeded")]);
    assert!(person.logs(run).await.contains("tidied up"));
}

const ENDLESS: &str = "
jobs:
- job: endless
  timeoutInMinutes: 1
  steps: [{checkout: none}, {bash: while true; do read -r -t 1 < /dev/zero || true; done}]
- job: later
  dependsOn: endless
  steps: [{checkout: none}, {script: echo never}]
";

#[tokio::test]
async fn a_cancelled_run_ends_its_job_and_begins_no_other() {
    let person = Person::start().await;
    let run = person.run(ENDLESS).await;
    person.job_runs().await;
    person.cancel(run).await;
    assert_eq!(person.result(run).await, "canceled");
    let jobs = person.records(run, "Phase").await;
    assert!(jobs.iter().all(|(_, result, _)| result == "canceled"), "{jobs:?}");
}

#[tokio::test]
async fn a_job_that_takes_too_long_is_ended() {
    let person = Person::start().await;
    let run = person.run(ENDLESS).await;
    person.job_runs().await;
    person.step(61).await;
    assert_eq!(person.result(run).await, "canceled");
    let jobs = person.records(run, "Job").await;
    let (_, result, issues) = &jobs[0];
    assert_eq!(result, "canceled");
    assert!(issues.contains("ran longer than the maximum time of 1 minutes."), "{jobs:?}");
}

#[tokio::test]
async fn an_earlier_job_makes_the_matrix_of_a_later_one() {
    let person = Person::start().await;
    let run = person
        .run(
            r#"
jobs:
- job: plan
  pool: {vmImage: ubuntu-latest}
  steps:
  - checkout: none
  - script: |
      echo '##vso[task.setvariable variable=legs;isOutput=true]{"north":{"city":"Oslo"},"south":{"city":"Rome"}}'
    name: make
- job: go
  dependsOn: plan
  strategy: {matrix: "$[ dependencies.plan.outputs['make.legs'] ]"}
  pool: {vmImage: ubuntu-latest}
  steps:
  - checkout: none
  - script: echo going to $(city)
- job: nowhere
  dependsOn: plan
  strategy: {matrix: "$[ dependencies.plan.outputs['make.nothing'] ]"}
  pool: {vmImage: ubuntu-latest}
  steps: []
"#,
        )
        .await;
    assert_eq!(person.result(run).await, "failed", "for the matrix that nobody made");
    let logs = person.logs(run).await;
    assert!(logs.contains("going to Oslo") && logs.contains("going to Rome"), "{logs}");
    let phases = person.records(run, "Phase").await;
    let (_, result, problem) = phases.iter().find(|(name, ..)| name == "nowhere").expect("a record");
    assert_eq!(result, "failed");
    assert!(problem.contains("no object of objects"), "{problem}");
    let jobs = person.records(run, "Job").await;
    assert_eq!(jobs.iter().filter(|(name, ..)| name.starts_with("go ")).count(), 2, "{jobs:?}");
}

#[tokio::test]
async fn a_run_may_be_queued_as_a_build_and_is_found_by_what_it_is() {
    let person = Person::start().await;
    let (_, put) =
        person.put("pipelines/test", json!({"yaml": "steps: [{script: echo it is $(word)}]"})).await;
    let queued =
        person.queue(json!({"definition": {"id": put["id"]}, "parameters": "{\"word\": \"hello\"}"})).await;
    let build = queued.expect("a build");
    let run = build["id"].as_u64().expect("an id");
    assert_eq!(person.result(run).await, "succeeded");
    assert!(person.logs(run).await.contains("it is hello"));
    let number = build["buildNumber"].as_str().expect("a number");
    let by_number = format!("buildNumber={number}");
    for (query, count) in [
        ("statusFilter=completed&resultFilter=succeeded", 1),
        ("statusFilter=2&resultFilter=2", 1),
        ("statusFilter=inProgress", 0),
        ("statusFilter=all&resultFilter=failed,canceled", 0),
        (by_number.as_str(), 1),
        ("buildNumber=none", 0),
        ("buildIds=99", 0),
        ("definitions=99", 0),
    ] {
        assert_eq!(person.get(&format!("build/builds?{query}")).await["count"], count, "{query}");
    }
    let unknown = person.queue(json!({"definition": {"id": 99}})).await;
    assert_eq!(unknown.expect_err("a refusal")["typeKey"], "DefinitionNotFoundException");
}
