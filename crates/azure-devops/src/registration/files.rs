//! The three files, and the one text in which they travel.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use redact::Secret;
use serde_json::json;
use url::Url;

use super::{AgentKey, KeyError, RegisteredAgent};

/// Everything an agent needs to run: who it is and the key that proves it. Good for this one agent record.
#[derive(Clone, Debug)]
pub struct JustInTimeConfiguration {
    agent: RegisteredAgent,
    settings: String,
    credentials: String,
    key: Secret,
}

impl JustInTimeConfiguration {
    /// `server_url` is the organization's address as the container sees it; `work_folder` the agent's, relative to
    /// its root (`_work`).
    pub fn new(
        agent: RegisteredAgent,
        key: &AgentKey,
        server_url: &str,
        work_folder: &str,
    ) -> Result<Self, KeyError> {
        // The names of the agent's settings class, which it reads in any case.
        let settings = json!({
            "AcceptTeeEula": false,
            "AgentId": agent.id,
            "AgentName": agent.name,
            "PoolId": agent.pool_id,
            "PoolName": agent.pool_name,
            "ServerUrl": server_url,
            "WorkFolder": work_folder,
        });
        let credentials = json!({
            "scheme": "OAuth",
            "data": {
                "clientId": agent.client_id,
                "authorizationUrl": agent.authorization_url,
                "oauthEndpointUrl": reachable(&agent.authorization_url, server_url),
                "requireFipsCryptography": "False",
            },
        });
        Ok(Self {
            settings: settings.to_string(),
            credentials: credentials.to_string(),
            key: key.file()?,
            agent,
        })
    }

    /// The value of `AZP_JIT_CONFIG`: base64 of JSON with the ids and the files' texts.
    pub fn to_environment(&self) -> Secret {
        let text = json!({
            "poolId": self.agent.pool_id,
            "agentId": self.agent.id,
            "agentName": self.agent.name,
            "files": {
                ".agent": self.settings,
                ".credentials": self.credentials,
                ".credentials_rsaparams": self.key.expose(),
            },
        });
        Secret::new(STANDARD.encode(text.to_string()))
    }
}

/// The token endpoint as the agent can reach it. A server on premises, or an emulator, knows itself by a name that
/// may be of no use elsewhere: the official agent then takes scheme, host and port of the address it was configured
/// with, and so do we. Azure DevOps Services' tokens come from a host of their own.
fn reachable(authorization_url: &str, server_url: &str) -> String {
    let (Ok(mut endpoint), Ok(server)) = (Url::parse(authorization_url), Url::parse(server_url)) else {
        return authorization_url.to_owned();
    };
    let host = server.host_str().unwrap_or_default();
    let hosted = host == "dev.azure.com" || host.ends_with(".visualstudio.com");
    let moved = endpoint.set_scheme(server.scheme()).is_ok()
        && endpoint.set_host(Some(host)).is_ok()
        && endpoint.set_port(server.port()).is_ok();
    if hosted || !moved { authorization_url.to_owned() } else { endpoint.to_string() }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::Value;

    use super::{AgentKey, JustInTimeConfiguration, RegisteredAgent, reachable};

    #[test]
    fn the_environment_text_holds_the_three_files_and_debug_none_of_the_key() {
        let agent = RegisteredAgent {
            id: 17,
            name: "n".to_owned(),
            pool_id: 3,
            pool_name: "p".to_owned(),
            client_id: "c".to_owned(),
            authorization_url: "https://box:8443/contoso/oauth2/token".to_owned(),
        };
        let key = AgentKey::generate().expect("a key");
        let url = "https://emulator:8443/contoso";
        let made = JustInTimeConfiguration::new(agent, &key, url, "_work").expect("made");
        let json = |text: &str| -> Value { serde_json::from_str(text).expect("JSON") };
        let text = STANDARD.decode(made.to_environment().expose()).expect("base64");
        let all = json(&String::from_utf8(text).expect("text"));
        assert_eq!(
            (&all["poolId"], &all["agentId"], &all["agentName"]),
            (&3.into(), &17.into(), &"n".into())
        );
        let file = |name: &str| json(all["files"][name].as_str().expect("a text"));
        assert_eq!(file(".agent")["ServerUrl"], url);
        assert_eq!(file(".agent")["AgentId"], 17);
        assert_eq!(file(".credentials")["scheme"], "OAuth");
        assert_eq!(
            file(".credentials")["data"]["oauthEndpointUrl"],
            "https://emulator:8443/contoso/oauth2/token"
        );
        let private = file(".credentials_rsaparams")["d"].as_str().expect("a text").to_owned();
        assert!(!format!("{made:?}").contains(&private));
    }

    #[test]
    fn only_a_server_of_ones_own_moves_the_token_endpoint() {
        let token = "https://vstoken.dev.azure.com/oauth2/token";
        assert_eq!(reachable(token, "https://dev.azure.com/contoso"), token);
        assert_eq!(reachable(token, "https://contoso.visualstudio.com"), token);
        assert_eq!(reachable(token, "https://tfs.local/x"), "https://tfs.local/oauth2/token");
    }
}
