//! The agent's folder: its registration files, whose it is, and whether it was used.

use std::{
    fs,
    path::{Path, PathBuf},
};

use process::User;
use serde_json::Value;

use crate::{
    platform::{self, System},
    settings::{AgentKey, JitConfiguration},
};

/// The setting that tells the agent where to announce its job.
const NOTIFICATION_SETTING: &str = "notificationSocketAddress";

/// Where everything is that belongs to this one agent.
#[derive(Debug, Clone)]
pub struct AgentRoot {
    home: PathBuf,
    /// What is still there when the platform starts the container again, if there is such a folder.
    lasting: Option<PathBuf>,
}

impl AgentRoot {
    /// Everything is below `home`.
    pub fn new(home: &Path) -> Self {
        Self { home: home.to_owned(), lasting: None }
    }

    /// Notes that it was used in `lasting` too, if that is a folder.
    #[must_use]
    pub fn with_lasting(self, lasting: Option<&Path>) -> Self {
        Self { lasting: lasting.filter(|folder| folder.is_dir()).map(Path::to_owned), ..self }
    }

    /// The agent's own folder.
    pub fn path(&self) -> PathBuf {
        self.home.join("agent")
    }

    /// The agent program.
    pub fn listener(&self) -> PathBuf {
        self.path().join("bin").join(System::CURRENT.listener())
    }

    /// The agent's diagnostic logs.
    pub fn diagnostics(&self) -> PathBuf {
        self.path().join("_diag")
    }

    /// Where the bundle of certificates to trust is written.
    pub fn certificates(&self) -> PathBuf {
        self.home.join("ca.pem")
    }

    /// Where the package is downloaded to.
    pub fn package(&self) -> PathBuf {
        self.home.join("agent-package")
    }

    fn markers(&self) -> impl Iterator<Item = PathBuf> {
        [Some(&self.home), self.lasting.as_ref()].into_iter().flatten().map(|folder| folder.join("used"))
    }

    /// Whether an agent was started here before.
    pub fn is_used(&self) -> bool {
        self.markers().any(|marker| marker.exists())
    }

    /// From now on, an agent was started here.
    pub fn mark_used(&self) -> Result<(), String> {
        if let Some(lasting) = &self.lasting {
            // Everybody may write in such a folder, and so remove what is in it.
            platform::close_to_job(lasting)
                .map_err(|error| format!("{} cannot be closed to the job ({error})", lasting.display()))?;
        }
        for marker in self.markers() {
            fs::write(&marker, "").map_err(|error| {
                format!("{} cannot be written ({error}): AZP_HOME must be writable", marker.display())
            })?;
        }
        Ok(())
    }

    /// Writes the registration that was made for us, readable by the agent alone.
    pub fn write_registration(&self, registration: &JitConfiguration, notify: &str) -> Result<(), String> {
        for (name, text) in registration.files() {
            let text = match name {
                ".agent" => with_notification(text.expose(), notify)?,
                _ => text.expose().to_owned(),
            };
            let path = self.path().join(name);
            platform::write_private(&path, &text)
                .map_err(|error| format!("{} cannot be written ({error})", path.display()))?;
        }
        Ok(())
    }

    /// Which agent the agent's own `configure` has made, if it came that far.
    pub fn registered(&self) -> Option<AgentKey> {
        let settings = parse_settings(&fs::read_to_string(self.path().join(".agent")).ok()?)?;
        Some(AgentKey { pool: number(&settings, "poolId")?, agent: number(&settings, "agentId")? })
    }

    /// Makes a work folder that lies outside of the agent's folder, and gives it to the user. One that lies within is
    /// the agent's own business.
    pub fn make_work_folder(&self, given: Option<&str>, user: Option<&User>) -> Result<(), String> {
        let settings = fs::read_to_string(self.path().join(".agent")).ok();
        let settings = settings.as_deref().and_then(parse_settings);
        let work = given.or_else(|| member(settings.as_ref()?, "workFolder")?.as_str());
        let Some(work) = work.map(Path::new).filter(|work| work.is_absolute()) else { return Ok(()) };
        let made = fs::create_dir_all(work).and_then(|()| match user {
            Some(user) => platform::give_one(work, user),
            None => Ok(()),
        });
        made.map_err(|error| {
            format!("the work folder {} cannot be made ({error}): name another in AZP_WORK", work.display())
        })
    }

