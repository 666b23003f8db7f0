//! Proxies come from the environment, which a process has only one of: each case runs in a child of its own.

use std::process::Command;

use azure_http::identity::{IdentityId, managed_identity};
use azure_http::{Dialect, HttpError, Method, Request};
use redact::Secret;

use crate::support::{Server, json, pipeline, with};

/// Runs one test of this binary with `HTTPS_PROXY` and `HTTP_PROXY` set.
async fn run_with_proxy(test: &str, proxy: &Server) {
    let address = proxy.url("/").to_string();
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", test, "--nocapture"]).env_remove("NO_PROXY").env_remove("no_proxy");
    for name in ["HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"] {
        command.env(name, &address);
    }
    // The proxy answers on this thread's runtime, so the child is waited for on another.
    let output =
        tokio::task::spawn_blocking(move || command.output()).await.expect("waited").expect("it ran");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

fn proxy_is_set() -> bool {
    std::env::var_os("HTTPS_PROXY").is_some()
}

#[tokio::test]
async fn the_environment_decides_whether_a_proxy_is_asked() {
    let url = "https://nowhere.invalid/".parse().expect("an address");
    let request = Request::new(Method::Get, url, Dialect::Plain).attempts(1);
    let error = pipeline(&[]).send(request).await.unwrap_err();
    if proxy_is_set() {
        assert!(matches!(&error, HttpError::Proxy { host, .. } if host == "nowhere.invalid"), "{error:?}");
        assert!(error.remedy().contains("HTTPS_PROXY"), "{}", error.remedy());
    } else {
        assert!(matches!(error, HttpError::NotResolved { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named_as_the_reason() {
    for status in [403, 407, 502] {
        let proxy = Server::plain(move |_| with(status, &[], "")).await;
        run_with_proxy("proxy::the_environment_decides_whether_a_proxy_is_asked", &proxy).await;
        assert_eq!(proxy.received()[0].line, "CONNECT nowhere.invalid:443");
    }
}

#[tokio::test]
async fn a_managed_identity_is_asked_directly() {
    let endpoint =
        Server::plain(|_| json(200, r#"{"access_token":"token","expires_on":"4102444800"}"#)).await;
    let credential = managed_identity(&pipeline(&[]), IdentityId::SystemAssigned, endpoint.url("/"));
    assert_eq!(credential.token("scope").await, Ok(Secret::new("token")));
}

#[tokio::test]
async fn a_managed_identity_is_asked_directly_even_where_a_proxy_is_set() {
    let proxy = Server::plain(|_| with(403, &[], "")).await;
    run_with_proxy("proxy::a_managed_identity_is_asked_directly", &proxy).await;
    assert_eq!(proxy.received().len(), 0);
}
