//! From text to what it says, and what is refused.

use super::{Given, read_pipeline};
use crate::pipelines::expression::Value;
use crate::pipelines::model::{Action, Pipeline, Pool, Step};

fn read_with(text: &str, given: &Given) -> Result<Pipeline, String> {
    let source = |path: &str| match path {
        "ci/steps.yml" => {
            Ok("parameters:\n  word: hi\nsteps:\n- script: echo ${{ parameters.word }}\n".to_owned())
        }
        "loop.yml" => Ok("steps:\n- template: loop.yml\n".to_owned()),
        path => Err(format!("File /{path} not found")),
    };
    read_pipeline("azure-pipelines.yml", text, given, &source).map_err(|refusal| refusal.to_string())
}

fn read(text: &str) -> Pipeline {
    read_with(text, &Given::default()).expect("a pipeline")
}

#[track_caller]
fn check_refused(text: &str, expected: &str) {
    assert_eq!(read_with(text, &Given::default()).unwrap_err(), expected, "{text}");
}

fn steps(pipeline: &Pipeline) -> &[Step] {
    &pipeline.stages[0].jobs[0].steps
}

/// The `script` inputs of the first job.
fn scripts(pipeline: &Pipeline) -> Vec<&str> {
    let inputs = steps(pipeline).iter().flat_map(|step| &step.inputs);
    inputs.filter(|(name, _)| name == "script").map(|(_, value)| value.as_str()).collect()
}

#[test]
fn steps_alone_are_one_job_of_one_stage_on_a_hosted_machine() {
    let pipeline = read("steps:\n- script: echo hi\n");
    let [stage] = pipeline.stages.as_slice() else { panic!("one stage") };
    let [job] = stage.jobs.as_slice() else { panic!("one job") };
    assert_eq!((stage.name.as_str(), job.name.as_str()), ("__default", "__default"));
    assert_eq!(job.pool, Pool::Hosted { image: "ubuntu-latest".to_owned() });
    assert_eq!((job.timeout_minutes, job.cancel_timeout_minutes), (60, 5));
    assert_eq!(job.steps[0].action, Action::Checkout, "sources come first");
    assert_eq!(job.steps[1].action, Action::Task { name: "CmdLine".to_owned(), major: 2 });
}

#[test]
fn stages_wait_for_the_one_before_and_jobs_for_nobody() {
    let pipeline = read(
        "
stages:
- stage: a
  jobs: [{job: one, steps: []}, {job: two, steps: []}]
- stage: b
  jobs: [{job: one, steps: []}]
- stage: c
  dependsOn: []
  jobs: [{job: one, steps: []}]
- stage: d
  dependsOn: [a, b]
  jobs: [{job: one, steps: []}]
",
    );
    let needs: Vec<Vec<&str>> =
        pipeline.stages.iter().map(|stage| stage.depends_on.iter().map(String::as_str).collect()).collect();
    assert_eq!(needs, [vec![], vec!["a"], vec![], vec!["a", "b"]]);
    assert!(pipeline.stages[0].jobs.iter().all(|job| job.depends_on.is_empty()));
}

#[test]
fn short_forms_become_tasks_with_their_inputs() {
    let pipeline = read(
        "
steps:
- checkout: none
- bash: ls
  name: list
  workingDirectory: src
  env: {A: b}
  condition: failed()
  timeoutInMinutes: 3
- pwsh: Get-Item .
  continueOnError: true
- task: AzureContainerAgentCreate@1
  enabled: false
  inputs: {agentPool: p}
",
    );
    let steps = steps(&pipeline);
    assert_eq!(steps.len(), 3, "no checkout was asked for");
    let input = |step: &Step, name: &str| {
        step.inputs.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone())
    };
    assert_eq!(
        (steps[0].name.as_str(), steps[0].condition.as_str(), steps[0].timeout_minutes),
        ("list", "failed()", 3)
    );
    assert_eq!(input(&steps[0], "targetType").as_deref(), Some("inline"));
    assert_eq!(input(&steps[0], "workingDirectory").as_deref(), Some("src"));
    assert_eq!(steps[0].environment, [("A".to_owned(), "b".to_owned())]);
    assert_eq!(input(&steps[1], "pwsh").as_deref(), Some("true"));
    assert!(steps[1].continue_on_error && !steps[2].enabled);
    assert_eq!(steps[2].action, Action::Task { name: "AzureContainerAgentCreate".to_owned(), major: 1 });
}

#[test]
fn pools_deployments_and_matrices() {
    let pipeline = read(
        "
pool: {vmImage: windows-latest}
jobs:
- job: copies
  strategy: {matrix: {small: {size: s}, large: {size: l}}, maxParallel: 1}
  steps: []
- job: ours
  pool: {name: own, demands: [docker, Agent.Name -equals $(agent)]}
  workspace: {clean: all}
  steps: []
- deployment: ship
  environment: production
  strategy: {runOnce: {deploy: {steps: [{script: ship}]}}}
",
    );
    let jobs = &pipeline.stages[0].jobs;
    assert_eq!(jobs[0].pool, Pool::Hosted { image: "windows-latest".to_owned() });
    assert_eq!((jobs[0].matrix.len(), jobs[0].parallel_max), (2, 1));
    let demands = vec!["docker".to_owned(), "Agent.Name -equals $(agent)".to_owned()];
    assert_eq!(jobs[1].pool, Pool::Named { name: "own".to_owned(), demands });
    assert_eq!(jobs[2].environment.as_deref(), Some("production"));
    assert_eq!(jobs[2].steps.len(), 1, "a deployment does not check out the sources");
}

