//! Whole runs, played without agents: what begins, what is left out, and in which order.

use proptest::prelude::*;

use super::{Action, apply, next};
use crate::pipelines::run::{At, Outcome, Phase, Run, stages_of};
use crate::pipelines::yaml::{Given, read_pipeline};

/// A run of a pipeline, not begun.
pub(crate) fn run_of(text: &str) -> Run {
    let source = |path: &str| Err(format!("no {path}"));
    let pipeline =
        read_pipeline("azure-pipelines.yml", text, &Given::default(), &source).expect("a pipeline");
    Run {
        id: 7,
        pipeline_id: 1,
        pipeline_name: "test".to_owned(),
        number: "20261124.1".to_owned(),
        plan_id: uuid::Uuid::nil(),
        timeline_id: uuid::Uuid::nil(),
        created: jiff::Timestamp::UNIX_EPOCH,
        finished: None,
        phase: Phase::Running,
        cancel_requested: false,
        repository: "/repository".to_owned(),
        variables: Vec::new(),
        read_only: Vec::new(),
        stages: stages_of(&pipeline),
    }
}

/// Does all that can be done now; returns the copies of jobs that began.
fn settle(run: &mut Run) -> Vec<At> {
    let mut begun = Vec::new();
    while let Some(action) = next(run) {
        apply(run, &action);
        if let Action::StartCopy(at) = action {
            begun.push(at);
        }
    }
    begun
}

/// Plays a run in which jobs named in `failing` fail, and describes how each job ended.
fn play(text: &str, failing: &[&str], cancel_after: Option<&str>) -> (String, Outcome) {
    let mut run = run_of(text);
    let mut open = settle(&mut run);
    while let Some(at) = open.pop() {
        let name = run.job(at).job.name.clone();
        let outcome = if failing.contains(&name.as_str()) { Outcome::Failed } else { Outcome::Succeeded };
        run.cancel_requested |= cancel_after == Some(name.as_str());
        run.copy_mut(at).phase = Phase::Completed(outcome);
        open.extend(settle(&mut run));
    }
    let jobs = run.stages.iter().flat_map(|stage| &stage.jobs);
    let told: Vec<String> = jobs
        .map(|job| format!("{}:{}", job.job.name, job.phase.outcome().map_or("open", Outcome::word)))
        .collect();
    (told.join(" "), run.phase.outcome().expect("the run ends"))
}

const CHAIN: &str = "
jobs:
- {job: a, steps: []}
- {job: b, dependsOn: a, steps: []}
- {job: c, dependsOn: b, steps: []}
- {job: tidy, dependsOn: [a, b], condition: always(), steps: []}
- {job: alarm, dependsOn: c, condition: failed(), steps: []}
- {job: either, dependsOn: a, condition: succeededOrFailed(), steps: []}
- {job: excused, dependsOn: a, condition: not(canceled()), steps: []}
";

#[test]
fn conditions_decide_who_runs() {
    let table = [
        (
            &[][..],
            None,
            "a:Succeeded b:Succeeded c:Succeeded tidy:Succeeded alarm:Skipped either:Succeeded excused:Succeeded",
            Outcome::Succeeded,
        ),
        (
            &["a"],
            None,
            "a:Failed b:Skipped c:Skipped tidy:Succeeded alarm:Succeeded either:Succeeded excused:Succeeded",
            Outcome::Failed,
        ),
        (
            &["b"],
            None,
            "a:Succeeded b:Failed c:Skipped tidy:Succeeded alarm:Succeeded either:Succeeded excused:Succeeded",
            Outcome::Failed,
        ),
        (
            &[],
            Some("a"),
            "a:Succeeded b:Canceled c:Canceled tidy:Succeeded alarm:Canceled either:Canceled excused:Canceled",
            Outcome::Canceled,
        ),
    ];
    for (failing, cancel, expected, outcome) in table {
        assert_eq!(play(CHAIN, failing, cancel), (expected.to_owned(), outcome), "{failing:?} {cancel:?}");
    }
}

#[test]
fn stages_are_left_out_with_their_jobs() {
    let text = "
stages:
- stage: one
  jobs: [{job: a, steps: []}]
- stage: two
  jobs: [{job: b, steps: []}]
- stage: tidy
  dependsOn: [one, two]
  condition: always()
  jobs: [{job: c, steps: []}]
";
    assert_eq!(play(text, &["a"], None), ("a:Failed b:Skipped c:Succeeded".to_owned(), Outcome::Failed));
}

