//! What a container printed from its start to its end.

use serde_json::Value;

use crate::troubleshooting;

/// What the container of an agent printed from its start to its end.
#[derive(Clone, Debug)]
pub struct Life {
    /// All of it.
    pub output: String,
}

impl Life {
    /// The outcomes' lines for programs; several where a container was started again.
    pub fn outcomes(&self) -> Vec<Value> {
        let records = self.output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        records.filter(|record| record["event"] == "outcome").collect()
    }

    /// The outcome's line for programs.
    pub fn outcome(&self) -> Value {
        let outcomes = self.outcomes();
        let [outcome] = &outcomes[..] else { panic!("not one outcome:\n{}", self.output) };
        outcome.clone()
    }

    /// How often a text was printed.
    pub fn count(&self, text: &str) -> usize {
        self.output.matches(text).count()
    }

    /// Checks what was printed against the row `id` of `docs/troubleshooting.md`.
    pub fn has_row(&self, id: &str) {
        let outcome = self.outcome();
        troubleshooting::check(id, &self.output, outcome["outcome"].as_str());
    }
}
