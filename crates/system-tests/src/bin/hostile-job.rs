//! What a hostile job does: looks for secrets wherever a job can look, and says where it found one.
//!
//! It is told what to look for back to front (`label=terces`), so that neither its command line nor the job's script is
//! a place where it can be found. It prints `FOUND <label> in <where>`, a line for each kind of place, and at the end
//! how much it looked through: who looked nowhere has proven nothing.

#![expect(clippy::print_stdout, reason = "the log of a job is where it reports")]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Larger files hold no secrets of ours, and reading them takes long.
const LARGEST_FILE: u64 = 64 << 20;
/// Larger regions of memory are reservations.
const LARGEST_REGION: u64 = 256 << 20;
/// How deep everybody's folders are looked into: on a developer's machine they hold whole source trees.
const DEPTH: usize = 3;
/// How long a socket that says nothing is listened to.
const PATIENCE: Duration = Duration::from_millis(100);

struct Wanted {
    label: String,
    secret: Vec<u8>,
}

#[derive(Default)]
struct Search {
    wanted: Vec<Wanted>,
    found: BTreeSet<String>,
    files: usize,
    processes: usize,
    regions: usize,
    ports: usize,
}

fn main() -> ExitCode {
    let mut search = Search::default();
    for argument in std::env::args().skip(1) {
        if let Some((label, reversed)) = argument.split_once('=') {
            let secret = reversed.bytes().rev().collect();
            search.wanted.push(Wanted { label: label.to_owned(), secret });
        }
    }
    for (name, value) in std::env::vars() {
        search.look(value.as_bytes(), &format!("my environment, {name}"));
    }
    for process in processes() {
        search.process(&process);
    }
    for folder in own_folders() {
        search.folder(&folder, usize::MAX);
    }
    for folder in ["/tmp", "/var/tmp", "/dev/shm", "/run", "/etc"] {
        search.folder(Path::new(folder), DEPTH);
    }
    search.ports();
    identity();
    for found in &search.found {
        println!("FOUND {found}");
    }
    println!(
        "SEARCHED {} files, {} processes, {} regions of memory, {} ports",
        search.files, search.processes, search.regions, search.ports
    );
    ExitCode::SUCCESS
}

/// The agent's folders, what is above them, and home.
fn own_folders() -> Vec<PathBuf> {
    let current = std::env::current_dir().unwrap_or_default();
    let above = current.ancestors().take_while(|folder| folder.components().count() > 2);
    let home = std::env::var_os("HOME").map(PathBuf::from);
    above.map(Path::to_owned).chain(home).collect()
}

/// Every process in sight but this one. Root sees the whole machine; then only the container's are looked at: what
/// the supervisor is the first process of.
fn processes() -> Vec<PathBuf> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
    let numbered = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.parse::<u32>().is_ok())
    };
    let own = std::process::id().to_string();
    let others = all.filter(numbered).filter(|path| !path.ends_with(&own));
    if fs::read("/proc/1/environ").is_err() {
        return others.collect();
    }
    let container = ancestor_called("agent-superviso");
    others.filter(|path| path.file_name().is_some_and(|name| Some(name.to_owned()) == container)).collect()
}

/// The nearest ancestor of that name.
fn ancestor_called(wanted: &str) -> Option<std::ffi::OsString> {
    let mut id = std::process::id().to_string();
    loop {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let (head, rest) = stat.rsplit_once(") ")?;
        if head.ends_with(&format!("({wanted}")) {
            return Some(id.into());
        }
        rest.split(' ').nth(1).filter(|parent| *parent != "0")?.clone_into(&mut id);
    }
}

impl Search {
    fn look(&mut self, bytes: &[u8], place: &str) {
        for wanted in &self.wanted {
            if !wanted.secret.is_empty() && memchr::memmem::find(bytes, &wanted.secret).is_some() {
                self.found.insert(format!("{} in {place}", wanted.label));
            }
        }
    }

    fn process(&mut self, process: &Path) {
        self.processes += 1;
        for file in ["environ", "cmdline"] {
            if let Ok(bytes) = fs::read(process.join(file)) {
                self.look(&bytes, &format!("the {file} of another process"));
            }
        }
        for open in fs::read_dir(process.join("fd")).into_iter().flatten().flatten() {
            if fs::metadata(open.path()).is_ok_and(|data| data.is_file()) {
                self.file(&open.path(), "an open file of another process");
            }
        }
        self.memory(process);
    }

    fn memory(&mut self, process: &Path) {
        let (Ok(maps), Ok(mut memory)) =
            (fs::read_to_string(process.join("maps")), File::open(process.join("mem")))
        else {
            return;
        };
        for region in maps.lines().filter(|line| line.contains(" rw")) {
            let Some((start, end)) = bounds(region) else { continue };
            let mut bytes = vec![0; usize::try_from((end - start).min(LARGEST_REGION)).unwrap_or(0)];
            if memory.seek(SeekFrom::Start(start)).is_ok() && memory.read_exact(&mut bytes).is_ok() {
                self.regions += 1;
                self.look(&bytes, "the memory of another process");
            }
        }
    }

    fn folder(&mut self, folder: &Path, depth: usize) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() && depth > 0 {
                self.folder(&entry.path(), depth - 1);
            } else if kind.is_file() {
                let place = entry.path().display().to_string();
                self.file(&entry.path(), &place);
            }
        }
    }

    fn file(&mut self, path: &Path, place: &str) {
        let Ok(mut file) = File::open(path) else { return };
        let mut bytes = Vec::new();
        let small = file.metadata().is_ok_and(|data| data.is_file() && data.len() <= LARGEST_FILE);
        if small && file.read_to_end(&mut bytes).is_ok() {
            self.files += 1;
            self.look(&bytes, place);
        }
    }

    /// Connects to whatever listens on this machine, says something, and listens.
    fn ports(&mut self) {
        for port in listening() {
            let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { continue };
            self.ports += 1;
            let _ = stream.set_read_timeout(Some(PATIENCE));
            let _ = stream.write_all(b"GET / HTTP/1.0\r\n\r\n");
            let mut bytes = [0; 4096];
            if let Ok(count) = stream.read(&mut bytes) {
                self.look(&bytes[..count], "what a port said");
            }
        }
    }
}

fn bounds(region: &str) -> Option<(u64, u64)> {
    let (start, end) = region.split(' ').next()?.split_once('-')?;
    Some((u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?))
}

fn listening() -> Vec<u16> {
    let table = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let rows = table.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, state) = (fields.next()?, fields.nth(1)?);
        let (_, port) = local.split_once(':')?;
        (state == "0A").then(|| u16::from_str_radix(port, 16).ok()).flatten()
    });
    rows.collect()
}

/// Asks the managed identity endpoint for a token, as any process of a container group with an identity may.
fn identity() {
    let Ok(host) = std::env::var("AZURE_POD_IDENTITY_AUTHORITY_HOST") else {
        println!("IDENTITY none");
        return;
    };
    let answer = ask(&host).unwrap_or_default();
    println!("IDENTITY {}", if answer.contains("access_token") { "gives a token" } else { "gives none" });
}

fn ask(host: &str) -> Option<String> {
    let rest = host.strip_prefix("http://")?;
    let (address, base) = rest.split_once('/').map_or((rest, String::new()), |(address, path)| {
        (address, format!("/{}", path.trim_end_matches('/')))
    });
    let mut stream = TcpStream::connect(address).ok()?;
    let path = format!(
        "{base}/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://management.azure.com/"
    );
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nmetadata: true\r\nconnection: close\r\n\r\n")
        .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}
