//! The door of a registry that Resource Manager made: who may pull, who may push, and how one signs in.
//!
//! It asks for a token, as Azure's does, and takes user and password in its place: the admin user's, a service
//! principal's, or zeros with a token. What one may do is looked up at each request, so that a role counts at once.

use hyper::Method;
use serde_json::json;

use super::tokens::{self, Who};
use super::{PULL, Registry};
use crate::arm::roles;
use crate::backends::Verdict;
use crate::http::{Reply, Request};
use crate::{Emulator, State};

/// What is needed to push.
const PUSH: &str = "Microsoft.ContainerRegistry/registries/push/write";

fn find<'a>(state: &'a State, id: &str) -> Option<&'a Registry> {
    state.arm.registries.iter().find(|registry| registry.id.eq_ignore_ascii_case(id))
}

/// Whether a request to the registry is let through.
pub(crate) fn door(emulator: &Emulator, id: &str, request: &Request) -> Verdict {
    let allowed = emulator.read(|state| {
        let registry = find(state, id)?;
        let who = sign_in(state, registry, request);
        let ok = who.is_some_and(|who| may(state, registry, &who, action(&request.method)));
        Some((registry.login_server.clone(), ok))
    });
    match allowed {
        Some((_, true)) => Verdict::Forward,
        Some((login_server, false)) => Verdict::Answer(challenge(&login_server, request)),
        None => Verdict::Answer(Reply::status(404)),
    }
}

/// What the caller of a method needs a role for.
fn action(method: &Method) -> &'static str {
    if matches!(*method, Method::GET | Method::HEAD) { PULL } else { PUSH }
}

/// Who sent a request.
fn sign_in(state: &State, registry: &Registry, request: &Request) -> Option<Who> {
    if let Some(token) = request.bearer() {
        return tokens::by_token(state, registry, token);
    }
    let (user, password) = request.basic()?;
    tokens::by_password(state, registry, &user, &password)
}

fn may(state: &State, registry: &Registry, who: &Who, action: &str) -> bool {
    match who {
        Who::Admin => super::requests::admin(state, &registry.id).is_some(),
        Who::Platform => action == PULL,
        Who::Principal(principal) => roles::may(&state.arm, *principal, action, &registry.id),
    }
}

/// Says where to sign in, and for what.
fn challenge(login_server: &str, request: &Request) -> Reply {
    let mut challenge =
        format!("Bearer realm=\"https://{login_server}/oauth2/token\",service=\"{login_server}\"");
    if let Some(repository) = repository(&request.path) {
        let what = if action(&request.method) == PULL { "pull" } else { "pull,push" };
        challenge.extend([",scope=\"repository:", repository, ":", what, "\""]);
        if request.header("authorization").is_some() {
            challenge += ",error=\"insufficient_scope\"";
        }
    }
    unauthorized()
        .header("www-authenticate", &challenge)
        .header("docker-distribution-api-version", "registry/2.0")
}

/// The repository in `/v2/{repository}/manifests/…` and the like.
fn repository(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("/v2/")?;
    let end = ["/manifests/", "/blobs/", "/tags/", "/referrers/"].iter().find_map(|part| rest.find(part))?;
    Some(&rest[..end])
}

fn unauthorized() -> Reply {
    let message = "authentication required, visit https://aka.ms/acr/authorization for more information.";
    Reply::json(401, &json!({"errors": [{"code": "UNAUTHORIZED", "message": message, "detail": null}]}))
}

/// `/oauth2/exchange` and `/oauth2/token`: gives tokens.
pub(crate) fn token(emulator: &Emulator, id: &str, request: &Request) -> Reply {
    if request.path == "/oauth2/exchange" {
        return tokens::exchange(emulator, request).unwrap_or_else(|refused| refused);
    }
    if request.path != "/oauth2/token" {
        return Reply::status(404);
    }
    let form = request.form();
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let given = emulator.change(|state| {
        let registry = find(state, id)?.clone();
        let who = match (request.basic(), field("grant_type")) {
            (Some((user, password)), _) => tokens::by_password(state, &registry, &user, &password),
            (None, "refresh_token") => tokens::by_token(state, &registry, field("refresh_token")),
            (None, "password") => tokens::by_password(state, &registry, field("username"), field("password")),
            (None, _) => None,
        };
        Some(tokens::give(state, &registry.login_server, who?))
    });
    match given {
        Some(token) => Reply::json(200, &json!({"access_token": token})),
        None => unauthorized(),
    }
}

#[cfg(test)]
mod tests {
    use super::repository;

    #[test]
    fn a_path_names_its_repository() {
        for (path, name) in [
            ("/v2/", None),
            ("/v2/_catalog", None),
            ("/v2/agents/agent/manifests/1", Some("agents/agent")),
            ("/v2/agent/blobs/uploads/", Some("agent")),
        ] {
            assert_eq!(repository(path), name);
        }
    }
}
