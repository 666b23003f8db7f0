//! The shapes on the wire, as far as we read them. What the service leaves out or sends as `null` counts as nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

#[derive(Deserialize)]
pub(crate) struct Page<T> {
    pub(crate) value: Vec<T>,
    #[serde(default, rename = "nextLink")]
    pub(crate) next_link: Option<String>,
}

/// A list that some versions wrap and others do not.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum MaybeWrapped<T> {
    Wrapped { value: Vec<T> },
    Bare(Vec<T>),
}

impl<T> MaybeWrapped<T> {
    pub(crate) fn into_vec(self) -> Vec<T> {
        match self {
            Self::Wrapped { value } | Self::Bare(value) => value,
        }
    }
}

pub(crate) fn null_is_nothing<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[derive(Deserialize)]
pub(crate) struct ContainerGroup {
    pub(crate) id: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) location: String,
    #[serde(default, deserialize_with = "null_is_nothing")]
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) properties: ContainerGroupProperties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ContainerGroupProperties {
    #[serde(default)]
    pub(crate) provisioning_state: String,
    #[serde(default)]
    pub(crate) instance_view: Option<GroupInstanceView>,
    #[serde(default, deserialize_with = "null_is_nothing")]
    pub(crate) containers: Vec<Container>,
    #[serde(default)]
    pub(crate) ip_address: Option<IpAddress>,
}

#[derive(Deserialize)]
pub(crate) struct IpAddress {
    #[serde(default)]
    pub(crate) ip: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct GroupInstanceView {
    #[serde(default)]
    pub(crate) state: Option<String>,
    #[serde(default, deserialize_with = "null_is_nothing")]
    pub(crate) events: Vec<Event>,
}

#[derive(Deserialize)]
pub(crate) struct Container {
    pub(crate) name: String,
    pub(crate) properties: ContainerProperties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ContainerProperties {
    #[serde(default)]
    pub(crate) image: String,
    #[serde(default)]
    pub(crate) instance_view: Option<ContainerInstanceView>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ContainerInstanceView {
    #[serde(default)]
    pub(crate) restart_count: u64,
    #[serde(default)]
    pub(crate) current_state: Option<ContainerState>,
    #[serde(default)]
    pub(crate) previous_state: Option<ContainerState>,
    #[serde(default, deserialize_with = "null_is_nothing")]
    pub(crate) events: Vec<Event>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ContainerState {
    #[serde(default)]
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) start_time: Option<String>,
    #[serde(default)]
    pub(crate) finish_time: Option<String>,
    #[serde(default)]
    pub(crate) exit_code: Option<i64>,
    #[serde(default)]
    pub(crate) detail_status: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) message: String,
    #[serde(default, rename = "type")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) count: u64,
    #[serde(default)]
    pub(crate) first_timestamp: Option<String>,
    #[serde(default)]
    pub(crate) last_timestamp: Option<String>,
}
