//! Making the agent ready: certificates, package, registration, ownership.

use std::{fs, io, path::Path, sync::Arc, time::SystemTime};

use azure_http::HttpError;
use process::User;

use crate::{
    agent_output::SERVER_TIME,
    agent_root::AgentRoot,
    assertion::token_request,
    azure::Azure,
    certificates::write_bundle,
    outcome::Obstacle,
    package::{self, Download, Package},
    platform::{self, System},
    settings::{Registration, Settings},
};

/// Puts everything in place that the agent needs before it can be started. A package that the image brings along is
/// used as it is.
pub(super) async fn prepare(
    settings: Arc<Settings>,
    azure: Arc<Azure>,
    root: AgentRoot,
    user: Option<User>,
    notify: String,
) -> Result<(), String> {
    let folder = root.path();
    fs::create_dir_all(&folder).map_err(|error| {
        format!("{} cannot be made ({error}): AZP_HOME must be writable", folder.display())
    })?;
    if let Some(pem) = &settings.ca_pem {
        let configured = std::env::var_os("SSL_CERT_FILE");
        write_bundle(pem, configured.as_deref().map(Path::new), &root.certificates())?;
        platform::trust(pem, &settings.home).await?;
    }
    if !root.listener().exists() {
        fetch(&settings, &azure, &root).await?;
    }
    let work = match &settings.registration {
        Registration::JustInTime(configuration) => {
            root.write_registration(configuration, &notify)?;
            None
        }
        Registration::Token { work, .. } => Some(work.as_str()),
    };
    root.make_work_folder(work, user.as_ref())?;
    match user {
        // Thousands of files may have to change hands; signals must be heard meanwhile.
        Some(user) => blocking(move || root.give_to(&user)).await,
        None => Ok(()),
    }
}

async fn fetch(settings: &Settings, azure: &Azure, root: &AgentRoot) -> Result<(), String> {
    let package = choose(settings, azure).await?;
    let file = root.package();
    let full = |error: &io::Error| {
        format!(
            "{} cannot be written ({error}): AZP_HOME needs room for the agent and its work",
            file.display()
        )
    };
    let mut download = Download::create(file.clone()).map_err(|error| full(&error))?;
    let mut unwritten = None;
    let mut take = |piece: &[u8]| {
        let written = download.take(piece);
        if let Err(error) = &written {
            unwritten = Some(full(error));
        }
        written
    };
    let downloaded = azure.download(&package.url, &mut take).await;
    downloaded.map_err(|error| unwritten.unwrap_or_else(|| not_downloaded(&package.url, &error)))?;
    let (folder, listener) = (root.path(), root.listener());
    blocking(move || {
        download.unpack(package.sha256.as_deref(), &folder)?;
        if listener.exists() {
            return Ok(());
        }
        Err(format!(
            "the package from {} is no agent: it has no bin/{}",
            package.url,
            System::CURRENT.listener()
        ))
    })
    .await
}

fn not_downloaded(url: &str, error: &HttpError) -> String {
    if error.is_not_found() {
        return format!(
            "the agent package that the organization lists is not at {url} (404): name another in \
             AZP_AGENT_PACKAGE_URL, or build the image with the agent in AZP_HOME/agent"
        );
    }
    explain(&format!("the agent package cannot be downloaded from {url}"), error)
}

/// The package the user names, or the newest one of the organization.
async fn choose(settings: &Settings, azure: &Azure) -> Result<Package, String> {
    if let Some(source) = &settings.package {
        return Ok(Package { version: [0; 3], url: source.url.clone(), sha256: source.sha256.clone() });
    }
    let architecture = std::env::consts::ARCH;
    let platform = System::CURRENT
        .package_platform(architecture, |path| Path::new(path).exists())
        .ok_or_else(|| format!("there is no agent for this kind of machine ({architecture})"))?;
    let agents_own = match &settings.registration {
        Registration::JustInTime(configuration) => token_request(configuration, SystemTime::now()),
        Registration::Token { .. } => None,
    };
    let answer = azure.packages(platform, agents_own).await.map_err(|error| {
        let remedy = "An image with the agent in AZP_HOME/agent, or AZP_AGENT_PACKAGE_URL, needs no list";
        format!("{}. {remedy}", explain("the organization's list of agent packages cannot be read", &error))
    })?;
    package::newest(&answer).ok_or_else(|| {
        format!("the organization has no agent package for {platform}: set AZP_AGENT_PACKAGE_URL to one")
    })
}

fn explain(what: &str, error: &HttpError) -> String {
    let text = error.to_string();
    // The agent's signature holds the time, and the service says its own when that does not fit.
    let by_clock = matches!(error, HttpError::AuthenticationFailed { .. }) && text.contains(SERVER_TIME);
    if by_clock {
        return format!("{what}: {}. {}", text.trim_end_matches('.'), Obstacle::Clock);
    }
    format!("{what}: {}. {}", text.trim_end_matches('.'), error.remedy().trim_end_matches('.'))
}

async fn blocking(work: impl FnOnce() -> Result<(), String> + Send + 'static) -> Result<(), String> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(error.to_string()))
}
