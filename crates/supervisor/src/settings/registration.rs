//! How the agent gets its registration in the pool.

use base64::{Engine, engine::general_purpose::STANDARD};
use redact::Secret;
use serde_json::Value;

use super::{Environment, SettingsError};

/// The files that make an agent a registered one.
const FILES: [&str; 3] = [".agent", ".credentials", ".credentials_rsaparams"];

/// Those of them that hold a secret. A secret has at least this many characters; anything shorter is a word.
const SECRET_FILES: [&str; 1] = [".credentials_rsaparams"];
const SECRET_LENGTH_MIN: usize = 40;

/// Which agent, as the service counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentKey {
    /// The pool's id.
    pub pool: i64,
    /// The agent's id in the pool.
    pub agent: i64,
}

/// How the agent gets its registration.
#[derive(Debug)]
pub enum Registration {
    /// Somebody else registered it; we get the files.
    JustInTime(JitConfiguration),
    /// The agent registers itself with the token.
    Token {
        /// The pool's name.
        pool: String,
        /// The agent's name.
        agent: String,
        /// The work folder.
        work: String,
    },
}

/// A registration that was made for us.
pub struct JitConfiguration {
    /// Which agent it is.
    pub key: AgentKey,
    /// The names and texts of its files.
    files: Vec<(&'static str, Secret)>,
}

impl Registration {
    pub(super) fn read(
        environment: &Environment,
        token: Option<&Secret>,
        machine: &str,
    ) -> Result<Self, SettingsError> {
        if let Some(configuration) = environment.secret("AZP_JIT_CONFIG") {
            return JitConfiguration::parse(configuration.expose()).map(Self::JustInTime).map_err(
                |problem| {
                    let remedy = "use the value that `ephemeral-agents provision` makes, whole and unchanged";
                    SettingsError::new("AZP_JIT_CONFIG", problem, remedy)
                },
            );
        }
        if token.is_none() {
            return Err(SettingsError::new(
                "AZP_TOKEN",
                "is missing",
                "hand over a token (AZP_TOKEN or AZP_TOKEN_FILE) or a registration (AZP_JIT_CONFIG), as a secure value",
            ));
        }
        let or = |name, default: &str| Ok(environment.text(name)?.unwrap_or_else(|| default.to_owned()));
        Ok(Self::Token {
            pool: or("AZP_POOL", "Default")?,
            agent: or("AZP_AGENT_NAME", machine)?,
            work: or("AZP_WORK", "_work")?,
        })
    }
}

impl JitConfiguration {
    /// Reads Base64 of `{"poolId":3,"agentId":17,"agentName":"n","files":{".agent":"…",…}}`.
    fn parse(encoded: &str) -> Result<Self, String> {
        let encoded: String = encoded.split_whitespace().collect();
        let json = STANDARD.decode(encoded).map_err(|_| "is not Base64".to_owned())?;
        // The parser's own message could quote the text.
        let value: Value = serde_json::from_slice(&json).map_err(|_| "does not hold JSON".to_owned())?;
        let number = |name: &str| value[name].as_i64().ok_or_else(|| format!("has no number \"{name}\""));
        let key = AgentKey { pool: number("poolId")?, agent: number("agentId")? };
        let file = |name: &'static str| match value["files"][name].as_str() {
            Some(text) => Ok((name, Secret::new(text))),
            None => Err(format!("has no file \"{name}\"")),
        };
        let files = FILES.into_iter().map(file).collect::<Result<_, _>>()?;
        Ok(Self { key, files })
    }

    /// The names and texts of the files.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &Secret)> {
        self.files.iter().map(|(name, text)| (*name, text))
    }

    /// The text of one file.
    pub fn file(&self, name: &str) -> Option<&Secret> {
        self.files().find(|(known, _)| *known == name).map(|(_, text)| text)
    }

    /// The secrets in the files: the values, since nobody would print the whole file.
    pub fn secrets(&self) -> Vec<Secret> {
        let secret_files = self.files().filter(|(name, _)| SECRET_FILES.contains(name));
        secret_files
            .filter_map(|(_, text)| serde_json::from_str::<Value>(text.expose()).ok())
            .flat_map(|value| value.as_object().cloned().unwrap_or_default())
            .filter(|(name, _)| !["modulus", "exponent"].contains(&name.as_str()))
            .filter_map(|(_, value)| value.as_str().map(Secret::new))
            .filter(|secret| secret.expose().len() >= SECRET_LENGTH_MIN)
            .collect()
    }
}

impl std::fmt::Debug for JitConfiguration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "JitConfiguration({:?})", self.key)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(value: &Value) -> Result<JitConfiguration, String> {
        JitConfiguration::parse(&STANDARD.encode(value.to_string()))
    }

    #[test]
    fn a_registration_is_read_and_hidden() {
        let private = "p".repeat(300);
        let key = json!({"d": private, "modulus": "m".repeat(300), "exponent": "AQAB"}).to_string();
        let files = json!({".agent": "{}", ".credentials": "{}", ".credentials_rsaparams": key});
        let parsed = parse(&json!({"poolId": 3, "agentId": 17, "agentName": "n", "files": files})).unwrap();
        assert_eq!(parsed.key, AgentKey { pool: 3, agent: 17 });
        assert_eq!(parsed.files().count(), 3);
        assert_eq!(parsed.secrets(), [Secret::new(private)]);
        assert_eq!(format!("{parsed:?}"), "JitConfiguration(AgentKey { pool: 3, agent: 17 })");
    }

    #[test]
    fn what_is_missing_is_named() {
        let cases = [
            (json!({}), "has no number \"poolId\""),
            (json!({"poolId": 3}), "has no number \"agentId\""),
            (json!({"poolId": 3, "agentId": 1, "files": {".agent": "{}"}}), "has no file \".credentials\""),
        ];
        for (value, expected) in cases {
            assert_eq!(parse(&value).unwrap_err(), expected);
        }
        assert_eq!(JitConfiguration::parse("%").unwrap_err(), "is not Base64");
    }
}
