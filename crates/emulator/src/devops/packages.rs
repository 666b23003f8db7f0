//! The agent packages: made from the stand-in agent when somebody first asks for one.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hyper::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::wire::{Refusal, collection, time};
use super::{Call, endpoint};
use crate::Emulator;
use crate::http::{Reply, Request, Router};
use crate::options::Options;
use crate::world::ORGANIZATION;

/// Version of the agent.
pub(super) const VERSION: &str = "4.275.0";
const PLATFORM: &str = "linux-x64";
/// The scripts and texts of the package, which are the stand-in agent's own.
const TEXTS: [(&str, &str, u32); 4] = [
    ("config.sh", include_str!("../../../stand-in-agent/package/config.sh"), 0o755),
    ("run.sh", include_str!("../../../stand-in-agent/package/run.sh"), 0o755),
    ("env.sh", include_str!("../../../stand-in-agent/package/env.sh"), 0o755),
    ("license.html", include_str!("../../../stand-in-agent/package/license.html"), 0o644),
];

/// The packages that are made, by version, or why one cannot be.
#[derive(Default)]
pub(crate) struct Packages(Mutex<BTreeMap<String, Result<Arc<Package>, String>>>);

impl std::fmt::Debug for Packages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Packages(..)")
    }
}

struct Package {
    bytes: Vec<u8>,
    hash: String,
}

impl Package {
    fn make(program: &Path, version: &str) -> std::io::Result<Self> {
        let program = std::fs::read(program)?;
        // Speed matters more than size: it goes over loopback.
        let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut archive = tar::Builder::new(gzip);
        let mut add = |path: &str, bytes: &[u8], mode: u32| {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(mode);
            header.set_entry_type(tar::EntryType::Regular);
            archive.append_data(&mut header, path, bytes)
        };
        for (name, text, mode) in TEXTS {
            add(name, text.as_bytes(), mode)?;
        }
        add("bin/Agent.Listener", &program, 0o755)?;
        add("bin/version", version.as_bytes(), 0o644)?;
        let mut gzip = archive.into_inner()?;
        gzip.flush()?;
        let bytes = gzip.finish()?;
        let hash = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { bytes, hash })
    }
}

/// Where the stand-in agent is: as the options say, or beside this program (or the folder above, where tests run).
fn stand_in_agent(options: &Options) -> Result<PathBuf, String> {
    if let Some(path) = &options.stand_in_agent {
        return Ok(path.clone());
    }
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let beside = program.ancestors().skip(1).take(2).map(|folder| folder.join("stand-in-agent"));
    let mut there = beside.filter(|path| path.is_file());
    there.next().ok_or_else(|| {
        format!("no stand-in-agent beside {}: build it, or name it with --stand-in-agent", program.display())
    })
}

/// The package of a version, which is made the first time.
async fn package(emulator: &Arc<Emulator>, version: &str) -> Option<Arc<Package>> {
    let (emulator, version) = (Arc::clone(emulator), version.to_owned());
    let made = tokio::task::spawn_blocking(move || {
        let mut packages = emulator.packages.0.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let path = stand_in_agent(&emulator.options)?;
            let made = Package::make(&path, &version);
            made.map(Arc::new).map_err(|error| format!("cannot pack {}: {error}", path.display()))
        };
        packages.entry(version.clone()).or_insert_with(make).clone()
    });
    let made = made.await.unwrap_or_else(|error| Err(error.to_string()));
    made.inspect_err(|error| tracing::warn!("there is no agent package: {error}")).ok()
}

/// The versions that there are, the oldest first.
fn versions(emulator: &Emulator) -> Vec<String> {
    let (none, newer) =
        emulator.read(|state| (state.faults.is_on("devops.package-none"), state.devops.newer_agent.clone()));
    if none { Vec::new() } else { std::iter::once(VERSION.to_owned()).chain(newer).collect() }
}

