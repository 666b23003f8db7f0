//! Who may do what: managed identities of container groups, and service principals.

use emulator::arm::{Identity, RoleAssignment, RoleDefinition, UserAssignedIdentity};
use emulator::devops::{Member, Role};
use emulator::entra::App;

use rsa::pkcs8::{EncodePrivateKey as _, LineEnding};
use uuid::Uuid;

use crate::World;

/// Id of the built-in role "Azure Container Instances Contributor Role".
const CONTAINER_INSTANCES_CONTRIBUTOR: &str = "5d977122-f97e-4b4d-a52f-6b43003ddb4d";

impl World {
    /// A user-assigned managed identity that may do this in the resource group, and is an administrator of the pool;
    /// gives its resource id.
    pub fn identity(&self, name: &str, actions: &[&str]) -> String {
        let group = self.resource_group();
        let id = format!("{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}");
        let identity = Identity {
            client_id: Uuid::new_v4(),
            principal_id: Uuid::new_v4(),
            resource_id: id.clone(),
            is_system_assigned: false,
        };
        let (principal, role) = (identity.principal_id, Uuid::new_v4().to_string());
        let resource = UserAssignedIdentity {
            name: name.to_owned(),
            location: emulator::world::LOCATION.to_owned(),
            tags: serde_json::json!({}),
            identity,
        };
        let definition = RoleDefinition {
            name: role.clone(),
            role_name: format!("Role of {name}"),
            actions: actions.iter().map(|&action| action.to_owned()).collect(),
            is_custom: true,
            ..RoleDefinition::default()
        };
        let assigned = Uuid::new_v4().to_string();
        let assignment =
            RoleAssignment { name: assigned, scope: group, role, principal, ..Default::default() };
        self.emulator().change(|state| {
            state.arm.user_assigned_identities.insert(id.to_ascii_lowercase(), resource);
            state.arm.role_definitions.push(definition);
            state.arm.role_assignments.push(assignment);
            let member = Member { name: name.to_owned(), role: Role::Administrator };
            state.devops.members.insert(principal, member);
        });
        id
    }

    /// Gives whoever has a role this one in place of it.
    pub fn only_role(&self, name: &str) {
        self.emulator().change(|state| {
            let role = state.arm.role_definitions.iter().find(|role| role.role_name == name).expect("a role");
            let id = role.name.clone();
            state.arm.role_assignments.iter_mut().for_each(|assignment| assignment.role.clone_from(&id));
        });
    }

    /// A registry of Azure with nothing behind it, as Resource Manager shows it; gives its resource id.
    pub fn azure_registry(&self, login_server: &str) -> String {
        let kind = "Microsoft.ContainerRegistry/registries";
        let name = login_server.split('.').next().unwrap_or_default().to_owned();
        let id = format!("{}/providers/{kind}/{name}", self.resource_group());
        let registry = emulator::arm::Resource {
            id: id.clone(),
            name,
            kind: kind.to_owned(),
            location: emulator::world::LOCATION.to_owned(),
            tags: serde_json::json!({}),
            sku: serde_json::json!({"name": "Basic", "tier": "Basic"}),
            properties: serde_json::json!({"provisioningState": "Succeeded", "loginServer": login_server}),
        };
        self.emulator().change(|state| state.arm.resources.insert(id.to_ascii_lowercase(), registry));
        id
    }

    /// Gives a user-assigned managed identity a built-in role over something.
    pub fn assign(&self, identity: &str, role_name: &str, scope: &str) {
        self.emulator().change(|state| {
            let known = state.arm.user_assigned_identities.get(&identity.to_ascii_lowercase());
            let principal = known.expect("an identity").identity.principal_id;
            let mut roles = state.arm.role_definitions.iter();
            let role = roles.find(|role| role.role_name == role_name).expect("a role").name.clone();
            let (name, scope) = (Uuid::new_v4().to_string(), scope.to_owned());
            state.arm.role_assignments.push(RoleAssignment {
                name,
                scope,
                role,
                principal,
                ..Default::default()
            });
        });
    }