#[test]
fn template_expressions_are_put_in_place() {
    let text = "
parameters:
- {name: deep, type: boolean, default: false}
- {name: words, type: object, default: [a, b]}
variables:
  color: red
steps:
- checkout: none
- ${{ if eq(parameters.deep, true) }}:
  - script: deep
- ${{ elseif eq(variables.color, 'red') }}:
  - script: red
- ${{ else }}:
  - script: neither
- ${{ each word in parameters.words }}:
  - script: say ${{ word }} in ${{ variables.color }}
- script: last
  ${{ if parameters.deep }}:
    name: deepest
";
    assert_eq!(scripts(&read(text)), ["red", "say a in red", "say b in red", "last"]);
    let deep = Given { parameters: vec![("deep".to_owned(), Value::text("true"))], ..Given::default() };
    let pipeline = read_with(text, &deep).expect("a pipeline");
    assert_eq!(scripts(&pipeline), ["deep", "say a in red", "say b in red", "last"]);
    assert_eq!(steps(&pipeline).last().expect("a step").name, "deepest");
}

#[test]
fn templates_come_from_files() {
    let text = "
steps:
- checkout: none
- template: ci/steps.yml
- template: /ci/steps.yml
  parameters: {word: bye}
";
    assert_eq!(scripts(&read(text)), ["echo hi", "echo bye"]);
}

#[test]
fn refusals_name_the_place() {
    let table = [
        ("steps: [", "/azure-pipelines.yml (Line: 1, Col: 9): The YAML is not well formed: "),
        ("stepz: []", "/azure-pipelines.yml (Line: 1, Col: 1): Unexpected value 'stepz'"),
        ("steps:\n- script: a\n  foo: b", "/azure-pipelines.yml (Line: 3, Col: 3): Unexpected value 'foo'"),
        ("steps:\n- script: [a]", "/azure-pipelines.yml (Line: 2, Col: 11): A sequence was not expected"),
        (
            "a: &x 1",
            "/azure-pipelines.yml (Line: 1, Col: 4): Anchors and aliases are not supported in pipelines",
        ),
        ("steps: []\nsteps: []", "/azure-pipelines.yml (Line: 2, Col: 1): 'steps' is already defined"),
        ("name: x", "/azure-pipelines.yml (Line: 1, Col: 1): A pipeline needs stages, jobs or steps"),
        (
            "jobs: [{job: a, dependsOn: b}]",
            "/azure-pipelines.yml (Line: 1, Col: 7): Job a depends on unknown job b.",
        ),
        (
            "jobs: [{job: a, dependsOn: b}, {job: b, dependsOn: a}]",
            "/azure-pipelines.yml (Line: 1, Col: 7): Job a depends on itself, directly or through others.",
        ),
        (
            "jobs: [{job: 1st}]",
            "/azure-pipelines.yml (Line: 1, Col: 14): The name '1st' is invalid. Valid names may only contain \
             alphanumeric characters and '_' and may not start with a number.",
        ),
        (
            "steps: [{publish: x}]",
            "/azure-pipelines.yml (Line: 1, Col: 10): Steps of the kind 'publish' are not emulated",
        ),
        (
            "pool: server\nsteps: []",
            "/azure-pipelines.yml (Line: 1, Col: 7): Agentless jobs (pool: server) are not emulated",
        ),
        (
            "variables: [{group: g}]\nsteps: []",
            "/azure-pipelines.yml (Line: 1, Col: 21): Variable group g could not be found. The emulator has no variable \
             groups; give its variables when the pipeline is registered",
        ),
        (
            "steps: [{script: '${{ nope }}'}]",
            "/azure-pipelines.yml (Line: 1, Col: 18): Unrecognized value: 'nope'. Expression: nope",
        ),
        ("steps: [{template: none.yml}]", "/azure-pipelines.yml (Line: 1, Col: 9): File /none.yml not found"),
        (
            "steps: [{template: ../x.yml}]",
            "/azure-pipelines.yml (Line: 1, Col: 9): Template '../x.yml' lies outside of the repository",
        ),
        ("steps: [{template: loop.yml}]", "/loop.yml (Line: 2, Col: 3): Templates are nested too deep"),
        (
            "extends: {template: x}",
            "/azure-pipelines.yml (Line: 1, Col: 1): Pipelines that extend a template are not emulated",
        ),
    ];
    for (text, expected) in table {
        if expected.ends_with(": ") {
            let refused = read_with(text, &Given::default()).unwrap_err();
            assert!(refused.contains("The YAML is not well formed"), "{refused}");
        } else {
            check_refused(text, expected);
        }
    }
}
