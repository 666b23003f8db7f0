//! Options of `sample`.

use clap::{Args, Subcommand, ValueEnum};

use super::{AzureArguments, DevOpsArguments};

/// Examples of `sample`.
pub(super) const EXAMPLES: &str = "\
Examples:
  Everything that samples/storage-pipeline needs; a second run completes what is missing:
    ephemeral-agents sample up --subscription $SUBSCRIPTION --location westeurope \\
      --provisioner $OBJECT_ID --organization-url https://dev.azure.com/contoso

  What that would create, with the bodies that would be sent:
    ephemeral-agents sample up --dry-run --output json --subscription $SUBSCRIPTION --location westeurope

  Away with it again:
    ephemeral-agents sample down --subscription $SUBSCRIPTION

The names of storage accounts and registries are one for all of Azure: yours need other names than the
sample's (--storage-account, --registry-name).";

/// A part of the sample, or all of it.
#[derive(Subcommand)]
pub(crate) enum SampleCommand {
    /// The virtual network: subnets, network security group, NAT gateway
    #[command(subcommand)]
    Network(PartCommand),
    /// The container registry, and an identity that pulls from it
    #[command(subcommand)]
    Registry(PartCommand),
    /// The storage account, which only the agents' subnet reaches
    #[command(subcommand)]
    Storage(PartCommand),
    /// The agent pool, with an agent that keeps jobs from being refused
    #[command(subcommand)]
    Pool(PoolCommand),
    /// Create all of it, or what is missing of it
    Up(Box<WholeArguments>),
    /// Delete what `up` made, and nothing else
    Down(Box<WholeArguments>),
    /// Print the same as a template; asks nobody
    Template(Box<TemplateArguments>),
}

/// What is to happen with a part.
#[derive(Subcommand)]
pub(crate) enum PartCommand {
    /// Create it, or what is missing of it
    Create(Box<SampleArguments>),
    /// Delete what `create` made, and nothing else
    Delete(Box<SampleArguments>),
}

/// What is to happen with the agent pool.
#[derive(Subcommand)]
pub(crate) enum PoolCommand {
    /// Create it, or what is missing of it
    Create(PoolArguments),
}

/// Options of `sample pool`.
#[derive(Args)]
pub(crate) struct PoolArguments {
    /// Agent pool [environment: also `AZURE_DEVOPS_POOL`; default: sample-ephemeralpool]
    #[arg(long = "agent-pool", short = 'p', value_name = "NAME", help_heading = "Azure DevOps")]
    pub(crate) pool: Option<String>,
    /// Authenticate as this machine's managed identity: its client id, or `system`
    #[arg(long, value_name = "ID", help_heading = "Azure")]
    pub(crate) azure_identity: Option<String>,
    #[command(flatten)]
    pub(crate) devops: DevOpsArguments,
}

/// Options of `sample up` and `sample down`.
#[derive(Args)]
pub(crate) struct WholeArguments {
    #[command(flatten)]
    pub(crate) sample: SampleArguments,
    /// Agent pool [environment: also `AZURE_DEVOPS_POOL`; default: sample-ephemeralpool]
    #[arg(long = "agent-pool", short = 'p', value_name = "NAME", help_heading = "Azure DevOps")]
    pub(crate) pool: Option<String>,
    #[command(flatten)]
    pub(crate) devops: DevOpsArguments,
}

/// Options of every part in Azure.
#[derive(Args)]
pub(crate) struct SampleArguments {
    /// Show what would be done, and do nothing
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) dry_run: Option<bool>,
    #[command(flatten)]
    pub(crate) azure: AzureArguments,
    #[command(flatten)]
    pub(crate) names: SampleNames,
}

/// Where the sample is, and how its parts are called.
#[derive(Args)]
pub(crate) struct SampleNames {
    /// Region [environment: also `AZURE_LOCATION`]
    #[arg(long, short = 'l', value_name = "REGION", help_heading = "Azure")]
    pub(crate) location: Option<String>,
    /// Object id of the service principal that provisions, which gets the roles for that
    #[arg(long, value_name = "ID", help_heading = "Azure")]
    pub(crate) provisioner: Option<String>,
    /// Create no roles and give none, and print the commands with which an owner does
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL",
        help_heading = "Azure")]
    pub(crate) without_roles: Option<bool>,
    /// Virtual network [default: sampleprivatenetwork]
    #[arg(long = "vnet-name", value_name = "NAME", help_heading = "Virtual network")]
    pub(crate) vnet: Option<String>,
    /// Subnet for agents [default: azure-devops-agents]
    #[arg(long = "subnet-name", value_name = "NAME", help_heading = "Virtual network")]
    pub(crate) subnet: Option<String>,
    /// Resource group of the virtual network [default: ephemeral-agents-sample-vnet]
    #[arg(long, value_name = "NAME", help_heading = "Virtual network")]
    pub(crate) vnet_resource_group: Option<String>,
    /// Addresses of the virtual network, as a private /16 [default: 10.10.0.0/16]
    #[arg(long, value_name = "RANGE", help_heading = "Virtual network")]
    pub(crate) address_space: Option<String>,
    /// Container registry [default: ephemeralsampleregistry]
    #[arg(long, value_name = "NAME", help_heading = "Registry and storage")]
    pub(crate) registry_name: Option<String>,
    /// Storage account [default: ephemeralsamplestorage]
    #[arg(long, value_name = "NAME", help_heading = "Registry and storage")]
    pub(crate) storage_account: Option<String>,
    /// Container for blobs in the storage account [default: test]
    #[arg(long, value_name = "NAME", help_heading = "Registry and storage")]
    pub(crate) blob_container: Option<String>,
}

/// Options of `sample template`.
#[derive(Args)]
pub(crate) struct TemplateArguments {
    /// For which tool
    #[arg(value_enum)]
    pub(crate) tool: TemplateTool,
    /// Resource group of everything but the network [default: ephemeral-agents-sample]
    #[arg(long, short = 'g', value_name = "NAME", help_heading = "Azure")]
    pub(crate) resource_group: Option<String>,
    #[command(flatten)]
    pub(crate) names: SampleNames,
}

/// What reads a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TemplateTool {
    /// Azure Resource Manager: `az deployment sub create`
    Arm,
    /// Terraform, with the provider azapi
    Terraform,
}
