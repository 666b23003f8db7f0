//! Carries a run on: does what the engine says, hears what becomes of jobs, and ends what takes too long.

use std::cell::RefCell;
use std::time::Duration;

use uuid::Uuid;

use super::engine::{self, Action};
use super::expression::Scope;
use super::message::{self, Surroundings};
use super::model::{Pipeline, Pool};
use super::run::{At, Outcome, Phase, Run, Shade, Shades, stages_of};
use super::{Due, check, conditions, hosted, matrix, number, records, variables};
use crate::devops::{self, NewJobRequest, NewPlan, Reference};

/// Name of the pool whose agents the service itself runs.
pub(crate) const HOSTED_POOL: &str = "Azure Pipelines";

/// What a job says whose agent fell silent.
const LOST_AGENT: &str = "We stopped hearing from the agent. Verify the agent machine is running and has a healthy network connection.";

/// Starts a run of a pipeline that was read. `Err` says why the service would not.
pub(crate) fn start_run(
    state: &mut crate::State,
    pipeline_id: u64,
    pipeline: &Pipeline,
    given: Shades,
) -> Result<u64, String> {
    check::pools_and_tasks(state, pipeline)?;
    let definition = state.pipelines.definitions.get(&pipeline_id).ok_or("the pipeline is gone")?;
    let (name, repository, own) =
        (definition.name.clone(), definition.repository.clone(), definition.variables.clone());
    let id = state.pipelines.last_run_id + 1;
    let mut run = Run {
        id,
        pipeline_id,
        pipeline_name: name,
        number: String::new(),
        plan_id: Uuid::new_v4(),
        timeline_id: Uuid::new_v4(),
        created: state.now,
        finished: None,
        phase: Phase::Running,
        cancel_requested: false,
        repository,
        variables: Vec::new(),
        read_only: Vec::new(),
        stages: stages_of(pipeline),
    };
    for (name, value) in own.into_iter().chain(given) {
        conditions::set(&mut run.variables, &name, value);
    }
    declare_variables(state, &mut run, pipeline)?;
    let used: Vec<&str> = state
        .pipelines
        .runs
        .values()
        .filter(|other| other.pipeline_id == pipeline_id)
        .map(|other| other.number.as_str())
        .collect();
    run.number = number::run_number(pipeline.name.as_deref(), state.now, &run.variables, &used);
    for (name, value) in message::build_variables(&run) {
        conditions::set(&mut run.variables, &name, Shade::open(value));
        run.read_only.push(name);
    }
    state.pipelines.last_run_id = id;
    devops::create_plan(
        state,
        NewPlan {
            plan_id: run.plan_id,
            timeline_id: run.timeline_id,
            scope: state.devops.project_id,
            hub: "Build".to_owned(),
            definition: definition_of(&run),
            owner: owner_of(&run),
        },
    );
    records::write_all(state, &run);
    state.pipelines.runs.insert(id, run);
    advance(state, id);
    Ok(id)
}

/// Evaluates the variables of the pipeline, which may count.
fn declare_variables(state: &mut crate::State, run: &mut Run, pipeline: &Pipeline) -> Result<(), String> {
    let counters = RefCell::new(std::mem::take(&mut state.pipelines.counters));
    let count = |prefix: &str, seed: i64| {
        let mut counters = counters.borrow_mut();
        let key = format!("{}/{prefix}", run.pipeline_id);
        let next = counters.get(&key).map_or(seed, |last| last + 1);
        counters.insert(key, next);
        next
    };
    let scope = Scope::default().with_counter(&count);
    let declared = variables::declare(&mut run.variables, &pipeline.variables, &scope);
    state.pipelines.counters = counters.into_inner();
    let read_only = pipeline.variables.iter().filter(|variable| variable.read_only);
    run.read_only = read_only.map(|variable| variable.name.clone()).collect();
    declared.map_err(|error| error.to_string())
}

fn definition_of(run: &Run) -> Reference {
    Reference { id: run.pipeline_id, name: run.pipeline_name.clone() }
}

fn owner_of(run: &Run) -> Reference {
    Reference { id: run.id, name: run.number.clone() }
}

/// Does everything that can be done in a run now.
fn advance(state: &mut crate::State, run_id: u64) {
    while let Some(run) = state.pipelines.runs.get_mut(&run_id) {
        let Some(mut action) = engine::next(run) else { return };
        let before = run.clone();
        if let Action::StartJob(stage, job) = action
            && let Err(problem) = matrix::expand(run, stage, job)
        {
            action = Action::EndJob(stage, job, Outcome::Failed, Some(problem));
        }
        engine::apply(run, &action);
        let run = run.clone();
        if let Action::EndStage(stage, outcome, _) = &action {
            end_jobs_of(state, &before, *stage, *outcome);
        }
        perform(state, &run, action);
    }
}

