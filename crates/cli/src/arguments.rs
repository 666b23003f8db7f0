//! What may be typed on the command line.
//!
//! Every option is optional here, because it may also come from the environment or the settings file
//! (`settings::layers`); what is missing or wrong is said in one place, `settings`, with its name in all three. No
//! option takes a secret: a command line can be read by every process of the machine.

pub(crate) mod doctor;
pub(crate) mod reap;
pub(crate) mod sample;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

const ABOUT: &str = "Azure Pipelines agents that live for one job, in Azure Container Instances.";

const EVERYWHERE: &str = "\
Every option can also be given in the environment, as EPHEMERAL_AGENTS_ and its name
(--resource-group is EPHEMERAL_AGENTS_RESOURCE_GROUP; lists one entry a line), or in a settings
file (TOML: resource-group = \"agents\"). The command line wins over the environment, the
environment over the file.

Credentials are never arguments:
  Azure         AZURE_TENANT_ID and AZURE_CLIENT_ID with AZURE_CLIENT_SECRET,
                AZURE_CLIENT_CERTIFICATE_PATH or AZURE_FEDERATED_TOKEN_FILE;
                or --azure-identity; or else whoever is logged in to the Azure CLI
  Azure DevOps  AZURE_DEVOPS_EXT_PAT, SYSTEM_ACCESSTOKEN or --token-file;
                or else the same identity as for Azure

Exit codes: 0 done, 1 yours to fix, 2 ours or the service's, 3 partly done, 130 interrupted.";

const PROVISION_EXAMPLES: &str = "\
Examples:
  An agent inside a virtual network, registered in the pool `private`:
    ephemeral-agents provision --organization-url https://dev.azure.com/contoso --agent-pool private \\
      --resource-group agents --image contoso.azurecr.io/agent:1 \\
      --registry-identity $PULL_IDENTITY --vnet-name network --subnet-name agents

  What that would create, without creating it:
    ephemeral-agents provision --dry-run --settings agents.toml

  In a pipeline, with everything else in the environment; the next job demands the agent by name:
    ephemeral-agents provision --agent-prefix deploy --take-down outside";

const DEPROVISION_EXAMPLES: &str = "\
Examples:
  ephemeral-agents deprovision deploy4711-20261124101500-k7m2xq --resource-group agents
  ephemeral-agents deprovision \"$(agentName)\"        (in the last job of a pipeline, condition: always())";

const LIST_EXAMPLES: &str = "\
Examples:
  ephemeral-agents list --resource-group agents
  ephemeral-agents list --resource-group agents --output json";

const LOGS_EXAMPLES: &str = "\
Examples:
  ephemeral-agents logs deploy4711-20261124101500-k7m2xq --resource-group agents --tail 50
  ephemeral-agents logs deploy4711-20261124101500-k7m2xq --resource-group agents --follow";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  ephemeral-agents completions bash > /etc/bash_completion.d/ephemeral-agents
  ephemeral-agents completions zsh > \"${fpath[1]}/_ephemeral-agents\"";

/// The whole command line.
#[derive(Parser)]
#[command(name = "ephemeral-agents", version, about = ABOUT, after_help = EVERYWHERE)]
#[command(arg_required_else_help = true, max_term_width = 110)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Args)]
pub(crate) struct Global {
    /// What is written to standard output
    #[arg(long, global = true, value_enum, value_name = "FORMAT", help_heading = "Everywhere")]
    pub(crate) output: Option<Output>,
    /// Say more about what is asked of the services; twice: everything
    #[arg(long, short, global = true, action = clap::ArgAction::Count, help_heading = "Everywhere")]
    pub(crate) verbose: u8,
    /// Certificates (PEM) to trust besides the system's
    #[arg(long, global = true, value_name = "FILE", help_heading = "Everywhere")]
    pub(crate) ca_file: Option<PathBuf>,
    /// `AzureCloud`, `AzureUSGovernment`, `AzureChinaCloud`, or the URL of a Resource Manager [default: `AzureCloud`]
    #[arg(long, global = true, value_name = "CLOUD", help_heading = "Everywhere")]
    pub(crate) cloud: Option<String>,
    /// Settings file
    #[arg(long, global = true, value_name = "FILE", help_heading = "Everywhere")]
    pub(crate) settings: Option<PathBuf>,
}

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people, and inside a pipeline for the pipeline
    #[default]
    Text,
    /// For programs
    Json,
}

