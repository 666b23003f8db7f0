//! The log of a run, as it comes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::Value;

use super::PACE;
use crate::emulator::{Emulator, pause};

/// Prints the steps' logs until the run is over, and gives its result.
pub(super) fn follow(emulator: &Emulator, run: u64, patience: Duration) -> Result<String> {
    let start = Instant::now();
    let build = format!("{}/_apis/build/builds/{run}", emulator.setting("AZURE_DEVOPS_PROJECT"));
    let mut printed = BTreeSet::new();
    loop {
        // The state first: what is in the log by then is all there will be.
        let state = emulator.devops("GET", &build, None)?;
        let timeline = emulator.devops("GET", &format!("{build}/timeline"), None)?;
        for record in ready(&timeline, &printed) {
            print_record(emulator, &build, record)?;
            printed.insert(id(record));
        }
        if state["status"] == "completed" {
            return Ok(state["result"].as_str().unwrap_or_default().to_owned());
        }
        if start.elapsed() > patience {
            bail!("the run is not over after {} s; it stands at {}", patience.as_secs(), standing(&timeline));
        }
        pause(PACE);
    }
}

/// Finished steps not yet printed, in their order, and whatever else has something to say.
fn ready<'a>(timeline: &'a Value, printed: &BTreeSet<String>) -> Vec<&'a Value> {
    let mut records: Vec<&Value> = records(timeline)
        .filter(|record| {
            let speaks =
                record["type"] == "Task" || record["issues"].as_array().is_some_and(|all| !all.is_empty());
            speaks && record["state"] == "completed" && !printed.contains(&id(record))
        })
        .collect();
    records.sort_by_key(|record| {
        (record["startTime"].as_str().unwrap_or_default().to_owned(), record["order"].as_u64())
    });
    records
}

fn print_record(emulator: &Emulator, build: &str, record: &Value) -> Result<()> {
    let result = record["result"].as_str().unwrap_or_default();
    let worker = record["workerName"].as_str().map(|name| format!(" on {name}")).unwrap_or_default();
    println!("── {}{worker}: {result}", record["name"].as_str().unwrap_or_default());
    for issue in record["issues"].as_array().map(Vec::as_slice).unwrap_or_default() {
        println!(
            "   {}: {}",
            issue["type"].as_str().unwrap_or("issue"),
            issue["message"].as_str().unwrap_or_default()
        );
    }
    if let Some(log) = record["log"]["id"].as_u64() {
        let log = emulator.devops("GET", &format!("{build}/logs/{log}"), None)?;
        for line in log["value"].as_array().map(Vec::as_slice).unwrap_or_default() {
            println!("   {}", without_time(line.as_str().unwrap_or_default()));
        }
    }
    Ok(())
}

/// Log lines begin with a time stamp, which is for machines.
fn without_time(line: &str) -> &str {
    match line.split_once(' ') {
        Some((stamp, rest)) if stamp.ends_with('Z') && stamp.contains('T') => rest,
        _ => line,
    }
}

fn standing(timeline: &Value) -> String {
    let running = records(timeline).filter(|record| record["state"] == "inProgress");
    let names: Vec<&str> = running.filter_map(|record| record["name"].as_str()).collect();
    if names.is_empty() { "nothing that runs".to_owned() } else { names.join(" / ") }
}

fn records(timeline: &Value) -> impl Iterator<Item = &Value> {
    timeline["records"].as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

fn id(record: &Value) -> String {
    record["id"].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    #[test]
    fn finished_steps_come_once_and_in_order() {
        let timeline = json!({"records": [
            {"id": "b", "type": "Task", "state": "completed", "startTime": "2", "name": "second"},
            {"id": "a", "type": "Task", "state": "completed", "startTime": "1", "name": "first"},
            {"id": "c", "type": "Task", "state": "inProgress", "startTime": "3"},
            {"id": "j", "type": "Job", "state": "completed", "startTime": "0"},
            {"id": "k", "type": "Job", "state": "completed", "startTime": "4", "name": "refused", "issues": [{}]},
        ]});
        let names = |printed: &BTreeSet<String>| {
            super::ready(&timeline, printed)
                .into_iter()
                .map(|record| record["name"].clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&BTreeSet::new()), ["first", "second", "refused"]);
        assert_eq!(names(&BTreeSet::from(["a".to_owned()])), ["second", "refused"]);
    }

    #[test]
    fn a_line_loses_its_time_stamp_and_nothing_else() {
        assert_eq!(super::without_time("2026-11-24T01:02:03.1234567Z hello Z"), "hello Z");
        assert_eq!(super::without_time("no stamp"), "no stamp");
    }
}
