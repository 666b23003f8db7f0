//! Plans: the timelines, logs, live output and attachments of a run's jobs.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::wire::{Reference, time};

/// A timeline record as JSON: clients send parts of it, and members that are not known are kept.
/// A secret variable's value stands under `secretValue`, so that no view of the state shows it.
pub type Record = Map<String, Value>;

/// A plan to be made.
#[derive(Clone, Debug)]
pub struct NewPlan {
    /// Its id.
    pub plan_id: Uuid,
    /// Its main timeline.
    pub timeline_id: Uuid,
    /// The project.
    pub scope: Uuid,
    /// Its type: `Build`.
    pub hub: String,
    /// The pipeline.
    pub definition: Reference,
    /// The run.
    pub owner: Reference,
}

/// What a run's jobs report to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Its id.
    pub id: Uuid,
    /// The project.
    pub scope: Uuid,
    /// Its type.
    pub hub: String,
    /// The pipeline.
    pub definition: Reference,
    /// The run.
    pub owner: Reference,
    /// Its main timeline.
    pub timeline_id: Uuid,
    /// All its timelines.
    pub timelines: BTreeMap<Uuid, Timeline>,
    /// Its logs.
    pub logs: BTreeMap<u64, Log>,
    /// Live output, by record.
    pub feeds: BTreeMap<Uuid, Vec<String>>,
    /// Attachments.
    pub attachments: Vec<Attachment>,
}

/// A timeline.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Timeline {
    /// Counts its changes.
    pub change_id: u64,
    /// Its records, in the order in which they came.
    pub records: Vec<Record>,
}

/// A log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Log {
    /// Its id in the plan.
    pub id: u64,
    /// The path that the agent gave it.
    pub path: String,
    /// When it was made.
    pub created_on: Timestamp,
    /// When it last grew.
    pub changed_on: Timestamp,
    /// What it holds.
    pub text: String,
}

/// A file that a step attached to its record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Attachment {
    /// The timeline.
    pub timeline_id: Uuid,
    /// The record.
    pub record_id: Uuid,
    /// Its type, such as `DistributedTask.Core.Summary`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// When it came.
    pub created_on: Timestamp,
    /// What it holds, as base64.
    pub content: String,
}

/// An output variable of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputVariable {
    /// Its value.
    pub value: super::wire::Secret,
    /// Whether it must be masked.
    pub is_secret: bool,
}

impl Plan {
    /// The main timeline's record of this id.
    pub fn record(&self, record_id: Uuid) -> Option<&Record> {
        self.timelines.get(&self.timeline_id)?.records.iter().find(|record| id_of(record) == Some(record_id))
    }

    /// The output variables that a record of the main timeline has.
    pub fn output_variables(&self, record_id: Uuid) -> BTreeMap<String, OutputVariable> {
        let variables = self.record(record_id).and_then(|record| record.get("variables")?.as_object());
        let variable = |(name, variable): (&String, &Value)| {
            let is_secret = variable["isSecret"] == true;
            let value = &variable[if is_secret { "secretValue" } else { "value" }];
            let value = super::wire::Secret(value.as_str().unwrap_or_default().to_owned());
            (name.clone(), OutputVariable { value, is_secret })
        };
        variables.into_iter().flatten().map(variable).collect()
    }

    /// The lines of a log.
    pub fn log_lines(&self, log_id: u64) -> Option<Vec<&str>> {
        Some(self.logs.get(&log_id)?.text.lines().collect())
    }
}

/// Makes a plan. One that is there stays as it is.
pub fn create_plan(state: &mut crate::State, new: NewPlan) {
    let plan = Plan {
        id: new.plan_id,
        scope: new.scope,
        hub: new.hub,
        definition: new.definition,
        owner: new.owner,
        timeline_id: new.timeline_id,
        timelines: BTreeMap::from([(new.timeline_id, Timeline::default())]),
        logs: BTreeMap::new(),
        feeds: BTreeMap::new(),
        attachments: Vec::new(),
    };
    state.devops.plans.entry(new.plan_id).or_insert(plan);
}

/// The id of a record.
pub fn id_of(record: &Record) -> Option<Uuid> {
    record.get("id")?.as_str()?.parse().ok()
}

/// Merges a part of a record into the plan's main timeline: members that are given replace those that were there.
/// Does nothing without a known plan and an `id` in the record.
pub fn put_record(state: &mut crate::State, plan_id: Uuid, record: Value) {
    let now = state.now;
    let Some(plan) = state.devops.plans.get_mut(&plan_id) else { return };
    if let Some(timeline) = plan.timelines.get_mut(&plan.timeline_id) {
        let _ = timeline.merge(record, now);
    }
}

