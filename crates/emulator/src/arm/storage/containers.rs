//! The calls on blob containers. They are Azurite's: these calls ask it, with the account's key.

use std::sync::Arc;

use base64::Engine as _;
use http_body_util::{BodyExt as _, Empty};
use hyper::Method;
use hyper::body::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::accounts;
use crate::Emulator;
use crate::arm::gate::{self, Call};
use crate::arm::refusal::Refusal;
use crate::arm::{pages, resources};
use crate::backends;
use crate::http::{Reply, Request, Router};

/// The version of the protocol that is spoken with Azurite.
const VERSION: &str = "2021-12-02";

const READ: &str = "Microsoft.Storage/storageAccounts/blobServices/containers/read";
const WRITE: &str = "Microsoft.Storage/storageAccounts/blobServices/containers/write";
const DELETE: &str = "Microsoft.Storage/storageAccounts/blobServices/containers/delete";

pub(super) fn routes(router: &mut Router) {
    let all = format!(
        "/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{}/{{name}}/blobServices/default/containers",
        accounts::KIND
    );
    let one = format!("{all}/{{container}}");
    for (method, pattern, action) in [
        (Method::GET, &all, READ),
        (Method::GET, &one, READ),
        (Method::PUT, &one, WRITE),
        (Method::DELETE, &one, DELETE),
    ] {
        router.on(method, pattern, move |emulator: Arc<Emulator>, request: Request| async move {
            let correlation = request.header("x-ms-correlation-request-id").map(str::to_owned);
            let done = match gate::admit(&emulator, request, action, true) {
                Ok(call) => carry_out(&emulator, &call).await,
                Err(refusal) => Err(refusal),
            };
            Ok(gate::finish(done.unwrap_or_else(|refusal| gate::refuse(&emulator, &refusal)), correlation))
        });
    }
}

/// Status and body of Azurite's answer.
type Answer = (u16, String);

async fn carry_out(emulator: &Emulator, call: &Call) -> Result<Reply, Refusal> {
    let (account, container) = (account(emulator, call)?, call.param("container"));
    if container.is_empty() {
        let (status, body) = ask(emulator, &account, Method::GET, "", ("comp", "list")).await?;
        expect(status, &[200])?;
        let shown = names(&body).iter().map(|name| show(call, name)).collect();
        return Ok(emulator.read(|state| pages::page(state, call, shown)));
    }
    check_name(container)?;
    let method = call.request.method.clone();
    let path = format!("/{container}");
    let (status, _) = ask(emulator, &account, method.clone(), &path, ("restype", "container")).await?;
    let shown = show(call, container);
    match (method, status) {
        (Method::PUT, 201) => Ok(Reply::json(201, &shown)),
        (Method::PUT, 409) | (Method::GET, 200) => Ok(Reply::json(200, &shown)),
        (Method::DELETE, 202) => Ok(Reply::status(200)),
        (Method::DELETE, 404) => Ok(Reply::status(204)),
        (_, 404) => Err(Refusal::new(404, "ContainerNotFound", "The specified container does not exist.")),
        (_, status) => expect(status, &[]).map(|()| Reply::status(status)),
    }
}

fn expect(status: u16, good: &[u16]) -> Result<(), Refusal> {
    if good.contains(&status) {
        return Ok(());
    }
    Err(Refusal::new(500, "InternalServerError", format!("Azurite answered with the status {status}.")))
}

/// An account as it is asked: its id, its name, a key.
struct Account {
    id: String,
    name: String,
    key: String,
}

fn account(emulator: &Emulator, call: &Call) -> Result<Account, Refusal> {
    emulator.read(|state| {
        let account = resources::find(state, call, accounts::KIND)?;
        let keys = state.arm.storage_secrets.get(&account.id.to_ascii_lowercase());
        let key = keys.map(|keys| keys.keys[0].clone()).unwrap_or_default();
        Ok(Account { id: account.id.clone(), name: account.name.clone(), key })
    })
}

/// 3 to 63 lower case letters, digits and single hyphens, neither first nor last.
fn check_name(name: &str) -> Result<(), Refusal> {
    let letters = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let edges = !name.starts_with('-') && !name.ends_with('-') && !name.contains("--");
    if letters && edges && (3..=63).contains(&name.len()) {
        return Ok(());
    }
    Err(Refusal::new(400, "InvalidResourceName", "The specifed resource name contains invalid characters."))
}

fn show(call: &Call, container: &str) -> Value {
    let account = resources::id(call, accounts::KIND);
    json!({
        "id": format!("{account}/blobServices/default/containers/{container}"), "name": container,
        "type": "Microsoft.Storage/storageAccounts/blobServices/containers",
        "properties": {
            "publicAccess": "None", "leaseStatus": "Unlocked", "leaseState": "Available", "hasLegalHold": false,
            "hasImmutabilityPolicy": false,
        },
    })
}

/// The names in a list of containers.
fn names(body: &str) -> Vec<String> {
    let Ok(document) = roxmltree::Document::parse(body.trim_start_matches('\u{feff}')) else {
        return Vec::new();
    };
    let containers = document.descendants().filter(|node| node.has_tag_name("Container"));
    let names =
        containers.filter_map(|node| node.children().find(|child| child.has_tag_name("Name"))?.text());
    names.map(str::to_owned).collect()
}

/// Asks Azurite, signed with the account's key. `path` comes after the account.
async fn ask(
    emulator: &Emulator,
    account: &Account,
    method: Method,
    path: &str,
    query: (&str, &str),
) -> Result<Answer, Refusal> {
    let problem = |problem: String| Refusal::new(500, "InternalServerError", problem);
    let behind = emulator.backends.address(&account.id);
    let behind = behind.ok_or_else(|| {
        let message = format!("The storage account {} is still being created.", account.name);
        Refusal::new(409, "StorageAccountIsNotProvisioned", message)
    })?;
    // Azurite has the clock of this machine, whatever the emulator's.
    let date = Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let path = format!("/{}{path}", account.name);
    let signature = sign(account, &method, &path, query, &date).map_err(problem)?;
    let request = hyper::Request::builder()
        .method(method)
        .uri(format!("{path}?{}={}", query.0, query.1))
        .header("host", "127.0.0.1")
        .header("content-length", "0")
        .header("x-ms-date", &date)
        .header("x-ms-version", VERSION)
        .header("authorization", format!("SharedKey {}:{signature}", account.name))
        .body(Empty::<Bytes>::new())
        .map_err(|error| problem(error.to_string()))?;
    let answer = backends::ask(&behind, request).await.map_err(|error| problem(error.to_string()))?;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.map_err(|error| problem(error.to_string()))?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// The signature of a request without a body, by a shared key.
fn sign(
    account: &Account,
    method: &Method,
    path: &str,
    (name, value): (&str, &str),
    date: &str,
) -> Result<String, String> {
    let base64 = base64::engine::general_purpose::STANDARD;
    let key = base64.decode(&account.key).map_err(|error| format!("the account's key: {error}"))?;
    // Eleven headers that this request does not have.
    let text = format!(
        "{method}{}x-ms-date:{date}\nx-ms-version:{VERSION}\n/{}{path}\n{name}:{value}",
        "\n".repeat(12),
        account.name
    );
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &key);
    Ok(base64.encode(ring::hmac::sign(&key, text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn a_list_names_its_containers() {
        let body = "\u{feff}<EnumerationResults><Containers><Container><Name>a</Name></Container><Container><Name>b\
                    </Name></Container></Containers></EnumerationResults>";
        assert_eq!(names(body), ["a", "b"]);
    }
}