    /// Gives the agent's folder to the user it runs as.
    pub fn give_to(&self, user: &User) -> Result<(), String> {
        let root = self.path();
        platform::give_all(&root, user)
            .map_err(|error| format!("{} cannot be given to user {} ({error})", root.display(), user.name))
    }
}

/// The agent's settings with our address for its notifications in them. Their names are written in either case.
fn with_notification(settings: &str, address: &str) -> Result<String, String> {
    let Some(Value::Object(mut settings)) = parse_settings(settings) else {
        return Err(
            "the .agent file in AZP_JIT_CONFIG holds no JSON object: register the agent anew".to_owned()
        );
    };
    let known = settings.keys().find(|name| name.eq_ignore_ascii_case(NOTIFICATION_SETTING)).cloned();
    let capitalized = settings.keys().any(|name| name.starts_with(char::is_uppercase));
    let usual = if capitalized { "NotificationSocketAddress" } else { NOTIFICATION_SETTING };
    let name = known.unwrap_or_else(|| usual.to_owned());
    settings.insert(name, address.into());
    Ok(Value::Object(settings).to_string())
}

/// .NET writes a byte order mark.
fn parse_settings(text: &str) -> Option<Value> {
    serde_json::from_str(text.trim_start_matches('\u{feff}')).ok()
}

fn member<'s>(settings: &'s Value, wanted: &str) -> Option<&'s Value> {
    settings.as_object()?.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
}

fn number(settings: &Value, wanted: &str) -> Option<i64> {
    member(settings, wanted)?.as_i64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notification_address_replaces_or_joins_the_settings() {
        let cases = [
            (r#"{"agentId":1}"#, r#"{"agentId":1,"notificationSocketAddress":"A"}"#),
            (r#"{"AgentId":1}"#, r#"{"AgentId":1,"NotificationSocketAddress":"A"}"#),
            ("\u{feff}{\"NotificationSocketAddress\":\"B\"}", r#"{"NotificationSocketAddress":"A"}"#),
        ];
        for (settings, expected) in cases {
            assert_eq!(with_notification(settings, "A").unwrap(), expected);
        }
        assert!(with_notification("[]", "A").is_err());
    }

    #[test]
    fn the_registered_agent_is_read_in_either_case() {
        let folder = tempfile::tempdir().unwrap();
        let root = AgentRoot::new(folder.path());
        assert_eq!(root.registered(), None);
        fs::create_dir(root.path()).unwrap();
        for settings in [r#"{"agentId":17,"poolId":3}"#, "\u{feff}{\"AgentId\":17,\"PoolId\":3}"] {
            fs::write(root.path().join(".agent"), settings).unwrap();
            assert_eq!(root.registered(), Some(AgentKey { pool: 3, agent: 17 }));
        }
    }

    #[test]
    fn a_work_folder_outside_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let root = AgentRoot::new(folder.path());
        fs::create_dir(root.path()).unwrap();
        let (given, set) = (folder.path().join("given"), folder.path().join("set"));
        root.make_work_folder(Some("_work"), None).unwrap();
        root.make_work_folder(given.to_str(), None).unwrap();
        fs::write(root.path().join(".agent"), format!("{{\"WorkFolder\":{set:?}}}")).unwrap();
        root.make_work_folder(None, None).unwrap();
        assert!(given.is_dir() && set.is_dir());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1, "only the settings");
    }

    #[test]
    fn the_note_of_its_use_outlives_the_container() {
        let (first, second, lasting) =
            (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let root = |home: &tempfile::TempDir| AgentRoot::new(home.path()).with_lasting(Some(lasting.path()));
        assert!(!root(&first).is_used());
        root(&first).mark_used().unwrap();
        assert!(root(&first).is_used());
        // Started again, the container has nothing of what was written in its own home.
        assert!(root(&second).is_used());
        let nowhere = AgentRoot::new(second.path()).with_lasting(Some(Path::new("/nowhere")));
        assert!(!nowhere.is_used());
    }

    #[test]
    fn a_marker_says_that_it_was_used() {
        let folder = tempfile::tempdir().unwrap();
        let root = AgentRoot::new(folder.path());
        assert!(!root.is_used());
        root.mark_used().unwrap();
        assert!(root.is_used());
        assert!(AgentRoot::new(Path::new("/nowhere")).mark_used().unwrap_err().contains("AZP_HOME"));
    }
}
