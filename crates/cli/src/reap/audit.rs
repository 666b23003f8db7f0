//! What is written down of each thing that is removed: who, what, why, when, under which ids of requests.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use lifecycle::{Planned, Record, Retire, Step, Timestamp};
use serde_json::{Value, json};

use super::words;
use crate::errors::{Failure, Problem};
use crate::report::Report;
use crate::settings::{AzureCredential, ReapSettings};

/// Where it is written down.
pub(crate) enum Audit {
    /// As talk, a line each.
    Talk,
    /// To a file, a line of JSON each.
    File(PathBuf, Mutex<File>),
}

impl Audit {
    /// Opens the file, if there is to be one: what cannot be written down is not begun.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self::Talk) };
        let file = OpenOptions::new().append(true).create(true).open(path);
        let file = file.map_err(|error| {
            Failure::Settings(vec![Problem {
                setting: "audit-file".to_owned(),
                what: format!("is {}, which cannot be written: {error}", path.display()),
                remedy: "correct the path, or the file's permissions".to_owned(),
            }])
        })?;
        Ok(Self::File(path.to_owned(), Mutex::new(file)))
    }

    /// Writes down what was changed, if anything was.
    pub(super) fn write(
        &self,
        planned: &Planned,
        retire: &Retire,
        record: &Record,
        (at, ids): (Timestamp, &[String]),
        (settings, report): (&ReapSettings, &Report),
    ) -> Result<(), Failure> {
        let removed: Vec<_> =
            record.steps.iter().filter_map(|step| in_words(*step, retire, settings)).collect();
        if removed.is_empty() {
            return Ok(());
        }
        let who = who(&settings.azure.credential);
        match self {
            Self::Talk => {
                let removed = removed.join(" and ");
                report.note(&format!(
                    "audit: {at} {who} removed {removed}, because {}; requests {}",
                    planned.reason,
                    ids.join(" ")
                ));
                Ok(())
            }
            Self::File(path, file) => {
                let line = line(planned, retire, &removed, (at, ids, &who), settings);
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                let written = writeln!(file, "{}", report.masked(&line.to_string()));
                written.map_err(|error| {
                    Failure::Internal(format!(
                        "the audit file {} cannot be written any more ({error}), so nothing more was removed",
                        path.display()
                    ))
                })
            }
        }
    }
}

/// What a step removes, if it does.
fn in_words(step: Step, retire: &Retire, settings: &ReapSettings) -> Option<String> {
    let name = &retire.name;
    match step {
        Step::Marked | Step::Disabled => None,
        Step::Unregistered => {
            let id = retire.agent_id.unwrap_or_default();
            Some(format!("the agent {name} (id {id}) of the pool {}", settings.pools[retire.pool]))
        }
        Step::Deleted => {
            let place = retire.group.as_ref().map_or(0, |group| group.place);
            Some(format!("the container group {name} of {}", settings.resource_groups[place]))
        }
    }
}

fn line(
    planned: &Planned,
    retire: &Retire,
    removed: &[String],
    (at, ids, who): (Timestamp, &[String], &str),
    settings: &ReapSettings,
) -> Value {
    json!({
        "version": 1,
        "when": at.to_string(),
        "who": who,
        "what": removed,
        "why": planned.reason.to_string(),
        "name": retire.name.as_str(),
        "organization": settings.devops.organization,
        "subscription": settings.azure.subscription,
        "ageSeconds": words::seconds(planned.age),
        "requestIds": ids,
    })
}

/// Who acts, as far as that is known here.
fn who(credential: &AzureCredential) -> String {
    match credential {
        AzureCredential::ClientSecret { client, .. }
        | AzureCredential::ClientCertificate { client, .. }
        | AzureCredential::Federated { client, .. }
        | AzureCredential::ServiceConnection { client, .. } => format!("client {client}"),
        AzureCredential::ManagedIdentity(Some(id)) => format!("managed identity {id}"),
        AzureCredential::ManagedIdentity(None) => "the managed identity of this machine".to_owned(),
        AzureCredential::AzureCli => "whoever is signed in to the Azure CLI".to_owned(),
    }
}
