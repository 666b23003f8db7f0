//! Options of `doctor`.

use clap::Args;

use super::ProvisionArguments;

pub(crate) const EXAMPLES: &str = "\
Examples:
  With what `provision` would be given, before it is given that:
    ephemeral-agents doctor --settings agents.toml

  Whether a pipeline may use the pool, too:
    ephemeral-agents doctor --settings agents.toml --project sample --pipeline-id 12

  What does not work, for a program:
    ephemeral-agents doctor --settings agents.toml --output json | jq '.checks[] | select(.state == \"failed\")'";

/// Options of `doctor`: those of `provision`, and which pipelines are to use it.
#[derive(Args)]
#[command(mut_arg("dry_run", |argument| argument.hide(true)))]
pub(crate) struct DoctorArguments {
    /// Project of the pipelines that are to use the pool [default: in a pipeline, its own]
    #[arg(long, value_name = "NAME", help_heading = "Azure DevOps")]
    pub(crate) project: Option<String>,
    /// Id of the pipeline that is to use the pool [default: in a pipeline, its own]
    #[arg(long, value_name = "ID", help_heading = "Azure DevOps")]
    pub(crate) pipeline_id: Option<u64>,
    #[command(flatten)]
    pub(crate) provision: ProvisionArguments,
}
