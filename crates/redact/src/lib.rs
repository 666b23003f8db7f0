//! Secrets that cannot be printed, and the masker for text we do not control.
//!
//! A [`Secret`] has no `Display`, no `Serialize` and a `Debug` that says only that it is one; the value comes out
//! through [`Secret::expose`] alone, so that every use can be found and counted. Text that other programs wrote (a
//! child's output, the body of a service's error) goes through a [`SecretMasker`] before anyone sees it.

mod masker;
mod secret;

pub use masker::SecretMasker;
pub use secret::Secret;
