//! Jobs and deployment jobs, key by key.

use super::names::{flag, identifier, number, pairs, refuse_others, text, texts};
use super::read::{DEFAULT_NAME, check_order};
use super::tree::{Content, Node, Refusal};
use super::{read_steps, variables};
use crate::pipelines::model::{Job, Pool, Step};

/// Minutes that a job may run where it does not say: the service's default.
const TIMEOUT_MINUTES: u32 = 60;
/// Minutes that a job may take to end where it does not say: the service's default.
const CANCEL_TIMEOUT_MINUTES: u32 = 5;

const JOB_KEYS: &[&str] = &[
    "job",
    "displayName",
    "dependsOn",
    "condition",
    "continueOnError",
    "timeoutInMinutes",
    "cancelTimeoutInMinutes",
    "variables",
    "strategy",
    "pool",
    "workspace",
    "steps",
    "templateContext",
];
const DEPLOYMENT_KEYS: &[&str] = &[
    "deployment",
    "displayName",
    "dependsOn",
    "condition",
    "continueOnError",
    "timeoutInMinutes",
    "cancelTimeoutInMinutes",
    "variables",
    "strategy",
    "pool",
    "workspace",
    "environment",
    "templateContext",
];

/// Reads the jobs of a stage. `pool` is what applies to those that name none.
pub(super) fn jobs(node: &Node, pool: &Pool) -> Result<Vec<Job>, Refusal> {
    let items = node.list()?;
    let jobs: Vec<Job> =
        items.iter().enumerate().map(|(index, item)| job(item, index, pool)).collect::<Result<_, _>>()?;
    if jobs.is_empty() {
        return Err(node.place.refuse("At least one job is needed"));
    }
    check_order(&node.place, "Job", &jobs, |job| (&job.name, &job.depends_on))?;
    Ok(jobs)
}

/// The job of a pipeline that has steps only.
pub(super) fn lone_job(root: &Node, pool: Pool) -> Result<Job, Refusal> {
    let steps =
        root.get("steps").map(|steps| read_steps::steps(steps, true)).transpose()?.unwrap_or_default();
    // Its variables are the pipeline's, which reach it anyhow.
    let mut job = common(root, DEFAULT_NAME.to_owned(), pool, steps)?;
    job.variables.clear();
    "Job".clone_into(&mut job.display_name);
    read_strategy(root, &mut job)?;
    Ok(job)
}

fn job(node: &Node, index: usize, pool: &Pool) -> Result<Job, Refusal> {
    if let Some(name) = node.get("deployment") {
        refuse_others(node, DEPLOYMENT_KEYS)?;
        return deployment(node, identifier_or(name, index)?, pool.clone());
    }
    refuse_others(node, JOB_KEYS)?;
    let name = node.get("job").ok_or_else(|| node.place.refuse("A job begins with 'job' or 'deployment'"))?;
    let steps =
        node.get("steps").map(|steps| read_steps::steps(steps, true)).transpose()?.unwrap_or_default();
    let mut job = common(node, identifier_or(name, index)?, pool.clone(), steps)?;
    read_strategy(node, &mut job)?;
    Ok(job)
}

/// A job may be left without a name.
fn identifier_or(node: &Node, index: usize) -> Result<String, Refusal> {
    if node.scalar() == Some("") { Ok(format!("Job{}", index + 1)) } else { identifier(node) }
}

