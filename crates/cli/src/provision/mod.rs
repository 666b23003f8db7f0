//! `provision`: preflight, name, register, create, wait, outputs; and the way back from every point of it.

pub(crate) mod diagnose;
pub(crate) mod outputs;
pub(crate) mod plan;
pub(crate) mod preflight;
pub(crate) mod preview;
pub(crate) mod run;
mod several;
pub(crate) mod take_down;
pub(crate) mod wait;

#[cfg(test)]
mod tests;