/// What is to be done.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Provision one agent and wait until it is online
    #[command(after_help = PROVISION_EXAMPLES)]
    Provision(Box<ProvisionArguments>),
    /// Look at everything that `provision` needs, and say what is missing and what to do
    #[command(after_help = doctor::EXAMPLES)]
    Doctor(Box<doctor::DoctorArguments>),
    /// Disable and unregister agents, and delete their container groups
    #[command(after_help = DEPROVISION_EXAMPLES)]
    Deprovision(DeprovisionArguments),
    /// List the agents of a resource group and where they are in their lives
    #[command(after_help = LIST_EXAMPLES)]
    List(ListArguments),
    /// Show what an agent's container printed
    #[command(after_help = LOGS_EXAMPLES)]
    Logs(LogsArguments),
    /// Find what is left over of agents, say why, and remove it
    #[command(after_help = reap::EXAMPLES)]
    Reap(Box<reap::ReapArguments>),
    /// Create and delete what the samples need: a network, a registry, a storage account, roles, an agent pool
    #[command(after_help = sample::EXAMPLES)]
    Sample {
        /// Which part
        #[command(subcommand)]
        command: sample::SampleCommand,
    },
    /// Do what the pipeline task's inputs say
    #[command(hide = true)]
    Task,
    /// Print a completion script for a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

/// Where the container groups are, and as whom to ask for them.
#[derive(Args)]
pub(crate) struct AzureArguments {
    /// Id of the subscription [environment: also `AZURE_SUBSCRIPTION_ID`]
    #[arg(long, value_name = "ID", help_heading = "Azure")]
    pub(crate) subscription: Option<String>,
    /// Resource group of the container groups [environment: also `AZURE_RESOURCE_GROUP`]
    #[arg(long, short = 'g', value_name = "NAME", help_heading = "Azure")]
    pub(crate) resource_group: Option<String>,
    /// Authenticate as this machine's managed identity: its client id, or `system`
    #[arg(long, value_name = "ID", help_heading = "Azure")]
    pub(crate) azure_identity: Option<String>,
}

/// Where the agents are registered, and as whom to ask for them.
#[derive(Args)]
pub(crate) struct DevOpsArguments {
    /// URL of the organization, such as <https://dev.azure.com/contoso> [environment: also `AZURE_DEVOPS_ORG_URL`; in
    /// a pipeline its own organization]
    #[arg(long = "organization-url", value_name = "URL", help_heading = "Azure DevOps")]
    pub(crate) organization: Option<String>,
    /// File that holds the token for Azure DevOps
    #[arg(long, value_name = "FILE", help_heading = "Azure DevOps")]
    pub(crate) token_file: Option<PathBuf>,
}

/// Options of `provision`.
#[derive(Args)]
pub(crate) struct ProvisionArguments {
    /// Show what would be created, and create nothing
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) dry_run: Option<bool>,
    #[command(flatten)]
    pub(crate) azure: AzureArguments,
    #[command(flatten)]
    pub(crate) place: PlaceArguments,
    #[command(flatten)]
    pub(crate) devops: DevOpsArguments,
    #[command(flatten)]
    pub(crate) agent: AgentArguments,
    #[command(flatten)]
    pub(crate) container: ContainerArguments,
    #[command(flatten)]
    pub(crate) life: LifeArguments,
}

/// Where in Azure the container group goes.
#[derive(Args)]
pub(crate) struct PlaceArguments {
    /// Region [environment: also `AZURE_LOCATION`; default: the virtual network's, or else the resource group's]
    #[arg(long, short = 'l', value_name = "REGION", help_heading = "Azure")]
    pub(crate) location: Option<String>,
    /// Availability zone
    #[arg(long, value_name = "ZONE", help_heading = "Azure")]
    pub(crate) zone: Option<String>,
    /// Region to try where there is no room, not for virtual networks; may be repeated, tried in this order
    #[arg(long, value_name = "REGION", help_heading = "Where there is no room")]
    pub(crate) fallback_location: Vec<String>,
    /// Availability zone to try where there is no room; may be repeated
    #[arg(long, value_name = "ZONE", help_heading = "Where there is no room")]
    pub(crate) fallback_zone: Vec<String>,
    /// Size to try where there is no room, as cores:GB (0.5:1.5); may be repeated
    #[arg(long, value_name = "CORES:GB", help_heading = "Where there is no room")]
    pub(crate) fallback_size: Vec<String>,
    /// Virtual network [default: none; the agent then has no private address and no public one]
    #[arg(long = "vnet-name", value_name = "NAME", help_heading = "Virtual network")]
    pub(crate) vnet: Option<String>,
    /// Subnet, delegated to Microsoft.ContainerInstance/containerGroups
    #[arg(long = "subnet-name", value_name = "NAME", help_heading = "Virtual network")]
    pub(crate) subnet: Option<String>,
    /// Resource group of the virtual network [default: --resource-group]
    #[arg(long, value_name = "NAME", help_heading = "Virtual network")]
    pub(crate) vnet_resource_group: Option<String>,
    /// DNS server for the container, which does not inherit the network's; may be repeated
    #[arg(long, value_name = "ADDRESS", help_heading = "Virtual network")]
    pub(crate) dns_server: Vec<String>,
}

