//! `configure`: register with a pool and write the settings files.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use url::Url;

use super::certificates;
use super::files::{self, AgentSettings, CredentialFile, OAuthData};
use super::key::AgentKey;
use crate::arguments::Arguments;
use crate::capabilities;
use crate::installation::Installation;
use crate::wire::models::{Agent, Authorization, Pool};
use crate::wire::pools::PoolClient;
use crate::wire::service::{CallError, Credential, Service};
use crate::wire::transport::Transport;

/// Registers this installation.
///
/// # Errors
/// What the user is told before exit code 1.
pub(crate) async fn configure(installation: &Installation, arguments: &Arguments) -> anyhow::Result<()> {
    if installation.misbehaviour.has("hang-configure") {
        installation.console.say("Failed to replace the agent. Try again or ctrl-c to quit");
        std::future::pending::<()>().await;
    }
    if AgentSettings::exist(&installation.root) {
        bail!(
            "Cannot configure the agent because it is already configured. To reconfigure the agent, run \
             'config.cmd remove' or './config.sh remove' first."
        );
    }
    if !installation.path("license.html").exists() {
        bail!("license.html is missing from {}", installation.root.display());
    }
    let server = server_url(arguments)?;
    let transport = Arc::new(Transport::new(certificates::tls(installation, arguments)?));
    let client = client_for(&transport, &server, arguments)?;
    installation.console.say("Connecting to server ...");
    let hosted = client.connection_data().await?.deployment_type.eq_ignore_ascii_case("hosted");
    client.locations().await?;
    let pool = find_pool(&client, arguments.option("pool").unwrap_or("default")).await?;
    installation.console.say("Scanning for tool capabilities.");
    let key = match files::load_key(&installation.root)? {
        Some(key) => key,
        None => AgentKey::generate()?,
    };
    let agent = register(installation, arguments, &client, &pool, &key).await?;
    let settings = settings(arguments, &server, hosted, &pool, &agent);
    save(installation, arguments, &settings, &agent, &key)?;
    installation.console.say("Testing agent connection.");
    test_connection(installation, transport, &settings).await?;
    installation.console.stamped("Settings Saved.");
    Ok(())
}

/// The client that `configure` and `remove` speak through, with the credential from the command line.
///
/// # Errors
/// No usable credential was given.
pub(crate) fn client_for(
    transport: &Arc<Transport>,
    server: &Url,
    arguments: &Arguments,
) -> anyhow::Result<PoolClient> {
    let scheme = arguments.option("auth").map_or_else(|| default_auth(server), str::to_ascii_uppercase);
    let credential = match scheme.as_str() {
        "PAT" => {
            let token = arguments
                .option("token")
                .context("Invalid configuration provided for token. Terminating unattended configuration.")?;
            Credential::AccessToken(token.to_owned())
        }
        "OAUTH" => Credential::Bearer(arguments.option("token").unwrap_or_default().to_owned()),
        other => bail!(
            "The stand-in agent authenticates with PAT or OAuth, not with {other}. Pass --auth PAT and a token."
        ),
    };
    Ok(PoolClient::new(Service::new(Arc::clone(transport), server.clone(), credential)))
}

/// A personal access token is the default only for what looks like the hosted service.
fn default_auth(server: &Url) -> String {
    let dotted = server.host_str().is_some_and(|host| host.contains('.'));
    if server.scheme() == "https" && dotted { "PAT" } else { "NEGOTIATE" }.to_owned()
}

/// `--url`.
///
/// # Errors
/// Missing, or not an address.
fn server_url(arguments: &Arguments) -> anyhow::Result<Url> {
    let text = arguments
        .option("url")
        .context("Invalid configuration provided for url. Terminating unattended configuration.")?;
    Url::parse(text).with_context(|| format!("Enter a valid value for server URL: '{text}' is none."))
}

async fn find_pool(client: &PoolClient, name: &str) -> anyhow::Result<Pool> {
    match client.pool(name).await? {
        Some(pool) if !pool.is_hosted => Ok(pool),
        _ => bail!("Could not find a self-hosted agent pool named '{name}'."),
    }
}

async fn register(
    installation: &Installation,
    arguments: &Arguments,
    client: &PoolClient,
    pool: &Pool,
    key: &AgentKey,
) -> anyhow::Result<Agent> {
    let name = arguments.option("agent").map_or_else(capabilities::machine_name, str::to_owned);
    let mut agent = describe(installation, &name, key);
    if let Some(existing) = client.agent(pool.id, &name).await? {
        if !arguments.flag("replace") {
            bail!("Pool {} already contains an agent with name {name}.", pool.id);
        }
        agent.id = existing.id;
        let replaced = client.replace_agent(pool.id, &agent).await?;
        installation.console.say("Successfully replaced the agent");
        return Ok(replaced);
    }
    match client.add_agent(pool.id, &agent).await {
        Ok(added) => {
            installation.console.say("Successfully added the agent");
            Ok(added)
        }
        Err(error @ CallError::Unauthorized(_)) => Err(error.into()),
        Err(error) => Err(error).context("Failed to add the agent."),
    }
}

fn describe(installation: &Installation, name: &str, key: &AgentKey) -> Agent {
    Agent {
        name: name.to_owned(),
        version: installation.version.clone(),
        os_description: capabilities::os_description(),
        enabled: Some(true),
        max_parallelism: Some(1),
        provisioning_state: Some("Provisioned".into()),
        authorization: Some(Authorization {
            public_key: Some(key.public_half()),
            ..Authorization::default()
        }),
        system_capabilities: capabilities::scan(&installation.environment, name, &installation.version),
        ..Agent::default()
    }
}

fn settings(arguments: &Arguments, server: &Url, hosted: bool, pool: &Pool, agent: &Agent) -> AgentSettings {
    AgentSettings {
        agent_id: agent.id,
        agent_name: agent.name.clone(),
        pool_id: pool.id,
        pool_name: pool.name.clone(),
        server_url: server.to_string(),
        work_folder: arguments.option("work").unwrap_or("_work").to_owned(),
        notification_socket_address: arguments.option("notificationsocketaddress").map(str::to_owned),
        skip_session_recover: false,
        is_hosted: Some(hosted),
    }
}

fn save(
    installation: &Installation,
    arguments: &Arguments,
    settings: &AgentSettings,
    agent: &Agent,
    key: &AgentKey,
) -> anyhow::Result<()> {
    let root = &installation.root;
    let authorization = agent.authorization.clone().unwrap_or_default();
    let credentials = match (authorization.client_id, authorization.authorization_url) {
        (Some(client_id), Some(url)) => {
            files::write_private(root, files::KEY, &key.to_file_text()?)?;
            CredentialFile::OAuth(OAuthData::new(client_id, url))
        }
        // A server that offers no key exchange leaves the agent with the token it was configured with.
        _ => CredentialFile::AccessToken { token: arguments.option("token").unwrap_or_default().to_owned() },
    };
    files::write_private(root, files::CREDENTIALS, &serde_json::to_string_pretty(&credentials)?)?;
    files::write_private(root, files::SETTINGS, &serde_json::to_string_pretty(settings)?)?;
    certificates::save(arguments, root)
}

/// The new credential must work.
async fn test_connection(
    installation: &Installation,
    transport: Arc<Transport>,
    settings: &AgentSettings,
) -> anyhow::Result<()> {
    let (credential, _) = files::load_credential(&installation.root, settings)?;
    let client = PoolClient::new(Service::new(transport, settings.server()?, credential));
    client.connection_data().await.context("The agent's own credentials do not work")?;
    Ok(())
}
