//! The agent pool.

use super::{Notes, Subject};
use crate::services::{Answer, Pool};
use crate::settings::{ProvisionSettings, Registration};

const ADMINISTRATOR: &str =
    "have whoever holds the token made an administrator of the pool (Agent pools, Security).";

/// Whether the pool is there, and agents can be added to it.
pub(crate) fn judge_pool<'a>(
    settings: &ProvisionSettings,
    pool: &'a Answer<Option<Pool>>,
    notes: &mut Notes,
) -> Option<&'a Pool> {
    let name = &settings.pool;
    let pool = match pool {
        Err(error) => {
            notes.refused(Subject::Pool, "look for the agent pool", error);
            return None;
        }
        Ok(None) => {
            notes.fail(
                Subject::Pool,
                format!("{} has no agent pool `{name}` that you may see.", settings.devops.organization),
                "create it under Organization settings, Agent pools, or have whoever holds the token made an \
                 administrator of it.",
            );
            return None;
        }
        Ok(Some(pool)) => pool,
    };
    if pool.hosted {
        notes.fail(
            Subject::Pool,
            format!("The agent pool `{name}` is Microsoft's own; no agent can be added to it."),
            "create a self-hosted pool and give its name.",
        );
    } else if pool.manageable == Some(false) && settings.registration == Registration::JustInTime {
        let what = format!("You may see the agent pool `{name}`, and may not add agents to it.");
        notes.fail(Subject::Pool, what, ADMINISTRATOR);
    } else {
        notes.ok(Subject::Pool, format!("You may add agents to `{}` and remove them.", pool.name));
    }
    Some(pool)
}
