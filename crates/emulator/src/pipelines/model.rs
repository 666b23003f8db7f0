//! What a pipeline says, once it is read: plain data, with every default filled in.

use serde::{Deserialize, Serialize};

/// A pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pipeline {
    /// Format of the run's number; none means `$(Date:yyyyMMdd).$(Rev:r)`.
    pub(crate) name: Option<String>,
    /// Its variables.
    pub(crate) variables: Vec<Variable>,
    /// Its stages, in the order in which they were written. A pipeline without stages has one, `__default`.
    pub(crate) stages: Vec<Stage>,
}

/// A variable. Its value may be `$[ ]`, evaluated when the run or job begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Variable {
    /// Its name.
    pub(crate) name: String,
    /// Its value.
    pub(crate) value: String,
    /// Whether steps may not change it.
    pub(crate) read_only: bool,
}

/// A stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stage {
    /// Its name.
    pub(crate) name: String,
    /// For people.
    pub(crate) display_name: String,
    /// The stages that must end first; by default the one before.
    pub(crate) depends_on: Vec<String>,
    /// When it runs; by default when all before it succeeded.
    pub(crate) condition: Option<String>,
    /// Variables of its jobs.
    pub(crate) variables: Vec<Variable>,
    /// Its jobs.
    pub(crate) jobs: Vec<Job>,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Job {
    /// Its name.
    pub(crate) name: String,
    /// For people.
    pub(crate) display_name: String,
    /// The jobs of its stage that must end first.
    pub(crate) depends_on: Vec<String>,
    /// When it runs; by default when all before it succeeded.
    pub(crate) condition: Option<String>,
    /// Whether the run goes on as if it had succeeded.
    pub(crate) continue_on_error: bool,
    /// Where it runs.
    pub(crate) pool: Pool,
    /// Its variables.
    pub(crate) variables: Vec<Variable>,
    /// Its steps.
    pub(crate) steps: Vec<Step>,
    /// Copies of it with variables of their own; empty for a job that runs once.
    pub(crate) matrix: Vec<(String, Vec<(String, String)>)>,
    /// What makes the copies when the job begins, where an earlier job knows them.
    #[serde(default)]
    pub(crate) matrix_expression: Option<String>,
    /// How many of the copies may run at once; 0 for any number.
    pub(crate) parallel_max: u32,
    /// How long it may run; 0 for ever.
    pub(crate) timeout_minutes: u32,
    /// How long it may take to end when it is cancelled.
    pub(crate) cancel_timeout_minutes: u32,
    /// What to clean before it: `outputs`, `resources`, `all`.
    pub(crate) workspace_clean: Option<String>,
    /// The environment it deploys to, for a deployment job.
    pub(crate) environment: Option<String>,
}

/// Where a job runs. Texts may hold `$(variables)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Pool {
    /// A hosted machine of this image.
    Hosted {
        /// Its image.
        image: String,
    },
    /// An agent of a pool of our own.
    Named {
        /// The pool.
        name: String,
        /// What the agent must offer.
        demands: Vec<String>,
    },
}

/// What a step runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Action {
    /// Gets the sources; the agent knows how.
    Checkout,
    /// A task of the organization.
    Task {
        /// Its name or id.
        name: String,
        /// Its major version.
        major: u32,
    },
}

/// A step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Step {
    /// What it runs.
    pub(crate) action: Action,
    /// The name by which others refer to its outputs; empty without one.
    pub(crate) name: String,
    /// For people.
    pub(crate) display_name: String,
    /// Inputs.
    pub(crate) inputs: Vec<(String, String)>,
    /// When it runs.
    pub(crate) condition: String,
    /// Whether the job goes on as if it had succeeded.
    pub(crate) continue_on_error: bool,
    /// Whether it runs at all.
    pub(crate) enabled: bool,
    /// How long it may run; 0 as long as the job.
    pub(crate) timeout_minutes: u32,
    /// How often it is tried again.
    pub(crate) retries: u32,
    /// Environment variables of its own.
    pub(crate) environment: Vec<(String, String)>,
}
