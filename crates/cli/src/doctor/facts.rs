//! What `doctor` asks: everything at once, since nobody waits gladly for it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use azure_devops::{AgentPackage, PipelinePermissions};
use azure_resources::resources::authorization::Permissions;
use azure_resources::resources::{Found, Provider};
use azure_resources::{ImageInfo, ImageName, Platform, SubscriptionInfo};
use futures_util::future::join_all;

use super::needed::{Needed, needed};
use crate::provision::preflight;
use crate::services::{Answer, Pools as _, Services as _, SubnetLookup};
use crate::settings::environment::Environment;
use crate::settings::{DoctorSettings, Identity, Os, ProvisionSettings, Registry, TakeDown};
use crate::wiring::Surroundings;

/// What the services said, besides what `provision` asks them.
pub(crate) struct Facts {
    pub(super) cheap: preflight::Facts,
    /// The proxy that the environment names, without its password.
    pub(super) proxy: Option<String>,
    /// Each host, what it is, and how many addresses it has.
    pub(super) hosts: Vec<Host>,
    pub(super) clock_ahead: Option<i64>,
    pub(super) caller: Answer<String>,
    /// Of the project that was named.
    pub(super) queue: Option<Answer<Option<PipelinePermissions>>>,
    pub(super) package: Answer<Option<AgentPackage>>,
    /// Whether the package is to be had from here.
    pub(super) download: Option<Answer<()>>,
    pub(super) subscription: Answer<Option<SubscriptionInfo>>,
    pub(super) provider: Answer<Option<Provider>>,
    pub(super) rights: Vec<(Needed, Answer<Option<Permissions>>)>,
    /// How many agents the pool has, where there is a pool.
    pub(super) agents: Option<Answer<usize>>,
    /// The security group of the subnet, if it has one.
    pub(super) security_group: Option<Answer<Option<Found>>>,
    pub(super) image: Image,
    pub(super) identities: Vec<IdentityFacts>,
}

/// A host that somebody has to reach.
pub(super) struct Host {
    pub(super) name: String,
    pub(super) words: &'static str,
    /// Whether nobody but an agent, or Azure, has to reach it.
    pub(super) for_agents: bool,
    pub(super) addresses: Answer<Vec<IpAddr>>,
}

/// What was found of the image.
pub(super) struct Image {
    pub(super) name: ImageName,
    pub(super) wanted: Platform,
    /// Whether it was looked at as whoever is to pull it: an identity is nobody's to borrow.
    pub(super) as_puller: bool,
    pub(super) found: Answer<Option<ImageInfo>>,
}

/// What a user-assigned identity is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Pulling the image.
    Pull,
    /// Deleting the container group.
    TakeDown,
    /// Whatever the job does with it.
    Job,
}

/// A user-assigned identity, and what it may do where it is needed.
pub(super) struct IdentityFacts {
    pub(super) id: String,
    pub(super) used_for: Use,
    /// Its principal; `None`: there is no such identity.
    pub(super) principal: Answer<Option<String>>,
    /// Where it has to be allowed something: the resource group, or the registry where that is known.
    pub(super) scope: Option<String>,
    pub(super) permissions: Option<Answer<Permissions>>,
}

/// Asks everything.
pub(super) async fn gather(
    surroundings: &Surroundings,
    settings: &DoctorSettings,
    environment: &Environment,
) -> Facts {
    let provision = &settings.provision;
    let cheap = Box::pin(preflight::gather(surroundings.services(), provision));
    let queue = async {
        let project = settings.project.as_ref()?;
        Some(surroundings.pipelines(project, &provision.pool).await)
    };
    let package = async {
        let found = surroundings.package(platform(provision.container.os)).await;
        let address =
            found.as_ref().ok().and_then(Option::as_ref).map(|package| package.download_url.clone());
        let Some(address) = address else { return (found, None, Vec::new()) };
        let host = (host_of(&address), "the agent's package", true);
        let (download, hosts) =
            tokio::join!(surroundings.can_fetch(&address), look_up(surroundings, vec![host]));
        (found, Some(download), hosts)
    };
    let rights = join_all(needed(provision).into_iter().map(async |needed| {
        let permissions = surroundings.permissions(&needed.scope).await;
        (needed, permissions)
    }));
    let identities = join_all(
        identities_of(provision)
            .into_iter()
            .map(|(id, used_for)| identity(surroundings, provision, id, used_for)),
    );
    let devops = async { tokio::join!(surroundings.who_am_i(), queue, Box::pin(package)) };
    let azure = async {
        tokio::join!(
            surroundings.subscription(),
            surroundings.provider(),
            Box::pin(rights),
            Box::pin(identities)
        )
    };
    let image = Box::pin(image(surroundings, provision));
    let hosts = look_up(surroundings, hosts(surroundings, provision));
    let (cheap, devops, azure, image, mut hosts) = tokio::join!(cheap, devops, azure, image, hosts);
    let (caller, queue, (package, download, of_package)) = devops;
    for host in of_package {
        if !hosts.iter().any(|known| known.name == host.name) {
            hosts.push(host);
        }
    }
    let (subscription, provider, rights, identities) = azure;
    let (agents, security_group) =
        tokio::join!(agents(surroundings, &cheap), security_group(surroundings, &cheap));
    Facts {
        cheap,
        proxy: proxy(environment),
        hosts,
        clock_ahead: surroundings.clock_ahead(),
        caller,
        queue,
        package,
        download,
        subscription,
        provider,
        rights,
        agents,
        security_group,
        image,
        identities,
    }
}

