//! Everything that can be known before anything is created.
//!
//! [`gather`] asks, concurrently; [`verdict`] judges, without asking. A failure found here costs a second; the same
//! failure found afterwards costs minutes and leaves things to clean up.

use lifecycle::{Agent, AgentName};

use super::placement::{Placement, Shortage, locations, placements, shortage};
use crate::errors::Blame;
use crate::services::{
    Answer, ErrorKind, GroupView, Groups, Pool, Pools, ResourceGroup, ServiceError, Services, Subnet,
    SubnetLookup, Usage,
};
use crate::settings::{NameChoice, Network, Os, ProvisionSettings, Registration, TakeDown};

/// What a subnet has to be delegated to.
const DELEGATION: &str = "Microsoft.ContainerInstance/containerGroups";

/// One reason why it would not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// What was found, a sentence.
    pub(crate) what: String,
    /// What to do, a sentence.
    pub(crate) remedy: String,
    /// Whose it is.
    pub(crate) blame: Blame,
}

/// What the services said.
pub(crate) struct Facts {
    pub(crate) pool: Answer<Option<Pool>>,
    pub(crate) resource_group: Answer<Option<ResourceGroup>>,
    pub(crate) subnet: Option<Answer<SubnetLookup>>,
    /// Of each region that may be tried.
    pub(crate) usages: Vec<(String, Answer<Vec<Usage>>)>,
    /// What exists under a name that the user chose.
    pub(crate) namesakes: Option<Namesakes>,
}

/// What exists under a name.
pub(crate) struct Namesakes {
    pub(crate) name: AgentName,
    pub(crate) agent: Answer<Option<Agent>>,
    pub(crate) group: Answer<Option<GroupView>>,
}

/// What preflight settled.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ready {
    /// The pool.
    pub(crate) pool: Pool,
    /// Where to try, in order; at least one.
    pub(crate) placements: Vec<Placement>,
    /// What could not be checked, and what may surprise.
    pub(crate) warnings: Vec<String>,
}

impl Ready {
    /// Where to try first.
    pub(crate) fn first(&self) -> &Placement {
        &self.placements[0]
    }
}

/// Asks the services.
pub(crate) async fn gather(services: &impl Services, settings: &ProvisionSettings) -> Facts {
    let explicit = match &settings.name {
        NameChoice::Explicit(name) => Some(name),
        NameChoice::Prefix(_) => None,
    };
    let devops = async {
        let pool = services.pools().pool(&settings.pool).await;
        let agent = match (explicit, &pool) {
            (Some(name), Ok(Some(pool))) => services.pools().agent(pool.id, name).await,
            _ => Ok(None),
        };
        (pool, agent)
    };
    let azure = async {
        let subnet = async {
            match &settings.network {
                Some(network) => Some(services.groups().subnet(network).await),
                None => None,
            }
        };
        let (resource_group, subnet) = tokio::join!(services.groups().resource_group(), subnet);
        let first = location(settings, &resource_group, subnet.as_ref());
        let places = first.map(|first| locations(settings, &first)).unwrap_or_default();
        let usages = futures_util::future::join_all(places.into_iter().map(async |place| {
            let usages = services.groups().usages(&place).await;
            (place, usages)
        }));
        let usages = usages.await;
        (resource_group, subnet, usages)
    };
    let group = async {
        match explicit {
            Some(name) => services.groups().group(name).await,
            None => Ok(None),
        }
    };
    let ((pool, agent), (resource_group, subnet, usages), group) = tokio::join!(devops, azure, group);
    let namesakes = explicit.map(|name| Namesakes { name: name.clone(), agent, group });
    Facts { pool, resource_group, subnet, usages, namesakes }
}

/// The region: the chosen one, or the network's, which it has to be anyway, or the resource group's.
fn location(
    settings: &ProvisionSettings,
    group: &Answer<Option<ResourceGroup>>,
    subnet: Option<&Answer<SubnetLookup>>,
) -> Option<String> {
    let of_network = match subnet {
        Some(Ok(SubnetLookup::Found(subnet))) => Some(subnet.location.clone()),
        _ => None,
    };
    let of_group = group.as_ref().ok().and_then(Option::as_ref).map(|group| group.location.clone());
    settings.location.clone().or(of_network).or(of_group)
}

