//! A cloud's Resource Manager.

use azure_http::{Auth, Cloud, Credential, Dialect, HttpError, Method, Pipeline, Request, Response};
use serde::de::DeserializeOwned;
use url::Url;

use crate::wire::Page;

/// Resource Manager and who talks to it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ResourceManager {
    pipeline: Pipeline,
    base: Url,
    auth: Auth,
}

impl ResourceManager {
    /// The Resource Manager of `cloud`, as `credential`.
    pub fn new(pipeline: Pipeline, cloud: &Cloud, credential: Credential) -> Self {
        let auth = Auth::Entra { credential, scope: cloud.scope() };
        Self { pipeline, base: cloud.resource_manager.clone(), auth }
    }

    /// A request for the resource at `segments`; each is encoded.
    pub(crate) fn request(&self, method: Method, segments: &[&str], api_version: &str) -> Request {
        let mut url = self.base.clone();
        // Its addresses are https and so can have a path.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        self.authorized(method, url).query("api-version", api_version)
    }

    /// A request for the resource with that id.
    pub(crate) fn by_id(&self, method: Method, id: &str, api_version: &str) -> Request {
        let segments: Vec<_> = id.split('/').filter(|segment| !segment.is_empty()).collect();
        self.request(method, &segments, api_version)
    }

    /// A request to an address that Resource Manager gave, as it stands: it may be signed.
    ///
    /// # Errors
    /// It leads elsewhere: the token would go to a stranger.
    pub(crate) fn verbatim(&self, address: &str) -> Result<Request, HttpError> {
        let strange = |detail: String| HttpError::Unreadable { host: self.host(), detail };
        let url = Url::parse(address)
            .map_err(|error| strange(format!("it sent an address that is none: {error}")))?;
        if url.origin() != self.base.origin() {
            return Err(strange("it sent an address on another host".to_owned()));
        }
        Ok(self.authorized(Method::Get, url))
    }

    /// Its host's name.
    pub(crate) fn host(&self) -> String {
        self.base.host_str().unwrap_or_default().to_owned()
    }

    pub(crate) async fn send(&self, request: Request) -> Result<Response, HttpError> {
        self.pipeline.send(request).await
    }

    /// Every page of a list.
    pub(crate) async fn pages<T: DeserializeOwned>(&self, first: Request) -> Result<Vec<T>, HttpError> {
        let mut request = first;
        let mut all = Vec::new();
        loop {
            let page: Page<T> = self.send(request).await?.json()?;
            all.extend(page.value);
            match page.next_link.filter(|link| !link.is_empty()) {
                Some(link) => request = self.verbatim(&link)?,
                None => return Ok(all),
            }
        }
    }

    fn authorized(&self, method: Method, url: Url) -> Request {
        Request::new(method, url, Dialect::ResourceManager).auth(self.auth.clone())
    }
}

/// `None` where the service says that it is not there. A subscription that is not there is another matter: whoever
/// looks for something in it has to hear that.
pub(crate) fn if_there<T>(result: Result<T, HttpError>) -> Result<Option<T>, HttpError> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_not_found() && !lacks_subscription(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether it is the subscription that is not there.
pub(crate) fn lacks_subscription(error: &HttpError) -> bool {
    let code = error.service().and_then(|error| error.code.as_deref()).unwrap_or_default();
    ["SubscriptionNotFound", "InvalidSubscriptionId"].contains(&code)
}
