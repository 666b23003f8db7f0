//! Somebody who calls Resource Manager without our programs, for container groups that no agent needs.

use reqwest::{Client, Method};
use serde_json::{Value, json};
use system_tests::World;

/// A caller with every right, and the path of container groups.
pub(crate) struct Azure {
    http: Client,
    url: String,
    token: String,
    groups: String,
}

impl Azure {
    /// Signs in to a world.
    pub(crate) async fn of(world: &World) -> Self {
        let url = world.setting("EMULATOR_URL");
        let http = client(&std::fs::read(world.setting("EMULATOR_CA_FILE")).expect("the authority"));
        let form = [
            ("grant_type", "client_credentials".to_owned()),
            ("client_id", world.setting("AZURE_CLIENT_ID")),
            ("client_secret", world.setting("AZURE_CLIENT_SECRET")),
            ("scope", format!("{url}//.default")),
        ];
        let tokens = format!("{url}/{}/oauth2/v2.0/token", world.setting("AZURE_TENANT_ID"));
        let reply = http.post(tokens).form(&form).send().await.expect("a reply");
        let reply: Value = reply.json().await.expect("JSON");
        let token = reply["access_token"].as_str().unwrap_or_else(|| panic!("no token: {reply}")).to_owned();
        let groups =
            format!("{}/providers/Microsoft.ContainerInstance/containerGroups", world.resource_group());
        Self { http, url, token, groups }
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let url = format!("{}{}/{path}?api-version=2023-05-01", self.url, self.groups);
        let mut request = self.http.request(method, url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let reply = request.send().await.expect("a reply");
        let (status, text) = (reply.status(), reply.text().await.expect("a body"));
        assert!(status.is_success(), "{path}: {status}: {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Creates a container group with these properties.
    pub(crate) async fn create(&self, name: &str, properties: &Value) {
        let mut body = json!({"location": emulator::world::LOCATION, "properties": {"osType": "Linux"}});
        for (member, value) in properties.as_object().into_iter().flatten() {
            body["properties"][member] = value.clone();
        }
        self.call(Method::PUT, name, Some(&body)).await;
    }

    /// A container group, as its users see it.
    pub(crate) async fn group(&self, name: &str) -> Value {
        self.call(Method::GET, name, None).await
    }

    /// Downloads something that is open to everybody.
    pub(crate) async fn download(&self, path: &str) -> Vec<u8> {
        let reply = self.http.get(format!("{}/{path}", self.url)).send().await.expect("a reply");
        assert!(reply.status().is_success(), "{path}: {}", reply.status());
        reply.bytes().await.expect("a body").to_vec()
    }
}

#[expect(clippy::disallowed_methods, reason = "the tests are a foreign client: they use none of ours")]
fn client(authority: &[u8]) -> Client {
    // Whoever comes first installs it; the others find it there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let certificate = reqwest::Certificate::from_pem(authority).expect("the authority's certificate");
    Client::builder().tls_certs_only([certificate]).build().expect("a client")
}
