//! From settings to the container group that is asked for. A pure function: `--dry-run` shows what it says.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use lifecycle::{AgentName, OwnershipTags, Timestamp};
use redact::Secret;

use crate::checks::placement::Placement;
use crate::services::Pool;
use crate::settings::{
    Container, Identity, Network, Os, Proof, ProvisionSettings, Registration, Registry, TakeDown,
};

/// How long after its longest life anybody may take a group down: enough for its own take-down to be over.
const EXPIRY_MARGIN: Duration = Duration::from_mins(30);

/// Where the supervisor notes that its container was used: a folder that is still there when the service starts the
/// container again.
pub(crate) const STATE_FOLDER: &str = "/azp-state";

/// A container group as it is to be.
#[derive(Clone)]
pub(crate) struct GroupPlan {
    /// Its name, and the agent's.
    pub(crate) name: AgentName,
    /// Its region.
    pub(crate) location: String,
    /// The tags by which it is ours.
    pub(crate) ownership: OwnershipTags,
    /// The user's tags.
    pub(crate) tags: BTreeMap<String, String>,
    /// Its subnet. Without one it asks for no address at all.
    pub(crate) network: Option<Network>,
    /// Image, size and the rest of the container.
    pub(crate) container: Container,
    /// Its managed identities.
    pub(crate) identities: Vec<PlannedIdentity>,
    /// Environment that anybody with read access may see.
    pub(crate) environment: BTreeMap<String, String>,
    /// Environment that nobody can read back.
    pub(crate) secure_environment: BTreeMap<String, Secret>,
}

/// A managed identity of a container group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlannedIdentity {
    /// Which.
    pub(crate) identity: Identity,
    /// Whether what runs in the container may use it. An identity that only pulls the image is closed to it.
    pub(crate) open_to_container: bool,
}

/// What is known only when it comes to it.
pub(crate) struct Circumstances<'a> {
    /// The name.
    pub(crate) name: &'a AgentName,
    /// The pool.
    pub(crate) pool: &'a Pool,
    /// Where, and with which size.
    pub(crate) placement: &'a Placement,
    /// The agent, where it was registered beforehand: its id, and what the container needs to be it.
    pub(crate) registered: Option<(u64, &'a Secret)>,
    /// Now.
    pub(crate) now: Timestamp,
}

