//! What an answer means, in the dialect of the service that gave it.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use redact::SecretMasker;
use reqwest::header::HeaderMap;
use serde::Deserialize;

use crate::{Dialect, EntraError, HttpError, Response, ServiceError, retry};

/// From this difference on the clock is blamed for a refused token: services allow five minutes.
const CLOCK_TOLERANCE: i64 = 300;

/// Longest message of a service that is passed on; longer ones are pages, not messages.
const LONGEST_MESSAGE: usize = 1000;

/// An answer as it came.
pub(crate) struct Answer {
    pub(crate) host: String,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn content_type(&self) -> &str {
        self.header("content-type").unwrap_or("no content type")
    }

    fn is_json(&self) -> bool {
        let media_type = self.content_type().split(';').next().unwrap_or_default().trim();
        media_type.eq_ignore_ascii_case("application/json") || media_type.ends_with("+json")
    }

    /// The service's wait.
    pub(crate) fn wait(&self, now: SystemTime) -> Option<Duration> {
        retry::server_wait(|name| self.header(name), now)
    }

    fn request_id(&self) -> Option<String> {
        ["x-ms-request-id", "activityid", "x-vss-e2eid"]
            .iter()
            .find_map(|name| self.header(name))
            .map(str::to_owned)
    }
}

/// Success, or which error it is.
pub(crate) fn interpret(
    dialect: Dialect,
    answer: Answer,
    masker: &SecretMasker,
    now: SystemTime,
) -> Result<Response, HttpError> {
    match answer.status {
        200..=299 => succeeded(dialect, answer),
        // A mirror may send elsewhere; whoever asked decides whether to go.
        300..=399 if dialect == Dialect::Plain => succeeded(dialect, answer),
        300..=399 if dialect == Dialect::DevOps => {
            Err(refused(&answer, "it redirects to a sign-in page, as for a token it does not know", now))
        }
        400 | 401 | 403 if dialect == Dialect::Entra => Err(no_token(&answer, masker, now)),
        401 => {
            let reason = envelope(dialect, &answer, masker).1;
            let reason = if reason.is_empty() { "it answered 401".to_owned() } else { reason };
            Err(refused(&answer, &reason, now))
        }
        _ => Err(HttpError::Service(service_error(dialect, &answer, masker, now))),
    }
}

fn succeeded(dialect: Dialect, answer: Answer) -> Result<Response, HttpError> {
    let Answer { host, status, .. } = &answer;
    let (host, status) = (host.clone(), *status);
    let has_page = !answer.body.is_empty() && !answer.is_json();
    match dialect {
        Dialect::DevOps if status == 203 || has_page => Err(HttpError::AuthenticationFailed {
            host,
            reason: format!("it answered {status} with a sign-in page, as for a token it does not know"),
            entra: None,
        }),
        Dialect::ResourceManager | Dialect::Entra | Dialect::InstanceMetadata | Dialect::Registry
            if has_page =>
        {
            Err(HttpError::NotJson { host, status, content_type: answer.content_type().to_owned() })
        }
        _ => Ok(Response { host, status, headers: answer.headers, body: answer.body }),
    }
}

/// A refused credential, or the clock that explains it.
fn refused(answer: &Answer, reason: &str, now: SystemTime) -> HttpError {
    clock_skew(answer, now).unwrap_or_else(|| HttpError::AuthenticationFailed {
        host: answer.host.clone(),
        reason: reason.to_owned(),
        entra: None,
    })
}

fn clock_skew(answer: &Answer, now: SystemTime) -> Option<HttpError> {
    let ahead = clock_ahead(answer, now).filter(|ahead| ahead.abs() > CLOCK_TOLERANCE)?;
    Some(HttpError::ClockSkew { host: answer.host.clone(), ahead })
}

/// By how many seconds our clock is ahead of the one that wrote an answer's `Date`.
pub(crate) fn clock_ahead(answer: &Answer, now: SystemTime) -> Option<i64> {
    let theirs = SystemTime::from(azure_core::time::parse_rfc7231(answer.header("date")?).ok()?);
    let seconds = |moment: SystemTime| -> Option<i64> {
        i64::try_from(moment.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs()).ok()
    };
    Some(seconds(now)? - seconds(theirs)?)
}

