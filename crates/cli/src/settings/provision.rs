//! What `provision` needs to know, checked.

use std::collections::BTreeMap;
use std::time::Duration;

use redact::Secret;

use super::connection::{certificates, read_azure, read_devops, secret_variable};
use super::environment::Environment;
use super::{
    AzureCredential, Container, DevOps, DevOpsCredential, DoctorSettings, Fallbacks, Identity, Life,
    LogAnalytics, NameChoice, Network, Os, Priority, Problems, Proof, ProvisionSettings, Registration,
    Registry, Sku, TakeDown, checks, limits,
};
use crate::arguments::doctor::DoctorArguments;
use crate::arguments::{
    AgentArguments, ContainerArguments, Global, LifeArguments, OsArgument, PlaceArguments, PriorityArgument,
    ProvisionArguments, RegistrationArgument, SkuArgument, TakeDownArgument,
};
use crate::errors::Failure;

const ONLINE_TIMEOUT_S: u64 = 240;
const IDLE_TIMEOUT_S: u64 = 900;
const MAX_LIFETIME_S: u64 = 21_600;
const KEEP_FOR_S: u64 = 86_400;

/// Resource Manager takes 50 tags; ours are seven.
const OWN_TAGS_MOST: usize = 43;

/// Holds a key of the Log Analytics workspace.
const LOG_ANALYTICS_KEY: &str = "EPHEMERAL_AGENTS_LOG_ANALYTICS_KEY";

/// Holds the registry's password.
const REGISTRY_PASSWORD: &str = "EPHEMERAL_AGENTS_REGISTRY_PASSWORD";

/// Checks what was given for `provision`.
pub(crate) fn provision(
    global: &Global,
    arguments: &ProvisionArguments,
    environment: &Environment,
) -> Result<ProvisionSettings, Failure> {
    let mut problems = Problems::default();
    let settings = read(global, arguments, environment, &mut problems);
    problems.unless(settings)
}

/// Checks what was given for `doctor`.
pub(crate) fn doctor(
    global: &Global,
    arguments: &DoctorArguments,
    environment: &Environment,
) -> Result<DoctorSettings, Failure> {
    Ok(DoctorSettings {
        provision: provision(global, &arguments.provision, environment)?,
        project: arguments.project.clone(),
        pipeline: arguments.pipeline_id,
    })
}

fn read(
    global: &Global,
    arguments: &ProvisionArguments,
    environment: &Environment,
    problems: &mut Problems,
) -> Option<ProvisionSettings> {
    let run = environment.run_id();
    let azure = read_azure(global, &arguments.azure, environment, problems);
    let devops = read_devops(&arguments.devops, environment, problems);
    let pool = problems.require("agent-pool", arguments.agent.pool.clone());
    let name = name(&arguments.agent, run, problems);
    let count = count(&arguments.agent, problems);
    let agent_url = match &arguments.agent.agent_url {
        Some(url) => problems.check("agent-url", checks::organization(url)),
        None => devops.as_ref().map(|devops| devops.organization.clone()),
    };
    let group = azure.as_ref().map(|azure| azure.resource_group.as_str());
    let network = network(&arguments.place, group, problems);
    let container = container(arguments, environment, problems);
    let fallbacks = fallbacks(arguments, problems);
    let tags = tags(&arguments.container.tag, problems);
    let (azure, devops) = (azure?, devops?);
    let registration = registration(arguments.agent.registration, &devops, problems);
    let life = life(&arguments.life, &azure.credential, &devops, problems);
    let (network, container) = (network?, container?);
    limits::check(&container, network.as_ref(), life.as_ref()?, problems);
    Some(ProvisionSettings {
        azure,
        devops,
        pool: pool?,
        name: name?,
        count: count?,
        run,
        agent_url: agent_url?,
        registration: registration?,
        location: arguments.place.location.as_deref().map(checks::location),
        network,
        container,
        fallbacks,
        life: life?,
        tags: tags?,
    })
}

/// A name that is given stands above a prefix, which may come from a settings file.
fn name(agent: &AgentArguments, run: Option<u64>, problems: &mut Problems) -> Option<NameChoice> {
    if let Some(name) = &agent.name {
        return problems.check("name", checks::name(name)).map(NameChoice::Explicit);
    }
    let prefix = agent.agent_prefix.clone().unwrap_or_else(|| "agent".to_owned());
    problems.check("agent-prefix", checks::prefix(prefix, run)).map(NameChoice::Prefix)
}