    /// Lets the managed identity of an agent's container group unregister agents.
    pub async fn identity_joins_organization(&self, agent: &str) {
        let id = self.identity_of(agent).await;
        let member = Member { name: "self-destruct".to_owned(), role: Role::Administrator };
        self.emulator().change(|state| state.devops.members.insert(id, member));
    }

    /// Lets the managed identity of an agent's container group delete container groups.
    pub async fn identity_may_delete_groups(&self, agent: &str) {
        let principal = self.identity_of(agent).await;
        let assignment = RoleAssignment {
            name: principal.to_string(),
            scope: self.resource_group(),
            role: CONTAINER_INSTANCES_CONTRIBUTOR.to_owned(),
            principal,
            ..RoleAssignment::default()
        };
        self.emulator().change(|state| state.arm.role_assignments.push(assignment));
    }

    /// Object id of the managed identity of an agent's container group.
    async fn identity_of(&self, agent: &str) -> Uuid {
        self.wait_for("the identity of a container group", |state| {
            let group = state.arm.container_groups.values().find(|group| group.name == agent)?;
            Some(group.identities.first()?.principal_id)
        })
        .await
    }

    /// Gives the machine of hosted agents this managed identity.
    pub fn machine_has(&self, identity: &str) {
        let ids = [identity.to_owned()];
        let given = self.emulator().change(|state| emulator::pipelines::set_identities(state, &ids));
        given.unwrap_or_else(|missing| panic!("no identity {missing}"));
    }

    /// Where the machine of hosted agents asks for tokens of its identity.
    pub fn machine_identity_endpoint(&self) -> String {
        let key = self.emulator().read(|state| state.pipelines.machine_identity_key().to_owned());
        format!("{}/identity/{key}", self.emulator().identity_url)
    }

    /// Gives the service principal a certificate: what it holds of it, with the private key (PEM).
    pub fn certificate(&self) -> String {
        let key = rsa::PrivateKey::new(&mut rand::rng(), 2048).expect("a key");
        let key = key.to_pkcs8_pem(LineEnding::LF).expect("PKCS #8");
        let pair = rcgen::KeyPair::from_pem(&key).expect("an RSA key");
        let certificate = rcgen::CertificateParams::default().self_signed(&pair).expect("a certificate");
        self.emulator().change(|state| {
            let known = emulator::entra::Certificate::from_pem(&certificate.pem()).expect("it is one");
            state.entra.apps[0].certificates.push(known);
        });
        format!("{}{}", *key, certificate.pem())
    }

    /// An app with nothing to prove itself with, and no rights: its client id, and the object id of its principal.
    pub fn app(&self, name: &str) -> (String, String) {
        let app = App::new(name);
        let ids = (app.client_id.to_string(), app.object_id.to_string());
        self.emulator().change(|state| state.entra.apps.push(app));
        ids
    }

    /// Gives a federated credential to an app, for what the service said of a connection.
    pub fn trust(&self, client_id: &str, said: &str) {
        let part = |name: &str| {
            let line = said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            line.unwrap_or_else(|| panic!("no {name} in {said}")).to_owned()
        };
        let credential = serde_json::json!({
            "issuer": part("workloadIdentityFederationIssuer"),
            "subject": part("workloadIdentityFederationSubject"),
        });
        let credential = serde_json::from_value(credential).expect("a federated credential");
        self.emulator().change(|state| {
            let mut apps = state.entra.apps.iter_mut();
            let app = apps.find(|app| app.client_id.to_string() == client_id).expect("the app");
            app.federated_credentials.push(credential);
        });
    }

    /// Lets the secrets of the service principal expire, or be good again.
    pub fn secrets_expire(&self, expired: bool) {
        self.emulator().change(|state| {
            for secret in state.entra.apps.iter_mut().flat_map(|app| &mut app.secrets) {
                secret.expired = expired;
            }
        });
    }
}
