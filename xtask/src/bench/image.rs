//! The size of the agent image, layer by layer, as the engine's history of it tells.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};

use super::Row;
use crate::base_image;
use crate::binaries::Binaries;
use crate::engine::Engine;
use crate::image::{self, Recipe};
use crate::programs::{output, root};
use crate::versions::AZURE_CLI;

/// What a layer is for, by words of the command that made it. A command without any of them made the base image.
const PURPOSES: &[(&str, &str)] = &[
    ("azure-cli", "Azure CLI, and the Python that it runs on"),
    (
        "libicu",
        "what the official agent needs (ICU, OpenSSL, Kerberos, LTTng), and git, curl, jq, ping for it and for jobs",
    ),
    ("in /usr/local/share/ca-certificates", "certificates that build and jobs trust besides the system's"),
];

/// What our own files are for: they are copied last, the supervisor at the very end.
const COPIED: [&str; 2] =
    ["`agent-supervisor`, which starts first", "the agent, where one is baked in; else its empty folder"];

/// What everything below is for.
const BASE: &str = "the base image: here a root filesystem of the machine's own Debian or Ubuntu";

/// A layer of an image.
#[derive(Debug, PartialEq)]
struct Layer {
    bytes: u64,
    purpose: &'static str,
}

/// An image's layers, the top one first.
pub(super) struct Sizes {
    target: &'static str,
    layers: Vec<Layer>,
}

/// Builds both images with the supervisor as it is shipped, and measures them.
pub(super) fn measure(shipped: &Binaries) -> Result<Vec<Sizes>> {
    let engine = Engine::find_or_start().context("the image is built and measured on a Docker engine")?;
    let base = base_image::find_or_make(&engine, None)?;
    ["basic", "azure"].into_iter().map(|target| of_target(&engine, &base, shipped, target)).collect()
}

/// Bytes of an image as it was in 2019 (`bench/baseline`), and of ours with just what an agent needs.
pub(super) fn baseline(shipped: &Binaries, sizes: &[Sizes]) -> Result<(u64, u64)> {
    let engine = Engine::find_or_start()?;
    let base = base_image::find_or_make(&engine, None)?;
    println!("Building the image of 2019");
    let (tools, tag) = ("ephemeral-agents/bench:tools", "ephemeral-agents/bench:baseline");
    let recipe = Recipe {
        target: "azure-tools",
        base: &base,
        supervisor: &shipped.path("agent-supervisor"),
        tag: tools,
        build_arguments: &[format!("AZURE_CLI_VERSION={}", AZURE_CLI.1)],
    };
    image::build(&engine, &recipe)?;
    let context = root().join("bench/baseline");
    let tools_argument = format!("TOOLS={tools}");
    let mut build = engine.docker(&["build", "--quiet", "--tag", tag, "--build-arg", &tools_argument]);
    output(build.arg(context))?;
    let bytes = output(&mut engine.docker(&["image", "inspect", "--format", "{{.Size}}", tag]))?;
    output(&mut engine.docker(&["rmi", tag, tools]))?;
    let ours = sizes.iter().filter(|sizes| sizes.target == "basic").flat_map(|sizes| &sizes.layers);
    Ok((bytes.trim().parse()?, ours.map(|layer| layer.bytes).sum()))
}

fn of_target(engine: &Engine, base: &str, shipped: &Binaries, target: &'static str) -> Result<Sizes> {
    println!("Building the image {target}");
    let tag = format!("ephemeral-agents/bench:{target}");
    let recipe = Recipe {
        target,
        base,
        supervisor: &shipped.path("agent-supervisor"),
        tag: &tag,
        build_arguments: &[format!("AZURE_CLI_VERSION={}", AZURE_CLI.1)],
    };
    image::build(engine, &recipe)?;
    let history = ["history", "--no-trunc", "--human=false", "--format", "{{.Size}}\t{{.CreatedBy}}", &tag];
    let layers = layers(&output(&mut engine.docker(&history))?);
    output(&mut engine.docker(&["rmi", &tag]))?;
    Ok(Sizes { target, layers })
}

