//! Options of `reap`.

use std::path::PathBuf;

use clap::Args;

use super::DevOpsArguments;

pub(crate) const EXAMPLES: &str = "\
Examples:
  What would be removed, and why:
    ephemeral-agents reap --resource-group agents --agent-pool private --dry-run

  Every night, in a pipeline with a schedule (samples/cleanup-pipeline), for two pools:
    ephemeral-agents reap -g agents -g more-agents -p private -p public

  All the time, as a service:
    ephemeral-agents reap --settings agents.toml --every 5m --audit-file /var/log/reaped.jsonl";

/// Options of `reap`.
#[derive(Args)]
pub(crate) struct ReapArguments {
    /// Show what would be removed and why, and change nothing
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) dry_run: Option<bool>,
    /// Look once, which is what happens without --every
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) once: Option<bool>,
    /// Go on until it is stopped, and look this often: 30s, 5m, 1h
    #[arg(long, value_name = "TIME")]
    pub(crate) every: Option<String>,
    /// Seconds that an agent may take to come online [default: 900]
    #[arg(long, value_name = "SECONDS", help_heading = "What is left over")]
    pub(crate) start_deadline: Option<u64>,
    /// Seconds that an agent may be offline while its container runs [default: 900]
    #[arg(long, value_name = "SECONDS", help_heading = "What is left over")]
    pub(crate) offline_limit: Option<u64>,
    /// Seconds that something has to be old before it counts as left over [default: 900]
    #[arg(long, value_name = "SECONDS", help_heading = "What is left over")]
    pub(crate) grace: Option<u64>,
    /// Container groups to delete within an hour at most; Azure Container Instances allows 300 to a subscription and
    /// region [default: 270]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max_deletes_an_hour: Option<u64>,
    /// File to which a line of JSON is added for each thing that is removed [default: a line of talk]
    #[arg(long, value_name = "FILE")]
    pub(crate) audit_file: Option<PathBuf>,
    /// Id of the subscription [environment: also `AZURE_SUBSCRIPTION_ID`]
    #[arg(long, value_name = "ID", help_heading = "Azure")]
    pub(crate) subscription: Option<String>,
    /// Resource group of the container groups; may be repeated. Give all that agents of these pools have: an agent
    /// whose container group is elsewhere looks like one that has lost it [environment: also `AZURE_RESOURCE_GROUP`]
    #[arg(long, short = 'g', value_name = "NAME", help_heading = "Azure")]
    pub(crate) resource_group: Vec<String>,
    /// Authenticate as this machine's managed identity: its client id, or `system`
    #[arg(long, value_name = "ID", help_heading = "Azure")]
    pub(crate) azure_identity: Option<String>,
    /// Agent pool; may be repeated. What is of another pool is left alone [environment: also `AZURE_DEVOPS_POOL`]
    #[arg(long = "agent-pool", short = 'p', value_name = "NAME", help_heading = "Azure DevOps")]
    pub(crate) pool: Vec<String>,
    #[command(flatten)]
    pub(crate) devops: DevOpsArguments,
}