/// Judges what was found.
pub(crate) fn verdict(settings: &ProvisionSettings, facts: &Facts) -> Result<Ready, Vec<Finding>> {
    let mut findings = Vec::new();
    let mut warnings: Vec<String> = exposed_on_windows(settings).into_iter().collect();
    let location = location(settings, &facts.resource_group, facts.subnet.as_ref());
    let pool = judge_pool(settings, &facts.pool, &mut findings);
    judge_resource_group(settings, &facts.resource_group, &mut findings);
    if let (Some(network), Some(subnet)) = (&settings.network, &facts.subnet) {
        let wanted = (location.as_deref(), settings.count);
        judge_subnet(network, subnet, wanted, (&mut findings, &mut warnings));
    }
    let placements = location.map(|location| placements(settings, &location)).unwrap_or_default();
    let placements =
        judge_usages(&facts.usages, (placements, settings.count), (&mut findings, &mut warnings));
    if let Some(namesakes) = &facts.namesakes {
        judge_namesakes(namesakes, &mut findings);
    }
    findings.dedup();
    match pool {
        Some(pool) if findings.is_empty() && !placements.is_empty() => {
            Ok(Ready { pool: pool.clone(), placements, warnings })
        }
        _ => Err(findings),
    }
}

/// On Windows the supervisor cannot run the job as another user, and so can keep nothing from it that it holds itself.
fn exposed_on_windows(settings: &ProvisionSettings) -> Option<String> {
    let held = match (&settings.life.take_down, &settings.registration) {
        (TakeDown::Secrets { token: Some(_), .. }, _) => "the service principal's key and the token",
        (TakeDown::Secrets { token: None, .. }, _) => "the service principal's key",
        (_, Registration::Token(_)) => "the token",
        _ => return None,
    };
    (settings.container.os == Os::Windows).then(|| {
        format!(
            "on Windows a job runs as the supervisor's own user and can read {held}: use registration jit, and \
             take-down outside or identity, if you do not trust it with them"
        )
    })
}

fn users(what: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding { what: what.into(), remedy: remedy.into(), blame: Blame::User }
}

/// Several questions may fail for one reason; it is said once.
fn add(findings: &mut Vec<Finding>, doing: &str, error: &ServiceError) {
    if !findings.iter().any(|known| known.what.ends_with(&error.what)) {
        findings.push(of_service(doing, error));
    }
}

fn of_service(doing: &str, error: &ServiceError) -> Finding {
    let blame = match error.kind {
        ErrorKind::Refused | ErrorKind::Unreachable | ErrorKind::Taken | ErrorKind::Quota => Blame::User,
        _ => Blame::Service,
    };
    Finding { what: format!("Could not {doing}: {}", error.what), remedy: error.remedy.clone(), blame }
}

fn judge_pool<'a>(
    settings: &ProvisionSettings,
    pool: &'a Answer<Option<Pool>>,
    findings: &mut Vec<Finding>,
) -> Option<&'a Pool> {
    let name = &settings.pool;
    let pool = match pool {
        Err(error) => {
            add(findings, "look for the agent pool", error);
            return None;
        }
        Ok(None) => {
            findings.push(users(
                format!("{} has no agent pool `{name}` that you may see.", settings.devops.organization),
                "create it under Organization settings, Agent pools, or have whoever holds the token made an \
                 administrator of it.",
            ));
            return None;
        }
        Ok(Some(pool)) => pool,
    };
    if pool.hosted {
        findings.push(users(
            format!("The agent pool `{name}` is Microsoft's own; no agent can be added to it."),
            "create a self-hosted pool and give its name.",
        ));
    } else if pool.manageable == Some(false) && settings.registration == Registration::JustInTime {
        findings.push(users(
            format!("You may see the agent pool `{name}`, and may not add agents to it."),
            "have whoever holds the token made an administrator of the pool (Agent pools, Security).",
        ));
    }
    Some(pool)
}

