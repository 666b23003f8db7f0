//! Fetching images, as who the group says.

use bollard::Docker;
use bollard::auth::DockerCredentials;
use bollard::errors::Error;
use bollard::query_parameters::CreateImageOptions;
use futures_util::StreamExt as _;

use crate::compute::specification::{Login, RegistryLogin};

/// Fetches an image. One that was built on this engine and is in no registry is taken as it is.
pub(super) async fn pull(docker: &Docker, image: &str, logins: &[RegistryLogin]) -> Result<(), String> {
    if registry_of(image).is_none() && docker.inspect_image(image).await.is_ok() {
        return Ok(());
    }
    let known = login_of(image, logins);
    let credentials = match known.map(|known| (&known.login, &known.behind)) {
        Some((Login::Refused(message), _)) => return Err(message.clone()),
        Some((Login::Password { user, password }, server)) => Some(DockerCredentials {
            username: Some(user.clone()),
            password: Some(password.clone()),
            serveraddress: Some(server.clone()),
            ..DockerCredentials::default()
        }),
        None => None,
    };
    let from_image = Some(with_tag(&on_engine(image, logins)));
    let options = CreateImageOptions { from_image, ..CreateImageOptions::default() };
    let mut progress = docker.create_image(Some(options), None, credentials);
    while let Some(step) = progress.next().await {
        step.map_err(|error| in_words(&error))?;
    }
    Ok(())
}

fn login_of<'a>(image: &str, logins: &'a [RegistryLogin]) -> Option<&'a RegistryLogin> {
    let server = registry_of(image)?;
    logins.iter().find(|login| login.server.eq_ignore_ascii_case(server))
}

/// What the engine calls an image that was fetched: by where it really came from.
pub(super) fn on_engine(image: &str, logins: &[RegistryLogin]) -> String {
    match (login_of(image, logins), image.split_once('/')) {
        (Some(known), Some((_, rest))) => format!("{}/{rest}", known.behind),
        _ => image.to_owned(),
    }
}

fn in_words(error: &Error) -> String {
    match error {
        Error::DockerResponseServerError { message, .. } => message.clone(),
        other => other.to_string(),
    }
}

/// The registry that a reference names: its first part, if that is a host.
fn registry_of(image: &str) -> Option<&str> {
    let (first, _) = image.split_once('/')?;
    (first.contains(['.', ':']) || first == "localhost").then_some(first)
}

/// A reference without tag or digest means `latest`; asked for without, the engine would fetch every tag.
fn with_tag(image: &str) -> String {
    let has_tag = image.rsplit('/').next().is_some_and(|name| name.contains(':'));
    if image.contains('@') || has_tag { image.to_owned() } else { format!("{image}:latest") }
}

#[cfg(test)]
mod tests {
    use super::{on_engine, registry_of, with_tag};
    use crate::compute::specification::{Login, RegistryLogin};

    #[test]
    fn an_image_of_an_azure_registry_comes_from_the_one_behind_it() {
        let login = Login::Refused(String::new());
        let known = [RegistryLogin {
            server: "contoso.azurecr.io".to_owned(),
            behind: "127.0.0.1:5000".to_owned(),
            login,
        }];
        assert_eq!(on_engine("Contoso.azurecr.io/agents/agent:1", &known), "127.0.0.1:5000/agents/agent:1");
        assert_eq!(on_engine("other.azurecr.io/agent:1", &known), "other.azurecr.io/agent:1");
        assert_eq!(on_engine("agent:1", &known), "agent:1");
    }

    #[test]
    fn what_a_reference_names() {
        for (image, registry, tagged) in [
            ("agent", None, "agent:latest"),
            ("tools/agent:1", None, "tools/agent:1"),
            ("127.0.0.1:5000/agent", Some("127.0.0.1:5000"), "127.0.0.1:5000/agent:latest"),
            ("localhost/agent:2", Some("localhost"), "localhost/agent:2"),
            ("r.azurecr.io/a@sha256:00", Some("r.azurecr.io"), "r.azurecr.io/a@sha256:00"),
        ] {
            assert_eq!((registry_of(image), with_tag(image).as_str()), (registry, tagged));
        }
    }
}