#[test]
fn a_job_that_may_fail_leaves_issues_only() {
    let text = "jobs: [{job: a, continueOnError: true, steps: []}, {job: b, dependsOn: a, steps: []}]";
    assert_eq!(
        play(text, &["a"], None),
        ("a:SucceededWithIssues b:Succeeded".to_owned(), Outcome::SucceededWithIssues)
    );
}

#[test]
fn a_condition_that_makes_no_sense_fails_its_job() {
    let text = "jobs: [{job: a, condition: nope(), steps: []}, {job: b, steps: []}]";
    assert_eq!(play(text, &[], None), ("a:Failed b:Succeeded".to_owned(), Outcome::Failed));
}

#[test]
fn results_and_outputs_of_earlier_jobs_can_be_asked_for() {
    let text = "
jobs:
- {job: a, steps: []}
- {job: b, dependsOn: a, condition: \"eq(dependencies.a.outputs['pick.color'], 'red')\", steps: []}
- {job: c, dependsOn: a, condition: \"in(dependencies.a.result, 'Failed')\", steps: []}
";
    let mut run = run_of(text);
    let [a] = settle(&mut run)[..] else { panic!("one job begins") };
    let copy = run.copy_mut(a);
    copy.outputs = vec![("pick.color".to_owned(), crate::pipelines::run::Shade::open("Red"))];
    copy.phase = Phase::Completed(Outcome::Succeeded);
    let begun = settle(&mut run);
    assert_eq!(begun.iter().map(|at| at.job).collect::<Vec<_>>(), [1]);
}

#[test]
fn of_the_copies_of_a_job_only_so_many_run_at_once() {
    let text = "jobs: [{job: a, strategy: {maxParallel: 2, matrix: {x: {}, y: {}, z: {}}}, steps: []}]";
    let mut run = run_of(text);
    let begun = settle(&mut run);
    assert_eq!(begun.len(), 2);
    run.copy_mut(begun[0]).phase = Phase::Completed(Outcome::Succeeded);
    assert_eq!(settle(&mut run).len(), 1);
}

/// Pipelines of one stage whose jobs depend on earlier ones only.
fn pipelines() -> impl Strategy<Value = (Vec<Vec<usize>>, Vec<usize>, Vec<bool>)> {
    (1..8usize).prop_flat_map(|count| {
        let needs: Vec<_> =
            (0..count).map(|index| prop::collection::vec(0..index.max(1), 0..=index.min(3))).collect();
        (needs, prop::collection::vec(0..4usize, count), prop::collection::vec(any::<bool>(), count))
    })
}

proptest! {
    #[test]
    fn every_job_ends_once_and_after_what_it_depends_on(
        (needs, conditions, fails) in pipelines(),
        cancel_at in proptest::option::of(0..8usize),
        order in any::<u64>(),
    ) {
        let words = ["succeeded()", "always()", "failed()", "succeededOrFailed()"];
        let mut text = "jobs:\n".to_owned();
        for (index, needs) in needs.iter().enumerate() {
            let needs: Vec<String> = needs.iter().filter(|need| **need < index).map(|need| format!("j{need}")).collect();
            let (needs, condition) = (needs.join(", "), words[conditions[index]]);
            let job = format!("- {{job: j{index}, dependsOn: [{needs}], condition: {condition}, steps: []}}\n");
            text.push_str(&job);
        }
        let mut run = run_of(&text);
        let mut open = settle(&mut run);
        let mut begun = 0;
        while !open.is_empty() {
            let pick = usize::try_from(order).unwrap_or(0) % open.len();
            let at = open.remove(pick);
            for need in &run.job(at).job.depends_on {
                let before = run.stages[0].jobs.iter().find(|job| job.job.name == *need).expect("known");
                prop_assert!(before.phase.outcome().is_some(), "{need} has not ended");
            }
            begun += 1;
            run.cancel_requested |= cancel_at == Some(begun);
            let outcome = if fails[at.job] { Outcome::Failed } else { Outcome::Succeeded };
            prop_assert_eq!(run.copy(at).phase, Phase::Running, "it ended only once");
            run.copy_mut(at).phase = Phase::Completed(outcome);
            open.extend(settle(&mut run));
        }
        prop_assert!(run.phase.outcome().is_some(), "the run ends");
        prop_assert!(run.positions().all(|at| run.copy(at).phase.outcome().is_some() && run.job(at).phase.outcome().is_some()));
    }
}
