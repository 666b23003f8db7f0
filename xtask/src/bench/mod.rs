//! `cargo xtask bench`: measured, and held against what we promise.
//!
//! Counts and sizes mean the same on every machine. Times are medians of several lives on this one; they are shown
//! with the machine's speed in mind, never asserted in a test.

mod baseline;
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
use crate::versions::AZURE_CLI;
use baseline::{Ground, Way};

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
    drop(emulator);
    let compared = compared(options, (&built, &shipped), &images)?;
    let mut rows = sizes(&shipped)?;
    rows.extend(image::rows(&images));
    rows.extend(life::rows(&lives));
    rows.push(task::row(&starts));
    let (table, layers) = (table(&rows), image::table(&images));
    println!("\n{table}\n{compared}\n{layers}");
    if options.write {
        let page = page(&table, &compared, &layers, lives.len());
        std::fs::write(root().join("docs/benchmarks.md"), page)?;
    }
    let over: Vec<_> = rows.iter().filter(|row| row.measured > row.promised).map(|row| row.what).collect();
    if over.is_empty() { Ok(()) } else { bail!("over what is promised: {}", over.join("; ")) }
}

/// Lives both ways on one emulator, by turns.
fn compared(
    options: &Options,
    (built, shipped): (&Binaries, &Binaries),
    images: &[image::Sizes],
) -> Result<String> {
    let data = target().join("bench/baseline");
    let programs = Programs { built, shipped }.into_folder(&data)?;
    let ground = Ground::new(&programs, Binaries::in_folder(data.join("programs")), &data)?;
    let (mut before, mut ours) = (Vec::new(), Vec::new());
    for number in 1..=options.lives.max(1) {
        println!("Both ways, {number} of {}", options.lives.max(1));
        before.push(ground.live(Way::Baseline)?);
        ours.push(ground.live(Way::Ours)?);
    }
    drop(ground);
    Ok(baseline::table(&before, &ours, image::baseline(shipped, images)?))
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

fn page(table: &str, compared: &str, layers: &str, lives: usize) -> String {
    format!(
        "# Benchmarks\n\n\
         Made by `cargo xtask bench --write`: {lives} lives on the emulator's process runtime, medians. The programs are \
         built as they are shipped (`--profile dist`, static); the emulator as tests have it. Counts and sizes are the \
         same everywhere; times are those of one machine with two cores.\n\n{table}\n\
         *Above the agent's own time*: from the start of the container to the start of the agent's process; what the \
         agent then needs is the agent's. *Processor time* is user and system time of the whole process.\n\n\
         ## Compared with the way of 2019\n\
         `bench/baseline` does in our own words what *azure-pipelines-ephemeral-agents* did, with the real Azure CLI {}: \
         both ways by turns, on one emulator, whose registry and platform take no time. What Azure takes to pull an image \
         and to start a container comes on top of both, and grows with the image.\n\n{compared}\n\
         ## The images\nUncompressed, as the engine counts them; steps that add nothing are left out.\n\n{layers}",
        AZURE_CLI.1
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