/// Adds the routes. The download itself is open, as the service's is.
pub(super) fn routes(router: &mut Router) {
    const PACKAGES: &str = "_apis/distributedtask/packages/{type}";
    endpoint(router, Method::GET, PACKAGES, list);
    endpoint(router, Method::GET, &format!("{PACKAGES}/{{platform}}"), list);
    endpoint(router, Method::GET, &format!("{PACKAGES}/{{platform}}/{{version}}"), get);
    let content = "/{organization}/_apis/packages-content/agent/{version}/{file}";
    router.on(Method::GET, content, download);
    // Who only wants to know whether it is there.
    router.on(Method::HEAD, content, download);
}

fn file_name(kind: &str, version: &str) -> String {
    let stem = if kind.eq_ignore_ascii_case("agent") { "vsts-agent" } else { "pipelines-agent" };
    format!("{stem}-{PLATFORM}-{version}.tar.gz")
}

/// The packages of the path's type, and of the platform that path or query names.
async fn found(call: &Call) -> Vec<Value> {
    let kind = call.request.param("type").to_owned();
    let in_path = Some(call.request.param("platform")).filter(|platform| !platform.is_empty());
    let platform = in_path.or_else(|| call.request.query.get("platform")).unwrap_or(PLATFORM);
    let known = ["agent", "pipelines-agent"].iter().any(|known| known.eq_ignore_ascii_case(&kind));
    if !known || !platform.eq_ignore_ascii_case(PLATFORM) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for version in versions(&call.emulator) {
        if let Some(package) = package(&call.emulator, &version).await {
            found.push(shown(call, &kind, &version, &package.hash));
        }
    }
    found
}

fn shown(call: &Call, kind: &str, version: &str, hash: &str) -> Value {
    let file = file_name(kind, version);
    let (host, now) = call.emulator.read(|state| {
        (state.faults.get("devops.package-host").and_then(Value::as_str).map(str::to_owned), state.now)
    });
    let base = host.as_ref().unwrap_or(&call.request.base_url);
    let mut numbers = version.split('.').filter_map(|number| number.parse::<u64>().ok());
    let mut number = || numbers.next().unwrap_or_default();
    json!({
        "type": kind, "platform": PLATFORM, "createdOn": time(now),
        "version": {"major": number(), "minor": number(), "patch": number()},
        "downloadUrl": format!("{base}/{ORGANIZATION}/_apis/packages-content/agent/{version}/{file}"),
        "hashValue": hash, "infoUrl": "https://go.microsoft.com/fwlink/?LinkId=798199", "filename": file,
    })
}

async fn list(call: Call) -> Result<Reply, Reply> {
    Ok(Reply::json(200, &collection(&found(&call).await)))
}

async fn get(call: Call) -> Result<Reply, Reply> {
    let version = call.request.param("version").to_owned();
    let is_it = |package: &Value| {
        let part = |name: &str| package["version"][name].as_u64().unwrap_or_default();
        format!("{}.{}.{}", part("major"), part("minor"), part("patch")) == version
    };
    if let Some(package) = found(&call).await.into_iter().find(is_it) {
        Ok(Reply::json(200, &package))
    } else {
        let message = format!("The agent package of version {version} cannot be found.");
        Err(Refusal::new(404, "PackageNotFoundException", message).into())
    }
}

async fn download(emulator: Arc<Emulator>, request: Request) -> Result<Reply, Reply> {
    let missing = || Reply::text(404, "text/plain", "There is no such package.");
    let version = request.param("version");
    let known =
        ["agent", "pipelines-agent"].iter().any(|kind| file_name(kind, version) == request.param("file"));
    if !known
        || !versions(&emulator).iter().any(|listed| listed == version)
        || emulator.read(|state| state.faults.is_on("devops.package-missing"))
    {
        return Err(missing());
    }
    let package = package(&emulator, version).await.ok_or_else(missing)?;
    let mut bytes = package.bytes.clone();
    if emulator.read(|state| state.faults.is_on("devops.package-corrupt"))
        && let Some(last) = bytes.last_mut()
    {
        *last ^= 1;
    }
    Ok(Reply::bytes(200, "application/gzip", bytes))
}
