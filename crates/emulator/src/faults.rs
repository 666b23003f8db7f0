//! Faults as knobs: each is off until somebody turns it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A fault that the emulator can play.
pub struct Knob {
    /// `part.what`, such as `arm.capacity`.
    pub name: &'static str,
    /// What it does, and what its value means.
    pub meaning: &'static str,
}

/// Every knob there is.
pub fn knobs() -> impl Iterator<Item = &'static Knob> {
    [
        crate::http::KNOBS,
        crate::entra::KNOBS,
        crate::arm::KNOBS,
        crate::compute::KNOBS,
        crate::devops::KNOBS,
        crate::pipelines::KNOBS,
    ]
    .into_iter()
    .flatten()
}

/// The knobs that are turned.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Faults {
    values: BTreeMap<String, Value>,
}

impl Faults {
    /// Turns a knob. `Err` holds the names there are.
    pub fn set(&mut self, name: &str, value: Value) -> Result<(), Vec<&'static str>> {
        if !knobs().any(|knob| knob.name == name) {
            return Err(knobs().map(|knob| knob.name).collect());
        }
        self.values.insert(name.to_owned(), value);
        Ok(())
    }

    /// Puts another value in the place of one that is known.
    pub(crate) fn replace(&mut self, name: &str, value: Value) {
        self.values.insert(name.to_owned(), value);
    }

    /// Turns a knob back; all of them without a name.
    pub fn clear(&mut self, name: Option<&str>) {
        match name {
            Some(name) => drop(self.values.remove(name)),
            None => self.values.clear(),
        }
    }

    /// The value of a knob that is turned.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// Whether a knob is turned to anything but `false`.
    pub fn is_on(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| *value != Value::Bool(false))
    }

    /// The number a knob is turned to.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.get(name).and_then(Value::as_u64)
    }

    /// For knobs that count how often a fault is still to happen: takes one of them.
    pub fn take_one(&mut self, name: &str) -> bool {
        match self.number(name) {
            Some(left) if left > 1 => {
                self.values.insert(name.to_owned(), Value::from(left - 1));
                true
            }
            Some(1) => self.values.remove(name).is_some(),
            _ => false,
        }
    }

    /// All that are turned.
    pub fn turned(&self) -> &BTreeMap<String, Value> {
        &self.values
    }
}