/// How many agents. One name is for one of them.
fn count(agent: &AgentArguments, problems: &mut Problems) -> Option<u32> {
    let count = problems.check("count", checks::count(agent.count.unwrap_or(1)))?;
    if count > 1 && agent.name.is_some() {
        problems.add("name", "is given for several agents", "give agent-prefix instead");
        return None;
    }
    Some(count)
}

/// What may stand in where there is no room. What can never be tried is refused: it would only look like safety.
fn fallbacks(arguments: &ProvisionArguments, problems: &mut Problems) -> Fallbacks {
    let place = &arguments.place;
    if place.vnet.is_some() && !place.fallback_location.is_empty() {
        problems.add(
            "fallback-location",
            "is given together with vnet-name, and a container group can only join a network of its own region",
            "use fallback-zone and fallback-size, or provision again with another network",
        );
    }
    let sizes: Vec<_> = place.fallback_size.iter().map(|text| checks::size(text)).collect();
    let fallbacks = Fallbacks {
        locations: place.fallback_location.iter().map(|text| checks::location(text)).collect(),
        zones: place.fallback_zone.clone(),
        sizes: sizes.into_iter().filter_map(|size| problems.check("fallback-size", size)).collect(),
    };
    if arguments.agent.name.is_some() && fallbacks != Fallbacks::default() {
        problems.add(
            "name",
            "is given together with fallbacks, and each try needs a name of its own",
            "give agent-prefix instead",
        );
    }
    fallbacks
}

/// The subnet, where one is wanted. Outer `None`: a problem was noted.
#[expect(clippy::option_option, reason = "outer: checked or not; inner: given or not")]
fn network(place: &PlaceArguments, group: Option<&str>, problems: &mut Problems) -> Option<Option<Network>> {
    match (&place.vnet, &place.subnet) {
        (None, None) if place.vnet_resource_group.is_some() => {
            problems.add(
                "vnet-resource-group",
                "is given without vnet-name and subnet-name",
                "give them too, or none",
            );
            None
        }
        (None, None) => Some(None),
        (Some(network), Some(subnet)) => {
            let group = match &place.vnet_resource_group {
                Some(name) => problems.check("vnet-resource-group", checks::resource_group(name.clone())),
                None => group.map(str::to_owned),
            };
            let name = problems.check("vnet-name", checks::network_part(network));
            let subnet = problems.check("subnet-name", checks::network_part(subnet));
            Some(Some(Network { resource_group: group?, name: name?, subnet: subnet? }))
        }
        (Some(_), None) => {
            problems.add(
                "subnet-name",
                "is missing, although vnet-name is given",
                "give the subnet for agents",
            );
            None
        }
        (None, Some(subnet)) => {
            problems.check("subnet-name", checks::network_part(subnet))?;
            problems.add(
                "vnet-name",
                "is missing, although subnet-name is given",
                "give the network of that subnet",
            );
            None
        }
    }
}

fn container(
    arguments: &ProvisionArguments,
    environment: &Environment,
    problems: &mut Problems,
) -> Option<Container> {
    let given = &arguments.container;
    let server = given.registry.as_deref().map(checks::registry_server);
    let image = problems.require("image", given.image.as_deref());
    let image = image.and_then(|name| problems.check("image", checks::image(name, server.as_deref())));
    let registry = image.as_deref().and_then(|image| registry(given, image, environment, problems));
    let cpu = problems.check("cpu", checks::cpu(given.cpu.unwrap_or(1.0)));
    let memory_gb = problems.check("memory", checks::memory(given.memory.unwrap_or(1.0)));
    let dns: Vec<_> = arguments.place.dns_server.iter().map(|text| checks::dns_server(text)).collect();
    let dns_servers = dns.into_iter().filter_map(|checked| problems.check("dns-server", checked)).collect();
    let variables = variables(&given.env, problems);
    let secure_environment = secure_variables(&given.secure_env, environment, problems);
    let agent_ca = certificates("agent-ca-file", given.agent_ca_file.as_deref(), problems);
    let log_analytics = log_analytics(given, environment, problems);
    Some(Container {
        image: image?,
        registry: registry?,
        os: match given.os_type {
            Some(OsArgument::Windows) => Os::Windows,
            Some(OsArgument::Linux) | None => Os::Linux,
        },
        cpu: cpu?,
        memory_gb: memory_gb?,
        zone: arguments.place.zone.clone(),
        priority: match given.priority {
            Some(PriorityArgument::Spot) => Priority::Spot,
            Some(PriorityArgument::Regular) | None => Priority::Regular,
        },
        sku: match given.sku {
            Some(SkuArgument::Dedicated) => Sku::Dedicated,
            Some(SkuArgument::Confidential) => Sku::Confidential,
            Some(SkuArgument::Standard) | None => Sku::Standard,
        },
        dns_servers,
        environment: variables,
        secure_environment,
        agent_ca: agent_ca?,
        log_analytics,
    })
}

