//! What `sample` needs to know, checked. The names and ranges are those of the samples of 2019, which their users
//! know.

use super::connection::{read_access, read_azure, read_devops};
use super::environment::Environment;
use super::{Azure, DevOps, Problems, checks};
use crate::arguments::sample::{
    PoolArguments, SampleArguments, SampleNames, TemplateArguments, WholeArguments,
};
use crate::arguments::{AzureArguments, DevOpsArguments, Global};
use crate::errors::Failure;

const RESOURCE_GROUP: &str = "ephemeral-agents-sample";
const NETWORK_GROUP: &str = "ephemeral-agents-sample-vnet";
const NETWORK: &str = "sampleprivatenetwork";
const SUBNET: &str = "azure-devops-agents";
const ADDRESS_SPACE: &str = "10.10.0.0/16";
const REGISTRY: &str = "ephemeralsampleregistry";
const STORAGE_ACCOUNT: &str = "ephemeralsamplestorage";
const BLOB_CONTAINER: &str = "test";
const POOL: &str = "sample-ephemeralpool";

/// Where a template is deployed is not known when it is made.
const NO_SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000000";

/// Where the sample is, and how its parts are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Id of the subscription.
    pub(crate) subscription: String,
    /// Resource group of everything but the network.
    pub(crate) resource_group: String,
    /// Resource group of the network.
    pub(crate) network_group: String,
    /// Region; empty where nothing is created.
    pub(crate) location: String,
    /// Virtual network.
    pub(crate) network: String,
    /// Subnet for agents.
    pub(crate) subnet: String,
    /// The first two numbers of the network's addresses.
    pub(crate) addresses: (u8, u8),
    /// Container registry.
    pub(crate) registry: String,
    /// Storage account.
    pub(crate) storage_account: String,
    /// Container for blobs.
    pub(crate) blob_container: String,
    /// Object id of the service principal that provisions.
    pub(crate) provisioner: Option<String>,
    /// Whether roles are left to somebody else.
    pub(crate) without_roles: bool,
}

/// The agent pool of the sample.
#[derive(Clone)]
pub(crate) struct SamplePool {
    /// How to reach Azure DevOps.
    pub(crate) devops: DevOps,
    /// Its name.
    pub(crate) name: String,
}

/// A part of the sample in Azure.
pub(crate) fn part(
    global: &Global,
    arguments: &SampleArguments,
    environment: &Environment,
    creates: bool,
) -> Result<(Azure, Sample), Failure> {
    let mut problems = Problems::default();
    let read = read(global, arguments, environment, (creates, &mut problems));
    problems.unless(read)
}

/// All of it: the pool only where the organization is known.
pub(crate) fn whole(
    global: &Global,
    arguments: &WholeArguments,
    environment: &Environment,
    creates: bool,
) -> Result<(Azure, Sample, Option<SamplePool>), Failure> {
    let mut problems = Problems::default();
    let read = read(global, &arguments.sample, environment, (creates, &mut problems));
    let wants_pool = arguments.devops.organization.is_some();
    let pool = if wants_pool {
        read_pool(&arguments.devops, arguments.pool.as_ref(), environment, &mut problems)
    } else {
        None
    };
    problems.unless(read.map(|(azure, sample)| (azure, sample, pool)))
}

/// The agent pool alone.
pub(crate) fn pool(
    global: &Global,
    arguments: &PoolArguments,
    environment: &Environment,
) -> Result<(Azure, SamplePool), Failure> {
    let mut problems = Problems::default();
    let access = read_access(global, arguments.azure_identity.as_deref(), environment, &mut problems);
    let pool = read_pool(&arguments.devops, arguments.pool.as_ref(), environment, &mut problems);
    problems.unless(access.zip(pool))
}

/// What a template is made of. A region that is not given is asked for when it is deployed.
pub(crate) fn template(arguments: &TemplateArguments) -> Result<Sample, Failure> {
    let mut problems = Problems::default();
    let group = arguments.resource_group.clone().unwrap_or_else(|| RESOURCE_GROUP.to_owned());
    let group = problems.check("resource-group", checks::resource_group(group));
    let place = group.map(|group| (NO_SUBSCRIPTION.to_owned(), group));
    let sample = place.and_then(|place| names(&arguments.names, place, &mut problems));
    problems.unless(sample)
}

