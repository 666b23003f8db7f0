//! The body of a container group's PUT: a pure function of the spec.

use std::collections::BTreeMap;

use redact::Secret;
use serde_json::{Map, Value, json};

use crate::container_groups::AGENT_CONTAINER;
use crate::{
    ContainerGroupSpec, EnvironmentValue, EnvironmentVariable, IdentityAccess, LogAnalytics, OperatingSystem,
    Priority, RegistryCredential, RegistryLogin, Sku,
};

/// The volume of [`ContainerGroupSpec::lasting_folder`].
const LASTING_VOLUME: &str = "lasting";

/// What stands for a secret where people look.
const MASK: &str = "***";

impl ContainerGroupSpec {
    /// The body with secrets masked: for `--dry-run` and for people.
    pub fn to_masked_json(&self, tags: &BTreeMap<String, String>) -> Value {
        self.render(tags, &|_| MASK.to_owned())
    }

    /// The body as it is sent.
    pub(crate) fn to_json(&self, tags: &BTreeMap<String, String>) -> Value {
        self.render(tags, &|secret| secret.expose().to_owned())
    }

    fn render(&self, tags: &BTreeMap<String, String>, show: &dyn Fn(&Secret) -> String) -> Value {
        let mut body = json!({
            "location": self.location,
            "tags": tags,
            "properties": self.properties(show),
        });
        if let Some(zone) = &self.zone {
            body["zones"] = json!([zone]);
        }
        if let Some(identity) = self.identity() {
            body["identity"] = identity;
        }
        body
    }

    fn properties(&self, show: &dyn Fn(&Secret) -> String) -> Value {
        let mut properties = json!({
            "osType": match self.os {
                OperatingSystem::Linux => "Linux",
                OperatingSystem::Windows => "Windows",
            },
            "restartPolicy": "Never",
            "containers": [{"name": AGENT_CONTAINER, "properties": self.container(show)}],
        });
        // No `ipAddress` in either case: a private one cannot be had without a subnet and comes by itself with one.
        if let Some(subnet) = &self.subnet {
            properties["subnetIds"] = json!([{"id": subnet.as_str()}]);
        }
        if !self.dns_servers.is_empty() {
            properties["dnsConfig"] = json!({"nameServers": self.dns_servers});
        }
        if let Some(registry) = &self.registry {
            properties["imageRegistryCredentials"] = json!([registry_credential(registry, show)]);
        }
        if self.lasting_folder.is_some() {
            properties["volumes"] = json!([{"name": LASTING_VOLUME, "emptyDir": {}}]);
        }
        if let Some(LogAnalytics { workspace, key }) = &self.log_analytics {
            properties["diagnostics"] =
                json!({"logAnalytics": {"workspaceId": workspace, "workspaceKey": show(key)}});
        }
        if self.priority == Priority::Spot {
            properties["priority"] = json!("Spot");
        }
        match self.sku {
            Sku::Standard => {}
            Sku::Dedicated => properties["sku"] = json!("Dedicated"),
            Sku::Confidential => properties["sku"] = json!("Confidential"),
        }
        if let Some(acls) = self.identity_acls() {
            properties["identityAcls"] = acls;
        }
        properties
    }

    fn container(&self, show: &dyn Fn(&Secret) -> String) -> Value {
        let environment: Vec<_> =
            self.environment.iter().map(|variable| environment_variable(variable, show)).collect();
        let mut container = json!({
            "image": self.image,
            "resources": {"requests": {"cpu": self.cpu, "memoryInGB": self.memory_gb}},
            "environmentVariables": environment,
        });
        if let Some(path) = &self.lasting_folder {
            container["volumeMounts"] = json!([{"name": LASTING_VOLUME, "mountPath": path}]);
        }
        if !self.command.is_empty() {
            container["command"] = json!(self.command);
        }
        container
    }

    fn identity(&self) -> Option<Value> {
        let kind = match (self.system_assigned_identity, self.identities.is_empty()) {
            (false, true) => return None,
            (true, true) => return Some(json!({"type": "SystemAssigned"})),
            (false, false) => "UserAssigned",
            (true, false) => "SystemAssigned, UserAssigned",
        };
        let ids: Map<_, _> =
            self.identities.iter().map(|identity| (identity.resource_id.clone(), json!({}))).collect();
        Some(json!({"type": kind, "userAssignedIdentities": ids}))
    }

