//! Everything that can be known before anything is created.
//!
//! [`gather`] asks, concurrently; [`verdict`] judges, without asking. A failure found here costs a second; the same
//! failure found afterwards costs minutes and leaves things to clean up.

use lifecycle::{Agent, AgentName};

use crate::checks::placement::{Placement, locations, placements};
use crate::checks::places::{judge_resource_group, judge_usages};
use crate::checks::pool::judge_pool;
use crate::checks::subnet::judge_subnet;
use crate::checks::{Notes, Subject};
use crate::errors::Finding;
use crate::services::{Answer, GroupView, Groups, Pool, Pools, ResourceGroup, Services, SubnetLookup, Usage};
use crate::settings::{NameChoice, Os, ProvisionSettings, Registration, TakeDown};

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
    let mut notes = Notes::default();
    let judged = judge(settings, facts, &mut notes);
    let findings = notes.findings();
    match judged {
        Some((pool, placements)) if findings.is_empty() && !placements.is_empty() => {
            Ok(Ready { pool: pool.clone(), placements, warnings: notes.warnings() })
        }
        _ => Err(findings),
    }
}

/// Notes how it stands; gives the pool and where to try, where there is a pool.
pub(crate) fn judge<'a>(
    settings: &ProvisionSettings,
    facts: &'a Facts,
    notes: &mut Notes,
) -> Option<(&'a Pool, Vec<Placement>)> {
    warn_of_exposure(settings, notes);
    let location = location(settings, &facts.resource_group, facts.subnet.as_ref());
    let pool = judge_pool(settings, &facts.pool, notes);
    judge_resource_group(settings, &facts.resource_group, notes);
    if let (Some(network), Some(subnet)) = (&settings.network, &facts.subnet) {
        judge_subnet(network, subnet, (location.as_deref(), settings.count), notes);
    }
    let placements = location.map(|location| placements(settings, &location)).unwrap_or_default();
    let placements = judge_usages(&facts.usages, (placements, settings.count), notes);
    if let Some(namesakes) = &facts.namesakes {
        judge_namesakes(namesakes, notes);
    }
    Some((pool?, placements))
}

/// On Windows the supervisor cannot run the job as another user, and so can keep nothing from it that it holds itself.
fn warn_of_exposure(settings: &ProvisionSettings, notes: &mut Notes) {
    let held = match (&settings.life.take_down, &settings.registration) {
        (TakeDown::Secrets { token: Some(_), .. }, _) => "the service principal's key and the token",
        (TakeDown::Secrets { token: None, .. }, _) => "the service principal's key",
        (_, Registration::Token(_)) => "the token",
        _ => return,
    };
    if settings.container.os == Os::Windows {
        notes.warn(
            Subject::Exposure,
            format!(
                "on Windows a job runs as the supervisor's own user and can read {held}: use registration jit, and \
                 take-down outside or identity, if you do not trust it with them"
            ),
            "use --registration jit, and --take-down outside or identity.",
        );
    }
}

fn judge_namesakes(namesakes: &Namesakes, notes: &mut Notes) {
    let name = &namesakes.name;
    let remedy =
        "give a name that was never used, or none to have one minted; what exists is never replaced.";
    match &namesakes.agent {
        Ok(None) => {}
        Ok(Some(_)) => {
            notes.fail(Subject::Name, format!("An agent named {name} exists in the pool."), remedy);
        }
        Err(error) => notes.refused(Subject::Name, "look for an agent of that name", error),
    }
    match &namesakes.group {
        Ok(None) => {}
        Ok(Some(_)) => notes.fail(Subject::Name, format!("A container group named {name} exists."), remedy),
        Err(error) => notes.refused(Subject::Name, "look for a container group of that name", error),
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
            security_group: None,
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
                security_group: None,
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
