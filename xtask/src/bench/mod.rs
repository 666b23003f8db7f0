//! `cargo xtask bench`: measured, and held against what we promise.
//!
//! Counts and sizes mean the same on every machine. Times are medians of several lives on this one; they are shown
//! with the machine's speed in mind, never asserted in a test.

mod image;
mod life;
mod sample;
mod task;

use std::fmt::Write as _;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::base_image;
use crate::binaries::Binaries;
use crate::emulator::Emulator;
use crate::programs::{root, target};

/// How to measure.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Lives to measure; the medians count
    #[arg(long, default_value_t = 5)]
    lives: usize,
    /// Write the result to docs/benchmarks.md
    #[arg(long)]
    write: bool,
}

/// A line of the result.
struct Row {
    what: &'static str,
    measured: f64,
    promised: f64,
    unit: &'static str,
}

/// Measures all of it.
pub(crate) fn run(options: &Options) -> Result<()> {
    println!("Building as shipped: static, stripped, small (this takes some minutes the first time)");
    let shipped = Binaries::build_for_shipping()?;
    let built = Binaries::build()?;
    let data = target().join("bench");
    let _ = std::fs::remove_dir_all(&data);
    let emulator =
        Emulator::start(&Programs { built: &built, shipped: &shipped }.into_folder(&data)?, &data, None)?;
    let mut lives = Vec::new();
    for number in 1..=options.lives.max(1) {
        let start = Instant::now();
        lives.push(life::measure(&emulator, &shipped, base_image::AGENT_IMAGE)?);
        println!("Life {number} of {}: {:.1} s", options.lives.max(1), start.elapsed().as_secs_f64());
    }
    let starts = task::measure(&emulator, &shipped, base_image::AGENT_IMAGE, options.lives.max(1))?;
    let images = image::measure(&shipped)?;
    let mut rows = sizes(&shipped)?;
    rows.extend(image::rows(&images));
    rows.extend(life::rows(&lives));
    rows.push(task::row(&starts));
    let (table, layers) = (table(&rows), image::table(&images));
    println!("\n{table}\n{layers}");
    if options.write {
        std::fs::write(root().join("docs/benchmarks.md"), page(&table, &layers, lives.len()))?;
    }
    let over: Vec<_> = rows.iter().filter(|row| row.measured > row.promised).map(|row| row.what).collect();
    if over.is_empty() { Ok(()) } else { bail!("over what is promised: {}", over.join("; ")) }
}

/// The emulator as tests have it, beside the programs as they are shipped.
struct Programs<'a> {
    built: &'a Binaries,
    shipped: &'a Binaries,
}

impl Programs<'_> {
    fn into_folder(self, data: &std::path::Path) -> Result<Binaries> {
        let folder = data.join("programs");
        std::fs::create_dir_all(&folder)?;
        std::fs::copy(self.built.path("azure-emulator"), folder.join("azure-emulator"))?;
        for program in ["agent-supervisor", "stand-in-agent", "ephemeral-agents"] {
            std::fs::copy(self.shipped.path(program), folder.join(program))?;
        }
        Ok(Binaries::in_folder(folder))
    }
}

fn sizes(shipped: &Binaries) -> Result<Vec<Row>> {
    #[expect(clippy::cast_precision_loss, reason = "sizes of programs are small numbers")]
    let mebibytes = |program: &str| -> Result<f64> {
        Ok(std::fs::metadata(shipped.path(program))?.len() as f64 / f64::from(1 << 20))
    };
    let size = mebibytes("agent-supervisor")?;
    Ok(vec![Row {
        what: "`agent-supervisor`, static and stripped",
        measured: size,
        promised: 6.0,
        unit: "MiB",
    }])
}

fn table(rows: &[Row]) -> String {
    let mut table = "| what | measured | promised at most |\n|---|---:|---:|\n".to_owned();
    for Row { what, measured, promised, unit } in rows {
        // Writing to a String cannot fail.
        let _ = if unit.is_empty() {
            writeln!(table, "| {what} | {measured:.0} | {promised:.0} |")
        } else {
            writeln!(table, "| {what} | {measured:.2} {unit} | {promised} {unit} |")
        };
    }
    table
}

fn page(table: &str, layers: &str, lives: usize) -> String {
    format!(
        "# Benchmarks\n\n\
         Made by `cargo xtask bench --write`: {lives} lives on the emulator's process runtime, medians. The programs are \
         built as they are shipped (`--profile dist`, static); the emulator as tests have it. Counts and sizes are the \
         same everywhere; times are those of one machine with two cores.\n\n{table}\n\
         *Above the agent's own time*: from the start of the container to the start of the agent's process; what the \
         agent then needs is the agent's. *Processor time* is user and system time of the whole process.\n\n\
         ## The images\nUncompressed, as the engine counts them; steps that add nothing are left out.\n\n{layers}"
    )
}

#[cfg(test)]
mod tests {
    use super::{Row, table};

    #[test]
    fn a_row_says_what_was_measured_and_what_is_promised() {
        let rows = [
            Row { what: "requests", measured: 8.0, promised: 10.0, unit: "" },
            Row { what: "size", measured: 4.256, promised: 6.0, unit: "MiB" },
        ];
        let expected = "| what | measured | promised at most |\n|---|---:|---:|\n| requests | 8 | 10 |\n\
                        | size | 4.26 MiB | 6 MiB |\n";
        assert_eq!(table(&rows), expected);
    }
}