/// The agent and its registration.
#[derive(Args)]
pub(crate) struct AgentArguments {
    /// Agent pool [environment: also `AZURE_DEVOPS_POOL`]
    #[arg(long = "agent-pool", short = 'p', value_name = "NAME", help_heading = "Azure DevOps")]
    pub(crate) pool: Option<String>,
    /// What the agent's name begins with: a lower-case letter, then lower-case letters and digits [default: agent]
    #[arg(long, value_name = "PREFIX", help_heading = "Azure DevOps")]
    pub(crate) agent_prefix: Option<String>,
    /// How many agents of this kind, all at once [default: 1]
    #[arg(long, value_name = "NUMBER", help_heading = "Azure DevOps")]
    pub(crate) count: Option<u32>,
    /// Name of the agent and its container group, instead of one that is minted; never use one twice
    #[arg(long, value_name = "NAME", help_heading = "Azure DevOps")]
    pub(crate) name: Option<String>,
    /// How the agent gets its identity: `jit` registers it first and hands over its own key; `token` hands over your
    /// token, for images that register themselves [default: jit]
    #[arg(long, value_enum, value_name = "HOW", help_heading = "Azure DevOps")]
    pub(crate) registration: Option<RegistrationArgument>,
    /// URL of the organization as the container sees it, if that differs [default: --organization-url]
    #[arg(long, value_name = "URL", help_heading = "Azure DevOps")]
    pub(crate) agent_url: Option<String>,
}

/// The container.
#[derive(Args)]
pub(crate) struct ContainerArguments {
    /// Image of the agent's container
    #[arg(long, value_name = "IMAGE", help_heading = "Container")]
    pub(crate) image: Option<String>,
    /// Registry server [default: the one in --image]
    #[arg(long, value_name = "SERVER", help_heading = "Container")]
    pub(crate) registry: Option<String>,
    /// User of the registry; the password is in `EPHEMERAL_AGENTS_REGISTRY_PASSWORD`
    #[arg(long, value_name = "USER", help_heading = "Container")]
    pub(crate) registry_user: Option<String>,
    /// Resource id of the user-assigned identity that pulls the image, instead of user and password
    #[arg(long, value_name = "ID", help_heading = "Container")]
    pub(crate) registry_identity: Option<String>,
    /// Operating system [default: linux]
    #[arg(long, value_enum, ignore_case = true, value_name = "OS", help_heading = "Container")]
    pub(crate) os_type: Option<OsArgument>,
    /// Processor cores [default: 1]
    #[arg(long, value_name = "CORES", help_heading = "Container", allow_negative_numbers = true)]
    pub(crate) cpu: Option<f64>,
    /// Memory in GB, in steps of 0.1 [default: 1.0]
    #[arg(long, value_name = "GB", help_heading = "Container", allow_negative_numbers = true)]
    pub(crate) memory: Option<f64>,
    /// `spot` is cheaper, may be taken away at any time, and cannot join a virtual network [default: regular]
    #[arg(long, value_enum, ignore_case = true, value_name = "PRIORITY", help_heading = "Container")]
    pub(crate) priority: Option<PriorityArgument>,
    /// What the container group runs on: `confidential` keeps even the host out [default: standard]
    #[arg(long, value_enum, ignore_case = true, value_name = "SKU", help_heading = "Container")]
    pub(crate) sku: Option<SkuArgument>,
    /// Environment variable of the container, name=value; may be repeated
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Container")]
    pub(crate) env: Vec<String>,
    /// The same as a secure value, taken from the variable of that name in this environment; may be repeated
    #[arg(long, value_name = "NAME", help_heading = "Container")]
    pub(crate) secure_env: Vec<String>,
    /// Tag of the container group, name=value; may be repeated
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Container")]
    pub(crate) tag: Vec<String>,
    /// Log Analytics workspace that keeps what the container prints, also when the group is gone: its id; the key is in
    /// `EPHEMERAL_AGENTS_LOG_ANALYTICS_KEY`
    #[arg(long, value_name = "ID", help_heading = "Container")]
    pub(crate) log_analytics_workspace: Option<String>,
    /// Certificates (PEM) that the agent trusts besides its image's
    #[arg(long, value_name = "FILE", help_heading = "Container")]
    pub(crate) agent_ca_file: Option<PathBuf>,
}

