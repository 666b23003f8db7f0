//! One run of a pipeline: what it is made of, and how far it has come.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::model::{Job, Pipeline, Stage, Variable};

/// How something ended, in the words that expressions see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    Succeeded,
    SucceededWithIssues,
    Failed,
    Canceled,
    Skipped,
    Abandoned,
}

impl Outcome {
    /// Reads the wire's word; a word that is not known is a failure.
    pub(crate) fn from_wire(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "succeeded" => Self::Succeeded,
            "succeededwithissues" => Self::SucceededWithIssues,
            "canceled" => Self::Canceled,
            "skipped" => Self::Skipped,
            "abandoned" => Self::Abandoned,
            _ => Self::Failed,
        }
    }

    /// The wire's word.
    pub(crate) fn wire(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::SucceededWithIssues => "succeededWithIssues",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Skipped => "skipped",
            Self::Abandoned => "abandoned",
        }
    }

    /// The word of expressions.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Succeeded => "Succeeded",
            Self::SucceededWithIssues => "SucceededWithIssues",
            Self::Failed => "Failed",
            Self::Canceled => "Canceled",
            Self::Skipped => "Skipped",
            Self::Abandoned => "Abandoned",
        }
    }

    /// What several come to together: the worst of those that were not skipped; skipped when all were.
    pub(crate) fn of_all(outcomes: impl IntoIterator<Item = Self>) -> Self {
        let rank = |outcome: &Self| match outcome {
            Self::Skipped => 0,
            Self::Succeeded => 1,
            Self::SucceededWithIssues => 2,
            Self::Canceled => 3,
            Self::Abandoned | Self::Failed => 4,
        };
        outcomes.into_iter().max_by_key(rank).map_or(Self::Skipped, |worst| match worst {
            Self::Abandoned => Self::Failed,
            worst => worst,
        })
    }
}

/// How far something has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    Pending,
    Running,
    Completed(Outcome),
}

impl Phase {
    pub(crate) fn outcome(self) -> Option<Outcome> {
        match self {
            Self::Completed(outcome) => Some(outcome),
            Self::Pending | Self::Running => None,
        }
    }
}

/// A value that may have to be kept from sight.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Shade {
    /// Anybody may see it.
    Open { value: String },
    /// Named so that views of the state mask it.
    Hidden { secret_value: String },
}

impl Shade {
    pub(crate) fn open(value: impl Into<String>) -> Self {
        Self::Open { value: value.into() }
    }

    pub(crate) fn hidden(value: impl Into<String>) -> Self {
        Self::Hidden { secret_value: value.into() }
    }

    /// The value, for those who need it.
    pub(crate) fn reveal(&self) -> &str {
        match self {
            Self::Open { value } => value,
            Self::Hidden { secret_value } => secret_value,
        }
    }

    pub(crate) fn is_hidden(&self) -> bool {
        matches!(self, Self::Hidden { .. })
    }
}

impl std::fmt::Debug for Shade {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_hidden() { "***" } else { self.reveal() })
    }
}

/// Names and values.
pub(crate) type Shades = Vec<(String, Shade)>;

/// A run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    /// Number of the build.
    pub(crate) id: u64,
    /// The pipeline.
    pub(crate) pipeline_id: u64,
    /// Its name at that time.
    pub(crate) pipeline_name: String,
    /// What people call the run: `20261124.1`.
    pub(crate) number: String,
    /// What its jobs report to.
    pub(crate) plan_id: Uuid,
    /// Their timeline.
    pub(crate) timeline_id: Uuid,
    /// When it was asked for.
    pub(crate) created: Timestamp,
    /// When it ended.
    pub(crate) finished: Option<Timestamp>,
    /// How far it is.
    pub(crate) phase: Phase,
    /// Whether somebody cancelled it.
    pub(crate) cancel_requested: bool,
    /// Folder that is the repository `self`.
    pub(crate) repository: String,
    /// Variables of the pipeline and of the one who started it, evaluated.
    pub(crate) variables: Shades,
    /// Names among them that steps may not change.
    pub(crate) read_only: Vec<String>,
    /// Its stages.
    pub(crate) stages: Vec<StageRun>,
}

