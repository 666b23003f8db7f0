//! A planned container group in the words of `azure-resources`. Pure.

use std::collections::BTreeMap;

use azure_resources::{
    ContainerGroupSpec, EnvironmentValue, EnvironmentVariable, IdentityAccess, LogAnalytics, OperatingSystem,
    Priority, RegistryCredential, RegistryLogin, Sku, SubnetId, UserAssignedIdentity,
};

use crate::provision::plan::{GroupPlan, PlannedIdentity, STATE_FOLDER};
use crate::settings::{self, Identity, Os, Registry};

/// The user's tags and, above them, ours.
pub(super) fn all_tags(plan: &GroupPlan) -> BTreeMap<String, String> {
    let mut tags = plan.tags.clone();
    tags.extend(plan.ownership.to_map());
    tags
}

/// What the service is asked for.
pub(super) fn spec(plan: &GroupPlan, subscription: &str) -> ContainerGroupSpec {
    let container = &plan.container;
    let subnet = plan.network.as_ref().map(|network| {
        SubnetId::from_parts(subscription, &network.resource_group, &network.name, &network.subnet)
    });
    ContainerGroupSpec {
        location: plan.location.clone(),
        os: match container.os {
            Os::Linux => OperatingSystem::Linux,
            Os::Windows => OperatingSystem::Windows,
        },
        image: container.image.clone(),
        command: Vec::new(),
        cpu: container.cpu,
        memory_gb: container.memory_gb,
        lasting_folder: (container.os == Os::Linux).then(|| STATE_FOLDER.to_owned()),
        environment: environment(plan),
        registry: registry(&container.registry),
        subnet,
        dns_servers: container.dns_servers.iter().map(ToString::to_string).collect(),
        identities: plan.identities.iter().filter_map(user_assigned).collect(),
        system_assigned_identity: plan
            .identities
            .iter()
            .any(|planned| planned.identity == Identity::SystemAssigned),
        zone: container.zone.clone(),
        priority: match container.priority {
            settings::Priority::Regular => Priority::Regular,
            settings::Priority::Spot => Priority::Spot,
        },
        sku: match container.sku {
            settings::Sku::Standard => Sku::Standard,
            settings::Sku::Dedicated => Sku::Dedicated,
            settings::Sku::Confidential => Sku::Confidential,
        },
        log_analytics: container.log_analytics.as_ref().map(|workspace| LogAnalytics {
            workspace: workspace.workspace.clone(),
            key: workspace.key.clone(),
        }),
    }
}

fn environment(plan: &GroupPlan) -> Vec<EnvironmentVariable> {
    let plain = plan.environment.iter().map(|(name, value)| EnvironmentVariable {
        name: name.clone(),
        value: EnvironmentValue::Plain(value.clone()),
    });
    let secure = plan.secure_environment.iter().map(|(name, value)| EnvironmentVariable {
        name: name.clone(),
        value: EnvironmentValue::Secure(value.clone()),
    });
    plain.chain(secure).collect()
}

fn registry(registry: &Registry) -> Option<RegistryCredential> {
    match registry {
        Registry::Anonymous => None,
        Registry::Password { server, user, password } => Some(RegistryCredential {
            server: server.clone(),
            login: RegistryLogin::Password { user: user.clone(), password: password.clone() },
        }),
        Registry::Identity { server, identity } => Some(RegistryCredential {
            server: server.clone(),
            login: RegistryLogin::Identity(identity.clone()),
        }),
    }
}

fn user_assigned(planned: &PlannedIdentity) -> Option<UserAssignedIdentity> {
    match &planned.identity {
        Identity::SystemAssigned => None,
        Identity::UserAssigned(resource_id) => Some(UserAssignedIdentity {
            resource_id: resource_id.clone(),
            access: if planned.open_to_container { IdentityAccess::All } else { IdentityAccess::System },
        }),
    }
}

#[cfg(test)]
mod tests {
    use lifecycle::{AgentName, Timestamp};
    use redact::Secret;

    use super::{all_tags, spec};
    use crate::fake;
    use crate::provision::plan::{Circumstances, GroupPlan, plan};
    use crate::settings::{Identity, Os, ProvisionSettings, Registry, TakeDown};

    fn planned(settings: &ProvisionSettings) -> GroupPlan {
        let configuration = Secret::new("planted-configuration");
        plan(
            settings,
            &Circumstances {
                name: &AgentName::new("agent7-20261124000000-yypnqa").expect("valid"),
                pool: &fake::pool(),
                placement: &fake::placement(settings),
                registered: Some((17, &configuration)),
                now: Timestamp(1_795_478_400),
            },
        )
    }

    fn body(settings: &ProvisionSettings) -> serde_json::Value {
        let plan = planned(settings);
        spec(&plan, "sub").to_masked_json(&all_tags(&plan))
    }

    fn full() -> ProvisionSettings {
        let mut settings = fake::settings();
        let identity = |name: &str| {
            format!(
                "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"
            )
        };
        settings.network = Some(fake::network());
        settings.life.take_down = TakeDown::Identity;
        settings.life.identity = Some(Identity::UserAssigned(identity("self-destruct")));
        settings.container.registry =
            Registry::Identity { server: "contoso.azurecr.io".to_owned(), identity: identity("pull") };
        settings.container.dns_servers = vec!["10.0.0.4".parse().expect("an address")];
        settings.container.zone = Some("2".to_owned());
        settings.tags.insert("owner".to_owned(), "me".to_owned());
        settings
    }

    #[test]
    fn everything_that_was_asked_for_is_in_the_body() {
        insta::assert_json_snapshot!(body(&full()));
    }

    #[test]
    fn defect_07_no_address_is_asked_for_without_a_subnet() {
        let body = body(&fake::settings()).to_string();
        assert!(!body.contains("ipAddress") && !body.contains("subnetIds"), "{body}");
    }

    #[test]
    fn a_windows_group_asks_for_nothing_that_only_linux_has() {
        let mut settings = fake::settings();
        settings.network = Some(fake::network());
        settings.container.os = Os::Windows;
        let body = body(&settings);
        let properties = &body["properties"];
        assert_eq!(properties["osType"], "Windows");
        // In a network it may be; a folder that outlives its container it cannot have, nor a path of Linux.
        assert!(properties["subnetIds"].is_array());
        assert!(properties["volumes"].is_null());
        assert!(!body.to_string().contains("mountPath") && !body.to_string().contains("/azp"), "{body}");
    }

    #[test]
    fn nothing_secret_is_in_what_people_see() {
        let mut settings = full();
        settings.container.registry = Registry::Password {
            server: "contoso.azurecr.io".to_owned(),
            user: "puller".to_owned(),
            password: Secret::new("planted-password"),
        };
        settings.container.secure_environment.insert("FEED".to_owned(), Secret::new("planted-feed"));
        settings.container.log_analytics = Some(crate::settings::LogAnalytics {
            workspace: "a-workspace".to_owned(),
            key: Secret::new("planted-workspace-key"),
        });
        let body = body(&settings).to_string();
        assert!(
            body.contains("FEED")
                && body.contains("a-workspace")
                && body.contains("AZP_JIT_CONFIG")
                && body.contains("puller"),
            "{body}"
        );
        assert!(!body.contains("planted"), "{body}");
    }
}
