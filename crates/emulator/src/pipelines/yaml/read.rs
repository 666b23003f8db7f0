//! The pipeline and its stages, key by key.

use super::names::{identifier, refuse_others, text, texts};
use super::read_jobs;
use super::tree::{Node, Place, Refusal};
use super::variables;
use crate::pipelines::model::{Job, Pipeline, Pool, Stage};

/// Name of the stage or job that nobody named.
pub(super) const DEFAULT_NAME: &str = "__default";

const ROOT_KEYS: &[&str] = &[
    "name",
    "appendCommitMessageToRunName",
    "trigger",
    "pr",
    "schedules",
    "resources",
    "variables",
    "stages",
    "jobs",
    "steps",
    "pool",
    "strategy",
    "workspace",
    "continueOnError",
    "lockBehavior",
];
const STAGE_KEYS: &[&str] = &[
    "stage",
    "displayName",
    "dependsOn",
    "condition",
    "variables",
    "jobs",
    "pool",
    "lockBehavior",
    "isSkippable",
    "trigger",
    "templateContext",
];

/// What `pool:` stands for where none is written: the hosted image of the documentation's examples.
pub(super) fn default_pool() -> Pool {
    Pool::Hosted { image: "ubuntu-latest".to_owned() }
}

/// Reads an expanded pipeline.
pub(super) fn pipeline(root: &Node) -> Result<Pipeline, Refusal> {
    if let Some((key, _)) = root.map()?.iter().find(|(key, _)| key.scalar() == Some("extends")) {
        return Err(key.place.refuse("Pipelines that extend a template are not emulated"));
    }
    refuse_others(root, ROOT_KEYS)?;
    if let Some(resources) = root.get("resources") {
        refuse_others(resources, &[]).map_err(|_| {
            resources.place.refuse("Resources (other repositories, containers, pipelines) are not emulated")
        })?;
    }
    let pool = read_jobs::pool(root)?.unwrap_or_else(default_pool);
    let stages = match (root.get("stages"), root.get("jobs"), root.get("steps")) {
        (Some(stages), None, None) => read_stages(stages, &pool)?,
        (None, Some(jobs), None) => vec![default_stage(read_jobs::jobs(jobs, &pool)?)],
        (None, None, Some(_)) => vec![default_stage(vec![read_jobs::lone_job(root, pool)?])],
        (None, None, None) => return Err(root.place.refuse("A pipeline needs stages, jobs or steps")),
        _ => return Err(root.place.refuse("Only one of stages, jobs and steps may be given")),
    };
    check_order(&root.place, "Stage", &stages, |stage| (&stage.name, &stage.depends_on))?;
    Ok(Pipeline { name: text(root, "name")?, variables: variables::read(root)?, stages })
}

fn default_stage(jobs: Vec<Job>) -> Stage {
    Stage {
        name: DEFAULT_NAME.to_owned(),
        display_name: DEFAULT_NAME.to_owned(),
        depends_on: Vec::new(),
        condition: None,
        variables: Vec::new(),
        jobs,
    }
}

fn read_stages(node: &Node, pool: &Pool) -> Result<Vec<Stage>, Refusal> {
    let mut stages: Vec<Stage> = Vec::new();
    for item in node.list()? {
        let before = stages.last().map(|stage| stage.name.clone());
        stages.push(stage(item, before, pool)?);
    }
    if stages.is_empty() { Err(node.place.refuse("At least one stage is needed")) } else { Ok(stages) }
}

fn stage(node: &Node, before: Option<String>, pool: &Pool) -> Result<Stage, Refusal> {
    refuse_others(node, STAGE_KEYS)?;
    let name = node.get("stage").ok_or_else(|| node.place.refuse("A stage begins with 'stage'"))?;
    let name = identifier(name)?;
    let pool = read_jobs::pool(node)?.unwrap_or_else(|| pool.clone());
    let jobs = match node.get("jobs") {
        Some(jobs) => read_jobs::jobs(jobs, &pool)?,
        None => return Err(node.place.refuse(format!("Stage {name} has no jobs"))),
    };
    Ok(Stage {
        display_name: text(node, "displayName")?.unwrap_or_else(|| name.clone()),
        depends_on: texts(node, "dependsOn")?.unwrap_or_else(|| before.into_iter().collect()),
        condition: text(node, "condition")?,
        variables: variables::read(node)?,
        jobs,
        name,
    })
}

/// Names are used once, dependencies exist, and nothing waits for itself.
pub(super) fn check_order<T>(
    place: &Place,
    kind: &str,
    items: &[T],
    describe: impl Fn(&T) -> (&String, &Vec<String>),
) -> Result<(), Refusal> {
    let described: Vec<_> = items.iter().map(describe).collect();
    for (index, (name, needs)) in described.iter().enumerate() {
        if described[..index].iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
            return Err(place.refuse(format!("{kind} {name} is already defined")));
        }
        for need in *needs {
            if !described.iter().any(|(other, _)| other.eq_ignore_ascii_case(need)) {
                let lower = kind.to_lowercase();
                return Err(place.refuse(format!("{kind} {name} depends on unknown {lower} {need}.")));
            }
        }
    }
    let mut open: Vec<_> = described;
    while let Some(ready) = open.iter().position(|(_, needs)| {
        !needs.iter().any(|need| open.iter().any(|(other, _)| other.eq_ignore_ascii_case(need)))
    }) {
        open.remove(ready);
    }
    match open.first() {
        None => Ok(()),
        Some((name, _)) => {
            Err(place.refuse(format!("{kind} {name} depends on itself, directly or through others.")))
        }
    }
}