fn no_token(answer: &Answer, masker: &SecretMasker, now: SystemTime) -> HttpError {
    #[derive(Deserialize)]
    struct Body {
        error: String,
        #[serde(default)]
        error_description: String,
        #[serde(default)]
        error_codes: Vec<u32>,
    }
    let Ok(body) = serde_json::from_slice::<Body>(&answer.body) else {
        return HttpError::Service(service_error(Dialect::Entra, answer, masker, now));
    };
    let entra = EntraError::new(&body.error_codes, &body.error, &masker.mask(&body.error_description));
    clock_skew(answer, now).unwrap_or_else(|| HttpError::AuthenticationFailed {
        host: answer.host.clone(),
        reason: entra.to_string(),
        entra: Some(entra),
    })
}

fn service_error(dialect: Dialect, answer: &Answer, masker: &SecretMasker, now: SystemTime) -> ServiceError {
    let (code, message) = envelope(dialect, answer, masker);
    ServiceError {
        host: answer.host.clone(),
        status: answer.status,
        code,
        message,
        request_id: answer.request_id(),
        retry_after: answer.wait(now),
    }
}

/// Every envelope the services use, in one shape. Names differ in case between providers.
#[derive(Default, Deserialize)]
struct Envelope {
    #[serde(default, alias = "Error")]
    error: Option<Nested>,
    #[serde(default, alias = "Code", alias = "typeKey")]
    code: Option<String>,
    #[serde(default, alias = "Message", alias = "error_description")]
    message: Option<String>,
    #[serde(default)]
    errors: Vec<Detail>,
}

/// `error` is an object in Resource Manager and a word at the token endpoints.
#[derive(Deserialize)]
#[serde(untagged)]
enum Nested {
    Object {
        #[serde(default)]
        code: Option<String>,
        #[serde(default)]
        message: Option<String>,
        #[serde(default)]
        details: Vec<Detail>,
    },
    Word(String),
}