impl Timeline {
    /// Merges a part of a record and returns its id, or `None` when it has none.
    pub(crate) fn merge(&mut self, part: Value, now: Timestamp) -> Option<Uuid> {
        let Value::Object(mut part) = part else { return None };
        let id = id_of(&part)?;
        hide_secrets(&mut part);
        self.change_id += 1;
        let position = self.records.iter().position(|record| id_of(record) == Some(id));
        let index = position.unwrap_or_else(|| {
            self.records.push(Map::from_iter([("state".to_owned(), json!("pending"))]));
            self.records.len() - 1
        });
        let record = &mut self.records[index];
        for (key, value) in part {
            match (key.as_str(), value) {
                (_, Value::Null) => {}
                ("variables", Value::Object(new)) => merge_members(record, "variables", new),
                (_, value) => drop(record.insert(key, value)),
            }
        }
        record.insert("id".to_owned(), json!(id));
        record.insert("changeId".to_owned(), json!(self.change_id));
        record.insert("lastModified".to_owned(), json!(time(now)));
        Some(id)
    }
}

fn merge_members(record: &mut Record, key: &str, new: Record) {
    match record.get_mut(key) {
        Some(Value::Object(old)) => old.extend(new),
        _ => drop(record.insert(key.to_owned(), Value::Object(new))),
    }
}

fn hide_secrets(record: &mut Record) {
    let Some(Value::Object(variables)) = record.get_mut("variables") else { return };
    for variable in variables.values_mut().filter_map(Value::as_object_mut) {
        if variable.get("isSecret") == Some(&Value::Bool(true))
            && let Some(value) = variable.remove("value")
        {
            variable.insert("secretValue".to_owned(), value);
        }
    }
}

/// A record as clients see it: the values of secret variables are left out.
pub(crate) fn shown(record: &Record) -> Value {
    let mut record = record.clone();
    if let Some(Value::Object(variables)) = record.get_mut("variables") {
        for variable in variables.values_mut().filter_map(Value::as_object_mut) {
            if variable.remove("secretValue").is_some() {
                variable.insert("value".to_owned(), Value::Null);
            }
        }
    }
    Value::Object(record)
}

/// Makes an empty log and returns its id; `None` without a known plan.
pub fn create_log(state: &mut crate::State, plan_id: Uuid, path: &str) -> Option<u64> {
    let now = state.now;
    let plan = state.devops.plans.get_mut(&plan_id)?;
    let id = plan.logs.last_key_value().map_or(1, |(id, _)| id + 1);
    let log = Log { id, path: path.to_owned(), created_on: now, changed_on: now, text: String::new() };
    plan.logs.insert(id, log);
    Some(id)
}

/// Appends to a log; `None` when plan or log is not known.
pub fn append_log(state: &mut crate::State, plan_id: Uuid, log_id: u64, text: &str) -> Option<()> {
    let now = state.now;
    let log = state.devops.plans.get_mut(&plan_id)?.logs.get_mut(&log_id)?;
    log.text.push_str(text);
    log.changed_on = now;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::{Timeline, shown};
    use serde_json::json;

    const ID: &str = "6b8b1f2e-0000-4000-8000-000000000001";

    #[test]
    fn parts_of_a_record_are_merged_by_id() {
        let mut timeline = Timeline::default();
        let now = jiff::Timestamp::UNIX_EPOCH;
        timeline.merge(json!({"id": ID, "name": "Step", "variables": {"a": {"value": "1"}}}), now);
        timeline.merge(
            json!({"id": ID, "name": null, "state": "completed", "variables": {"b": {"value": "2"}}}),
            now,
        );
        assert_eq!(timeline.records.len(), 1);
        let record = shown(&timeline.records[0]);
        assert_eq!((&record["name"], &record["state"]), (&json!("Step"), &json!("completed")));
        assert_eq!(record["variables"], json!({"a": {"value": "1"}, "b": {"value": "2"}}));
        assert_eq!(record["changeId"], 2);
    }

    #[test]
    fn a_secret_variable_is_kept_and_not_shown() {
        let mut timeline = Timeline::default();
        let part = json!({"id": ID, "variables": {"key": {"value": "hunter2", "isSecret": true}}});
        timeline.merge(part, jiff::Timestamp::UNIX_EPOCH);
        assert_eq!(timeline.records[0]["variables"]["key"]["secretValue"], "hunter2");
        assert!(!shown(&timeline.records[0]).to_string().contains("hunter2"));
    }

    #[test]
    fn what_has_no_id_is_not_a_record() {
        let mut timeline = Timeline::default();
        assert!(timeline.merge(json!({"name": "Step"}), jiff::Timestamp::UNIX_EPOCH).is_none());
        assert!(timeline.records.is_empty());
    }
}