fn judge_resource_group(
    settings: &ProvisionSettings,
    group: &Answer<Option<ResourceGroup>>,
    findings: &mut Vec<Finding>,
) {
    let name = &settings.azure.resource_group;
    match group {
        Ok(Some(_)) => {}
        Ok(None) => findings.push(users(
            format!(
                "There is no resource group `{name}` in the subscription {}.",
                settings.azure.subscription
            ),
            format!("create it (`az group create --name {name} --location <region>`), or correct the name."),
        )),
        Err(error) => add(findings, "look at the resource group", error),
    }
}

fn judge_subnet(
    network: &Network,
    subnet: &Answer<SubnetLookup>,
    (location, count): (Option<&str>, u32),
    (findings, warnings): (&mut Vec<Finding>, &mut Vec<String>),
) {
    let Network { resource_group, name: virtual_network, subnet: name } = network;
    let update = format!(
        "az network vnet subnet update --resource-group {resource_group} --vnet-name {virtual_network} --name {name} \
         --delegations {DELEGATION}"
    );
    match subnet {
        Err(error) => add(findings, "look at the subnet", error),
        Ok(SubnetLookup::Missing) => findings.push(users(
            format!(
                "There is no subnet `{name}` in a virtual network `{virtual_network}` of `{resource_group}`."
            ),
            "correct --vnet-name, --subnet-name or --vnet-resource-group; the network has to be in the same \
             subscription.",
        )),
        Ok(SubnetLookup::Found(subnet)) => {
            findings.extend(delegation_finding(subnet, name, &update));
            findings.extend(room_finding(subnet, name, count));
            findings.extend(region_finding(subnet, virtual_network, location));
            if !subnet.has_way_out {
                warnings.push(format!(
                    "the subnet {virtual_network}/{name} has no NAT gateway and no routes: its agents may not reach \
                     Azure DevOps"
                ));
            }
        }
    }
}

/// A subnet in which other things live cannot be delegated any more, so that its remedy is another one.
fn delegation_finding(subnet: &Subnet, name: &str, update: &str) -> Option<Finding> {
    if subnet.delegations.iter().any(|delegation| delegation.eq_ignore_ascii_case(DELEGATION)) {
        return None;
    }
    if let Some(first) = subnet.others.first() {
        return Some(shared_finding(subnet.others.len(), first, name));
    }
    let what = match subnet.delegations.first() {
        None => format!("The subnet `{name}` is not delegated to container groups."),
        Some(other) => format!("The subnet `{name}` is delegated to {other}, not to container groups."),
    };
    Some(users(what, format!("use a subnet for agents alone, and delegate it: `{update}`.")))
}

fn shared_finding(count: usize, first: &str, name: &str) -> Finding {
    // `…/networkInterfaces/{name}/ipConfigurations/{name}`: the resource is what people know.
    let resource = first.split("/ipConfigurations/").next().unwrap_or(first);
    let mut parts = resource.rsplit('/');
    let (resource, kind) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
    users(
        format!(
            "The subnet `{name}` holds other things ({kind} {resource}{more}); container groups need one for \
             themselves."
        ),
        format!(
            "make another subnet, for agents alone: `az network vnet subnet create … --delegations {DELEGATION}`."
        ),
    )
}

fn room_finding(subnet: &Subnet, name: &str, count: u32) -> Option<Finding> {
    let free = subnet.free.filter(|free| *free < u64::from(count))?;
    let left = match free {
        0 => "no address left for another container group".to_owned(),
        free => format!("{free} free addresses, and {count} are needed"),
    };
    Some(users(
        format!("The subnet `{name}` has {left}."),
        "take down agents that are not needed (`ephemeral-agents list`), or use a larger subnet.",
    ))
}

fn region_finding(subnet: &Subnet, network: &str, location: Option<&str>) -> Option<Finding> {
    let location = location?;
    (!subnet.location.eq_ignore_ascii_case(location)).then(|| {
        users(
            format!(
                "The virtual network `{network}` is in {}, and the agent would be in {location}; a container group \
                 can only join a network of its own region.",
                subnet.location
            ),
            format!("use --location {}, or leave --location out.", subnet.location),
        )
    })
}