/// The jobs of a stage that is over without having run are over with it.
fn end_jobs_of(state: &mut crate::State, before: &Run, stage: usize, outcome: Outcome) {
    let open = before.stages[stage].jobs.iter().filter(|job| job.phase.outcome().is_none());
    for job in open {
        records::write_over(state, before, job.record_id, outcome, None);
    }
}

fn perform(state: &mut crate::State, run: &Run, action: Action) {
    match action {
        Action::StartStage(stage) => records::write_begun(state, run, run.stages[stage].record_id),
        Action::EndStage(stage, outcome, problem) => {
            records::write_over(state, run, run.stages[stage].record_id, outcome, problem.as_deref());
        }
        Action::StartJob(stage, job) => {
            records::write_begun(state, run, run.stages[stage].jobs[job].record_id);
        }
        Action::EndJob(stage, job, outcome, problem) => {
            let record_id = run.stages[stage].jobs[job].record_id;
            records::write_over(state, run, record_id, outcome, problem.as_deref());
        }
        Action::StartCopy(at) => {
            if let Err(problem) = queue(state, run, at) {
                tracing::info!(run = run.number, job = run.identifier(at), problem, "job not queued");
                end_copy(state, run.id, at, Outcome::Failed, Some(&problem));
            }
        }
        Action::EndCopy(at, outcome) => {
            records::write_over(state, run, run.copy(at).job_id, outcome, None);
        }
        Action::EndRun(outcome) => {
            tracing::info!(run = run.number, result = outcome.wire(), "run over");
            if let Some(run) = state.pipelines.runs.get_mut(&run.id) {
                run.finished = Some(state.now);
            }
        }
    }
}

/// Puts a copy of a job into its pool. `Err` is what the run fails with.
fn queue(state: &mut crate::State, run: &Run, at: At) -> Result<(), String> {
    let variables = variables::of_job(run, at).map_err(|error| error.to_string())?;
    let (pool, demands) = match &run.job(at).job.pool {
        Pool::Hosted { .. } => (HOSTED_POOL.to_owned(), Vec::new()),
        Pool::Named { name, demands } => {
            let demands = demands.iter().map(|demand| variables::expand(demand, &variables)).collect();
            (variables::expand(name, &variables), demands)
        }
    };
    let (queue_id, pool_id) = check::queue_of(state, &pool)?;
    let message = {
        let task = |name: &str, major: u32| check::task(state, name, major);
        let around = Surroundings {
            organization_id: state.devops.organization_id,
            project_id: state.devops.project_id,
            variables: &variables,
            task: &task,
            connections: &state.pipelines.connections,
        };
        message::job_message(run, at, &around)
    };
    records::write_queued(state, run, at, queue_id);
    let request = NewJobRequest {
        pool_id,
        queue_id,
        plan_id: run.plan_id,
        job_id: run.copy(at).job_id,
        job_name: message::display_name(run, at),
        demands,
        definition: definition_of(run),
        owner: owner_of(run),
        message,
    };
    let request_id = devops::queue_job(state, request).map_err(|refused| refused.message)?;
    if let Some(run) = state.pipelines.runs.get_mut(&run.id) {
        run.copy_mut(at).request_id = Some(request_id);
    }
    if state.devops.pools.get(&pool_id).is_some_and(|pool| pool.is_hosted) {
        hosted::want_agent(state);
    }
    Ok(())
}

/// Hears that an agent got a job: from now on its time counts.
pub(crate) fn job_assigned(state: &mut crate::State, plan_id: Uuid, job_id: Uuid, agent_name: &str) {
    let Some((run_id, at)) = find(state, plan_id, job_id) else { return };
    let Some(run) = state.pipelines.runs.get_mut(&run_id) else { return };
    run.copy_mut(at).agent = Some(agent_name.to_owned());
    let minutes = run.job(at).job.timeout_minutes;
    if minutes > 0 {
        let due = Due::JobTimeout { run_id, job_id };
        state.later(Duration::from_secs(60 * u64::from(minutes)), crate::schedule::Due::Pipelines(due));
    }
}

