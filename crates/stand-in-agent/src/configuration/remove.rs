//! `remove`: unregister and delete the settings files.

use std::sync::Arc;

use anyhow::{Context as _, bail};

use super::certificates;
use super::configure::client_for;
use super::files::{self, AgentSettings};
use crate::arguments::Arguments;
use crate::installation::Installation;
use crate::wire::pools::PoolClient;
use crate::wire::transport::Transport;

/// Unregisters this installation. One that is not configured is done already.
///
/// # Errors
/// What the user is told before exit code 1. The files are kept then.
pub(crate) async fn remove(installation: &Installation, arguments: &Arguments) -> anyhow::Result<()> {
    let console = &installation.console;
    if installation.path(".service").exists() {
        bail!("Uninstall the service before you remove the agent.");
    }
    let configured = AgentSettings::exist(&installation.root);
    if !configured || !installation.path(files::CREDENTIALS).exists() {
        console.say("Cannot connect to server, because config files are missing. Skipping removing agent from the server.");
        return delete_files(installation);
    }
    let settings = AgentSettings::load(&installation.root)?;
    console.say("Removing agent from the server");
    unregister(installation, arguments, &settings).await.context("Failed: Removing agent from the server")?;
    delete_files(installation)
}

async fn unregister(
    installation: &Installation,
    arguments: &Arguments,
    settings: &AgentSettings,
) -> anyhow::Result<()> {
    let transport = Arc::new(Transport::new(certificates::tls(installation, arguments)?));
    let client = client_for(&transport, &settings.server()?, arguments)?;
    client.connection_data().await?;
    if let Some(times) = installation.misbehaviour.number("remove-busy")
        && installation.misbehaviour.once_more("remove-busy", times)
    {
        bail!("Agent \"{}\" is running a job for pool \"{}\".", settings.agent_name, settings.pool_name);
    }
    delete(installation, &client, settings).await
}

async fn delete(
    installation: &Installation,
    client: &PoolClient,
    settings: &AgentSettings,
) -> anyhow::Result<()> {
    // The official agent looks it up by name and deletes it by the number it stored.
    if client.agent(settings.pool_id, &settings.agent_name).await?.is_none() {
        installation.console.say("Agent does not exist on the server, skipping.");
        return Ok(());
    }
    client.delete_agent(settings.pool_id, settings.agent_id).await?;
    installation.console.say("Succeeded: Removing agent from the server");
    Ok(())
}

fn delete_files(installation: &Installation) -> anyhow::Result<()> {
    for name in files::ALL {
        let path = installation.path(name);
        if path.exists() {
            std::fs::remove_file(&path).with_context(|| format!("{} cannot be deleted", path.display()))?;
        }
    }
    installation.console.say("Succeeded: Removing .credentials and .agent");
    Ok(())
}
