//! The whole story: a set made by `sample up`, an image in its registry, and the storage pipeline from its YAML, on an
//! engine whose networks keep things apart.

use serde_json::{Value, json};
use system_tests::{Engine, Printed, World};

use crate::sample;

const PIPELINE: &str = include_str!("../../../../samples/storage-pipeline/azure-pipelines.yml");

/// The storage account of the sample.
const ACCOUNT: &str = "ephemeralsamplestorage";

/// A world in which the sample's pipeline can run.
struct Story {
    engine: Engine,
    world: World,
    /// The image with the Azure CLI that trusts the authority of the world.
    image: String,
    /// Client id of the app behind the service connections.
    client_id: String,
    /// Object id of the principal behind the service connections.
    provisioner: String,
    /// What there was of Azure before.
    before: Vec<String>,
}

impl Story {
    /// `None` without an engine, an extension, or what stands behind storage accounts and registries.
    async fn prepare(name: &str) -> Option<Self> {
        let engine = Engine::prepared()?;
        assert!(
            crate::is_prepared(),
            "cargo xtask test names AZURITE and DOCKER_REGISTRY wherever there is an engine"
        );
        let world = World::on(&engine).await;
        assert!(world.install_extension().await, "cargo xtask test packages it");
        let image = engine.image_that_trusts(&world, engine.azure_image(), name);
        let (client_id, provisioner) = world.app("sample-azure-subscription");
        let parameters = [("serviceprincipalid", client_id.as_str())];
        let azure = world.azure_connection("WorkloadIdentityFederation", &parameters);
        let before = world.emulator().read(resources);
        let story = Self { engine, world, image, client_id, provisioner, before };
        story.connect("sample-azure-subscription", &azure).await;
        Some(story)
    }

    /// Makes a federated connection, and lets the app trust it.
    async fn connect(&self, name: &str, connection: &Value) {
        let said = self.world.connect(name, connection).await;
        self.world.trust(&self.client_id, &said);
    }

    /// `sample up`, then the registry's connection and the image in it.
    async fn up(&self) {
        let up = sample(&self.world, &["up"]).and("provisioner", &self.provisioner).run().await;
        assert_eq!(up.code, Some(0), "{}", up.said());
        let login_server = self.world.emulator().read(|state| state.arm.registries[0].login_server.clone());
        let registry = json!({
            "type": "dockerregistry", "scheme": "WorkloadIdentityFederation", "data": {"registrytype": "ACR"},
            "parameters": {
                "loginServer": login_server, "tenantId": self.world.setting("AZURE_TENANT_ID"),
                "servicePrincipalId": self.client_id,
            },
        });
        self.connect("ephemeral-sample-registry", &registry).await;
        let (user, password) =
            (self.world.setting("AZURE_CLIENT_ID"), self.world.setting("AZURE_CLIENT_SECRET"));
        self.engine.docker(&["login", "--username", &user, "--password", &password, &login_server]);
        let name = format!("{login_server}/agent:1");
        self.engine.docker(&["tag", &self.image, &name]);
        self.engine.docker(&["push", "--quiet", &name]);
        // What the emulator starts must come from the registry.
        self.engine.docker(&["rmi", &name]);
    }

    /// The sample's pipeline as it stands.
    async fn run(&self) -> Printed {
        let printed = self.world.pipeline("storage", PIPELINE).run().await;
        assert!(self.world.groups().is_empty(), "{}", printed.said());
        printed
    }

