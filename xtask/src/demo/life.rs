//! An agent's life, read from both services and from the emulator's journal.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::values;
use crate::emulator::Emulator;

/// What a whole life consists of: the journal's word, and ours.
pub(super) const EVENTS: &[(&str, &str)] = &[
    ("agentRegistered", "agent registered"),
    ("groupCreated", "container group created"),
    ("containerStarted", "container started"),
    ("agentOnline", "agent online"),
    ("jobQueued", "job queued"),
    ("jobAssigned", "job assigned to it"),
    ("jobStarted", "job started"),
    ("jobFinished", "job finished"),
    ("agentUnregistered", "agent unregistered"),
    ("groupDeleteAsked", "deletion asked for"),
    ("groupDeleted", "container group deleted"),
];

/// Name of the agent that the seed puts into the pool so that jobs can be queued.
const PLACEHOLDER: &str = "placeholder";

/// A line of a life.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    /// The journal's word.
    pub(super) event: String,
    /// Seconds since midnight, with a fraction.
    pub(super) at: f64,
}

/// Agents in the pool, but for the placeholder.
pub(super) fn agents(emulator: &Emulator) -> Result<Vec<String>> {
    let pools = emulator.devops(
        "GET",
        &format!("_apis/distributedtask/pools?poolName={}", emulator.setting("AZURE_DEVOPS_POOL")),
        None,
    )?;
    let pool = values(&pools).next().and_then(|pool| pool["id"].as_u64()).context("the pool is not there")?;
    let agents = emulator.devops("GET", &format!("_apis/distributedtask/pools/{pool}/agents"), None)?;
    Ok(names(&agents).into_iter().filter(|name| name != PLACEHOLDER).collect())
}

/// Container groups in the resource group.
pub(super) fn groups(emulator: &Emulator) -> Result<Vec<String>> {
    let path = format!(
        "resourceGroups/{}/providers/Microsoft.ContainerInstance/containerGroups?api-version=2025-09-01",
        emulator.setting("AZURE_RESOURCE_GROUP")
    );
    Ok(names(&emulator.arm(&path)?))
}

fn names(answer: &Value) -> Vec<String> {
    values(answer).filter_map(|item| item["name"].as_str().map(str::to_owned)).collect()
}

/// A list for the reader.
pub(super) fn list(names: &[String]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

/// The name of the agent whose container group was created last.
pub(super) fn agent_name(emulator: &Emulator) -> Result<Option<String>> {
    let state = emulator.control("GET", "state", None)?;
    let created = journal(&state).filter(|entry| entry["event"] == "groupCreated").last();
    Ok(created.and_then(|entry| entry["name"].as_str().map(str::to_owned)))
}

/// All that the journal has on an agent.
pub(super) fn read(emulator: &Emulator, name: &str) -> Result<Vec<Entry>> {
    let state = emulator.control("GET", "state", None)?;
    let mut life: Vec<Entry> =
        journal(&state).filter(|entry| entry["name"] == name).filter_map(entry).collect();
    life.sort_by(|a, b| a.at.total_cmp(&b.at));
    Ok(life)
}

fn journal(state: &Value) -> impl Iterator<Item = &Value> {
    state["journal"].as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

fn entry(line: &Value) -> Option<Entry> {
    let (_, time) = line["at"].as_str()?.trim_end_matches('Z').split_once('T')?;
    let seconds =
        time.split(':').try_fold(0.0, |sum, part| part.parse::<f64>().ok().map(|part| sum * 60.0 + part))?;
    Some(Entry { event: line["event"].as_str()?.to_owned(), at: seconds })
}

/// The life as a table: what, when since the beginning, how long since the line before.
pub(super) fn table(life: &[Entry]) -> String {
    let Some(first) = life.first() else { return "  (the emulator saw nothing of it)\n".to_owned() };
    let mut table = format!("  {:26} {:>9}  {:>9}\n", "", "at", "after");
    let mut before = first.at;
    for entry in life {
        let words = EVENTS
            .iter()
            .find(|(event, _)| *event == entry.event)
            .map_or(entry.event.as_str(), |(_, words)| words);
        // Past midnight the clock begins anew.
        let since = |earlier: f64| (entry.at - earlier).rem_euclid(86_400.0);
        // Writing to a String cannot fail.
        let _ = writeln!(table, "  {words:26} {:>7.2} s  {:>+7.2} s", since(first.at), since(before));
        before = entry.at;
    }
    table
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Entry, entry, table};

    #[test]
    fn a_life_reads_as_a_table() {
        let line =
            |event: &str, at: &str| entry(&json!({"event": event, "at": at, "name": "a"})).expect("a line");
        let life = [
            line("agentRegistered", "2026-11-24T10:00:00.5Z"),
            line("groupCreated", "2026-11-24T10:00:01.25Z"),
            line("somethingNew", "2026-11-24T10:01:00Z"),
        ];
        let expected = "                                    at      after
  agent registered              0.00 s    +0.00 s
  container group created       0.75 s    +0.75 s
  somethingNew                 59.50 s   +58.75 s
";
        assert_eq!(table(&life), expected);
    }

    #[test]
    fn a_life_over_midnight_still_goes_forward() {
        let life = [Entry { event: "a".to_owned(), at: 86_399.0 }, Entry { event: "b".to_owned(), at: 1.0 }];
        assert!(table(&life).contains("2.00 s    +2.00 s"), "{}", table(&life));
    }
}
