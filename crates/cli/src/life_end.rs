//! How an agent's life ended, as the supervisor in its container said. The log goes with the container group, so this
//! is read before the group is deleted.

use serde_json::Value;

/// How many of the last lines are looked through: what the supervisor says comes last, but for warnings.
pub(crate) const LINES: u32 = 50;

/// What is said of a start that ran nothing. Another line tells more about the life.
const USED_BEFORE: &str = "used-before";

/// The longest sentence that is repeated, in characters.
const LONGEST: usize = 600;

/// How a life ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LifeEnd {
    /// The supervisor's stable name for it.
    pub(crate) outcome: String,
    /// Its sentence.
    pub(crate) detail: String,
}

/// Finds the outcome in what a container printed. Whoever wrote into that log may have written anything, so only what
/// looks like an outcome is taken, without control characters.
pub(crate) fn find(log: &str) -> Option<LifeEnd> {
    let records = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let ends: Vec<LifeEnd> = records.filter_map(|record| read(&record)).collect();
    let told = ends.iter().rfind(|end| end.outcome != USED_BEFORE);
    told.or(ends.last()).cloned()
}

fn read(record: &Value) -> Option<LifeEnd> {
    let outcome = record["outcome"].as_str().filter(|_| record["event"] == "outcome")?;
    let is_name =
        (1..=40).contains(&outcome.len()) && outcome.bytes().all(|c| c.is_ascii_lowercase() || c == b'-');
    let detail = record["detail"].as_str().unwrap_or_default();
    let detail = detail.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
    is_name.then(|| LifeEnd { outcome: outcome.to_owned(), detail })
}

#[cfg(test)]
mod tests {
    use super::{LifeEnd, find};

    fn said(outcome: &str) -> String {
        format!(
            "a line\n{{\"event\":\"outcome\",\"outcome\":{outcome:?},\"detail\":\"a\\u001bb\"}}\nwarning: x\n"
        )
    }

    #[test]
    fn the_last_outcome_that_tells_something() {
        let end = |outcome: &str| Some(LifeEnd { outcome: outcome.to_owned(), detail: "ab".to_owned() });
        assert_eq!(find(&said("job-finished")), end("job-finished"));
        assert_eq!(find(&[said("agent-lost"), said("used-before")].concat()), end("agent-lost"));
        assert_eq!(find(&[said("used-before"), said("used-before")].concat()), end("used-before"));
    }

    #[test]
    fn what_is_no_outcome_is_none() {
        for log in
            ["", "{\"event\":\"outcome\"}", "{\"outcome\":\"job-finished\"}", "outcome", &said("Job Done")]
        {
            assert_eq!(find(log), None, "{log}");
        }
    }
}
