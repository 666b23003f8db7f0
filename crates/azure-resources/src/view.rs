//! A container group as it was found.

use std::collections::BTreeMap;

use lifecycle::{ComputePhase, ContainerGroup, OwnershipTags, Timestamp};

use crate::phase::phase;
use crate::wire;

/// A container group, with what happened to it where it was read by itself and not in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerGroupView {
    /// Its resource id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its region.
    pub location: String,
    /// Every tag it carries.
    pub tags: BTreeMap<String, String>,
    /// The service's word for how creating it went.
    pub provisioning_state: String,
    /// The service's word for what it does; lists leave it out.
    pub state: Option<String>,
    /// Its address in the virtual network.
    pub ip: Option<String>,
    /// Its containers.
    pub containers: Vec<ContainerView>,
    /// What happened, the group's and its containers' events in the order of time. A warning alone is no failure:
    /// groups that end up running have them too.
    pub events: Vec<Event>,
}

/// One of its containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerView {
    /// Its name.
    pub name: String,
    /// The image.
    pub image: String,
    /// What it does.
    pub current: Option<ContainerState>,
    /// What it did before it was last started.
    pub previous: Option<ContainerState>,
    /// How often it was started again.
    pub restart_count: u64,
}

/// What a container does or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerState {
    /// `Waiting`, `Running`, `Terminated`.
    pub state: String,
    /// Why, in the service's words: `Completed`, `Error`, `CrashLoopBackOff: …`.
    pub detail: String,
    /// Its exit code, once it is over. 7147 and 7148 are the platform's maintenance.
    pub exit_code: Option<i64>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// Something that happened to a group or a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// `Pulling`, `Pulled`, `Started`, `Failed`, `Killing` …
    pub name: String,
    /// In words.
    pub message: String,
    /// Whether the service calls it a warning.
    pub warning: bool,
    /// How often.
    pub count: u64,
    /// The first time.
    pub first: Option<Timestamp>,
    /// The last time.
    pub last: Option<Timestamp>,
}

impl ContainerGroupView {
    /// What it does, in the words of no service in particular.
    pub fn phase(&self) -> ComputePhase {
        phase(&self.provisioning_state, self.state.as_deref())
    }

    /// Its tags, where it is ours.
    pub fn ownership(&self) -> Option<OwnershipTags> {
        OwnershipTags::from_map(&self.tags)
    }

    /// As the port lists it.
    pub(crate) fn listed(self) -> ContainerGroup {
        ContainerGroup { phase: self.phase(), name: self.name, tags: self.tags }
    }
}

impl From<wire::ContainerGroup> for ContainerGroupView {
    fn from(group: wire::ContainerGroup) -> Self {
        let wire::ContainerGroupProperties { provisioning_state, instance_view, containers, ip_address } =
            group.properties;
        let (state, mut events) =
            instance_view.map_or_else(Default::default, |view| (view.state, view.events));
        let containers =
            containers.into_iter().map(|container| container_view(container, &mut events)).collect();
        let mut events: Vec<Event> = events.into_iter().map(event).collect();
        events.sort_by_key(|event| (event.first, event.last));
        Self {
            id: group.id,
            name: group.name,
            location: group.location,
            tags: group.tags,
            provisioning_state,
            state,
            ip: ip_address.and_then(|address| address.ip),
            containers,
            events,
        }
    }
}

fn container_view(container: wire::Container, events: &mut Vec<wire::Event>) -> ContainerView {
    let wire::ContainerProperties { image, instance_view } = container.properties;
    let mut view =
        ContainerView { name: container.name, image, current: None, previous: None, restart_count: 0 };
    if let Some(instance) = instance_view {
        view.current = instance.current_state.map(container_state);
        view.previous = instance.previous_state.filter(|state| !state.state.is_empty()).map(container_state);
        view.restart_count = instance.restart_count;
        events.extend(instance.events);
    }
    view
}

fn container_state(state: wire::ContainerState) -> ContainerState {
    ContainerState {
        state: state.state,
        detail: state.detail_status.unwrap_or_default(),
        exit_code: state.exit_code,
        started_at: moment(state.start_time),
        finished_at: moment(state.finish_time),
    }
}

fn event(event: wire::Event) -> Event {
    Event {
        warning: event.kind.eq_ignore_ascii_case("warning"),
        name: event.name,
        message: event.message,
        count: event.count,
        first: moment(event.first_timestamp),
        last: moment(event.last_timestamp),
    }
}

/// The service writes both `Z` and `+00:00`.
fn moment(text: Option<String>) -> Option<Timestamp> {
    let text = text?;
    let utc = text.strip_suffix("+00:00").map(|local| format!("{local}Z"));
    Timestamp::parse(utc.as_deref().unwrap_or(&text))
}

#[cfg(test)]
mod tests {
    use lifecycle::{ComputePhase, Timestamp};

    use super::ContainerGroupView;
    use crate::wire;

    fn read(text: &str) -> ContainerGroupView {
        serde_json::from_str::<wire::ContainerGroup>(text).expect("JSON").into()
    }

    #[test]
    fn reads_a_group_that_failed_with_its_events_in_the_order_of_time() {
        let view = read(
            r#"{"id":"/s/g","name":"g","location":"westeurope","tags":null,"properties":{
                "provisioningState":"Succeeded","osType":"Linux","ipAddress":{"type":"Private","ip":"10.0.0.5"},
                "instanceView":{"state":"Failed","events":[{"name":"Killing","type":"Warning","message":"k","count":1,
                    "firstTimestamp":"1970-01-01T00:00:30Z","lastTimestamp":"1970-01-01T00:00:30Z"}]},
                "containers":[{"name":"agent","properties":{"image":"i","instanceView":{"restartCount":1,
                    "currentState":{"state":"Terminated","exitCode":2,"detailStatus":"Error","startTime":"1970-01-01T00:00:10.123Z"},
                    "previousState":{"state":"","detailStatus":""},
                    "events":[{"name":"Pulled","type":"Normal","message":"p","count":1,"firstTimestamp":"1970-01-01T00:00:09+00:00"},
                              {"name":"Pulling","type":"Normal","message":"q","count":1,"firstTimestamp":"1970-01-01T00:00:05+00:00"}]}}}]}}"#,
        );
        assert_eq!(view.phase(), ComputePhase::Exited);
        let names: Vec<_> = view.events.iter().map(|event| event.name.as_str()).collect();
        assert_eq!(names, ["Pulling", "Pulled", "Killing"]);
        let container = &view.containers[0];
        let state = container.current.as_ref().expect("a state");
        assert_eq!((state.exit_code, state.detail.as_str()), (Some(2), "Error"));
        assert_eq!(state.started_at, Some(Timestamp(10)));
        assert_eq!((container.previous.as_ref(), container.restart_count), (None, 1));
        assert_eq!((view.ip.as_deref(), view.ownership()), (Some("10.0.0.5"), None));
    }

    #[test]
    fn reads_a_listed_group_which_says_little() {
        let view =
            read(r#"{"id":"/s/g","name":"g","properties":{"provisioningState":"Creating","containers":[]}}"#);
        assert_eq!((view.phase(), view.events.len()), (ComputePhase::Creating, 0));
    }
}