fn read(
    global: &Global,
    arguments: &SampleArguments,
    environment: &Environment,
    (creates, problems): (bool, &mut Problems),
) -> Option<(Azure, Sample)> {
    let given = &arguments.azure;
    let with_default = AzureArguments {
        subscription: given.subscription.clone(),
        resource_group: given.resource_group.clone().or_else(|| Some(RESOURCE_GROUP.to_owned())),
        azure_identity: given.azure_identity.clone(),
    };
    let azure = read_azure(global, &with_default, environment, problems);
    if creates {
        problems.require("location", arguments.names.location.as_ref());
    }
    let place = azure.as_ref().map(|azure| (azure.subscription.clone(), azure.resource_group.clone()));
    let sample = names(&arguments.names, place.unwrap_or_default(), problems);
    azure.zip(sample)
}

fn names(
    given: &SampleNames,
    (subscription, resource_group): (String, String),
    problems: &mut Problems,
) -> Option<Sample> {
    let or = |value: &Option<String>, default: &str| value.clone().unwrap_or_else(|| default.to_owned());
    let network_group = checks::resource_group(or(&given.vnet_resource_group, NETWORK_GROUP));
    let network_group = problems.check("vnet-resource-group", network_group);
    let network = problems.check("vnet-name", checks::network_name(or(&given.vnet, NETWORK)));
    let subnet = problems.check("subnet-name", checks::network_name(or(&given.subnet, SUBNET)));
    let addresses = checks::address_space(&or(&given.address_space, ADDRESS_SPACE));
    let addresses = problems.check("address-space", addresses);
    let registry = checks::registry_name(or(&given.registry_name, REGISTRY));
    let registry = problems.check("registry-name", registry);
    let account = checks::storage_account(or(&given.storage_account, STORAGE_ACCOUNT));
    let account = problems.check("storage-account", account);
    let container = checks::blob_container(or(&given.blob_container, BLOB_CONTAINER));
    let container = problems.check("blob-container", container);
    let provisioner = match given.provisioner.clone() {
        Some(id) => Some(problems.check("provisioner", checks::object_id(id))?),
        None => None,
    };
    Some(Sample {
        subscription,
        resource_group,
        network_group: network_group?,
        location: given.location.as_deref().map(checks::location).unwrap_or_default(),
        network: network?,
        subnet: subnet?,
        addresses: addresses?,
        registry: registry?,
        storage_account: account?,
        blob_container: container?,
        provisioner,
        without_roles: given.without_roles.unwrap_or_default(),
    })
}

fn read_pool(
    devops: &DevOpsArguments,
    name: Option<&String>,
    environment: &Environment,
    problems: &mut Problems,
) -> Option<SamplePool> {
    let devops = read_devops(devops, environment, problems);
    Some(SamplePool { devops: devops?, name: name.cloned().unwrap_or_else(|| POOL.to_owned()) })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::{part, template, whole};
    use crate::arguments::Command;
    use crate::arguments::sample::{PartCommand, SampleCommand};
    use crate::errors::Failure;
    use crate::settings::environment::Environment;
    use crate::settings::layers;

    const SUBSCRIPTION: &str = "00000000-1111-2222-3333-444444444444";

    fn read(words: &str) -> Result<(super::Sample, bool), Failure> {
        let typed: Vec<_> = ["ephemeral-agents", "sample"].into_iter().chain(words.split(' ')).collect();
        let typed = typed.into_iter().map(OsString::from).collect();
        let environment = Environment::default();
        let Ok(arguments) = layers::read(typed, &environment) else { panic!("not understood: {words}") };
        let Command::Sample { command } = &arguments.command else { panic!("another command") };
        match command {
            SampleCommand::Network(PartCommand::Create(given)) => {
                part(&arguments.global, given, &environment, true).map(|(_, sample)| (sample, false))
            }
            SampleCommand::Up(given) => whole(&arguments.global, given, &environment, true)
                .map(|(_, sample, pool)| (sample, pool.is_some())),
            SampleCommand::Template(given) => template(given).map(|sample| (sample, false)),
            _ => panic!("not for this test: {words}"),
        }
    }

    #[test]
    fn the_names_are_those_that_users_know() {
        let (sample, pool) = read(&format!("up --subscription {SUBSCRIPTION} -l WestEurope")).expect("fine");
        insta::assert_debug_snapshot!(sample);
        assert!(!pool, "without an organization there is no pool to make");
        let with =
            format!("up --subscription {SUBSCRIPTION} -l x --organization-url https://dev.azure.com/c");
        assert!(read(&with).expect("fine").1);
    }

    #[test]
    fn every_wrong_setting_is_said_at_once() {
        let said = read(
            "network create --address-space 10.10.0.0/8 --storage-account Big --registry-name a-b --vnet-name x.",
        );
        let Err(Failure::Settings(problems)) = said else { panic!("accepted") };
        insta::assert_snapshot!(Failure::Settings(problems).message());
    }

    #[test]
    fn a_template_needs_no_subscription() {
        assert_eq!(read("template arm").expect("fine").0.resource_group, "ephemeral-agents-sample");
    }
}