/// The placements that the quotas leave. Where they leave none, each is a reason why it would not work.
fn judge_usages(
    usages: &[(String, Answer<Vec<Usage>>)],
    (placements, count): (Vec<Placement>, u32),
    (findings, warnings): (&mut Vec<Finding>, &mut Vec<String>),
) -> Vec<Placement> {
    for (location, usages) in usages {
        // Quotas are the subscription's, and the least role reaches no further than its resource group. Whoever may not
        // read them has made no mistake, and learns it from the answer to the creation.
        if let Err(error) = usages
            && error.kind != ErrorKind::Refused
        {
            warnings.push(format!("the quota in {location} could not be checked beforehand: {}", error.what));
        }
    }
    let short = |placement: &Placement| {
        let (_, usages) = usages.iter().find(|(location, _)| *location == placement.location)?;
        shortage(usages.as_ref().ok()?, placement.size, count)
    };
    let (left, without): (Vec<_>, Vec<_>) =
        placements.into_iter().partition(|placement| short(placement).is_none());
    let what =
        without.iter().filter_map(|placement| Some(in_words(&placement.location, short(placement)?, count)));
    if left.is_empty() {
        findings.extend(what.map(|what| {
            users(
                what,
                "take down what is not needed (`ephemeral-agents list`), use another region, or ask for a higher \
                 quota in the portal (Quotas, Container Instances).",
            )
        }));
        findings.dedup();
    } else {
        warnings.extend(what.map(|what| format!("{what} It is not tried there.")));
        warnings.dedup();
    }
    left
}

fn in_words(location: &str, short: Shortage, count: u32) -> String {
    let Shortage { words, limit, used, wanted } = short;
    let needed = if count == 1 { "this one needs".to_owned() } else { format!("these {count} need") };
    format!(
        "The subscription may have {limit} {words} in {location}, and {used} are in use; {needed} {wanted} more."
    )
}

fn judge_namesakes(namesakes: &Namesakes, findings: &mut Vec<Finding>) {
    let name = &namesakes.name;
    let remedy =
        "give a name that was never used, or none to have one minted; what exists is never replaced.";
    match &namesakes.agent {
        Ok(None) => {}
        Ok(Some(_)) => findings.push(users(format!("An agent named {name} exists in the pool."), remedy)),
        Err(error) => add(findings, "look for an agent of that name", error),
    }
    match &namesakes.group {
        Ok(None) => {}
        Ok(Some(_)) => findings.push(users(format!("A container group named {name} exists."), remedy)),
        Err(error) => add(findings, "look for a container group of that name", error),
    }
}

#[cfg(test)]
mod tests {
    use lifecycle::AgentName;

    use super::{Facts, Namesakes, verdict};
    use crate::errors::Failure;
    use crate::fake;
    use crate::services::{ErrorKind, Pool, ResourceGroup, ServiceError, Subnet, SubnetLookup, Usage};
    use crate::settings::{Os, Proof, ProvisionSettings, Registration, TakeDown};

    fn facts() -> Facts {
        Facts {
            pool: Ok(Some(fake::pool())),
            resource_group: Ok(Some(ResourceGroup { location: "westeurope".to_owned() })),
            subnet: None,
            usages: vec![("westeurope".to_owned(), Ok(vec![]))],
            namesakes: None,
        }
    }

    fn subnet(location: &str, delegation: Option<&str>) -> SubnetLookup {
        SubnetLookup::Found(Subnet {
            location: location.to_owned(),
            has_way_out: true,
            delegations: delegation.map(str::to_owned).into_iter().collect(),
            others: vec![],
            free: None,
        })
    }

    fn in_network() -> ProvisionSettings {
        ProvisionSettings { network: Some(fake::network()), ..fake::settings() }
    }

    fn said(settings: &ProvisionSettings, facts: &Facts) -> String {
        match verdict(settings, facts) {
            Ok(ready) => format!("ready in {}; {:?}", ready.first().location, ready.warnings),
            Err(findings) => Failure::Preflight(findings).message().to_string(),
        }
    }

    #[test]
    fn nothing_wrong() {
        assert_eq!(said(&fake::settings(), &facts()), "ready in westeurope; []");
    }

