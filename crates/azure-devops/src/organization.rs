//! An organization, or a collection of a server on premises.

use azure_http::{Auth, Dialect, HttpError, Method, Pipeline, Request};
use serde::de::DeserializeOwned;
use url::Url;

use crate::wire::Collection;

/// The version that every call asks for: the newest that is released for all resources used here.
const API_VERSION: &str = "7.1";

/// An organization and who talks to it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Organization {
    pipeline: Pipeline,
    base: Url,
    auth: Auth,
}

impl Organization {
    /// `url` is the organization's address as configured: `https://dev.azure.com/{organization}`,
    /// `https://{organization}.visualstudio.com`, or a collection's on a server of one's own. Never built from a name.
    pub fn new(pipeline: Pipeline, url: &str, auth: Auth) -> Result<Self, HttpError> {
        let unusable = |detail: &str| HttpError::Settings {
            what: format!("the organization's address {url:?}"),
            detail: detail.to_owned(),
        };
        let base = Url::parse(url.trim()).map_err(|error| unusable(&error.to_string()))?;
        if base.cannot_be_a_base() || base.host_str().is_none() {
            return Err(unusable("it should look like https://dev.azure.com/contoso"));
        }
        if base.host_str() == Some("dev.azure.com") && base.path().trim_matches('/').is_empty() {
            return Err(unusable("the organization's name is missing at its end"));
        }
        Ok(Self { pipeline, base, auth })
    }

    /// The address, without a slash at its end.
    pub fn url(&self) -> String {
        self.base.as_str().trim_end_matches('/').to_owned()
    }

    /// A request to `{base}/{segments}`; each segment is encoded.
    pub(crate) fn request(&self, method: Method, segments: &[&str]) -> Request {
        self.preview(method, segments, API_VERSION)
    }

    /// The same in another version, for what has none that is released.
    pub(crate) fn preview(&self, method: Method, segments: &[&str], api_version: &str) -> Request {
        let mut url = self.base.clone();
        url.set_query(None);
        // `new` has seen to it that this address can have a path.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        Request::new(method, url, Dialect::DevOps).auth(self.auth.clone()).query("api-version", api_version)
    }

    /// A request below `_apis/distributedtask`.
    pub(crate) fn distributed_task(&self, method: Method, segments: &[&str]) -> Request {
        self.request(method, &[&["_apis", "distributedtask"], segments].concat())
    }

    pub(crate) async fn send(&self, request: Request) -> Result<azure_http::Response, HttpError> {
        self.pipeline.send(request).await
    }

    /// Whether something can be fetched from an address that the organization gave, such as a package's: asked without
    /// credentials, and without fetching it.
    ///
    /// # Errors
    /// The address is none, or it does not answer, or with a refusal.
    pub async fn can_fetch(&self, address: &str) -> Result<(), HttpError> {
        let url = Url::parse(address).map_err(|error| HttpError::Settings {
            what: format!("the address {address:?}"),
            detail: error.to_string(),
        })?;
        self.pipeline.send(Request::new(Method::Head, url, Dialect::Plain).attempts(2)).await.map(drop)
    }

    pub(crate) async fn list<T: DeserializeOwned>(&self, request: Request) -> Result<Vec<T>, HttpError> {
        let collection: Collection<T> = self.send(request).await?.json()?;
        Ok(collection.value)
    }
}

/// `None` where the service says that it is not there.
pub(crate) fn if_there<T>(result: Result<T, HttpError>) -> Result<Option<T>, HttpError> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}