fn common(node: &Node, name: String, inherited: Pool, steps: Vec<Step>) -> Result<Job, Refusal> {
    let workspace_clean = match node.get("workspace") {
        Some(workspace) => {
            refuse_others(workspace, &["clean"])?;
            text(workspace, "clean")?
        }
        None => None,
    };
    Ok(Job {
        display_name: text(node, "displayName")?.unwrap_or_else(|| name.clone()),
        depends_on: texts(node, "dependsOn")?.unwrap_or_default(),
        condition: text(node, "condition")?,
        continue_on_error: flag(node, "continueOnError")?.unwrap_or_default(),
        pool: pool(node)?.unwrap_or(inherited),
        variables: variables::read(node)?,
        steps,
        matrix: Vec::new(),
        matrix_expression: None,
        parallel_max: 0,
        timeout_minutes: number(node, "timeoutInMinutes")?.unwrap_or(TIMEOUT_MINUTES),
        cancel_timeout_minutes: number(node, "cancelTimeoutInMinutes")?.unwrap_or(CANCEL_TIMEOUT_MINUTES),
        workspace_clean,
        environment: None,
        name,
    })
}

fn read_strategy(node: &Node, job: &mut Job) -> Result<(), Refusal> {
    let Some(strategy) = node.get("strategy") else { return Ok(()) };
    refuse_others(strategy, &["matrix", "maxParallel"])?;
    job.parallel_max = number(strategy, "maxParallel")?.unwrap_or_default();
    let Some(matrix) = strategy.get("matrix") else {
        return Err(strategy.place.refuse("Of the strategies only a matrix is emulated here"));
    };
    if let Some(text) = matrix.scalar().filter(|text| text.starts_with("$[")) {
        job.matrix_expression = Some(text.to_owned());
        return Ok(());
    }
    for (key, _) in matrix.map()? {
        let name = identifier(key)?;
        job.matrix.push((name.clone(), pairs(matrix, &name)?));
    }
    Ok(())
}

fn deployment(node: &Node, name: String, pool: Pool) -> Result<Job, Refusal> {
    let place = &node.place;
    let strategy = node.get("strategy").ok_or_else(|| place.refuse("A deployment needs a strategy"))?;
    refuse_others(strategy, &["runOnce"])
        .map_err(|_| strategy.place.refuse("Of the strategies for deployments only runOnce is emulated"))?;
    let deploy = strategy.get("runOnce").and_then(|run_once| run_once.get("deploy"));
    let deploy = deploy.ok_or_else(|| strategy.place.refuse("runOnce needs deploy"))?;
    if let Some(run_once) = strategy.get("runOnce") {
        refuse_others(run_once, &["deploy"]).map_err(|_| {
            run_once.place.refuse("Of the hooks of a deployment (preDeploy, on, ...) only deploy is emulated")
        })?;
    }
    refuse_others(deploy, &["steps", "pool"])?;
    // Unlike other jobs a deployment does not check out the sources unless it says so.
    let steps =
        deploy.get("steps").map(|steps| read_steps::steps(steps, false)).transpose()?.unwrap_or_default();
    let mut job = common(node, name, pool, steps)?;
    job.environment = match node.get("environment") {
        Some(Node { content: Content::Scalar(name), .. }) => Some(name.clone()),
        Some(environment) => text(environment, "name")?,
        None => return Err(place.refuse("A deployment needs an environment")),
    };
    Ok(job)
}

/// Reads `pool:`, if there is one.
pub(super) fn pool(parent: &Node) -> Result<Option<Pool>, Refusal> {
    let Some(node) = parent.get("pool") else { return Ok(None) };
    if let Some(name) = node.scalar() {
        return match name {
            "" => Ok(None),
            "server" => Err(node.place.refuse("Agentless jobs (pool: server) are not emulated")),
            name => Ok(Some(Pool::Named { name: name.to_owned(), demands: Vec::new() })),
        };
    }
    refuse_others(node, &["name", "vmImage", "demands"])?;
    let name = text(node, "name")?;
    Ok(Some(match (name, text(node, "vmImage")?) {
        // With a name too it is the hosted pool by its own name.
        (_, Some(image)) => Pool::Hosted { image },
        (Some(name), None) => Pool::Named { name, demands: texts(node, "demands")?.unwrap_or_default() },
        (None, None) => return Err(node.place.refuse("A pool needs a name or a vmImage")),
    }))
}