/// The workspace that keeps what the container prints. A key alone may be meant for another command.
fn log_analytics(
    given: &ContainerArguments,
    environment: &Environment,
    problems: &mut Problems,
) -> Option<LogAnalytics> {
    let key = secret_variable(LOG_ANALYTICS_KEY, environment, problems);
    let workspace = given.log_analytics_workspace.clone()?;
    let workspace = problems.check("log-analytics-workspace", checks::workspace(workspace))?;
    let Some(key) = key else {
        problems.add(LOG_ANALYTICS_KEY, "is missing, although log-analytics-workspace is given", "set it");
        return None;
    };
    Some(LogAnalytics { workspace, key })
}

fn registry(
    given: &ContainerArguments,
    image: &str,
    environment: &Environment,
    problems: &mut Problems,
) -> Option<Registry> {
    let server = checks::registry_of(image).map(str::to_owned);
    let password = match environment.credentials() {
        Some(given) => given.registry_password.clone(),
        None => secret_variable(REGISTRY_PASSWORD, environment, problems),
    };
    match (&given.registry_user, &given.registry_identity) {
        (None, None) => Some(Registry::Anonymous),
        (Some(_), Some(_)) => {
            problems.add("registry-identity", "is given together with registry-user", "give one of them");
            None
        }
        (user, identity) => {
            let Some(server) = server else {
                problems.add(
                    "registry",
                    "is missing, although somebody is to log in to it",
                    "give its server",
                );
                return None;
            };
            if let Some(id) = identity {
                let identity = problems.check("registry-identity", checks::user_assigned(id.clone()))?;
                return Some(Registry::Identity { server, identity });
            }
            let Some(password) = password else {
                problems.add(REGISTRY_PASSWORD, "is missing, although registry-user is given", "set it");
                return None;
            };
            Some(Registry::Password { server, user: user.clone()?, password })
        }
    }
}

fn variables(pairs: &[String], problems: &mut Problems) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    for pair in pairs {
        let checked =
            checks::pair(pair).and_then(|(name, value)| checks::variable(&name).map(|()| (name, value)));
        variables.extend(problems.check("env", checked));
    }
    variables
}

fn secure_variables(
    names: &[String],
    environment: &Environment,
    problems: &mut Problems,
) -> BTreeMap<String, Secret> {
    let mut variables = BTreeMap::new();
    for name in names {
        if problems.check("secure-env", checks::variable(name)).is_none() {
            continue;
        }
        let value = match environment.credentials() {
            Some(given) => given.secure_environment.get(name).cloned(),
            None => environment.secret(name),
        };
        match value {
            Some(value) => variables.extend([(name.clone(), value)]),
            None => problems.add(
                "secure-env",
                format!("names {name}, which is not set here"),
                "set it for this command; give only its name, never its value",
            ),
        }
    }
    variables
}

fn tags(pairs: &[String], problems: &mut Problems) -> Option<BTreeMap<String, String>> {
    let mut tags = BTreeMap::new();
    for pair in pairs {
        let checked =
            checks::pair(pair).and_then(|(name, value)| checks::tag(&name, &value).map(|()| (name, value)));
        tags.extend(problems.check("tag", checked));
    }
    if tags.len() > OWN_TAGS_MOST {
        problems.add(
            "tag",
            format!("is given {} times", tags.len()),
            format!("give at most {OWN_TAGS_MOST}"),
        );
        return None;
    }
    Some(tags)
}