    #[test]
    fn pools() {
        let missing = Facts { pool: Ok(None), ..facts() };
        insta::assert_snapshot!(said(&fake::settings(), &missing));
        let hosted = Facts { pool: Ok(Some(Pool { hosted: true, ..fake::pool() })), ..facts() };
        insta::assert_snapshot!(said(&fake::settings(), &hosted), @"
        Nothing was created, because it would not work.
          - The agent pool `private` is Microsoft's own; no agent can be added to it.
            To do: create a self-hosted pool and give its name.
        ");
        let unmanageable =
            Facts { pool: Ok(Some(Pool { manageable: Some(false), ..fake::pool() })), ..facts() };
        insta::assert_snapshot!(said(&fake::settings(), &unmanageable), @"
        Nothing was created, because it would not work.
          - You may see the agent pool `private`, and may not add agents to it.
            To do: have whoever holds the token made an administrator of the pool (Agent pools, Security).
        ");
    }

    #[test]
    fn all_findings_are_said_at_once() {
        let error = ServiceError {
            kind: ErrorKind::Refused,
            what: "Azure: no right to read it".to_owned(),
            remedy: "ask for the role Reader.".to_owned(),
        };
        let wrong = Facts { pool: Ok(None), resource_group: Ok(None), subnet: Some(Err(error)), ..facts() };
        insta::assert_snapshot!(said(&in_network(), &wrong));
    }

    #[test]
    fn defect_07_the_region_has_to_be_the_networks() {
        let delegated = "Microsoft.ContainerInstance/containerGroups";
        let elsewhere = Facts { subnet: Some(Ok(subnet("northeurope", Some(delegated)))), ..facts() };
        assert_eq!(
            said(&in_network(), &elsewhere),
            "ready in northeurope; []",
            "nobody chose: the network's"
        );
        let chosen = ProvisionSettings { location: Some("westeurope".to_owned()), ..in_network() };
        insta::assert_snapshot!(said(&chosen, &elsewhere));
    }

    #[test]
    fn subnets() {
        let bare = Facts { subnet: Some(Ok(subnet("westeurope", None))), ..facts() };
        insta::assert_snapshot!(said(&in_network(), &bare));
        let closed = Facts {
            subnet: Some(Ok(SubnetLookup::Found(Subnet {
                location: "westeurope".to_owned(),
                delegations: vec!["Microsoft.ContainerInstance/containerGroups".to_owned()],
                has_way_out: false,
                others: vec![],
                free: Some(7),
            }))),
            ..facts()
        };
        assert!(
            said(&in_network(), &closed).contains("has no NAT gateway"),
            "a warning, as it may be peered"
        );
        let missing = Facts { subnet: Some(Ok(SubnetLookup::Missing)), ..facts() };
        assert!(said(&in_network(), &missing).contains("There is no subnet `for-agents`"));
    }

    #[test]
    fn subnets_that_others_fill() {
        let delegated = "Microsoft.ContainerInstance/containerGroups";
        let SubnetLookup::Found(fine) = subnet("westeurope", Some(delegated)) else { panic!("found") };
        let found = |subnet| Facts { subnet: Some(Ok(SubnetLookup::Found(subnet))), ..facts() };
        let full = found(Subnet { free: Some(0), ..fine.clone() });
        insta::assert_snapshot!(said(&in_network(), &full), @"
        Nothing was created, because it would not work.
          - The subnet `for-agents` has no address left for another container group.
            To do: take down agents that are not needed (`ephemeral-agents list`), or use a larger subnet.
        ");
        let others = ["nics/web-1/ipConfigurations/a", "nics/web-2/ipConfigurations/b"].map(str::to_owned);
        let shared = found(Subnet { others: others.into(), delegations: vec![], ..fine });
        insta::assert_snapshot!(said(&in_network(), &shared), @"
        Nothing was created, because it would not work.
          - The subnet `for-agents` holds other things (nics web-1 and 1 more); container groups need one for themselves.
            To do: make another subnet, for agents alone: `az network vnet subnet create … --delegations Microsoft.ContainerInstance/containerGroups`.
        ");
    }

    #[test]
    fn one_reason_is_said_once() {
        let secret = || ServiceError {
            kind: ErrorKind::Refused,
            what: "Entra ID gave no token".to_owned(),
            remedy: "make a new secret.".to_owned(),
        };
        let wrong = Facts { resource_group: Err(secret()), subnet: Some(Err(secret())), ..facts() };
        insta::assert_snapshot!(said(&in_network(), &wrong), @"
        Nothing was created, because it would not work.
          - Could not look at the resource group: Entra ID gave no token
            To do: make a new secret.
        ");
    }

    #[test]
    fn quotas() {
        let usages = |location: &str, name: &str, used, limit| {
            (location.to_owned(), Ok(vec![Usage { name: name.to_owned(), used, limit }]))
        };
        let room = Facts { usages: vec![usages("westeurope", "StandardCores", 9.0, 10.0)], ..facts() };
        assert_eq!(said(&fake::settings(), &room), "ready in westeurope; []", "exactly enough is enough");
        let full = || usages("westeurope", "ContainerGroups", 100.0, 100.0);
        insta::assert_snapshot!(said(&fake::settings(), &Facts { usages: vec![full()], ..facts() }));
        let mut settings = fake::settings();
        settings.fallbacks.locations = vec!["northeurope".to_owned()];
        let elsewhere =
            Facts { usages: vec![full(), usages("northeurope", "StandardCores", 0.0, 10.0)], ..facts() };
        assert_eq!(
            said(&settings, &elsewhere),
            "ready in northeurope; [\"The subscription may have 100 container groups in westeurope, and 100 are in \
             use; this one needs 1 more. It is not tried there.\"]"
        );
    }

    #[test]
    fn quotas_that_are_not_known() {
        let unknown = |kind| {
            let error = ServiceError { kind, what: "403".to_owned(), remedy: String::new() };
            Facts { usages: vec![("westeurope".to_owned(), Err(error))], ..facts() }
        };
        let may_not = said(&fake::settings(), &unknown(ErrorKind::Refused));
        assert_eq!(may_not, "ready in westeurope; []", "the least role does not read them");
        let broken = said(&fake::settings(), &unknown(ErrorKind::Unavailable));
        assert!(broken.contains("the quota in westeurope could not be checked beforehand: 403"), "{broken}");
    }

    #[test]
    fn a_chosen_name_that_exists_is_never_taken_over() {
        let namesakes = Namesakes {
            name: AgentName::new("mine").expect("valid"),
            agent: Ok(Some(fake::agent("mine"))),
            group: Ok(None),
        };
        let taken = Facts { namesakes: Some(namesakes), ..facts() };
        insta::assert_snapshot!(said(&fake::settings(), &taken), @"
        Nothing was created, because it would not work.
          - An agent named mine exists in the pool.
            To do: give a name that was never used, or none to have one minted; what exists is never replaced.
        ");
    }

    #[test]
    fn what_a_job_on_windows_could_read_is_said() {
        let secret = || redact::Secret::new("planted");
        let secrets = |token| TakeDown::Secrets {
            tenant: "t".to_owned(),
            client: "c".to_owned(),
            proof: Proof::Key(secret()),
            token,
        };
        let just_in_time = || Registration::JustInTime;
        let cases = [
            (TakeDown::Outside, just_in_time(), None),
            (TakeDown::Identity, just_in_time(), None),
            (secrets(None), just_in_time(), Some("can read the service principal's key:")),
            (secrets(Some(secret())), just_in_time(), Some("the service principal's key and the token")),
            (TakeDown::Outside, Registration::Token(secret()), Some("can read the token")),
        ];
        for (take_down, registration, expected) in cases {
            let mut settings = fake::settings();
            (settings.life.take_down, settings.registration) = (take_down, registration);
            assert_eq!(said(&settings, &facts()), "ready in westeurope; []", "on Linux");
            settings.container.os = Os::Windows;
            let said = said(&settings, &facts());
            assert!(expected.map_or(said.ends_with("[]"), |words| said.contains(words)), "{said}");
        }
    }
}
