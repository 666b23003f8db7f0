//! The variables themselves, and the secrets among them, which are kept apart.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs,
    time::Duration,
};

use redact::Secret;

use super::SettingsError;
use crate::{agent_environment::is_ours, platform::System};

/// The variables that hold secrets. They are taken out of the environment before anything else happens. The last one is
/// the platform's: with it, a process of a Windows container gets tokens of the group's managed identity.
pub const SECRETS: [&str; 5] = [
    "AZP_TOKEN",
    "AZP_JIT_CONFIG",
    "AZ_SERVICE_PRINCIPAL_KEY",
    "AZ_SERVICE_PRINCIPAL_CERTIFICATE",
    "IDENTITY_HEADER",
];

/// The environment of the container: plain variables and secrets.
#[derive(Debug, Default)]
pub struct Environment {
    plain: BTreeMap<OsString, OsString>,
    secrets: BTreeMap<String, Secret>,
}

impl Environment {
    /// Sorts variables into plain ones and secrets.
    pub fn of<N: Into<OsString>, V: Into<OsString>>(variables: impl IntoIterator<Item = (N, V)>) -> Self {
        Self::on(System::CURRENT, variables)
    }

    /// The same for any system. Where names are the same in either case, ours are kept as we write them.
    pub fn on<N: Into<OsString>, V: Into<OsString>>(
        system: System,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let mut environment = Self::default();
        for (name, value) in variables {
            let (name, value) = (name.into(), value.into());
            let known = system.variable(&name);
            let name = if is_ours(&known) { known } else { name };
            match SECRETS.iter().find(|secret| name == **secret) {
                Some(name) => {
                    let secret = Secret::new(value.to_string_lossy());
                    environment.secrets.insert((*name).to_owned(), secret);
                }
                None => {
                    environment.plain.insert(name, value);
                }
            }
        }
        environment
    }

    /// Everything that is no secret.
    pub fn plain(&self) -> &BTreeMap<OsString, OsString> {
        &self.plain
    }

    /// The secrets, as they are handed to our next start.
    pub fn secrets(&self) -> impl Iterator<Item = (&str, &Secret)> {
        self.secrets.iter().map(|(name, secret)| (name.as_str(), secret))
    }

    /// A plain variable. One that is empty counts as missing: a container group cannot leave one out conditionally.
    pub(crate) fn text(&self, name: &'static str) -> Result<Option<String>, SettingsError> {
        let Some(value) = self.plain.get(OsStr::new(name)) else { return Ok(None) };
        match value.to_str().map(str::trim) {
            Some("") => Ok(None),
            Some(text) => Ok(Some(text.to_owned())),
            None => Err(SettingsError::new(name, "is not UTF-8", "set it to text")),
        }
    }

    /// A secret variable.
    pub(crate) fn secret(&self, name: &str) -> Option<Secret> {
        self.secrets.get(name).filter(|secret| !secret.is_empty()).cloned()
    }

    /// A time in seconds.
    pub(crate) fn seconds(
        &self,
        name: &'static str,
        default: u64,
        smallest: u64,
    ) -> Result<Duration, SettingsError> {
        let remedy = "set it to a whole number of seconds, or leave it out";
        let Some(text) = self.text(name)? else { return Ok(Duration::from_secs(default)) };
        match text.parse::<u64>() {
            Ok(seconds) if seconds < smallest => {
                Err(SettingsError::new(name, format!("is less than {smallest}"), remedy))
            }
            // More than a century is no limit; the sum with any time of day must not overflow.
            Ok(seconds) => Ok(Duration::from_secs(seconds.min(100 * 366 * 24 * 3600))),
            Err(_) => Err(SettingsError::new(name, format!("is no number of seconds ({text})"), remedy)),
        }
    }

    /// The token, from its variable or from the file that `AZP_TOKEN_FILE` names.
    pub(crate) fn token(&self) -> Result<Option<Secret>, SettingsError> {
        if let Some(token) = self.secret("AZP_TOKEN") {
            return Ok(Some(token));
        }
        let Some(path) = self.text("AZP_TOKEN_FILE")? else { return Ok(None) };
        let token = fs::read_to_string(&path).map(|text| Secret::new(text.trim())).map_err(|error| {
            SettingsError::new(
                "AZP_TOKEN_FILE",
                format!("names {path}, which cannot be read ({error})"),
                "mount the file there, or hand over AZP_TOKEN as a secure value",
            )
        })?;
        if token.is_empty() {
            let remedy = "write the token into it, or hand over AZP_TOKEN as a secure value";
            return Err(SettingsError::new(
                "AZP_TOKEN_FILE",
                format!("names {path}, which is empty"),
                remedy,
            ));
        }
        Ok(Some(token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_kept_apart() {
        let environment = Environment::of([("AZP_TOKEN", "planted"), ("PATH", "/bin")]);
        assert!(!format!("{environment:?}").contains("planted"));
        assert_eq!(environment.plain().len(), 1);
        assert_eq!(environment.secrets().next().unwrap().1.expose(), "planted");
    }

    #[test]
    fn on_windows_a_secret_is_one_in_either_case() {
        let variables =
            [("Azp_Token", "planted"), ("Identity_Header", "planted"), ("azp_url", "u"), ("Path", "p")];
        let environment = Environment::on(System::Windows, variables);
        assert_eq!(environment.secrets().count(), 2);
        assert_eq!(environment.text("AZP_URL").unwrap().as_deref(), Some("u"));
        let names: Vec<&OsString> = environment.plain().keys().collect();
        assert_eq!(names, ["AZP_URL", "Path"]);
        assert_eq!(Environment::on(System::Unix, variables).secrets().count(), 0);
    }

    #[test]
    fn a_token_file_is_read_without_its_line_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "t0ken\n").unwrap();
        let environment = Environment::of([("AZP_TOKEN_FILE", file.path())]);
        assert_eq!(environment.token().unwrap().unwrap().expose(), "t0ken");
        let missing = Environment::of([("AZP_TOKEN_FILE", "/nowhere")]);
        assert!(missing.token().unwrap_err().to_string().starts_with("AZP_TOKEN_FILE names /nowhere"));
    }
}