fn registration(
    chosen: Option<RegistrationArgument>,
    devops: &DevOps,
    problems: &mut Problems,
) -> Option<Registration> {
    match (chosen.unwrap_or(RegistrationArgument::Jit), &devops.credential) {
        (RegistrationArgument::Jit, _) => Some(Registration::JustInTime),
        (
            RegistrationArgument::Token,
            DevOpsCredential::PersonalAccessToken(token) | DevOpsCredential::Bearer(token),
        ) => Some(Registration::Token(token.clone())),
        (RegistrationArgument::Token, DevOpsCredential::SameAsAzure) => {
            problems.add(
                "registration",
                "is token, and there is no token that could be handed over",
                "set AZURE_DEVOPS_EXT_PAT, or use jit, which needs none in the container",
            );
            None
        }
    }
}

fn life(
    given: &LifeArguments,
    credential: &AzureCredential,
    devops: &DevOps,
    problems: &mut Problems,
) -> Option<Life> {
    let seconds = |given: Option<u64>, default: u64| given.unwrap_or(default);
    let online = seconds(given.timeout_agent_online, ONLINE_TIMEOUT_S);
    let (idle, longest) =
        (seconds(given.idle_timeout, IDLE_TIMEOUT_S), seconds(given.max_lifetime, MAX_LIFETIME_S));
    if idle == 0 || idle > longest {
        problems.add(
            "idle-timeout",
            format!("is {idle} s"),
            format!("give at least 1 s, and no more than max-lifetime ({longest} s)"),
        );
    }
    let kept = seconds(given.keep_for, KEEP_FOR_S);
    if kept == 0 {
        problems.add("keep-for", "is 0 s", "give at least 1 s, or leave out keep-on-error");
    }
    let identity = match &given.identity {
        Some(id) => Some(problems.check("identity", checks::identity(id.clone()))?),
        None => None,
    };
    let take_down = take_down(given.take_down, identity.as_ref(), (credential, devops), problems)?;
    Some(Life {
        online_timeout: (online > 0).then(|| Duration::from_secs(online)),
        idle_timeout: Duration::from_secs(idle),
        max_lifetime: Duration::from_secs(longest),
        take_down,
        identity,
        keep_on_error: given.keep_on_error.unwrap_or_default().then(|| Duration::from_secs(kept)),
    })
}

/// Who takes the agent down. A managed identity needs no secret, so it comes first; a service principal's key that is
/// there anyway comes second, as it always did; where there is nothing to hand over, nobody in the container does it.
fn take_down(
    chosen: Option<TakeDownArgument>,
    identity: Option<&Identity>,
    (credential, devops): (&AzureCredential, &DevOps),
    problems: &mut Problems,
) -> Option<TakeDown> {
    let proof = match credential {
        AzureCredential::ClientSecret { tenant, client, secret } => {
            Some((tenant, client, Proof::Key(secret.clone())))
        }
        AzureCredential::ClientCertificate { tenant, client, pem } => {
            Some((tenant, client, Proof::Certificate(pem.clone())))
        }
        _ => None,
    };
    let secrets = proof.map(|(tenant, client, proof)| TakeDown::Secrets {
        tenant: tenant.clone(),
        client: client.clone(),
        proof,
        token: lasting_token(&devops.credential),
    });
    match (chosen, identity, secrets) {
        (Some(TakeDownArgument::Outside), _, _) | (None, None, None) => Some(TakeDown::Outside),
        (Some(TakeDownArgument::Identity) | None, Some(_), _) => Some(TakeDown::Identity),
        (Some(TakeDownArgument::Secrets) | None, _, Some(secrets)) => Some(secrets),
        (Some(TakeDownArgument::Identity), None, _) => {
            problems.add(
                "identity",
                "is missing, although take-down is identity",
                "give the identity that does it",
            );
            None
        }
        (Some(TakeDownArgument::Secrets), _, None) => {
            problems.add(
                "take-down",
                "is secrets, and there is no client secret or certificate that could be handed over",
                "set AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or use --identity, or take-down outside",
            );
            None
        }
    }
}

