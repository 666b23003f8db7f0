//! The settings files in the agent root, in the official formats. Somebody else may have written them (just-in-time
//! registration), so reading is lenient.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use serde::{Deserialize, Deserializer, Serialize};
use url::Url;

use super::key::AgentKey;
use crate::wire::oauth::AgentIdentity;
use crate::wire::service::Credential;

/// Settings; its existence means "configured".
pub(crate) const SETTINGS: &str = ".agent";
/// How the agent authenticates.
pub(crate) const CREDENTIALS: &str = ".credentials";
/// The agent's private key.
pub(crate) const KEY: &str = ".credentials_rsaparams";
/// Everything `remove` deletes.
pub(crate) const ALL: &[&str] = &[CREDENTIALS, KEY, ".certificates", ".proxy", ".proxycredentials", SETTINGS];

/// `.agent`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct AgentSettings {
    /// Number of the agent in its pool.
    #[serde(deserialize_with = "number_or_text")]
    pub(crate) agent_id: i64,
    /// Name of the agent.
    pub(crate) agent_name: String,
    /// Number of the pool.
    #[serde(deserialize_with = "number_or_text")]
    pub(crate) pool_id: i64,
    /// Name of the pool.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) pool_name: String,
    /// Address of the organization or collection.
    pub(crate) server_url: String,
    /// Work folder, relative to the root unless absolute.
    pub(crate) work_folder: String,
    /// `IP:PORT` of whoever wants to know when a job starts and ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) notification_socket_address: Option<String>,
    /// Do not open another session when this one expires.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) skip_session_recover: bool,
    /// Whether the server is Azure DevOps Services. Unknown: told by its address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) is_hosted: Option<bool>,
}

/// Newtonsoft, which the official agent reads with, takes `"5"` for 5.
fn number_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(i64),
        Text(String),
    }
    match Either::deserialize(deserializer)? {
        Either::Number(number) => Ok(number),
        Either::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}

impl AgentSettings {
    /// Whether an agent is configured in this root.
    pub(crate) fn exist(root: &Path) -> bool {
        root.join(SETTINGS).exists()
    }

    /// Reads `.agent`.
    ///
    /// # Errors
    /// It is missing or not what `configure` writes.
    pub(crate) fn load(root: &Path) -> anyhow::Result<Self> {
        let text =
            fs::read_to_string(root.join(SETTINGS)).context("The settings file .agent cannot be read")?;
        serde_json::from_str(text.trim_start_matches('\u{feff}'))
            .context("The settings file .agent is damaged")
    }

    /// The server's address.
    ///
    /// # Errors
    /// It is not an address.
    pub(crate) fn server(&self) -> anyhow::Result<Url> {
        Url::parse(&self.server_url).with_context(|| format!("'{}' is not a server URL", self.server_url))
    }

    /// The address to use for one the server gave. An on-premises server may know itself by a name that is no use here,
    /// so scheme, host and port are replaced by those the agent was configured with.
    pub(crate) fn reachable(&self, given: &str) -> anyhow::Result<Url> {
        let given = Url::parse(given).with_context(|| format!("the server gave '{given}' as an address"))?;
        let configured = self.server()?;
        if self.is_hosted.unwrap_or_else(|| is_hosted_address(&configured)) {
            return Ok(given);
        }
        let mut reachable = configured;
        reachable.set_path(given.path());
        reachable.set_query(given.query());
        Ok(reachable)
    }
}

/// Whether an address belongs to Azure DevOps Services.
fn is_hosted_address(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    host == "dev.azure.com" || host.ends_with(".visualstudio.com")
}

/// `.credentials`.
#[derive(Clone, Deserialize, PartialEq, Eq, Serialize)]
#[serde(tag = "scheme", content = "data")]
pub(crate) enum CredentialFile {
    /// The agent's own key.
    OAuth(OAuthData),
    /// The token given at configuration, when the server offers no exchange.
    #[serde(rename = "PAT")]
    AccessToken {
        /// The token itself: the file is readable for its owner only.
        token: String,
    },
}

/// What the server answered at registration.
#[derive(Clone, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OAuthData {
    /// Client id.
    pub(crate) client_id: String,
    /// Token address, also the audience.
    pub(crate) authorization_url: String,
    /// The same, kept apart by the official agent.
    #[serde(default)]
    pub(crate) oauth_endpoint_url: String,
    /// Text `True` or `False`.
    #[serde(default = "text_false")]
    pub(crate) require_fips_cryptography: String,
}

