//! From a path to what answers it. The services match paths without regard to case, which the usual routers do not.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use hyper::Method;

use super::{Reply, Request};
use crate::Emulator;

type Handler = Box<dyn Fn(Arc<Emulator>, Request) -> BoxFuture<'static, Result<Reply, Reply>> + Send + Sync>;

/// The routes of one service.
#[derive(Default)]
pub struct Router {
    paths: matchit::Router<usize>,
    patterns: BTreeMap<String, usize>,
    routes: Vec<Vec<Route>>,
}

struct Route {
    method: Method,
    pattern: String,
    handler: Handler,
}

impl Router {
    /// Answers `method` on `pattern`, in which `{name}` stands for one part of the path and a final `{*name}` for
    /// all the rest. The handler's `Err` is a reply too: the one for when something is wrong.
    ///
    /// # Panics
    /// When the pattern is malformed or clashes with another: a mistake in the program, found at every start.
    pub fn on<H, F>(&mut self, method: Method, pattern: &str, handler: H)
    where
        H: Fn(Arc<Emulator>, Request) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Reply, Reply>> + Send + 'static,
    {
        let lower = lower_case_literals(pattern);
        let index = *self.patterns.entry(lower.clone()).or_insert_with(|| {
            self.routes.push(Vec::new());
            let index = self.routes.len() - 1;
            self.paths.insert(&lower, index).unwrap_or_else(|error| panic!("route {lower}: {error}"));
            index
        });
        let handler: Handler = Box::new(move |emulator, request| Box::pin(handler(emulator, request)));
        self.routes[index].push(Route { method, pattern: pattern.to_owned(), handler });
    }

    /// The handler for a request, with the request's parameters filled in. `Err(true)`: the path is known and the
    /// method is not; `Err(false)`: the path is not known.
    pub fn find(&self, request: &mut Request) -> Result<&Handler, bool> {
        let path = request.path.trim_end_matches('/');
        let lower = path.to_ascii_lowercase();
        let matched = self.paths.at(&lower).map_err(|_| false)?;
        // Lower case has the same length in ASCII, so a parameter's place in the one is its place in the other.
        let original = |value: &str| {
            let start = value.as_ptr() as usize - lower.as_ptr() as usize;
            percent_decoded(&path[start..start + value.len()])
        };
        let params = matched.params.iter().map(|(name, value)| (name.to_owned(), original(value))).collect();
        let mut routes = self.routes[*matched.value].iter();
        let route = routes.find(|route| route.method == request.method).ok_or(true)?;
        request.params = params;
        Ok(&route.handler)
    }

    /// Every route: its method, and its pattern as it was written.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.routes.iter().flatten().map(|route| (route.method.as_str(), route.pattern.as_str()))
    }

    /// The pattern that a request takes.
    pub fn taken(&self, method: &str, path: &str) -> Option<&str> {
        let matched = self.paths.at(&path.trim_end_matches('/').to_ascii_lowercase()).ok()?.value.to_owned();
        let mut routes = self.routes[matched].iter();
        routes.find(|route| route.method.as_str() == method).map(|route| route.pattern.as_str())
    }
}

fn percent_decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn lower_case_literals(pattern: &str) -> String {
    let lower = |part: &str| if part.starts_with('{') { part.to_owned() } else { part.to_ascii_lowercase() };
    pattern.split('/').map(lower).collect::<Vec<_>>().join("/")
}

/// One of the services behind the one port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Entra ID, and managed identity.
    Entra,
    /// Resource Manager.
    Arm,
    /// Azure DevOps.
    Devops,
    /// The emulator's own endpoints.
    Control,
}

impl Service {
    /// Which service a path belongs to. `organizations` are the names of those of Azure DevOps.
    pub fn of(path: &str, is_organization: impl Fn(&str) -> bool) -> Self {
        let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        match first.to_ascii_lowercase().as_str() {
            "subscriptions" | "providers" | "tenants" => Self::Arm,
            "metadata" if !path.to_ascii_lowercase().starts_with("/metadata/identity") => Self::Arm,
            "emulator" => Self::Control,
            // A registry whose login server is the emulator's own address.
            "oauth2" if path.eq_ignore_ascii_case("/oauth2/exchange") => Self::Arm,
            _ if is_organization(first) => Self::Devops,
            _ => Self::Entra,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Router, Service};
    use crate::http::{Query, Reply, Request};

    fn request(method: &str, path: &str) -> Request {
        Request {
            method: method.parse().expect("method"),
            path: path.to_owned(),
            query: Query::default(),
            headers: hyper::HeaderMap::new(),
            body: Vec::new(),
            base_url: String::new(),
            peer: ([127, 0, 0, 1], 1).into(),
            params: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn paths_match_without_regard_to_case_and_parameters_keep_theirs() {
        let mut router = Router::default();
        router.on(
            hyper::Method::GET,
            "/subscriptions/{subscription}/resourceGroups/{group}",
            async |_, _| Ok(Reply::status(200)),
        );
        let mut found = request("GET", "/SUBSCRIPTIONS/Abc/resourcegroups/My%20Group/");
        assert!(router.find(&mut found).is_ok());
        assert_eq!((found.param("subscription"), found.param("group")), ("Abc", "My Group"));
        let pattern = "/subscriptions/{subscription}/resourceGroups/{group}";
        assert_eq!(router.taken("GET", "/SUBSCRIPTIONS/a/resourcegroups/b"), Some(pattern));
        assert_eq!(router.taken("PUT", "/subscriptions/a/resourceGroups/b"), None);
        assert_eq!(router.all().collect::<Vec<_>>(), [("GET", pattern)]);
        assert_eq!(router.find(&mut request("PUT", "/subscriptions/a/resourceGroups/b")).err(), Some(true));
        assert_eq!(router.find(&mut request("GET", "/subscriptions/a")).err(), Some(false));
    }

    #[test]
    fn a_path_belongs_to_one_service() {
        let of = |path| Service::of(path, |name| name == "contoso");
        assert_eq!(of("/Subscriptions/x"), Service::Arm);
        assert_eq!(of("/metadata/endpoints"), Service::Arm);
        assert_eq!(of("/metadata/identity/oauth2/token"), Service::Entra);
        assert_eq!(of("/contoso/_apis"), Service::Devops);
        assert_eq!(of("/common/oauth2/v2.0/token"), Service::Entra);
        assert_eq!(of("/emulator/state"), Service::Control);
        assert_eq!(of("/oauth2/exchange"), Service::Arm);
    }
}