/// The token that still works when the agent's job is over: the one of a pipeline's job ends with that job.
fn lasting_token(credential: &DevOpsCredential) -> Option<Secret> {
    match credential {
        DevOpsCredential::PersonalAccessToken(token) => Some(token.clone()),
        DevOpsCredential::Bearer(_) | DevOpsCredential::SameAsAzure => None,
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::time::Duration;

    use super::provision;
    use crate::arguments::{Arguments, Command};
    use crate::settings::environment::Environment;
    use crate::settings::{
        Identity, NameChoice, Priority, ProvisionSettings, Registration, Registry, TakeDown, layers,
    };

    const IDENTITY: &str =
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i";
    const ENOUGH: [&str; 10] = [
        "--subscription",
        "00000000-1111-2222-3333-444444444444",
        "--resource-group",
        "agents",
        "--organization-url",
        "https://dev.azure.com/contoso/",
        "--agent-pool",
        "private",
        "--image",
        "contoso.azurecr.io/agent:1",
    ];

    fn read(words: &[&str], environment: &Environment) -> Result<ProvisionSettings, String> {
        let words = ["ephemeral-agents", "provision"].iter().chain(words).map(OsString::from).collect();
        let Ok(Arguments { global, command: Command::Provision(arguments) }) =
            layers::read(words, environment)
        else {
            panic!("refused");
        };
        provision(&global, &arguments, environment).map_err(|failure| failure.message().to_string())
    }

    fn enough(more: &[&str], environment: &Environment) -> Result<ProvisionSettings, String> {
        read(&[&ENOUGH, more].concat(), environment)
    }

    fn with_secret() -> Environment {
        Environment::from([
            ("AZURE_TENANT_ID", "t"),
            ("AZURE_CLIENT_ID", "c"),
            ("AZURE_CLIENT_SECRET", "key"),
            ("AZURE_DEVOPS_EXT_PAT", "pat"),
        ])
    }

    fn refusal(more: &[&str], environment: &Environment) -> String {
        enough(more, environment).err().expect("refused")
    }

    #[test]
    fn the_defaults_are_the_originals() {
        let settings = enough(&[], &with_secret()).expect("enough");
        assert_eq!(settings.name, NameChoice::Prefix("agent".to_owned()));
        assert_eq!(settings.life.online_timeout, Some(Duration::from_mins(4)));
        assert!((settings.container.cpu - 1.0).abs() < f64::EPSILON);
        assert!((settings.container.memory_gb - 1.0).abs() < f64::EPSILON);
        assert_eq!(settings.life.keep_on_error, None);
        assert!(settings.registration == Registration::JustInTime);
        assert_eq!(settings.agent_url, "https://dev.azure.com/contoso");
    }

    #[test]
    fn a_name_stands_above_a_prefix() {
        let both = enough(&["--name", "mine", "--agent-prefix", "a"], &with_secret()).expect("enough");
        assert!(matches!(both.name, NameChoice::Explicit(name) if name.as_str() == "mine"));
        assert!(refusal(&["--name", "Mine"], &with_secret()).contains("name: is \"Mine\""));
        assert!(refusal(&["--agent-prefix", "Mine"], &with_secret()).contains("agent-prefix: is \"Mine\""));
    }

    #[test]
    fn no_wait_is_a_timeout_of_zero() {
        let settings = enough(&["--timeout-agent-online", "0"], &with_secret()).expect("enough");
        assert_eq!(settings.life.online_timeout, None);
    }

    #[test]
    fn everything_that_is_missing_is_said_at_once() {
        let said = read(&[], &Environment::default()).err().expect("refused");
        insta::assert_snapshot!(said);
    }

    #[test]
    fn who_takes_down_by_default() {
        let nobody = Environment::default();
        assert!(enough(&[], &nobody).expect("enough").life.take_down == TakeDown::Outside);
        let federated = Environment::from([
            ("AZURE_TENANT_ID", "t"),
            ("AZURE_CLIENT_ID", "c"),
            ("AZURE_FEDERATED_TOKEN_FILE", "f"),
        ]);
        assert!(enough(&[], &federated).expect("enough").life.take_down == TakeDown::Outside);
        assert!(matches!(
            enough(&[], &with_secret()).expect("enough").life.take_down,
            TakeDown::Secrets { .. }
        ));
        let identity = enough(&["--identity", IDENTITY], &with_secret()).expect("enough");
        assert!(identity.life.take_down == TakeDown::Identity);
        assert_eq!(identity.life.identity, Some(Identity::UserAssigned(IDENTITY.to_owned())));
        assert!(
            enough(&["--take-down", "outside"], &with_secret()).expect("enough").life.take_down
                == TakeDown::Outside
        );
    }

    #[test]
    fn the_jobs_own_token_is_not_handed_over_for_later() {
        let environment = Environment::from([
            ("AZURE_TENANT_ID", "t"),
            ("AZURE_CLIENT_ID", "c"),
            ("AZURE_CLIENT_SECRET", "key"),
            ("SYSTEM_ACCESSTOKEN", "job"),
        ]);
        let settings = enough(&[], &environment).expect("enough");
        assert!(matches!(settings.life.take_down, TakeDown::Secrets { token: None, .. }));
    }

    #[test]
    fn what_does_not_go_together() {
        let none = Environment::default();
        insta::assert_snapshot!(refusal(&["--subnet-name", "agents", "--vnet-resource-group", "n/n"], &none), @"
        One setting has to be corrected.
          vnet-name: is missing, although subnet-name is given; give the network of that subnet
        ");
        insta::assert_snapshot!(refusal(&["--take-down", "secrets", "--registration", "token"], &none));
        let words = ["--registry-user", "u", "--take-down", "identity", "--idle-timeout", "0"];
        insta::assert_snapshot!(refusal(&words, &none), @"
        3 settings have to be corrected.
          EPHEMERAL_AGENTS_REGISTRY_PASSWORD: is missing, although registry-user is given; set it
          idle-timeout: is 0 s; give at least 1 s, and no more than max-lifetime (21600 s)
          identity: is missing, although take-down is identity; give the identity that does it
        ");
    }

    #[test]
    fn what_spot_and_confidential_cannot_do_is_refused_before_the_service_says_it() {
        let none = Environment::default();
        let settings = enough(&["--priority", "Spot", "--count", "3"], &none).expect("enough");
        assert_eq!((settings.container.priority, settings.count), (Priority::Spot, 3));
        let said = |words: &[&str]| refusal(&[&["--priority", "spot"], words].concat(), &none);
        let all = [
            said(&["--vnet-name", "v", "--subnet-name", "s"]),
            said(&["--sku", "confidential"]),
            said(&["--zone", "1"]),
            said(&["--cpu", "5"]),
            refusal(&["--os-type", "windows", "--sku", "confidential"], &none),
            refusal(&["--count", "0"], &none),
            refusal(&["--count", "2", "--name", "mine"], &none),
        ];
        insta::assert_snapshot!(all.join("\n"));
    }

    #[test]
    fn a_windows_container_in_a_network_has_no_identity() {
        let windows = ["--os-type", "windows", "--identity", IDENTITY, "--registry-identity", IDENTITY];
        let network = ["--vnet-name", "v", "--subnet-name", "s"];
        let none = Environment::default();
        insta::assert_snapshot!(refusal(&[&windows[..], &network].concat(), &none), @"
        2 settings have to be corrected.
          identity: is given for a Windows container in a virtual network, where the service has no identities; leave the identity out, or use Linux
          registry-identity: is given for a Windows container in a virtual network, where the service has no identities; give registry-user instead, or use Linux
        ");
        let alone = enough(&windows, &none).expect("outside of networks it may have some");
        assert!(alone.life.take_down == TakeDown::Identity);
        assert!(enough(&[&["--os-type", "windows"], &network[..]].concat(), &none).is_ok());
    }

    #[test]
    fn what_may_stand_in() {
        let none = Environment::default();
        let settings = enough(
            &["--fallback-location", "North Europe", "--fallback-zone", "2", "--fallback-size", "0.5:1.5"],
            &none,
        );
        let fallbacks = settings.expect("enough").fallbacks;
        assert_eq!(fallbacks.locations, ["northeurope"]);
        assert_eq!(fallbacks.sizes[0].to_string(), "0.5 CPU and 1.5 GB");
        let words = [
            "--vnet-name",
            "v",
            "--subnet-name",
            "s",
            "--fallback-location",
            "northeurope",
            "--fallback-size",
            "99:1",
            "--name",
            "mine",
            "--keep-for",
            "0",
        ];
        insta::assert_snapshot!(refusal(&words, &none));
    }

    #[test]
    fn defect_09_secrets_are_named_on_the_command_line_and_never_given() {
        let environment =
            Environment::from([("FEED_TOKEN", "hunter2"), ("EPHEMERAL_AGENTS_REGISTRY_PASSWORD", "pw")]);
        let settings =
            enough(&["--secure-env", "FEED_TOKEN", "--registry-user", "u"], &environment).expect("enough");
        assert_eq!(settings.container.secure_environment["FEED_TOKEN"].expose(), "hunter2");
        assert!(
            matches!(settings.container.registry, Registry::Password { password, .. } if password.expose() == "pw")
        );
        let said = refusal(&["--secure-env", "FEED_TOKEN=hunter3"], &environment);
        assert!(said.contains("secure-env"), "{said}");
    }
}