/// As Azure DevOps calls what the agent runs on. Container groups have processors of one kind.
fn platform(os: Os) -> &'static str {
    match os {
        Os::Linux => "linux-x64",
        Os::Windows => "win-x64",
    }
}

async fn image(surroundings: &Surroundings, settings: &ProvisionSettings) -> Image {
    let os = match settings.container.os {
        Os::Linux => "linux",
        Os::Windows => "windows",
    };
    let wanted = Platform { os: os.to_owned(), architecture: "amd64".to_owned() };
    let name = ImageName::parse(&settings.container.image);
    let registry = &settings.container.registry;
    let found = surroundings.image(&name, registry, &wanted).await;
    Image { as_puller: !matches!(registry, Registry::Identity { .. }), name, wanted, found }
}

/// User-assigned identities, each with what it is for.
fn identities_of(settings: &ProvisionSettings) -> Vec<(String, Use)> {
    let mut identities = Vec::new();
    if let Registry::Identity { identity, .. } = &settings.container.registry {
        identities.push((identity.clone(), Use::Pull));
    }
    if let Some(Identity::UserAssigned(id)) = &settings.life.identity {
        let takes_down = settings.life.take_down == TakeDown::Identity;
        identities.push((id.clone(), if takes_down { Use::TakeDown } else { Use::Job }));
    }
    identities
}

async fn identity(
    surroundings: &Surroundings,
    settings: &ProvisionSettings,
    id: String,
    used_for: Use,
) -> IdentityFacts {
    let scope = async {
        match (used_for, &settings.container.registry) {
            (Use::Pull, Registry::Identity { server, .. }) => {
                surroundings.registry(server).await.ok().flatten()
            }
            (Use::TakeDown, _) => Some(surroundings.resource_group_id()),
            _ => None,
        }
    };
    let (principal, scope) = tokio::join!(surroundings.principal(&id), scope);
    let permissions = match (&principal, &scope) {
        (Ok(Some(principal)), Some(scope)) => Some(surroundings.permissions_of(principal, scope).await),
        _ => None,
    };
    IdentityFacts { id, used_for, principal, scope, permissions }
}

async fn agents(surroundings: &Surroundings, cheap: &preflight::Facts) -> Option<Answer<usize>> {
    let Ok(Some(pool)) = &cheap.pool else { return None };
    Some(surroundings.services().pools().agents(pool.id).await.map(|agents| agents.len()))
}

async fn security_group(
    surroundings: &Surroundings,
    cheap: &preflight::Facts,
) -> Option<Answer<Option<Found>>> {
    let Some(Ok(SubnetLookup::Found(subnet))) = &cheap.subnet else { return None };
    let id = subnet.security_group.as_ref()?;
    Some(surroundings.security_group(id).await)
}

/// A host, what it is, and whether nobody but an agent, or Azure, has to reach it.
type Wanted = (Option<String>, &'static str, bool);

fn hosts(surroundings: &Surroundings, settings: &ProvisionSettings) -> Vec<Wanted> {
    let registry = ImageName::parse(&settings.container.image).server;
    vec![
        (host_of(&settings.devops.organization), "Azure DevOps", false),
        (Some(surroundings.resource_manager()), "Azure Resource Manager", false),
        (host_of(&settings.agent_url), "Azure DevOps, for the agent", true),
        (host_of(&format!("https://{registry}/")), "the registry", true),
    ]
}

/// Looks up each name once.
async fn look_up(surroundings: &Surroundings, mut wanted: Vec<Wanted>) -> Vec<Host> {
    let mut seen = BTreeSet::new();
    wanted.retain(|(host, ..)| host.as_ref().is_some_and(|host| seen.insert(host.clone())));
    let named = wanted.into_iter().filter_map(|(name, words, for_agents)| Some((name?, words, for_agents)));
    let looked_up = named.map(async |(name, words, for_agents)| {
        // An address needs no name.
        let addresses = match name.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) => Ok(vec![address]),
            Err(_) => surroundings.addresses(&name).await,
        };
        Host { name, words, for_agents, addresses }
    });
    join_all(looked_up).await
}

fn host_of(address: &str) -> Option<String> {
    url::Url::parse(address).ok()?.host_str().map(str::to_owned)
}

/// What the environment says of a proxy, without a password that may stand in it.
fn proxy(environment: &Environment) -> Option<String> {
    let names = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let (name, value) = names.iter().find_map(|name| Some((name, environment.get(name)?)))?;
    let mut url = url::Url::parse(value).ok();
    if let Some(url) = &mut url {
        let _ = (url.set_username(""), url.set_password(None));
    }
    let shown = url.map_or_else(|| "an address that is none".to_owned(), |url| url.to_string());
    Some(format!("{} ({name})", shown.trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::proxy;
    use crate::settings::environment::Environment;

    #[test]
    fn a_proxys_password_is_not_shown() {
        let of = |value| proxy(&Environment::of(&[("HTTPS_PROXY", value)]));
        assert_eq!(of("http://u:pl4nted@proxy:3128").as_deref(), Some("http://proxy:3128 (HTTPS_PROXY)"));
        assert_eq!(of("pl4nted").as_deref(), Some("an address that is none (HTTPS_PROXY)"));
        assert_eq!(proxy(&Environment::of(&[])), None);
    }
}