/// Reads the engine's history: a line for each step of the build, the last one first.
fn layers(history: &str) -> Vec<Layer> {
    let steps = history.lines().filter_map(|line| {
        let (bytes, command) = line.split_once('\t')?;
        Some((bytes.parse().ok()?, command))
    });
    let mut copied = COPIED.iter();
    let mut layers: Vec<Layer> = Vec::new();
    for (bytes, command) in steps {
        let known = PURPOSES.iter().find(|(word, _)| command.contains(word)).map(|(_, purpose)| *purpose);
        let ours = || if command.contains("COPY") { copied.next().copied() } else { None };
        let purpose = known.or_else(ours).unwrap_or(BASE);
        if bytes > 0 {
            layers.push(Layer { bytes, purpose });
        }
    }
    layers
}

#[expect(clippy::cast_precision_loss, reason = "images are far smaller than 2^53 bytes")]
pub(super) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// What the supervisor adds to an image, against what is promised.
pub(super) fn rows(sizes: &[Sizes]) -> Vec<Row> {
    let basic = sizes.iter().filter(|sizes| sizes.target == "basic");
    let ours = basic.flat_map(|sizes| &sizes.layers).filter(|layer| layer.purpose == COPIED[0]);
    let measured = mebibytes(ours.map(|layer| layer.bytes).sum());
    vec![Row { what: "what the supervisor adds to the image", measured, promised: 6.0, unit: "MiB" }]
}

/// The layers as a table.
pub(super) fn table(sizes: &[Sizes]) -> String {
    let mut table = "| image | layer, the top one first | size |\n|---|---|---:|\n".to_owned();
    for Sizes { target, layers } in sizes {
        for Layer { bytes, purpose } in layers {
            // Writing to a String cannot fail.
            let _ = writeln!(table, "| `{target}` | {purpose} | {:.1} MiB |", mebibytes(*bytes));
        }
        let all = mebibytes(layers.iter().map(|layer| layer.bytes).sum());
        let _ = writeln!(table, "| `{target}` | **all of it** | **{all:.1} MiB** |");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::{BASE, COPIED, Layer, PURPOSES, Sizes, layers, rows, table};

    const HISTORY: &str = "0\t/bin/sh -c #(nop)  ENTRYPOINT [\"/usr/local/bin/agent-supervisor\"]\n\
        4194304\t/bin/sh -c #(nop) COPY dir:15e8 in / \n\
        0\t/bin/sh -c #(nop) COPY dir:b0d6 in / \n\
        94371840\t/bin/sh -c apt-get update -qq && icu=\"$(apt-cache pkgnames libicu)\" && apt-get install\n\
        3010\t/bin/sh -c #(nop) COPY dir:72ed in /usr/local/share/ca-certificates \n\
        104857600\t\n";

    #[test]
    fn each_layer_is_told_by_its_command() {
        let purposes: Vec<_> = layers(HISTORY).iter().map(|layer| layer.purpose).collect();
        assert_eq!(purposes, [COPIED[0], PURPOSES[1].1, PURPOSES[2].1, BASE]);
    }

    #[test]
    fn an_agent_that_is_baked_in_is_the_second_of_our_own() {
        let history =
            HISTORY.replace("0\t/bin/sh -c #(nop) COPY dir:b0d6", "2097152\t/bin/sh -c #(nop) COPY dir:b0d6");
        let expected = Layer { bytes: 2_097_152, purpose: COPIED[1] };
        assert_eq!(layers(&history)[1], expected);
    }

    #[test]
    fn what_the_supervisor_adds_is_its_layer_of_the_basic_image() {
        let sizes = [Sizes { target: "basic", layers: layers(HISTORY) }];
        assert!((rows(&sizes)[0].measured - 4.0).abs() < f64::EPSILON);
        assert!(
            table(&sizes).ends_with("| `basic` | **all of it** | **194.0 MiB** |\n"),
            "{}",
            table(&sizes)
        );
    }
}
