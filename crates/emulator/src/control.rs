//! `/emulator/*`: look at everything, turn faults, move time.

use std::sync::Arc;

use hyper::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Emulator;
use crate::http::{Reply, Request, Router};
use crate::options::Mode;

/// Keys whose values `GET /emulator/state` does not show. Matched in the lower case, anywhere in the key.
const MASKED_KEYS: &[&str] =
    &["secret", "password", "token", "securevalue", "accountkey", "workspacekey", "private", "protected"];

/// Adds the routes.
pub(crate) fn routes(router: &mut Router) {
    router.on(Method::GET, "/emulator/state", state);
    router.on(Method::GET, "/emulator/faults", faults);
    router.on(Method::DELETE, "/emulator/faults", clear_faults);
    router.on(Method::PUT, "/emulator/faults/{knob}", set_fault);
    router.on(Method::DELETE, "/emulator/faults/{knob}", clear_faults);
    router.on(Method::PUT, "/emulator/mode", set_mode);
    router.on(Method::POST, "/emulator/step", step);
}

/// Whether a request may use the emulator's own endpoints: it comes from this machine, or it knows the token.
pub(crate) fn authorize(emulator: &Emulator, request: &Request) -> Result<(), Reply> {
    let known =
        request.bearer().is_some_and(|token| emulator.read(|state| state.world.control_token == token));
    if known || request.peer.ip().is_loopback() {
        return Ok(());
    }
    let message =
        "the emulator's own endpoints are open to this machine, or with the token in EMULATOR_CONTROL_TOKEN";
    Err(Reply::json(401, &json!({ "error": message })))
}

async fn state(emulator: Arc<Emulator>, request: Request) -> Result<Reply, Reply> {
    authorize(&emulator, &request)?;
    let mut shown = emulator
        .read(|state| serde_json::to_value(state))
        .map_err(|error| Reply::json(500, &json!({"error": error.to_string()})))?;
    let secrets = emulator.read(|state| state.world.secrets().map(str::to_owned));
    mask(&mut shown, &secrets);
    Ok(Reply::json(200, &shown))
}

/// Hides every text that stands under a key that names a secret, and known secrets wherever they stand.
fn mask(value: &mut Value, secrets: &[String]) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let key = key.to_ascii_lowercase();
                if MASKED_KEYS.iter().any(|masked| key.contains(masked)) {
                    mask_all(value);
                } else {
                    mask(value, secrets);
                }
            }
        }
        Value::Array(array) => array.iter_mut().for_each(|value| mask(value, secrets)),
        Value::String(text) if secrets.iter().any(|secret| text.contains(secret.as_str())) => {
            *value = Value::from("***");
        }
        _ => {}
    }
}

fn mask_all(value: &mut Value) {
    match value {
        Value::Object(object) => object.values_mut().for_each(mask_all),
        Value::Array(array) => array.iter_mut().for_each(mask_all),
        Value::String(_) => *value = Value::from("***"),
        _ => {}
    }
}

async fn faults(emulator: Arc<Emulator>, request: Request) -> Result<Reply, Reply> {
    authorize(&emulator, &request)?;
    let turned = emulator.read(|state| state.faults.turned().clone());
    let knobs: Vec<Value> = crate::faults::knobs()
        .map(|knob| json!({"name": knob.name, "meaning": knob.meaning, "value": turned.get(knob.name)}))
        .collect();
    Ok(Reply::json(200, &knobs))
}

async fn set_fault(emulator: Arc<Emulator>, request: Request) -> Result<Reply, Reply> {
    authorize(&emulator, &request)?;
    let value: Value = if request.body.is_empty() { Value::Bool(true) } else { body(&request)? };
    let set = emulator.change(|state| state.faults.set(request.param("knob"), value));
    set.map(|()| Reply::status(204)).map_err(|known| {
        Reply::json(404, &json!({"error": format!("no knob {:?}", request.param("knob")), "knobs": known}))
    })
}

async fn clear_faults(emulator: Arc<Emulator>, request: Request) -> Result<Reply, Reply> {
    authorize(&emulator, &request)?;
    let knob = request.params.get("knob").map(String::as_str);
    emulator.change(|state| state.faults.clear(knob));
    Ok(Reply::status(204))
}

#[derive(Deserialize)]
struct ModeBody {
    mode: Mode,
}

async fn set_mode(emulator: Arc<Emulator>, request: Request) -> Result<Reply, Reply> {
    authorize(&emulator, &request)?;
    let ModeBody { mode } = body(&request)?;
    emulator.change(|state| state.mode = mode);
    Ok(Reply::status(204))
}

#[derive(Deserialize)]
struct StepBody {
    /// How far to move; without it, to the next event.
    seconds: Option<u32>,
}

async fn step(emulator: Arc<Emulator>, request: Request) -> Result<Reply, Reply> {
    authorize(&emulator, &request)?;
    let StepBody { seconds } =
        if request.body.is_empty() { StepBody { seconds: None } } else { body(&request)? };
    if emulator.read(|state| state.mode) != Mode::Step {
        return Err(Reply::json(
            409,
            &json!({"error": "time passes by itself; PUT /emulator/mode {\"mode\": \"step\"} first"}),
        ));
    }
    let (now, left) = emulator.change(|state| {
        let target = match seconds {
            Some(seconds) => state
                .now
                .checked_add(jiff::SignedDuration::from_secs(i64::from(seconds)))
                .unwrap_or(state.now),
            None => state.schedule.next_moment().unwrap_or(state.now),
        };
        state.advance(target);
        (state.now, state.schedule.next_moment())
    });
    Ok(Reply::json(200, &json!({"now": now.to_string(), "next": left.map(|moment| moment.to_string())})))
}

/// The body as JSON, or the reply that says what is wrong with it.
pub(crate) fn body<T: serde::de::DeserializeOwned>(request: &Request) -> Result<T, Reply> {
    request
        .json()
        .map_err(|error| Reply::json(400, &json!({"error": format!("the body is not as expected: {error}")})))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn secrets_are_masked_by_key_and_by_value() {
        let mut shown =
            json!({"client_secret": "abc", "secret": {"file": "x"}, "list": ["hunter2!", "plain"], "n": 1});
        super::mask(&mut shown, &["hunter2".to_owned()]);
        let expected =
            json!({"client_secret": "***", "secret": {"file": "***"}, "list": ["***", "plain"], "n": 1});
        assert_eq!(shown, expected);
    }
}
