//! What a registry says of an image, without pulling it: whether it is there, for what it is made, how large it is.
//!
//! The protocol is the OCI distribution specification, and for tokens Docker's (distribution.github.io,
//! Token Authentication). No library is used, since each brings an HTTP client of its own, which would know nothing of
//! our proxy, certificates, DNS, waits and log (docs/adr/0013).

use std::fmt;
use std::time::Duration;

use azure_http::{Auth, Dialect, HttpError, Method, Pipeline, Request, Response};
use redact::Secret;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

/// Every form of a manifest that registries still give.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
                         application/vnd.docker.distribution.manifest.list.v2+json, \
                         application/vnd.docker.distribution.manifest.v2+json";

/// How long one request may take, with its second try.
const BUDGET: Duration = Duration::from_secs(15);

/// Configurations are a few kilobytes.
const LARGEST_CONFIGURATION: usize = 4 << 20;

/// Where images are whose name says no registry.
const DOCKER_HUB: &str = "registry-1.docker.io";

/// An image's name, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageName {
    /// Host, and port where it is not the usual one.
    pub server: String,
    /// The repository in it.
    pub repository: String,
    /// Tag or digest.
    pub reference: String,
}

/// What an image is made for, and how large it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageInfo {
    /// Every platform that there is one for.
    pub platforms: Vec<Platform>,
    /// Bytes to pull for the platform that was asked for, compressed; `None` where there is none for it.
    pub bytes: Option<u64>,
}

/// An operating system and a processor: `linux/amd64`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Platform {
    /// `linux`, `windows`.
    #[serde(default)]
    pub os: String,
    /// `amd64`, `arm64`.
    #[serde(default)]
    pub architecture: String,
}

/// Who asks a registry.
#[derive(Clone)]
pub enum RegistryAccess {
    /// Nobody in particular.
    Anonymous,
    /// A user.
    Password {
        /// The user's name.
        user: String,
        /// The password.
        password: Secret,
    },
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)
    }
}

impl ImageName {
    /// From a name as Docker writes it: `registry/repository:tag@digest`. Without a registry it is Docker Hub's, and
    /// without a tag `latest`.
    pub fn parse(name: &str) -> Self {
        let (name, digest) = name.split_once('@').map_or((name, None), |(name, digest)| (name, Some(digest)));
        let is_host = |part: &str| part == "localhost" || part.contains(['.', ':']) || part.starts_with('[');
        let (server, path) = match name.split_once('/') {
            Some((server, path)) if is_host(server) => (server, path),
            _ => ("docker.io", name),
        };
        let (repository, tag) = path.split_once(':').map_or((path, None), |(path, tag)| (path, Some(tag)));
        let is_hub = server == "docker.io" || server == "index.docker.io";
        let library = is_hub && !repository.contains('/');
        Self {
            server: if is_hub { DOCKER_HUB.to_owned() } else { server.to_owned() },
            repository: if library { format!("library/{repository}") } else { repository.to_owned() },
            reference: digest.or(tag).unwrap_or("latest").to_owned(),
        }
    }

    /// Whether it is a registry of this machine, which may speak without TLS, as Docker lets it.
    fn is_here(&self) -> bool {
        let host = self.server.rsplit_once(':').map_or(self.server.as_str(), |(host, _)| host);
        host == "localhost" || host.starts_with("127.")
    }

    fn url(&self, scheme: &str, kind: &str, reference: &str) -> Result<Url, HttpError> {
        let address = format!("{scheme}://{}/v2/{}/{kind}/{reference}", self.server, self.repository);
        Url::parse(&address).map_err(|error| HttpError::Settings {
            what: format!("the registry {}", self.server),
            detail: error.to_string(),
        })
    }
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    manifests: Vec<Entry>,
    #[serde(default)]
    config: Option<Blob>,
    #[serde(default)]
    layers: Vec<Blob>,
}

#[derive(Deserialize)]
struct Entry {
    digest: String,
    #[serde(default)]
    platform: Platform,
}

#[derive(Deserialize)]
struct Blob {
    digest: String,
    #[serde(default)]
    size: u64,
}

