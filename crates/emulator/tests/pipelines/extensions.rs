//! Extensions: installed from their packages, and their tasks run by hosted agents.

use serde_json::{Value, json};

use crate::support::Person;
use crate::vsix::{TASK_ID, Vsix, extension, task};

const GREET: &str = "
    const fs = require('node:fs');
    console.log(`hello ${process.env.INPUT_WHO} from ${__dirname.split('/').slice(-2).join('/')}`);
    console.log(`##vso[task.setvariable variable=greeted;isOutput=true]${process.env.INPUT_WHO}`);
    fs.accessSync(`${__dirname}/task.json`);";

/// Installs a package. `Err` is what the refusal says.
async fn install(person: &Person, package: &Vsix) -> Result<Value, String> {
    person.install(package.bytes()).await
}

#[tokio::test]
async fn a_task_runs_from_its_package_and_its_outputs_reach_other_jobs() {
    let person = Person::start().await;
    let installed = install(&person, &extension("1.0.3", &task((1, 0, 3)), GREET)).await.expect("installed");
    assert_eq!(installed["publisherId"], "contoso-tools");
    assert_eq!(installed["tasks"], json!([{"id": TASK_ID, "name": "Greeter", "version": "1.0.3"}]));
    let yaml = r"
jobs:
- job: first
  steps:
  - checkout: none
  - task: Greeter@1
    name: greet
    inputs: {who: everybody}
  - task: contoso-tools.greetings.greeter.Greeter@1
    name: again
- deployment: second
  dependsOn: first
  environment: production
  variables:
    greeted: $[ dependencies.first.outputs['greet.greeted'] ]
  strategy: {runOnce: {deploy: {steps: [
    {checkout: none}, {task: Greeter@1, name: third, inputs: {who: $(greeted) again}}]}}}
- job: last
  dependsOn: second
  variables:
    greeted: $[ dependencies.second.outputs['second.third.greeted'] ]
  steps: [{checkout: none}, {script: echo last got $(greeted)}]
";
    let run = person.run(yaml).await;
    assert_eq!(person.result(run).await, "succeeded", "{}", person.logs(run).await);
    let logs = person.logs(run).await;
    for line in [
        &format!("hello everybody from Greeter_{TASK_ID}/1.0.3"),
        "hello world from",
        "hello everybody again from",
        "last got everybody again",
    ] {
        assert!(logs.contains(line), "{line} is missing in {logs}");
    }
}

/// With `TFX_VSIX`, a package that Microsoft's own tool made is taken too.
#[tokio::test]
async fn a_package_of_tfx_is_taken() {
    let Some(path) = std::env::var_os("TFX_VSIX") else { return };
    let person = Person::start_with(None).await;
    let package = std::fs::read(path).expect("the package");
    let installed = person.install(package).await.expect("installed");
    assert!(installed["tasks"].as_array().is_some_and(|tasks| !tasks.is_empty()), "{installed}");
}

#[tokio::test]
async fn a_newer_version_replaces_the_older_one_and_nothing_goes_back() {
    let person = Person::start_with(None).await;
    let first = extension("1.0.3", &task((1, 0, 3)), GREET);
    install(&person, &first).await.expect("installed");
    install(&person, &first).await.expect("the same package again changes nothing");
    let refused =
        install(&person, &extension("1.0.3", &task((1, 0, 4)), GREET)).await.expect_err("no higher");
    assert!(
        refused.contains("1.0.3 is installed, and the package's version 1.0.3 is not higher"),
        "{refused}"
    );
    let refused =
        install(&person, &extension("1.1.0", &task((1, 0, 2)), GREET)).await.expect_err("an old task");
    assert!(refused.contains("version 1.0.2 is older"), "{refused}");
    install(&person, &extension("1.1.0", &task((1, 1, 0)), GREET)).await.expect("installed");
    let tasks = person.organization(&format!("distributedtask/tasks/{TASK_ID}")).await;
    assert_eq!(tasks["count"], 1);
    assert_eq!(tasks["value"][0]["version"]["minor"], 1);
    assert_eq!(tasks["value"][0]["contributionIdentifier"], "contoso-tools.greetings.greeter");
    let extensions = person.organization("extensionmanagement/installedextensions").await;
    assert_eq!(extensions["value"][0]["version"], "1.1.0", "{extensions}");
    let path = "extensionmanagement/installedextensionsbyname/contoso-tools/greetings";
    assert_eq!(person.organization(path).await["extensionName"], "Greetings");
    person.uninstall("contoso-tools/greetings").await;
    assert_eq!(person.organization("extensionmanagement/installedextensions").await["count"], 0);
    let refused = person.try_run(json!({"yaml": "steps: [{task: Greeter@1}]"}), json!({})).await;
    assert!(refused.is_err_and(|text| text.starts_with("A task is missing.")), "the task is gone too");
}

