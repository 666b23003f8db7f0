//! The tags that say a container group is ours.

use std::collections::BTreeMap;

use crate::Timestamp;

/// Value of the tag `managed-by`. What does not carry it is never touched.
pub const MANAGED_BY: &str = "ephemeral-agents";

/// What every container group of ours carries: whose it is, which run wanted it, when it was made and until when it
/// may live. Truth about a pair is read from here, never remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnershipTags {
    /// The organization's URL.
    pub organization: String,
    /// Name of the agent pool.
    pub pool: String,
    /// Id of the pipeline run that asked for the agent; none when a person did.
    pub run: Option<u64>,
    /// Id of the agent in the pool where it was registered before the group was created.
    pub agent_id: Option<u64>,
    /// When it was created.
    pub created_at: Timestamp,
    /// After this moment anybody may take it down.
    pub expires_at: Timestamp,
    /// Version of the program that created it.
    pub version: String,
}

/// Tag of a group that is on its way out, with the moment at which that was decided. Without it a group whose agent is
/// unregistered looks like one that is starting.
pub const RETIRING: &str = "ephemeral-agents-retiring";

/// Tag of a group that failed and is kept for a look, with the moment until which it is.
pub const KEPT_UNTIL: &str = "ephemeral-agents-kept-until";

const ORGANIZATION: &str = "ephemeral-agents-organization";
const POOL: &str = "ephemeral-agents-pool";
const RUN: &str = "ephemeral-agents-run";
const AGENT_ID: &str = "ephemeral-agents-agent-id";
const CREATED_AT: &str = "created-at";
const EXPIRES_AT: &str = "expires-at";
const VERSION: &str = "ephemeral-agents-version";

impl OwnershipTags {
    /// Whether its agent is registered in that organization.
    pub fn is_of(&self, organization: &str) -> bool {
        self.organization.trim_end_matches('/').eq_ignore_ascii_case(organization.trim_end_matches('/'))
    }

    /// As they are sent.
    pub fn to_map(&self) -> BTreeMap<String, String> {
        let mut map = BTreeMap::from([
            ("managed-by".to_owned(), MANAGED_BY.to_owned()),
            (ORGANIZATION.to_owned(), self.organization.clone()),
            (POOL.to_owned(), self.pool.clone()),
            (CREATED_AT.to_owned(), self.created_at.to_string()),
            (EXPIRES_AT.to_owned(), self.expires_at.to_string()),
            (VERSION.to_owned(), self.version.clone()),
        ]);
        map.extend(self.run.map(|run| (RUN.to_owned(), run.to_string())));
        map.extend(self.agent_id.map(|id| (AGENT_ID.to_owned(), id.to_string())));
        map
    }

    /// Reads them back. `None`: not ours, or maimed so badly that it must not count as ours.
    pub fn from_map(map: &BTreeMap<String, String>) -> Option<Self> {
        let text = |key: &str| map.get(key).cloned();
        let moment = |key: &str| map.get(key).and_then(|text| Timestamp::parse(text));
        let number = |key: &str| map.get(key).and_then(|text| text.parse().ok());
        if map.get("managed-by").map(String::as_str) != Some(MANAGED_BY) {
            return None;
        }
        Some(Self {
            organization: text(ORGANIZATION)?,
            pool: text(POOL)?,
            run: number(RUN),
            agent_id: number(AGENT_ID),
            created_at: moment(CREATED_AT)?,
            expires_at: moment(EXPIRES_AT)?,
            version: text(VERSION).unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::OwnershipTags;
    use crate::Timestamp;

    fn tags() -> OwnershipTags {
        OwnershipTags {
            organization: "https://dev.azure.com/contoso".to_owned(),
            pool: "private".to_owned(),
            run: Some(42),
            agent_id: Some(7),
            created_at: Timestamp(1_795_478_400),
            expires_at: Timestamp(1_795_500_000),
            version: "0.1.0".to_owned(),
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let full = tags();
        assert_eq!(OwnershipTags::from_map(&full.to_map()), Some(full));
        let bare = OwnershipTags { run: None, agent_id: None, ..tags() };
        assert_eq!(OwnershipTags::from_map(&bare.to_map()), Some(bare));
    }

    #[test]
    fn what_is_not_wholly_ours_is_not_ours() {
        for key in ["managed-by", "ephemeral-agents-pool", "ephemeral-agents-organization", "expires-at"] {
            let mut map = tags().to_map();
            map.remove(key);
            assert_eq!(OwnershipTags::from_map(&map), None, "without {key}");
        }
        let mut foreign = tags().to_map();
        foreign.insert("managed-by".to_owned(), "terraform".to_owned());
        assert_eq!(OwnershipTags::from_map(&foreign), None);
    }

    #[test]
    fn tags_stay_within_azures_limits() {
        for (key, value) in tags().to_map() {
            assert!(key.len() <= 512 && value.len() <= 256, "{key}");
            assert!(!key.contains(['<', '>', '%', '&', '\\', '?', '/']), "{key}");
        }
    }
}