    /// A command of the shell on this machine, which is outside the network, with the Azure CLI and the account's key.
    fn outside(&self, command: &str) -> (bool, String) {
        let connection = self.world.emulator().read(connection_string);
        let connection = format!("AZURE_STORAGE_CONNECTION_STRING={connection}");
        let options = ["run", "--rm", "--network", "host", "--env", &connection, "--entrypoint", "sh"];
        let output = self.engine.try_docker(&[&options[..], &[&self.image, "-c", command]].concat());
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    async fn end(self) {
        let server = self.world.emulator().read(|state| state.arm.registries[0].login_server.clone());
        let down = sample(&self.world, &["down"]).run().await;
        assert_eq!(down.code, Some(0), "{}", down.said());
        let left = self.world.emulator().read(resources);
        assert_eq!(left, self.before, "{}", down.said());
        self.world.end().await;
        self.engine.docker(&["rmi", &self.image]);
        // What was pulled; where it did not come to that, there is none.
        self.engine.try_docker(&["rmi", &format!("{server}/agent:1")]);
    }
}

/// Ids of the resources that there are, of roles too.
fn resources(state: &emulator::State) -> Vec<String> {
    let azure = &state.arm;
    let plain = azure.resources.values().map(|resource| resource.id.clone());
    let networks = azure.networks.values().map(|network| network.id.clone());
    let registries = azure.registries.iter().map(|registry| registry.id.clone());
    let groups = azure.resource_groups.iter().map(|group| group.name.clone());
    let roles = azure.role_assignments.iter().map(|role| role.name.clone());
    let definitions = azure.role_definitions.iter().map(|role| role.name.clone());
    let identities = azure.user_assigned_identities.keys().cloned();
    let all = plain.chain(networks).chain(registries).chain(groups).chain(roles).chain(definitions);
    all.chain(identities).collect()
}

/// What `az storage account show-connection-string` gives to who may have it.
fn connection_string(state: &emulator::State) -> String {
    let (id, account) =
        state.arm.resources.iter().find(|(_, known)| known.name == ACCOUNT).expect("the account");
    let (key, blobs) =
        (&state.arm.storage_secrets[id].keys[0], &account.properties["primaryEndpoints"]["blob"]);
    let blobs = blobs.as_str().expect("an address");
    format!("DefaultEndpointsProtocol=https;AccountName={ACCOUNT};AccountKey={key};BlobEndpoint={blobs}")
}

/// Opens the account to everybody.
fn open(state: &mut emulator::State) {
    let account = state.arm.resources.values_mut().find(|known| known.name == ACCOUNT).expect("the account");
    account.properties["networkAcls"]["defaultAction"] = json!("Allow");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_storage_pipeline_deploys_to_what_only_the_network_reaches() {
    let Some(story) = Story::prepare("story").await else { return };
    story.up().await;
    let printed = story.run().await;
    let said = printed.said();
    assert_eq!(printed.code, Some(0), "{said}");
    story.world.nothing_left().await;
    let agent =
        said.lines().find_map(|line| line.trim().strip_prefix("agentName=")).expect("the agent's name");

    let upload =
        "az storage blob upload --container-name test --name outside --data 'from outside' --output none";
    let (through, answer) = story.outside(upload);
    assert!(!through && answer.contains("blocked by network rules of storage account"), "{answer}");

    // What is in the account is seen once it is open, and nothing else had kept the upload out.
    story.world.emulator().change(open);
    let download =
        "az storage blob download --container-name test --name hello.txt --file /tmp/hello --output none";
    let (through, text) = story.outside(&format!("{download} --no-progress && cat /tmp/hello"));
    assert!(
        through && text.starts_with("Uploaded by run ") && text.ends_with(&format!(" on {agent}\n")),
        "{text}"
    );
    let (through, answer) = story.outside(upload);
    assert!(through, "{answer}");
    story.end().await;
}

/// Without the roles of `sample up` the connection can do nothing, and the log says which are missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_roles_the_connection_gets_nowhere() {
    let Some(story) = Story::prepare("story-without-roles").await else { return };
    story.up().await;
    let provisioner = story.provisioner.clone();
    story.world.emulator().change(|state| {
        state.arm.role_assignments.retain(|role| role.principal.to_string() != provisioner);
    });
    let printed = story.run().await;
    assert_ne!(printed.code, Some(0), "{}", printed.said());
    let missing = "given a role that allows `Microsoft.Resources/subscriptions/resourceGroups/read`";
    assert!(printed.said().contains(missing), "{}", printed.said());
    story.end().await;
}