/// A stage of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StageRun {
    pub(crate) name: String,
    pub(crate) display_name: String,
    pub(crate) depends_on: Vec<String>,
    pub(crate) condition: Option<String>,
    pub(crate) variables: Vec<Variable>,
    pub(crate) record_id: Uuid,
    pub(crate) phase: Phase,
    pub(crate) jobs: Vec<JobRun>,
}

/// A job of a run, with its copies.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct JobRun {
    pub(crate) job: Job,
    pub(crate) record_id: Uuid,
    pub(crate) phase: Phase,
    pub(crate) copies: Vec<Copy>,
}

/// One of the copies of a job that a matrix makes; a job without a matrix has one copy without a name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Copy {
    /// Its name in the matrix.
    pub(crate) name: String,
    /// Its variables.
    pub(crate) variables: Vec<(String, String)>,
    /// Id of the job for the agent, and of its timeline record.
    pub(crate) job_id: Uuid,
    /// The request in the pool.
    pub(crate) request_id: Option<u64>,
    /// Who took it.
    pub(crate) agent: Option<String>,
    pub(crate) phase: Phase,
    /// What we found wrong with it, for its record when it is over.
    pub(crate) problem: Option<String>,
    /// Output variables of its steps, as `step.variable`.
    pub(crate) outputs: Shades,
}

impl Copy {
    /// One that has not begun.
    pub(crate) fn new(name: String, variables: Vec<(String, String)>) -> Self {
        Self {
            name,
            variables,
            job_id: Uuid::new_v4(),
            request_id: None,
            agent: None,
            phase: Phase::Pending,
            problem: None,
            outputs: Vec::new(),
        }
    }
}

impl JobRun {
    fn new(job: Job) -> Self {
        let named = job.matrix.iter();
        let mut copies: Vec<Copy> =
            named.map(|(name, variables)| Copy::new(name.clone(), variables.clone())).collect();
        if copies.is_empty() {
            copies.push(Copy::new(String::new(), Vec::new()));
        }
        Self { job, record_id: Uuid::new_v4(), phase: Phase::Pending, copies }
    }
}

impl StageRun {
    fn new(stage: Stage) -> Self {
        Self {
            name: stage.name,
            display_name: stage.display_name,
            depends_on: stage.depends_on,
            condition: stage.condition,
            variables: stage.variables,
            record_id: Uuid::new_v4(),
            phase: Phase::Pending,
            jobs: stage.jobs.into_iter().map(JobRun::new).collect(),
        }
    }
}

/// The stages of a new run.
pub(crate) fn stages_of(pipeline: &Pipeline) -> Vec<StageRun> {
    pipeline.stages.iter().cloned().map(StageRun::new).collect()
}

/// Where a copy of a job stands in its run: stage, job, copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct At {
    pub(crate) stage: usize,
    pub(crate) job: usize,
    pub(crate) copy: usize,
}

impl Run {
    /// Where the job of this id stands.
    pub(crate) fn find(&self, job_id: Uuid) -> Option<At> {
        self.positions().find(|at| self.copy(*at).job_id == job_id)
    }

    /// Every copy of every job.
    pub(crate) fn positions(&self) -> impl Iterator<Item = At> {
        self.stages.iter().enumerate().flat_map(|(stage, stage_run)| {
            stage_run.jobs.iter().enumerate().flat_map(move |(job, job_run)| {
                (0..job_run.copies.len()).map(move |copy| At { stage, job, copy })
            })
        })
    }

    /// The job that stands there.
    pub(crate) fn job(&self, at: At) -> &JobRun {
        &self.stages[at.stage].jobs[at.job]
    }

    /// The copy that stands there.
    pub(crate) fn copy(&self, at: At) -> &Copy {
        &self.job(at).copies[at.copy]
    }

    /// The copy that stands there, to change it.
    pub(crate) fn copy_mut(&mut self, at: At) -> &mut Copy {
        &mut self.stages[at.stage].jobs[at.job].copies[at.copy]
    }

    /// `stage.job.copy`, as the service identifies a job.
    pub(crate) fn identifier(&self, at: At) -> String {
        let (stage, job, copy) = (&self.stages[at.stage].name, &self.job(at).job.name, &self.copy(at).name);
        let copy = if copy.is_empty() { "__default" } else { copy };
        format!("{stage}.{job}.{copy}")
    }
}
