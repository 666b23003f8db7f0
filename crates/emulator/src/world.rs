//! What a new emulator starts with, what it keeps on disk, and the settings it writes for clients.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use rand::RngExt as _;
use rsa::PrivateKey;
use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, LineEnding};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::emulator::{Emulator, StartError, State};
use crate::faults::Faults;
use crate::jwt::SigningKey;
use crate::options::{Options, write_private};
use crate::schedule::Schedule;

/// Resource group that exists from the start.
pub const RESOURCE_GROUP: &str = "ephemeral-agents-sample";
/// Where it lies.
pub const LOCATION: &str = "westeurope";
/// The organization.
pub const ORGANIZATION: &str = "contoso";
/// Its project.
pub const PROJECT: &str = "sample";
/// The pool for ephemeral agents.
pub const POOL: &str = "sample-ephemeralpool";

/// Ids and secrets of the world that clients need.
#[derive(Clone, Serialize, Deserialize)]
pub struct World {
    /// The tenant.
    pub tenant: Uuid,
    /// The subscription.
    pub subscription: Uuid,
    /// Client id of the app registration `provisioner`.
    pub client_id: Uuid,
    /// Object id of its service principal.
    pub client_object_id: Uuid,
    /// Its secret.
    pub client_secret: String,
    /// A personal access token of the organization's administrator.
    pub personal_access_token: String,
    /// What opens `/emulator/*` to those who do not come from this machine.
    pub control_token: String,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("tenant", &self.tenant)
            .field("subscription", &self.subscription)
            .finish_non_exhaustive()
    }
}

impl World {
    fn new() -> Self {
        Self {
            tenant: Uuid::new_v4(),
            subscription: Uuid::new_v4(),
            client_id: Uuid::new_v4(),
            client_object_id: Uuid::new_v4(),
            client_secret: random_secret(),
            personal_access_token: random_secret(),
            control_token: random_secret(),
        }
    }

    /// Every secret in it, for those who mask.
    pub fn secrets(&self) -> [&str; 3] {
        [&self.client_secret, &self.personal_access_token, &self.control_token]
    }
}

/// 40 letters and digits.
pub(crate) fn random_secret() -> String {
    let mut random = rand::rng();
    (0..40).map(|_| char::from(random.sample(rand::distr::Alphanumeric))).collect()
}

