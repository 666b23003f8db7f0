//! What agents download: their own package, and tasks.

use std::io::{Cursor, Read as _, Write as _};

use serde_json::{Value, json};
use sha2::Digest as _;

use crate::support::{Answer, Organization, options};

const PACKAGES: &str = "_apis/distributedtask/packages/agent?platform=linux-x64&$top=1";

async fn with_package() -> (Organization, tempfile::TempDir, Value) {
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("agent");
    std::fs::write(&program, "the agent").expect("a program");
    let mut options = options();
    options.stand_in_agent = Some(program);
    let contoso = Organization::start_with(options).await;
    let package = contoso.get(PACKAGES).await.ok().items()[0].clone();
    (contoso, folder, package)
}

fn hash(bytes: &[u8]) -> String {
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn the_agent_package_is_what_its_hash_says_and_holds_the_agent() {
    let (contoso, _folder, package) = with_package().await;
    assert_eq!(package["version"], json!({"major": 4, "minor": 275, "patch": 0}));
    let url = package["downloadUrl"].as_str().expect("a URL");
    assert!(url.ends_with("/vsts-agent-linux-x64-4.275.0.tar.gz"), "{url}");
    let download = Answer::of(contoso.http.get(url)).await.ok();
    assert_eq!(package["hashValue"], hash(&download.bytes));
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(Cursor::new(download.bytes)));
    let names: Vec<(String, u32)> = archive
        .entries()
        .expect("an archive")
        .map(|entry| {
            let entry = entry.expect("an entry");
            (entry.path().expect("a path").display().to_string(), entry.header().mode().expect("a mode"))
        })
        .collect();
    for name in ["config.sh", "run.sh", "env.sh", "bin/Agent.Listener"] {
        assert!(names.contains(&(name.to_owned(), 0o755)), "{name} in {names:?}");
    }
}

#[tokio::test]
async fn other_platforms_have_no_package() {
    let (contoso, _folder, _) = with_package().await;
    let answer = contoso.get("_apis/distributedtask/packages/agent?platform=win-x64").await.ok();
    assert!(answer.items().is_empty());
    assert_eq!(contoso.get("_apis/distributedtask/packages/agent/linux-x64/4.1.0").await.status, 404);
}

#[tokio::test]
async fn a_package_may_be_damaged_or_missing() {
    let (contoso, _folder, package) = with_package().await;
    let download =
        async || Answer::of(contoso.http.get(package["downloadUrl"].as_str().expect("a URL"))).await;
    contoso.turn("devops.package-corrupt", json!(true));
    assert_ne!(package["hashValue"], hash(&download().await.ok().bytes));
    contoso.turn("devops.package-missing", json!(true));
    assert_eq!(download().await.status, 404);
}

fn task_archive(version: u64) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    archive.start_file("task.json", zip::write::SimpleFileOptions::default()).expect("a file");
    let manifest = json!({
        "id": "11111111-2222-3333-4444-555555555555", "name": "Mine",
        "version": {"Major": 1, "Minor": version, "Patch": 0},
    });
    archive.write_all(manifest.to_string().as_bytes()).expect("written");
    archive.finish().expect("an archive").into_inner()
}

#[tokio::test]
async fn a_task_that_was_put_there_is_found_and_served() {
    let contoso = Organization::start().await;
    let put = async |body: Vec<u8>| {
        Answer::of(contoso.http.put(format!("{}/emulator/tasks", contoso.running.emulator.url)).body(body))
            .await
    };
    for version in [1, 10, 9] {
        put(task_archive(version)).await.ok();
    }
    assert_eq!(put(b"nothing".to_vec()).await.status, 400);
    let found = contoso.change(|state| {
        let find = |name, major| {
            emulator::devops::find_task(state, name, major)
                .map(emulator::devops::TaskDefinition::version_text)
        };
        (find("mine", 1), find("publisher.extension.Mine", 1), find("Mine", 2), find("CmdLine", 2))
    });
    let text = |version: &str| Some(version.to_owned());
    assert_eq!(found, (text("1.10.0"), text("1.10.0"), None, text("2.250.0")));

    let path = "_apis/distributedtask/tasks/11111111-2222-3333-4444-555555555555/1.10.0";
    let token = contoso.running.emulator.read(|state| state.world.personal_access_token.clone());
    let request = contoso.http.get(format!("{}/{path}", contoso.url)).basic_auth("", Some(token));
    let zip = Answer::of(request.header("accept", "application/zip;api-version=7.2")).await.ok();
    let mut archive = zip::ZipArchive::new(Cursor::new(zip.bytes)).expect("an archive");
    let mut manifest = String::new();
    archive.by_name("task.json").expect("a manifest").read_to_string(&mut manifest).expect("text");
    assert!(manifest.contains("Mine"));
    assert_eq!(contoso.get(path).await.ok().body["version"]["minor"], 10);
}
