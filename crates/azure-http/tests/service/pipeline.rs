//! How calls behave when services and networks do not.

use std::time::{Duration, Instant};

use crate::support::{Reply, Server, json, pipeline, with};
use azure_http::{Auth, CertificateProblem, Dialect, HttpError, Method, Request};
use redact::Secret;
use serde_json::{Value, json as value};

fn get(server: &Server) -> Request {
    Request::new(Method::Get, server.url("/thing"), Dialect::ResourceManager)
}

fn post(server: &Server) -> Request {
    let request = Request::new(Method::Post, server.url("/thing"), Dialect::DevOps);
    request.json(&value!({"name": "n"})).expect("a body")
}

/// Answers in turn; the last one again and again.
fn in_turn(replies: Vec<fn() -> Reply>) -> impl FnMut(&crate::support::Received) -> Reply + Send + 'static {
    let mut turn = 0;
    move |_| {
        let reply = replies[turn.min(replies.len() - 1)];
        turn += 1;
        reply()
    }
}

#[tokio::test]
async fn a_busy_service_is_asked_again_under_the_same_request_id() {
    let server = Server::start(in_turn(vec![|| json(503, "{}"), || json(429, "{}"), || {
        json(200, r#"{"answer":42}"#)
    }]))
    .await;
    let pipeline = server.pipeline();
    let answer: Value = pipeline.send(get(&server)).await.expect("success").json().expect("JSON");
    assert_eq!(answer["answer"], 42);
    let ids: Vec<_> =
        server.received().iter().map(|request| request.header("x-ms-client-request-id").to_owned()).collect();
    assert_eq!(ids.len(), 3);
    assert!(!ids[0].is_empty() && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(pipeline.requests_sent(), 3);
}

#[tokio::test]
async fn the_ids_of_calls_that_change_something_are_given_once() {
    let server = Server::start(|_| json(200, "{}")).await;
    let pipeline = server.pipeline();
    pipeline.send(get(&server)).await.expect("success");
    pipeline.send(post(&server)).await.expect("success");
    let sent = server.received()[1].header("x-ms-client-request-id").to_owned();
    assert_eq!(pipeline.take_ids_of_changes(), [sent]);
    assert_eq!(pipeline.take_ids_of_changes(), [""; 0]);
}

#[tokio::test]
async fn the_services_wait_is_kept() {
    let server =
        Server::start(in_turn(vec![|| with(503, &["x-ms-retry-after-ms: 120"], ""), || json(200, "{}")]))
            .await;
    let began = Instant::now();
    server.pipeline().send(get(&server)).await.expect("success");
    assert!(began.elapsed() >= Duration::from_millis(120));
}

#[tokio::test]
async fn a_wait_beyond_the_budget_comes_back_at_once_and_holds_for_the_next_call() {
    let server = Server::start(|_| with(429, &["retry-after: 1200"], "{}")).await;
    let pipeline = server.pipeline();
    let error = pipeline.send(get(&server)).await.unwrap_err();
    assert!(
        matches!(error, HttpError::Throttled { retry_after, .. } if retry_after == Duration::from_mins(20)),
        "{error:?}"
    );
    let error = pipeline.send(get(&server)).await.unwrap_err();
    assert!(matches!(error, HttpError::Throttled { .. }), "{error:?}");
    assert_eq!(server.received().len(), 1, "the second call did not go out");
}

#[tokio::test]
async fn a_get_whose_answer_was_lost_is_sent_again() {
    let server = Server::start(in_turn(vec![|| Reply::HangUp, || json(200, "{}")])).await;
    server.pipeline().send(get(&server)).await.expect("success");
    assert_eq!(server.received().len(), 2);
}

#[tokio::test]
async fn a_post_whose_answer_was_lost_is_not_sent_again_and_says_so() {
    for reply in [(|| Reply::HangUp) as fn() -> Reply, || json(500, "{}"), || json(504, "{}")] {
        let server = Server::start(move |_| reply()).await;
        let error = server.pipeline().send(post(&server)).await.unwrap_err();
        assert!(error.outcome_unknown(), "{error:?}");
        assert_eq!(server.received().len(), 1);
    }
}

#[tokio::test]
async fn a_sign_in_page_is_a_refused_token_and_not_an_answer() {
    let server = Server::start(in_turn(vec![|| with(203, &["content-type: text/html"], "<html>"), || {
        with(302, &["location: https://elsewhere.invalid/"], "")
    }]))
    .await;
    let pipeline = server.pipeline();
    let request = Request::new(Method::Get, server.url("/p"), Dialect::DevOps)
        .auth(Auth::Basic(Secret::new("expired-token")));
    for _ in 0..2 {
        let error = pipeline.send(request.clone()).await.unwrap_err();
        assert!(matches!(error, HttpError::AuthenticationFailed { .. }), "{error:?}");
    }
    let received = server.received();
    assert_eq!(received[0].header("x-tfs-fedauthredirect"), "Suppress");
    assert_eq!(received[0].header("authorization"), "Basic OmV4cGlyZWQtdG9rZW4=");
}

#[tokio::test]
async fn a_certificate_nobody_here_signed_is_named_as_the_reason() {
    let server = Server::start(|_| json(200, "{}")).await;
    let other = Server::start(|_| json(200, "{}")).await;
    let error = other.pipeline().send(get(&server)).await.unwrap_err();
    let HttpError::NotTrusted { problem: CertificateProblem::UnknownIssuer, host } = &error else {
        panic!("{error:?}");
    };
    assert!(host.starts_with("localhost:"), "{host}");
    assert!(error.remedy().contains("PEM file"), "{}", error.remedy());
    assert_eq!(server.received().len(), 0);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_named_as_the_reason() {
    let server = Server::for_name("other.example", |_| json(200, "{}")).await;
    let error = server.pipeline().send(get(&server)).await.unwrap_err();
    assert!(
        matches!(error, HttpError::NotTrusted { problem: CertificateProblem::WrongName, .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_name_without_an_address_is_named_as_the_reason() {
    let url = "https://nowhere.invalid/".parse().expect("an address");
    let request = Request::new(Method::Get, url, Dialect::Plain).attempts(2);
    let error = pipeline(&[]).send(request).await.unwrap_err();
    assert!(matches!(&error, HttpError::NotResolved { host, .. } if host == "nowhere.invalid"), "{error:?}");
}

#[tokio::test]
async fn nobody_at_home_is_named_as_the_reason_and_a_post_may_try_again() {
    let gone = {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        listener.local_addr().expect("an address")
    };
    let pipeline = pipeline(&[]);
    let url = format!("https://{gone}/").parse().expect("an address");
    let request = Request::new(Method::Post, url, Dialect::Plain).attempts(3);
    let error = pipeline.send(request).await.unwrap_err();
    assert!(matches!(error, HttpError::Refused { .. }), "{error:?}");
    assert!(!error.outcome_unknown());
    assert_eq!(pipeline.requests_sent(), 3);
}

#[tokio::test]
async fn a_token_does_not_travel_unencrypted() {
    let url = "http://devops.example/".parse().expect("an address");
    let request = Request::new(Method::Get, url, Dialect::DevOps).auth(Auth::Bearer(Secret::new("token")));
    let pipeline = pipeline(&[]);
    let error = pipeline.send(request).await.unwrap_err();
    assert!(error.to_string().contains("unencrypted"), "{error}");
    assert_eq!(pipeline.requests_sent(), 0);
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let server = Server::start(|_| json(200, &"x".repeat(100_001))).await;
    let error = server.pipeline().send(get(&server)).await.unwrap_err();
    assert!(matches!(error, HttpError::TooLarge { limit: 100_000, .. }), "{error:?}");
}

#[tokio::test]
async fn a_download_follows_redirects_and_leaves_the_token_behind() {
    let mirror =
        Server::start(|_| with(200, &["content-type: application/gzip"], &"x".repeat(200_000))).await;
    let location = format!("location: {}", mirror.url("/package"));
    let server = Server::start(move |_| with(302, &[&location], "")).await;
    let pipeline = pipeline(&[&server.ca, &mirror.ca]);
    let request = Request::new(Method::Get, server.url("/package"), Dialect::Plain)
        .auth(Auth::Bearer(Secret::new("token")));
    let mut taken = Vec::new();
    let mut take = |piece: &[u8]| {
        taken.extend_from_slice(piece);
        Ok(())
    };
    assert_eq!(pipeline.download(request, &mut take).await, Ok(200_000));
    assert_eq!(taken.len(), 200_000);
    assert_eq!(server.received()[0].header("authorization"), "Bearer token");
    assert_eq!(mirror.received()[0].header("authorization"), "");
}

#[tokio::test]
async fn a_download_that_breaks_is_not_begun_again_behind_the_callers_back() {
    let server = Server::start(|_| Reply::Half("x".repeat(5_000))).await;
    let request = Request::new(Method::Get, server.url("/package"), Dialect::Plain);
    let mut taken = 0;
    let mut take = |piece: &[u8]| {
        taken += piece.len();
        Ok(())
    };
    let error = server.pipeline().download(request, &mut take).await.unwrap_err();
    assert!(matches!(error, HttpError::Interrupted { .. }), "{error:?}");
    assert_eq!((taken, server.received().len()), (5_000, 1));
}