/// Takes up the state that `--state` keeps, or makes a new world.
pub(crate) fn load_or_make(options: &Options, data: &Path) -> Result<(State, SigningKey), StartError> {
    let key = signing_key(options.state.as_deref().unwrap_or(data))?;
    let Some(folder) = &options.state else { return Ok((new_state(options), key)) };
    let path = folder.join("state.json");
    match std::fs::read(&path) {
        Ok(text) => {
            let state = serde_json::from_slice(&text);
            let state: State = state.map_err(|error| StartError::State { path, error: error.to_string() })?;
            Ok((State { programs: options.programs(), ..state }, key))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok((new_state(options), key)),
        Err(error) => Err(StartError::Folder { path, error }),
    }
}

fn new_state(options: &Options) -> State {
    let (world, now) = (World::new(), Timestamp::now());
    State {
        now,
        mode: options.mode,
        schedule: Schedule::default(),
        effects: Vec::new(),
        programs: options.programs(),
        faults: Faults::default(),
        entra: crate::entra::State::new(&world),
        arm: crate::arm::State::new(&world),
        devops: crate::devops::State::new(&world, now),
        pipelines: crate::pipelines::State::default(),
        journal: crate::journal::Journal::default(),
        requests: BTreeMap::new(),
        held: 0,
        world,
    }
}

fn signing_key(folder: &Path) -> Result<SigningKey, StartError> {
    let path = folder.join("signing.key");
    let unusable = |error: String| StartError::State { path: path.clone(), error };
    std::fs::create_dir_all(folder).map_err(|error| StartError::Folder { path: folder.to_owned(), error })?;
    if let Ok(pem) = std::fs::read_to_string(&path) {
        return Ok(SigningKey::new(
            PrivateKey::from_pkcs8_pem(&pem).map_err(|error| unusable(error.to_string()))?,
        ));
    }
    let key = PrivateKey::new(&mut rand::rng(), 2048).map_err(|error| unusable(error.to_string()))?;
    let pem = key.to_pkcs8_pem(LineEnding::LF).map_err(|error| unusable(error.to_string()))?;
    write_private(&path, &pem).map_err(|error| StartError::Folder { path: path.clone(), error })?;
    Ok(SigningKey::new(key))
}

/// Writes `state.json` so that a crash leaves the old one or the new one, never half of one.
pub(crate) async fn replace_file(folder: &Path, text: &[u8]) -> std::io::Result<()> {
    let (new, path) = (folder.join("state.json.new"), folder.join("state.json"));
    tokio::fs::create_dir_all(folder).await?;
    tokio::fs::write(&new, text).await?;
    tokio::fs::rename(&new, &path).await
}

/// What clients need to know, as `KEY=VALUE`.
pub fn settings(emulator: &Emulator) -> Vec<(&'static str, String)> {
    let (world, url) = (emulator.read(|state| state.world.clone()), &emulator.url);
    vec![
        ("EMULATOR_URL", url.clone()),
        ("EMULATOR_CA_FILE", emulator.data.join("ca.pem").display().to_string()),
        ("EMULATOR_CONTROL_TOKEN", world.control_token),
        ("AZURE_TENANT_ID", world.tenant.to_string()),
        ("AZURE_CLIENT_ID", world.client_id.to_string()),
        ("AZURE_CLIENT_SECRET", world.client_secret),
        ("AZURE_SUBSCRIPTION_ID", world.subscription.to_string()),
        ("AZURE_RESOURCE_GROUP", RESOURCE_GROUP.to_owned()),
        ("AZURE_LOCATION", LOCATION.to_owned()),
        ("AZURE_DEVOPS_ORG_URL", format!("{url}/{ORGANIZATION}")),
        ("AZURE_DEVOPS_PROJECT", PROJECT.to_owned()),
        ("AZURE_DEVOPS_POOL", POOL.to_owned()),
        ("AZURE_DEVOPS_EXT_PAT", world.personal_access_token),
    ]
}

/// Writes `emulator.env`, readable by its owner only since it holds secrets.
pub(crate) fn write_settings(emulator: &Emulator) -> Result<(), StartError> {
    let path = emulator.data.join("emulator.env");
    let text: String =
        settings(emulator).into_iter().map(|(key, value)| format!("{key}={value}\n")).collect();
    write_private(&path, &text).map_err(|error| StartError::Folder { path, error })
}

/// The text that a start prints: where things are, and the first commands to try.
pub fn how_to_use(emulator: &Emulator) -> String {
    let (url, data) = (&emulator.url, emulator.data.display());
    let tenant = emulator.read(|state| state.world.tenant);
    format!(
        "\
Azure on this machine, at {url}
  Container groups run {runtime}.
  Certificate authority   {data}/ca.pem
  Ids and secrets         {data}/emulator.env   (set -a; . {data}/emulator.env; set +a)

Azure CLI
  export AZURE_CONFIG_DIR={data}/azure-config REQUESTS_CA_BUNDLE={data}/ca.pem
  az config set core.instance_discovery=false
  az cloud register -n emulator --endpoint-resource-manager {url} && az cloud set -n emulator
  az login --service-principal -u $AZURE_CLIENT_ID -p $AZURE_CLIENT_SECRET --tenant {tenant}
curl
  curl --cacert {data}/ca.pem -u :$AZURE_DEVOPS_EXT_PAT {url}/{ORGANIZATION}/_apis/distributedtask/pools
A pipeline, an extension
  azure-emulator pipeline run FILE.yml --data {data}
  azure-emulator extension install FILE.vsix --data {data}
Everything it knows, secrets masked
  curl --cacert {data}/ca.pem {url}/emulator/state
",
        runtime = emulator.runtime.describe(),
    )
}