/// What is asked for.
pub(crate) fn plan(settings: &ProvisionSettings, circumstances: &Circumstances<'_>) -> GroupPlan {
    let life = &settings.life;
    let lifetime = life.online_timeout.unwrap_or_default() + life.max_lifetime + EXPIRY_MARGIN;
    let ownership = OwnershipTags {
        organization: settings.devops.organization.clone(),
        pool: circumstances.pool.name.clone(),
        run: settings.run,
        agent_id: circumstances.registered.map(|(id, _)| id),
        created_at: circumstances.now,
        expires_at: circumstances.now.after(lifetime),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    GroupPlan {
        name: circumstances.name.clone(),
        location: circumstances.placement.location.clone(),
        ownership,
        tags: settings.tags.clone(),
        network: settings.network.clone(),
        container: placed(&settings.container, circumstances.placement),
        identities: identities(settings),
        environment: environment(settings, circumstances),
        secure_environment: secure_environment(settings, circumstances),
    }
}

fn placed(container: &Container, placement: &Placement) -> Container {
    let Placement { zone, size, .. } = placement.clone();
    Container { zone, cpu: size.cpu, memory_gb: size.memory_gb, ..container.clone() }
}

fn identities(settings: &ProvisionSettings) -> Vec<PlannedIdentity> {
    let own = settings.life.identity.clone();
    let mut identities: Vec<_> =
        own.into_iter().map(|identity| PlannedIdentity { identity, open_to_container: true }).collect();
    if let Registry::Identity { identity, .. } = &settings.container.registry {
        let pull = Identity::UserAssigned(identity.clone());
        let known = identities.iter().any(|planned| planned.identity.as_str().eq_ignore_ascii_case(identity));
        if !known {
            identities.push(PlannedIdentity { identity: pull, open_to_container: false });
        }
    }
    identities
}

fn environment(settings: &ProvisionSettings, circumstances: &Circumstances<'_>) -> BTreeMap<String, String> {
    let life = &settings.life;
    let mut variables = settings.container.environment.clone();
    let mut set = |name: &str, value: String| variables.insert(name.to_owned(), value);
    set("AZP_URL", settings.agent_url.clone());
    set("AZP_POOL", circumstances.pool.name.clone());
    set("AZP_AGENT_NAME", circumstances.name.to_string());
    set("AZP_IDLE_TIMEOUT", life.idle_timeout.as_secs().to_string());
    set("AZP_MAX_LIFETIME", life.max_lifetime.as_secs().to_string());
    if settings.container.os == Os::Linux {
        set("AZP_STATE", STATE_FOLDER.to_owned());
    }
    if let Some(online) = life.online_timeout {
        set("AZP_START_TIMEOUT", online.as_secs().to_string());
    }
    if let Some(pem) = &settings.container.agent_ca {
        set("AZP_CA_PEM", BASE64.encode(pem));
    }
    if life.take_down != TakeDown::Outside {
        set("AZ_ACI_NAME", circumstances.name.to_string());
        set("AZ_ACI_RG", settings.azure.resource_group.clone());
        set("AZ_SUBSCRIPTION_ID", settings.azure.subscription.clone());
        set("AZ_CLOUD", settings.azure.cloud.as_str().to_owned());
    }
    match &life.take_down {
        TakeDown::Outside => {}
        TakeDown::Identity => {
            let tenant = settings.azure.credential.tenant();
            tenant.map(|tenant| set("AZ_TENANT_ID", tenant.to_owned()));
            life.identity.as_ref().map(|identity| set("AZ_MANAGED_IDENTITY", identity.as_str().to_owned()));
        }
        TakeDown::Secrets { tenant, client, .. } => {
            set("AZ_TENANT_ID", tenant.clone());
            set("AZ_SERVICE_PRINCIPAL", client.clone());
        }
    }
    variables
}

fn secure_environment(
    settings: &ProvisionSettings,
    circumstances: &Circumstances<'_>,
) -> BTreeMap<String, Secret> {
    let mut variables = settings.container.secure_environment.clone();
    let mut set = |name: &str, value: &Secret| variables.insert(name.to_owned(), value.clone());
    if let Some((_, configuration)) = circumstances.registered {
        set("AZP_JIT_CONFIG", configuration);
    }
    if let TakeDown::Secrets { proof, token, .. } = &settings.life.take_down {
        match proof {
            Proof::Key(key) => set("AZ_SERVICE_PRINCIPAL_KEY", key),
            Proof::Certificate(pem) => set("AZ_SERVICE_PRINCIPAL_CERTIFICATE", pem),
        };
        token.as_ref().map(|token| set("AZP_TOKEN", token));
    }
    if let Registration::Token(token) = &settings.registration {
        set("AZP_TOKEN", token);
    }
    variables
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::time::Duration;

    use lifecycle::{AgentName, Timestamp};
    use redact::Secret;

    use super::{Circumstances, GroupPlan, plan};
    use crate::fake;
    use crate::settings::{
        AzureCredential, Cloud, Identity, Os, Proof, ProvisionSettings, Registration, Registry, TakeDown,
    };

    fn planned(settings: &ProvisionSettings) -> GroupPlan {
        let configuration = Secret::new("jit-configuration");
        let just_in_time = settings.registration == Registration::JustInTime;
        plan(
            settings,
            &Circumstances {
                name: &AgentName::new("agent7-20261124000000-yypnqa").expect("valid"),
                pool: &fake::pool(),
                placement: &fake::placement(settings),
                registered: just_in_time.then_some((17, &configuration)),
                now: Timestamp(1_795_478_400),
            },
        )
    }

    /// The container's environment; of secure values their length, which is enough to tell them apart.
    fn variables(settings: &ProvisionSettings) -> String {
        let plan = planned(settings);
        let mut text = String::new();
        for (name, value) in &plan.environment {
            writeln!(text, "{name}={value}").expect("text");
        }
        for (name, value) in &plan.secure_environment {
            writeln!(text, "{name}=({} secret letters)", value.expose().len()).expect("text");
        }
        text
    }

    fn secrets() -> TakeDown {
        TakeDown::Secrets {
            tenant: "the-tenant".to_owned(),
            client: "the-client".to_owned(),
            proof: Proof::Key(Secret::new("the-key")),
            token: Some(Secret::new("pat")),
        }
    }

    #[test]
    fn taken_down_from_outside_it_holds_its_own_key_only() {
        insta::assert_snapshot!(variables(&fake::settings()), @"
        AZP_AGENT_NAME=agent7-20261124000000-yypnqa
        AZP_IDLE_TIMEOUT=900
        AZP_MAX_LIFETIME=21600
        AZP_POOL=private
        AZP_START_TIMEOUT=240
        AZP_STATE=/azp-state
        AZP_URL=https://dev.azure.com/contoso
        AZP_JIT_CONFIG=(17 secret letters)
        ");
    }

    #[test]
    fn self_destruct_with_handed_over_secrets() {
        let mut settings = fake::settings();
        settings.life.take_down = secrets();
        insta::assert_snapshot!(variables(&settings), @"
        AZP_AGENT_NAME=agent7-20261124000000-yypnqa
        AZP_IDLE_TIMEOUT=900
        AZP_MAX_LIFETIME=21600
        AZP_POOL=private
        AZP_START_TIMEOUT=240
        AZP_STATE=/azp-state
        AZP_URL=https://dev.azure.com/contoso
        AZ_ACI_NAME=agent7-20261124000000-yypnqa
        AZ_ACI_RG=agents
        AZ_CLOUD=AzureCloud
        AZ_SERVICE_PRINCIPAL=the-client
        AZ_SUBSCRIPTION_ID=00000000-1111-2222-3333-444444444444
        AZ_TENANT_ID=the-tenant
        AZP_JIT_CONFIG=(17 secret letters)
        AZP_TOKEN=(3 secret letters)
        AZ_SERVICE_PRINCIPAL_KEY=(7 secret letters)
        ");
    }

    #[test]
    fn a_certificate_is_handed_over_as_one() {
        let mut settings = fake::settings();
        settings.life.take_down = TakeDown::Secrets {
            tenant: "t".to_owned(),
            client: "c".to_owned(),
            proof: Proof::Certificate(Secret::new("the-pem")),
            token: None,
        };
        let variables = variables(&settings);
        assert!(variables.contains("AZ_SERVICE_PRINCIPAL_CERTIFICATE=(7 secret letters)"), "{variables}");
        assert!(!variables.contains("AZ_SERVICE_PRINCIPAL_KEY"), "{variables}");
    }

    #[test]
    fn self_destruct_with_an_identity_in_a_cloud_of_ones_own() {
        let mut settings = fake::settings();
        settings.azure.cloud = Cloud::Custom("https://localhost:8443".to_owned());
        settings.azure.credential = AzureCredential::AzureCli;
        settings.life.take_down = TakeDown::Identity;
        settings.life.identity = Some(Identity::SystemAssigned);
        settings.life.online_timeout = None;
        settings.container.agent_ca = Some(b"pem".to_vec());
        settings.container.environment.insert("GREETING".to_owned(), "hello".to_owned());
        settings.container.secure_environment.insert("FEED".to_owned(), Secret::new("feed"));
        insta::assert_snapshot!(variables(&settings), @"
        AZP_AGENT_NAME=agent7-20261124000000-yypnqa
        AZP_CA_PEM=cGVt
        AZP_IDLE_TIMEOUT=900
        AZP_MAX_LIFETIME=21600
        AZP_POOL=private
        AZP_STATE=/azp-state
        AZP_URL=https://dev.azure.com/contoso
        AZ_ACI_NAME=agent7-20261124000000-yypnqa
        AZ_ACI_RG=agents
        AZ_CLOUD=https://localhost:8443
        AZ_MANAGED_IDENTITY=system
        AZ_SUBSCRIPTION_ID=00000000-1111-2222-3333-444444444444
        GREETING=hello
        AZP_JIT_CONFIG=(17 secret letters)
        FEED=(4 secret letters)
        ");
    }

    #[test]
    fn a_windows_container_is_told_of_no_folder_that_only_linux_has() {
        let mut settings = fake::settings();
        settings.container.os = Os::Windows;
        insta::assert_snapshot!(variables(&settings), @"
        AZP_AGENT_NAME=agent7-20261124000000-yypnqa
        AZP_IDLE_TIMEOUT=900
        AZP_MAX_LIFETIME=21600
        AZP_POOL=private
        AZP_START_TIMEOUT=240
        AZP_URL=https://dev.azure.com/contoso
        AZP_JIT_CONFIG=(17 secret letters)
        ");
    }

    #[test]
    fn a_token_is_handed_over_in_token_mode_only() {
        let mut settings = fake::settings();
        assert!(!variables(&settings).contains("AZP_TOKEN"));
        settings.registration = Registration::Token(Secret::new("pat"));
        let text = variables(&settings);
        assert!(text.contains("AZP_TOKEN=(3 secret letters)"), "{text}");
        assert!(!text.contains("AZP_JIT_CONFIG"), "{text}");
    }

    #[test]
    fn defect_12_the_container_is_told_how_long_to_wait_for_a_job() {
        let mut settings = fake::settings();
        settings.life.idle_timeout = Duration::from_secs(77);
        settings.life.max_lifetime = Duration::from_secs(99);
        let text = variables(&settings);
        assert!(text.contains("AZP_IDLE_TIMEOUT=77\n") && text.contains("AZP_MAX_LIFETIME=99\n"), "{text}");
    }

    #[test]
    fn defect_07_without_a_subnet_no_network_is_asked_for() {
        assert_eq!(planned(&fake::settings()).network, None);
    }

    #[test]
    fn it_may_be_reaped_after_its_longest_life() {
        let ownership = planned(&fake::settings()).ownership;
        assert_eq!(ownership.expires_at.since(ownership.created_at), Duration::from_mins(4 + 6 * 60 + 30));
        assert_eq!(ownership.agent_id, Some(17));
    }

    #[test]
    fn the_identity_that_pulls_the_image_is_closed_to_the_job() {
        let mut settings = fake::settings();
        settings.container.registry =
            Registry::Identity { server: "contoso.azurecr.io".to_owned(), identity: "/Pull".to_owned() };
        let pull = planned(&settings).identities;
        assert_eq!(pull.len(), 1);
        assert!(!pull[0].open_to_container);
        settings.life.identity = Some(Identity::UserAssigned("/pull".to_owned()));
        let both = planned(&settings).identities;
        assert_eq!(both.len(), 1, "one identity that does both is named once");
        assert!(both[0].open_to_container);
    }
}