/// How long the agent lives, and who ends it.
#[derive(Args)]
pub(crate) struct LifeArguments {
    /// Seconds to wait until the agent is online; 0 does not wait [default: 240]
    #[arg(long, value_name = "SECONDS", help_heading = "Life")]
    pub(crate) timeout_agent_online: Option<u64>,
    /// Seconds after which an agent without a job goes [default: 900]
    #[arg(long, value_name = "SECONDS", help_heading = "Life")]
    pub(crate) idle_timeout: Option<u64>,
    /// Seconds after which the agent goes in any case [default: 21600]
    #[arg(long, value_name = "SECONDS", help_heading = "Life")]
    pub(crate) max_lifetime: Option<u64>,
    /// Who takes it down: nobody in the container (`outside`), the container with your service principal (`secrets`)
    /// or with a managed identity (`identity`) [default: identity if --identity is given, else secrets if there is a
    /// client secret or certificate, else outside]
    #[arg(long, value_enum, value_name = "WHO", help_heading = "Life")]
    pub(crate) take_down: Option<TakeDownArgument>,
    /// Managed identity of the container group: resource id of a user-assigned one, or `system`
    #[arg(long, value_name = "ID", help_heading = "Life")]
    pub(crate) identity: Option<String>,
    /// Keep what failed, to look at it, for as long as --keep-for says
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL",
        help_heading = "Life")]
    pub(crate) keep_on_error: Option<bool>,
    /// Seconds after which what --keep-on-error kept may be cleaned up [default: 86400]
    #[arg(long, value_name = "SECONDS", help_heading = "Life")]
    pub(crate) keep_for: Option<u64>,
}

/// `--priority`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PriorityArgument {
    /// Stays
    Regular,
    /// May be taken away at any time
    Spot,
}

/// `--sku`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SkuArgument {
    /// Shared hosts
    Standard,
    /// A host of its own
    Dedicated,
    /// A trusted execution environment
    Confidential,
}

/// `--registration`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RegistrationArgument {
    /// Just in time: the provisioner registers the agent
    Jit,
    /// The agent registers itself with a token
    Token,
}

/// `--take-down`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TakeDownArgument {
    /// `deprovision` in a last job, or `reap` on a schedule
    Outside,
    /// The container, with the service principal of this environment
    Secrets,
    /// The container, with the managed identity of --identity
    Identity,
}

/// `--os-type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OsArgument {
    /// Linux
    Linux,
    /// Windows
    Windows,
}

/// Options of `deprovision`.
#[derive(Args)]
pub(crate) struct DeprovisionArguments {
    /// Names of the agents
    #[arg(required = true, value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Seconds to wait for a job that still runs; it is never ended from here [default: 600]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) job_timeout: Option<u64>,
    /// Pool to look in for an agent whose container group is gone [environment: also `AZURE_DEVOPS_POOL`]
    #[arg(long = "agent-pool", short = 'p', value_name = "NAME", help_heading = "Azure DevOps")]
    pub(crate) pool: Option<String>,
    #[command(flatten)]
    pub(crate) azure: AzureArguments,
    #[command(flatten)]
    pub(crate) devops: DevOpsArguments,
}

/// Options of `list`.
#[derive(Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    pub(crate) azure: AzureArguments,
    #[command(flatten)]
    pub(crate) devops: DevOpsArguments,
}

/// Options of `logs`.
#[derive(Args)]
pub(crate) struct LogsArguments {
    /// Name of the agent
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Only so many of the last lines
    #[arg(long, value_name = "LINES")]
    pub(crate) tail: Option<u32>,
    /// Go on until the container ends
    #[arg(long, short, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub(crate) follow: Option<bool>,
    #[command(flatten)]
    pub(crate) azure: AzureArguments,
}