/// Looks at an image as somebody who is to pull it for `wanted`. `None`: the registry has none of that name.
///
/// # Errors
/// The registry is not reached, or does not let one in.
pub async fn look_at_image(
    pipeline: &Pipeline,
    (name, access): (&ImageName, &RegistryAccess),
    wanted: &Platform,
) -> Result<Option<ImageInfo>, HttpError> {
    let mut registry = Registry { pipeline, name, access, scheme: "https", auth: Auth::None };
    let found = match registry.manifest(&name.reference).await {
        Err(error) if name.is_here() && gave_no_answer(&error) => {
            registry.scheme = "http";
            registry.manifest(&name.reference).await
        }
        found => found,
    };
    let Some(manifest) = found? else { return Ok(None) };
    if manifest.manifests.is_empty() {
        return registry.of_one(&manifest, wanted).await.map(Some);
    }
    // Attestations are listed beside images, for a platform that is unknown.
    let real = |entry: &&Entry| entry.platform.os != "unknown" && !entry.platform.os.is_empty();
    let mut info = ImageInfo {
        platforms: manifest.manifests.iter().filter(real).map(|entry| entry.platform.clone()).collect(),
        bytes: None,
    };
    if let Some(entry) = manifest.manifests.iter().find(|entry| entry.platform == *wanted) {
        let manifest = registry.manifest(&entry.digest).await?;
        info.bytes = manifest.map(|manifest| manifest.bytes());
    }
    Ok(Some(info))
}

/// Whether nobody answered in HTTP, as where TLS is not spoken.
fn gave_no_answer(error: &HttpError) -> bool {
    !matches!(
        error,
        HttpError::Service(_) | HttpError::AuthenticationFailed { .. } | HttpError::NotJson { .. }
    )
}

impl Manifest {
    fn bytes(&self) -> u64 {
        self.layers.iter().chain(&self.config).map(|blob| blob.size).sum()
    }
}

/// A registry, asked about one repository.
struct Registry<'a> {
    pipeline: &'a Pipeline,
    name: &'a ImageName,
    access: &'a RegistryAccess,
    /// Whether TLS is spoken.
    scheme: &'static str,
    /// What the registry took last.
    auth: Auth,
}

impl Registry<'_> {
    async fn manifest(&mut self, reference: &str) -> Result<Option<Manifest>, HttpError> {
        let url = self.name.url(self.scheme, "manifests", reference)?;
        let request = Request::new(Method::Get, url, Dialect::Registry).header("accept", MANIFESTS);
        match self.send(request).await {
            Ok(response) => response.json().map(Some),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends a request as what the registry took last, and where it asks for more, with that.
    async fn send(&mut self, request: Request) -> Result<Response, HttpError> {
        // Whoever may speak without TLS is asked so next.
        let attempts = if self.name.is_here() && self.scheme == "https" { 1 } else { 2 };
        let request = request.budget(BUDGET).attempts(attempts);
        let first = request.clone().auth(self.auth.clone()).takes_challenge();
        let response = self.pipeline.send(first).await?;
        if response.status() != 401 {
            return Ok(response);
        }
        let challenge = response.header("www-authenticate").map(Challenge::parse).unwrap_or_default();
        self.auth = self.answer(&challenge).await?;
        self.pipeline.send(request.auth(self.auth.clone())).await
    }

    async fn answer(&self, challenge: &Challenge) -> Result<Auth, HttpError> {
        let own = match self.access {
            RegistryAccess::Anonymous => Auth::None,
            RegistryAccess::Password { user, password } => {
                Auth::Password { user: user.clone(), password: password.clone() }
            }
        };
        let Some(realm) = &challenge.realm else { return Ok(own) };
        let Ok(url) = Url::parse(realm) else { return Ok(own) };
        let scope = format!("repository:{}:pull", self.name.repository);
        let mut request = Request::new(Method::Get, url, Dialect::Registry).auth(own);
        if let Some(service) = &challenge.service {
            request = request.query("service", service);
        }
        let request = request.query("scope", &scope).budget(BUDGET).attempts(2);
        let Issued { token, access_token } = self.pipeline.send(request).await?.json()?;
        Ok(token.or(access_token).map_or(Auth::None, |token| Auth::Bearer(Secret::new(token))))
    }

    /// An image for one platform, which its configuration names.
    async fn of_one(&self, manifest: &Manifest, wanted: &Platform) -> Result<ImageInfo, HttpError> {
        let Some(config) = &manifest.config else { return Ok(ImageInfo::default()) };
        let platform: Platform = self.blob(&config.digest).await?;
        let bytes = (platform == *wanted).then(|| manifest.bytes());
        Ok(ImageInfo { platforms: vec![platform], bytes })
    }

    /// Blobs may be on another host, to which no credentials go.
    async fn blob<T: DeserializeOwned>(&self, digest: &str) -> Result<T, HttpError> {
        let url = self.name.url(self.scheme, "blobs", digest)?;
        let request = Request::new(Method::Get, url, Dialect::Plain).auth(self.auth.clone()).budget(BUDGET);
        let mut text = Vec::new();
        let mut take = |piece: &[u8]| {
            text.extend_from_slice(piece);
            if text.len() > LARGEST_CONFIGURATION {
                return Err(std::io::Error::other("it is too large for a configuration"));
            }
            Ok(())
        };
        self.pipeline.download(request, &mut take).await?;
        serde_json::from_slice(&text).map_err(|error| HttpError::Unreadable {
            host: self.name.server.clone(),
            detail: error.to_string(),
        })
    }
}

#[derive(Deserialize)]
struct Issued {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
}

/// Where a registry sends whoever it does not know: `Bearer realm="…",service="…"`, or `Basic`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Challenge {
    /// Where a token is to be had; `None` where a password is asked for at once.
    realm: Option<String>,
    service: Option<String>,
}