#[derive(Deserialize)]
struct Detail {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

/// Code and message of a refusal; nothing where the body is no envelope (a proxy's page helps nobody).
fn envelope(dialect: Dialect, answer: &Answer, masker: &SecretMasker) -> (Option<String>, String) {
    let Envelope { error, mut code, message, errors } =
        serde_json::from_slice(&answer.body).unwrap_or_default();
    let mut message = message.unwrap_or_default();
    match error {
        Some(Nested::Object { code: outer, message: text, details }) => {
            code = outer;
            message = text.unwrap_or_default();
            for Detail { code, message: detail } in details {
                let detail = detail.or(code).unwrap_or_default();
                if !detail.is_empty() && !message.contains(&detail) {
                    message.extend([" ", detail.as_str()]);
                }
            }
        }
        Some(Nested::Word(word)) => code = code.or(Some(word)),
        None => {}
    }
    if let Some(Detail { code: of_registry, message: text }) = errors.into_iter().next() {
        code = code.or(of_registry);
        message = text.unwrap_or(message);
    }
    if message.is_empty() && dialect == Dialect::DevOps {
        message = answer.header("x-tfs-serviceerror").map(percent_decoded).unwrap_or_default();
    }
    let message = masker.mask(message.trim());
    (code, message.chars().take(LONGEST_MESSAGE).collect())
}

/// `X-TFS-ServiceError` is encoded like a form.
fn percent_decoded(text: &str) -> String {
    let pair = format!("m={text}");
    url::form_urlencoded::parse(pair.as_bytes()).map(|(_, value)| value.into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use bytes::Bytes;
    use redact::{Secret, SecretMasker};
    use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

    use super::{Answer, interpret};
    use crate::{Dialect, HttpError, Response};

    const NOW: Duration = Duration::from_secs(784_111_777);
    const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8; api-version=7.1");
    const HTML: (&str, &str) = ("content-type", "text/html");

    fn read(
        dialect: Dialect,
        status: u16,
        headers: &[(&'static str, &'static str)],
        body: &'static str,
    ) -> Result<Response, HttpError> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let body = Bytes::from_static(body.as_bytes());
        let answer = Answer { host: "host".to_owned(), status, headers: map, body };
        let mut masker = SecretMasker::new();
        masker.add(&Secret::new("hunter2"));
        interpret(dialect, answer, &masker, SystemTime::UNIX_EPOCH + NOW)
    }

    fn service(result: Result<Response, HttpError>) -> (Option<String>, String) {
        match result {
            Err(HttpError::Service(error)) => (error.code, error.message),
            other => panic!("not a service error: {other:?}"),
        }
    }

    #[test]
    fn reads_every_envelope() {
        let known = [
            (
                Dialect::ResourceManager,
                r#"{"error":{"code":"C","message":"M","details":[{"code":"D","message":"why"}]}}"#,
                "M why",
            ),
            (Dialect::ResourceManager, r#"{"code":"C","message":"M"}"#, "M"),
            (Dialect::ResourceManager, r#"{"error":{"code":"C","message":"pw hunter2"}}"#, "pw ***"),
            (Dialect::DevOps, r#"{"$id":"1","message":"M","typeKey":"C","errorCode":0}"#, "M"),
            (Dialect::InstanceMetadata, r#"{"error":"C","error_description":"M"}"#, "M"),
            (Dialect::Registry, r#"{"errors":[{"code":"C","message":"M"},{"code":"D"}]}"#, "M"),
        ];
        for (dialect, body, message) in known {
            let read = service(read(dialect, 409, &[JSON], body));
            assert_eq!(read, (Some("C".to_owned()), message.to_owned()), "{body}");
        }
        assert_eq!(
            service(read(Dialect::ResourceManager, 400, &[JSON], r#"{"Message":"M"}"#)),
            (None, "M".to_owned())
        );
        assert_eq!(
            service(read(Dialect::DevOps, 500, &[("x-tfs-serviceerror", "went%20wrong+here")], "")),
            (None, "went wrong here".to_owned())
        );
        assert_eq!(service(read(Dialect::Plain, 502, &[HTML], "<h1>Bad</h1>")), (None, String::new()));
    }

    #[test]
    fn a_sign_in_page_is_a_refused_token_and_never_data() {
        for (status, headers, body) in [
            (203, vec![HTML], "<html>"),
            (203, vec![JSON], "{}"),
            (200, vec![HTML], "<html>"),
            (302, vec![("location", "https://elsewhere")], ""),
            (401, vec![], ""),
            (401, vec![HTML], "<html>"),
        ] {
            let read = read(Dialect::DevOps, status, &headers, body);
            assert!(matches!(read, Err(HttpError::AuthenticationFailed { .. })), "{status}: {read:?}");
        }
        assert!(read(Dialect::DevOps, 200, &[JSON], "{}").is_ok());
        assert!(read(Dialect::DevOps, 204, &[], "").is_ok());
    }

    #[test]
    fn a_page_instead_of_json_comes_from_something_else() {
        let page = read(Dialect::ResourceManager, 200, &[HTML], "<html>");
        assert!(matches!(page, Err(HttpError::NotJson { .. })), "{page:?}");
        assert!(read(Dialect::Plain, 200, &[("content-type", "application/gzip")], "..").is_ok());
    }

    #[test]
    fn a_clock_that_is_off_explains_a_refused_token() {
        let date = ("date", "Sun, 06 Nov 1994 08:39:37 GMT");
        let refused = read(Dialect::ResourceManager, 401, &[date], "");
        assert_eq!(refused.unwrap_err(), HttpError::ClockSkew { host: "host".to_owned(), ahead: 600 });
        let date = ("date", "Sun, 06 Nov 1994 08:49:00 GMT");
        let refused = read(Dialect::ResourceManager, 401, &[date], "");
        assert!(matches!(refused, Err(HttpError::AuthenticationFailed { .. })));
    }

    #[test]
    fn entras_number_survives() {
        let body = r#"{"error":"invalid_client","error_description":"AADSTS7000222: expired. Trace ID: x","error_codes":[7000222]}"#;
        for status in [400, 401] {
            let error = read(Dialect::Entra, status, &[JSON], body).unwrap_err();
            let HttpError::AuthenticationFailed { entra: Some(entra), .. } = &error else {
                panic!("{error:?}");
            };
            assert_eq!(entra.number, Some(7_000_222));
            assert_eq!(error.to_string(), "host gave no token: AADSTS7000222: expired.");
        }
    }
}