fn text_false() -> String {
    "False".to_owned()
}

impl OAuthData {
    /// What goes into the file for a client id and its token address.
    pub(crate) fn new(client_id: String, authorization_url: String) -> Self {
        Self {
            client_id,
            oauth_endpoint_url: authorization_url.clone(),
            authorization_url,
            require_fips_cryptography: text_false(),
        }
    }
}

/// The credential and, if it has one, the key of the configured agent.
///
/// # Errors
/// The files are missing or damaged.
pub(crate) fn load_credential(
    root: &Path,
    settings: &AgentSettings,
) -> anyhow::Result<(Credential, Option<AgentKey>)> {
    let text = fs::read_to_string(root.join(CREDENTIALS))
        .context("The credentials file .credentials cannot be read; remove and configure the agent again")?;
    // Without the parser's words: it may quote the token.
    let file: CredentialFile = serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|_| {
        anyhow!("The credentials file .credentials is damaged; remove and configure the agent again")
    })?;
    match file {
        CredentialFile::AccessToken { token } => Ok((Credential::AccessToken(token), None)),
        CredentialFile::OAuth(data) => {
            let key = load_key(root)?.context("The key file .credentials_rsaparams is missing")?;
            let given = if data.oauth_endpoint_url.is_empty() {
                &data.authorization_url
            } else {
                &data.oauth_endpoint_url
            };
            let authorization_url = settings.reachable(given)?;
            let identity = AgentIdentity { client_id: data.client_id, authorization_url, key: key.clone() };
            Ok((Credential::Agent(Box::new(identity)), Some(key)))
        }
    }
}

/// The agent's key, if there is one already.
///
/// # Errors
/// The file is there and damaged.
pub(crate) fn load_key(root: &Path) -> anyhow::Result<Option<AgentKey>> {
    match fs::read_to_string(root.join(KEY)) {
        Ok(text) => AgentKey::from_file_text(&text).map(Some),
        Err(_) => Ok(None),
    }
}

/// Writes a file only its owner may read.
///
/// # Errors
/// The root is not writable.
pub(crate) fn write_private(root: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let path = root.join(name);
    // Replaced, not overwritten: an existing file would keep its own permissions.
    if path.exists() {
        fs::remove_file(&path).with_context(|| format!("{} cannot be replaced", path.display()))?;
    }
    fs::File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("{} cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_written_by_others_are_read() {
        let text = r#"{"agentId":1,"AgentId":"17","AgentName":"n","PoolId":3,"ServerUrl":"https://h:8443/contoso/","WorkFolder":"_work","More":1}"#;
        let settings: AgentSettings = serde_json::from_str(text).unwrap();
        assert_eq!((settings.agent_id, settings.pool_id), (17, 3));
        assert_eq!(settings.is_hosted, None);
    }

    #[test]
    fn on_premises_addresses_are_replaced_and_hosted_ones_kept() {
        for (server, hosted, expected) in [
            ("https://emulator:8443/contoso", None, "https://emulator:8443/oauth2/token?a=b"),
            ("https://dev.azure.com/contoso", None, "https://vssps.example/oauth2/token?a=b"),
            ("https://dev.azure.com/contoso", Some(false), "https://dev.azure.com/oauth2/token?a=b"),
            ("https://emulator:8443/contoso", Some(true), "https://vssps.example/oauth2/token?a=b"),
        ] {
            let settings =
                AgentSettings { server_url: server.into(), is_hosted: hosted, ..AgentSettings::default() };
            let given = "https://vssps.example/oauth2/token?a=b";
            assert_eq!(settings.reachable(given).unwrap().as_str(), expected, "{server} {hosted:?}");
        }
    }

    #[test]
    fn credentials_have_the_official_form() {
        let file = CredentialFile::OAuth(OAuthData::new("id".into(), "https://h/t".into()));
        let expected = r#"{"scheme":"OAuth","data":{"clientId":"id","authorizationUrl":"https://h/t","oauthEndpointUrl":"https://h/t","requireFipsCryptography":"False"}}"#;
        assert_eq!(serde_json::to_string(&file).unwrap(), expected);
    }

    #[test]
    fn private_files_are_the_owners() {
        use std::os::unix::fs::PermissionsExt as _;
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join(KEY), "old").unwrap();
        write_private(root.path(), KEY, "new").unwrap();
        let path = root.path().join(KEY);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    }
}