    /// Closed by default: an identity that pulls images must not give a job a token. The system-assigned identity
    /// cannot be named in the list, so that a group that has one leaves the default open and closes the others by
    /// name.
    fn identity_acls(&self) -> Option<Value> {
        if self.identities.is_empty() {
            return None;
        }
        let acls: Vec<_> = self
            .identities
            .iter()
            .map(|identity| json!({"identity": identity.resource_id, "access": access(identity.access)}))
            .collect();
        let default =
            if self.system_assigned_identity { IdentityAccess::All } else { IdentityAccess::System };
        Some(json!({"defaultAccess": access(default), "acls": acls}))
    }
}

fn access(access: IdentityAccess) -> &'static str {
    match access {
        IdentityAccess::System => "System",
        IdentityAccess::User => "User",
        IdentityAccess::All => "All",
    }
}

fn registry_credential(registry: &RegistryCredential, show: &dyn Fn(&Secret) -> String) -> Value {
    match &registry.login {
        RegistryLogin::Password { user, password } => {
            json!({"server": registry.server, "username": user, "password": show(password)})
        }
        RegistryLogin::Identity(id) => json!({"server": registry.server, "identity": id}),
    }
}

fn environment_variable(variable: &EnvironmentVariable, show: &dyn Fn(&Secret) -> String) -> Value {
    match &variable.value {
        EnvironmentValue::Plain(value) => json!({"name": variable.name, "value": value}),
        EnvironmentValue::Secure(secret) => json!({"name": variable.name, "secureValue": show(secret)}),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use redact::Secret;
    use serde_json::json;

    use crate::{
        ContainerGroupSpec, EnvironmentValue, EnvironmentVariable, IdentityAccess, LogAnalytics,
        OperatingSystem, Priority, RegistryCredential, RegistryLogin, Sku, SubnetId, UserAssignedIdentity,
    };

    fn small() -> ContainerGroupSpec {
        ContainerGroupSpec {
            location: "westeurope".to_owned(),
            os: OperatingSystem::Linux,
            image: "registry.example/agent:1".to_owned(),
            command: Vec::new(),
            cpu: 1.0,
            memory_gb: 1.5,
            environment: Vec::new(),
            registry: None,
            subnet: None,
            dns_servers: Vec::new(),
            identities: Vec::new(),
            system_assigned_identity: false,
            zone: None,
            priority: Priority::Regular,
            sku: Sku::Standard,
            log_analytics: None,
            lasting_folder: None,
        }
    }

    fn full() -> ContainerGroupSpec {
        let variable = |name: &str, value| EnvironmentVariable { name: name.to_owned(), value };
        ContainerGroupSpec {
            command: vec!["/agent-supervisor".to_owned()],
            environment: vec![
                variable("AZP_URL", EnvironmentValue::Plain("https://dev.azure.com/contoso".to_owned())),
                variable("AZP_JIT_CONFIG", EnvironmentValue::Secure(Secret::new("pl4nted-configuration"))),
            ],
            registry: Some(RegistryCredential {
                server: "registry.example".to_owned(),
                login: RegistryLogin::Password {
                    user: "puller".to_owned(),
                    password: Secret::new("pl4nted-password"),
                },
            }),
            subnet: Some(SubnetId::from_parts("s", "network", "vnet", "agents")),
            dns_servers: vec!["10.0.0.4".to_owned()],
            identities: vec![
                UserAssignedIdentity { resource_id: "/pull".to_owned(), access: IdentityAccess::System },
                UserAssignedIdentity { resource_id: "/take-down".to_owned(), access: IdentityAccess::User },
            ],
            zone: Some("1".to_owned()),
            lasting_folder: Some("/lasting".to_owned()),
            log_analytics: Some(LogAnalytics {
                workspace: "w".to_owned(),
                key: Secret::new("pl4nted-workspace-key"),
            }),
            ..small()
        }
    }

    fn tags() -> BTreeMap<String, String> {
        BTreeMap::from([("managed-by".to_owned(), "ephemeral-agents".to_owned())])
    }

    #[test]
    fn the_smallest_body() {
        let expected = json!({
            "location": "westeurope",
            "tags": {"managed-by": "ephemeral-agents"},
            "properties": {
                "osType": "Linux",
                "restartPolicy": "Never",
                "containers": [{"name": "agent", "properties": {
                    "image": "registry.example/agent:1",
                    "resources": {"requests": {"cpu": 1.0, "memoryInGB": 1.5}},
                    "environmentVariables": [],
                }}],
            },
        });
        assert_eq!(small().to_json(&tags()), expected);
    }

    #[test]
    fn the_fullest_body_as_people_see_it() {
        let network =
            "/subscriptions/s/resourceGroups/network/providers/Microsoft.Network/virtualNetworks/vnet";
        let expected = json!({
            "location": "westeurope",
            "tags": {"managed-by": "ephemeral-agents"},
            "zones": ["1"],
            "identity": {"type": "UserAssigned", "userAssignedIdentities": {"/pull": {}, "/take-down": {}}},
            "properties": {
                "volumes": [{"name": "lasting", "emptyDir": {}}],
                "diagnostics": {"logAnalytics": {"workspaceId": "w", "workspaceKey": "***"}},
                "osType": "Linux",
                "restartPolicy": "Never",
                "containers": [{"name": "agent", "properties": {
                    "image": "registry.example/agent:1",
                    "command": ["/agent-supervisor"],
                    "resources": {"requests": {"cpu": 1.0, "memoryInGB": 1.5}},
                    "volumeMounts": [{"name": "lasting", "mountPath": "/lasting"}],
                    "environmentVariables": [
                        {"name": "AZP_URL", "value": "https://dev.azure.com/contoso"},
                        {"name": "AZP_JIT_CONFIG", "secureValue": "***"},
                    ],
                }}],
                "subnetIds": [{"id": format!("{network}/subnets/agents")}],
                "dnsConfig": {"nameServers": ["10.0.0.4"]},
                "imageRegistryCredentials": [
                    {"server": "registry.example", "username": "puller", "password": "***"},
                ],
                "identityAcls": {"defaultAccess": "System", "acls": [
                    {"identity": "/pull", "access": "System"},
                    {"identity": "/take-down", "access": "User"},
                ]},
            },
        });
        assert_eq!(full().to_masked_json(&tags()), expected);
    }

    #[test]
    fn priority_and_sku_are_said_where_they_are_not_the_usual_ones() {
        let with = |priority, sku| {
            let body = ContainerGroupSpec { priority, sku, ..small() }.to_json(&tags());
            (body["properties"]["priority"].clone(), body["properties"]["sku"].clone())
        };
        assert_eq!(with(Priority::Regular, Sku::Standard), (json!(null), json!(null)));
        assert_eq!(with(Priority::Spot, Sku::Standard), (json!("Spot"), json!(null)));
        assert_eq!(with(Priority::Regular, Sku::Dedicated), (json!(null), json!("Dedicated")));
        assert_eq!(with(Priority::Regular, Sku::Confidential), (json!(null), json!("Confidential")));
    }

    #[test]
    fn secrets_are_sent_and_not_shown() {
        let (sent, shown) = (full().to_json(&tags()), full().to_masked_json(&tags()));
        assert_eq!(sent.to_string().matches("pl4nted").count(), 3);
        let shown = format!("{shown} {:?}", full());
        assert!(!shown.contains("pl4nted"), "{shown}");
        assert_eq!(full().secrets().count(), 3);
    }

    #[test]
    fn defect_07_no_address_is_asked_for_with_or_without_a_subnet() {
        for spec in [small(), full()] {
            assert_eq!(spec.to_json(&tags())["properties"].get("ipAddress"), None);
        }
    }

    #[test]
    fn identities_are_named_and_closed_to_jobs_unless_meant_for_them() {
        let with = |system, identities: &[(&str, IdentityAccess)]| {
            let identities = identities
                .iter()
                .map(|(id, access)| UserAssignedIdentity { resource_id: (*id).to_owned(), access: *access })
                .collect();
            let spec = ContainerGroupSpec { system_assigned_identity: system, identities, ..small() };
            let body = spec.to_json(&tags());
            (body["identity"]["type"].clone(), body["properties"]["identityAcls"].clone())
        };
        assert_eq!(with(false, &[]), (json!(null), json!(null)));
        assert_eq!(with(true, &[]), (json!("SystemAssigned"), json!(null)));
        assert_eq!(
            with(false, &[("/pull", IdentityAccess::System)]),
            (
                json!("UserAssigned"),
                json!({"defaultAccess": "System", "acls": [{"identity": "/pull", "access": "System"}]})
            )
        );
        assert_eq!(
            with(true, &[("/both", IdentityAccess::All)]),
            (
                json!("SystemAssigned, UserAssigned"),
                json!({"defaultAccess": "All", "acls": [{"identity": "/both", "access": "All"}]})
            )
        );
    }
}
