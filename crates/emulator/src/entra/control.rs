//! `/emulator/apps/{name}`: app registrations, as an administrator of the tenant would make them.

use std::sync::Arc;

use hyper::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::apps::{App, Certificate, ClientSecret, FederatedCredential};
use crate::Emulator;
use crate::control::{authorize, body};
use crate::http::{Reply, Request, Router};

/// Adds the routes.
pub(crate) fn routes(router: &mut Router) {
    router.on(Method::PUT, "/emulator/apps/{name}", put);
    router.on(Method::GET, "/emulator/apps/{name}", get);
    router.on(Method::DELETE, "/emulator/apps/{name}", delete);
}

/// Credentials to register. Each list that is given replaces the app's former one; what is not given stays.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Registration {
    /// The one client secret.
    secret: Option<String>,
    /// Whether that secret has expired.
    #[serde(default)]
    secret_expired: bool,
    /// The one certificate, as PEM; its key must be RSA.
    certificate: Option<String>,
    /// Whose tokens it accepts.
    federated_credentials: Option<Vec<FederatedCredential>>,
}

async fn put(emulator: Arc<Emulator>, request: Request) -> Result<Reply, Reply> {
    authorize(&emulator, &request)?;
    let registration: Registration = body(&request)?;
    let certificate = registration.certificate.as_deref().map(Certificate::from_pem).transpose();
    let certificate = certificate.map_err(|error| Reply::json(400, &json!({"error": error})))?;
    let shown = emulator.change(|state| {
        let app = find_or_add(&mut state.entra.apps, request.param("name"));
        if let Some(secret_text) = registration.secret {
            app.secrets = vec![ClientSecret { secret_text, expired: registration.secret_expired }];
        }
        if let Some(certificate) = certificate {
            app.certificates = vec![certificate];
        }
        if let Some(credentials) = registration.federated_credentials {
            app.federated_credentials = credentials;
        }
        show(app)
    });
    Ok(Reply::json(200, &shown))
}

fn find_or_add<'a>(apps: &'a mut Vec<App>, name: &str) -> &'a mut App {
    let index = apps.iter().position(|app| app.name == name).unwrap_or_else(|| {
        apps.push(App::new(name));
        apps.len() - 1
    });
    &mut apps[index]
}

async fn get(emulator: Arc<Emulator>, request: Request) -> Result<Reply, Reply> {
    authorize(&emulator, &request)?;
    let name = request.param("name");
    let shown = emulator.read(|state| state.entra.apps.iter().find(|app| app.name == name).map(show));
    shown.map(|shown| Reply::json(200, &shown)).ok_or_else(|| Reply::status(404))
}

async fn delete(emulator: Arc<Emulator>, request: Request) -> Result<Reply, Reply> {
    authorize(&emulator, &request)?;
    emulator.change(|state| state.entra.apps.retain(|app| app.name != request.param("name")));
    Ok(Reply::status(204))
}

/// An app without its secrets.
fn show(app: &App) -> Value {
    json!({
        "name": app.name,
        "client_id": app.client_id,
        "object_id": app.object_id,
        "secrets": app.secrets.len(),
        "certificates": app.certificates.iter().map(|certificate| &certificate.sha1).collect::<Vec<_>>(),
        "federated_credentials": app.federated_credentials,
    })
}
