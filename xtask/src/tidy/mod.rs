//! `cargo xtask tidy`: what the compiler cannot check.

mod text;
mod walls;

use anyhow::{Result, bail};

/// Reports every breach, and fails if there is one.
pub(crate) fn run() -> Result<()> {
    let mut breaches = walls::breaches()?;
    breaches.extend(text::breaches()?);
    for breach in &breaches {
        println!("tidy: {breach}");
    }
    match breaches.len() {
        0 => Ok(()),
        count => bail!("{count} breaches of the rules in CONTRIBUTING.md"),
    }
}