#[tokio::test]
async fn what_is_installed_is_there_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let person = Person::start_in(folder.path()).await;
    install(&person, &extension("1.0.0", &task((1, 0, 0)), GREET)).await.expect("installed");
    person.kept(folder.path(), "contoso-tools").await;
    person.running.stop().await;
    let person = Person::start_in(folder.path()).await;
    let (status, archive) = person.task_archive(TASK_ID, "1.0.0").await;
    assert!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&archive));
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(archive)).expect("an archive");
    let file = archive.by_name("index.js").expect("the task's script");
    assert_eq!(file.unix_mode().map(|mode| mode & 0o111), Some(0), "packages carry no file modes");
    let state = std::fs::read(folder.path().join("state.json")).expect("the state");
    assert!(state.len() < 200_000, "archives are not part of it");
}

#[tokio::test]
async fn what_the_service_would_not_take_is_refused_with_the_reason() {
    let person = Person::start_with(None).await;
    let good = extension("1.0.0", &task((1, 0, 0)), GREET);
    let changed = |member: &str, value: Value| {
        let mut task = task((1, 0, 0));
        task[member] = value;
        good.clone().with("GreeterTask/task.json", task.to_string())
    };
    let built_in = json!("d9bafed4-0b18-4f58-968d-86655b4d2ce9");
    let large = good.clone().with("GreeterTask/noise.bin", noise(51 << 20));
    for (package, expected) in [
        (good.clone().without("extension.vsixmanifest"), "extension.vsixmanifest cannot be read"),
        (good.clone().without("extension.vsomanifest"), "extension.vsomanifest cannot be read"),
        (
            good.clone().without("GreeterTask/task.json"),
            "the folder GreeterTask, in which there is no task.json",
        ),
        (good.clone().without("GreeterTask/index.js"), "runs index.js, which is not in the task's folder"),
        (good.clone().with("extension.vsixmanifest", "<A/>"), "has no Identity"),
        (extension("latest", &task((1, 0, 0)), GREET), "its version is \"latest\""),
        (changed("name", json!("Two words")), "letters, digits and hyphens"),
        (changed("id", json!("not-a-guid")), "the id in task.json is not a GUID"),
        (changed("id", built_in), "which is that of the task CmdLine already"),
        (large, "50 MB at most"),
    ] {
        let refused = install(&person, &package).await.expect_err(expected);
        assert!(refused.starts_with("the extension was not installed: "), "{refused}");
        assert!(refused.contains(expected), "{expected} is missing in {refused}");
    }
    let refused = person.install(b"nothing".to_vec()).await.expect_err("no archive");
    assert!(refused.contains("not a zip archive"), "{refused}");
    install(&person, &good).await.expect("nothing of it was kept");
}

/// Bytes that do not get smaller.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    })
    .take(length)
    .collect()
}

#[tokio::test]
async fn a_name_that_two_extensions_give_must_be_told_apart() {
    let person = Person::start().await;
    install(&person, &extension("1.0.0", &task((1, 0, 0)), GREET)).await.expect("installed");
    let mut other = task((1, 0, 0));
    other["id"] = json!("0f1c9a54-2d1e-4c1b-a0a5-5e1f00000003");
    let manifest = |text: String| text.replace("contoso-tools", "fabrikam");
    let package = extension("1.0.0", &other, "console.log('the other one');");
    install(&person, &package.renamed(manifest)).await.expect("installed");
    let refused = person.try_run(json!({"yaml": "steps: [{task: Greeter@1}]"}), json!({})).await;
    let refused = refused.expect_err("it is ambiguous");
    assert!(
        refused.ends_with("contoso-tools.greetings.greeter.Greeter, fabrikam.greetings.greeter.Greeter"),
        "{refused}"
    );
    let run = person.run("steps: [{checkout: none}, {task: fabrikam.greetings.greeter.Greeter@1}]").await;
    assert_eq!(person.result(run).await, "succeeded", "{}", person.logs(run).await);
    assert!(person.logs(run).await.contains("the other one"));
}