impl Challenge {
    fn parse(header: &str) -> Self {
        let Some((scheme, rest)) = header.trim().split_once(' ') else { return Self::default() };
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Self::default();
        }
        let value = |wanted: &str| {
            let start = rest.find(&format!("{wanted}=\""))? + wanted.len() + 2;
            rest[start..].split('"').next().map(str::to_owned)
        };
        Self { realm: value("realm"), service: value("service") }
    }
}

#[cfg(test)]
mod tests {
    use super::{Challenge, ImageName};

    #[test]
    fn names_as_docker_reads_them() {
        for (name, server, repository, reference) in [
            ("agent", "registry-1.docker.io", "library/agent", "latest"),
            ("team/agent:2", "registry-1.docker.io", "team/agent", "2"),
            ("docker.io/team/agent", "registry-1.docker.io", "team/agent", "latest"),
            ("contoso.azurecr.io/a/b:1.0", "contoso.azurecr.io", "a/b", "1.0"),
            ("localhost:5000/agent", "localhost:5000", "agent", "latest"),
            ("r.io/agent:1@sha256:ab", "r.io", "agent", "sha256:ab"),
        ] {
            let parsed = ImageName::parse(name);
            let parts = (&*parsed.server, &*parsed.repository, &*parsed.reference);
            assert_eq!(parts, (server, repository, reference), "{name}");
        }
    }

    #[test]
    fn only_this_machine_may_speak_without_tls() {
        for (name, is_here) in
            [("127.0.0.1:5000/a", true), ("localhost/a", true), ("r.io/a", false), ("10.0.0.1:80/a", false)]
        {
            assert_eq!(ImageName::parse(name).is_here(), is_here, "{name}");
        }
    }

    #[test]
    fn challenges() {
        let bearer = r#"Bearer realm="https://r.io/oauth2/token",service="r.io",scope="repository:a:pull""#;
        let parsed = Challenge::parse(bearer);
        assert_eq!(parsed.realm.as_deref(), Some("https://r.io/oauth2/token"));
        assert_eq!(parsed.service.as_deref(), Some("r.io"));
        assert_eq!(Challenge::parse(r#"Basic realm="here""#), Challenge::default());
        assert_eq!(Challenge::parse("nonsense"), Challenge::default());
    }
}