/// Hears how a job ended.
pub(crate) fn job_finished(state: &mut crate::State, plan_id: Uuid, job_id: Uuid, result: &str) {
    let Some((run_id, at)) = find(state, plan_id, job_id) else { return };
    let outputs = outputs_of(state, plan_id, job_id);
    let Some(run) = state.pipelines.runs.get_mut(&run_id) else { return };
    let copy = run.copy_mut(at);
    copy.outputs = outputs;
    let problem = copy.problem.clone().or_else(|| (result == "abandoned").then(|| LOST_AGENT.to_owned()));
    end_copy(state, run_id, at, Outcome::from_wire(result), problem.as_deref());
    advance(state, run_id);
}

/// Fails a job that nobody will take.
pub(crate) fn job_failed(state: &mut crate::State, request_id: u64, problem: &str) {
    let Some(request) = state.devops.requests.get(&request_id) else { return };
    if let Some((run_id, at)) = find(state, request.plan_id, request.job_id)
        && let Some(run) = state.pipelines.runs.get_mut(&run_id)
    {
        run.copy_mut(at).problem = Some(problem.to_owned());
    }
    devops::finish_job(state, request_id, "failed", false);
}

fn end_copy(state: &mut crate::State, run_id: u64, at: At, outcome: Outcome, problem: Option<&str>) {
    let Some(run) = state.pipelines.runs.get_mut(&run_id) else { return };
    if run.copy(at).phase.outcome().is_some() {
        return;
    }
    run.copy_mut(at).phase = Phase::Completed(outcome);
    let run = run.clone();
    records::write_over(state, &run, run.copy(at).job_id, outcome, problem);
}

fn find(state: &crate::State, plan_id: Uuid, job_id: Uuid) -> Option<(u64, At)> {
    let run = state.pipelines.runs.values().find(|run| run.plan_id == plan_id)?;
    Some((run.id, run.find(job_id)?))
}

/// The output variables of a job's steps, as `step.variable`.
fn outputs_of(state: &crate::State, plan_id: Uuid, job_id: Uuid) -> Shades {
    let Some(plan) = state.devops.plans.get(&plan_id) else { return Vec::new() };
    let mut outputs = Vec::new();
    let records = plan.timelines.get(&plan.timeline_id).into_iter().flat_map(|timeline| &timeline.records);
    for record in records {
        let text = |key: &str| record.get(key).and_then(serde_json::Value::as_str).unwrap_or_default();
        let Some(record_id) = devops::id_of(record).filter(|_| text("parentId") == job_id.to_string()) else {
            continue;
        };
        for (name, variable) in plan.output_variables(record_id) {
            let value = variable.value.0;
            let value = if variable.is_secret { Shade::hidden(value) } else { Shade::open(value) };
            outputs.push((format!("{}.{name}", text("refName")), value));
        }
    }
    outputs
}

/// Cancels a run: jobs that run are told to end, unless their condition holds even then; what has not begun does not.
pub(crate) fn cancel_run(state: &mut crate::State, run_id: u64) {
    let Some(run) = state.pipelines.runs.get_mut(&run_id) else { return };
    if run.phase.outcome().is_some() || run.cancel_requested {
        return;
    }
    run.cancel_requested = true;
    let run = run.clone();
    let goes_on = |at: &At| {
        conditions::stage_may_run(&run, at.stage).unwrap_or(false)
            && conditions::job_may_run(&run, at.stage, at.job).unwrap_or(false)
    };
    let running = run.positions().filter(|at| run.copy(*at).phase == Phase::Running);
    let to_end: Vec<At> = running.filter(|at| !goes_on(at)).collect();
    for at in to_end {
        cancel_job(state, &run, at);
    }
    advance(state, run_id);
}

fn cancel_job(state: &mut crate::State, run: &Run, at: At) {
    let Some(request_id) = run.copy(at).request_id else { return };
    let minutes = u64::from(run.job(at).job.cancel_timeout_minutes);
    devops::cancel_job(state, request_id, Duration::from_secs(60 * minutes));
}

/// Ends a job whose time is over.
pub(crate) fn job_timeout(state: &mut crate::State, run_id: u64, job_id: Uuid) {
    let Some(run) = state.pipelines.runs.get_mut(&run_id) else { return };
    let Some(at) = run.find(job_id).filter(|at| run.copy(*at).phase == Phase::Running) else { return };
    let agent = run.copy(at).agent.clone().unwrap_or_default();
    let minutes = run.job(at).job.timeout_minutes;
    // Written down when the job is over: until then its record is the agent's.
    run.copy_mut(at).problem = Some(format!(
        "The job running on agent {agent} ran longer than the maximum time of {minutes} minutes."
    ));
    let run = run.clone();
    cancel_job(state, &run, at);
}
