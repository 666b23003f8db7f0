//! The commands of `azure-emulator` that talk to an emulator which runs.

use process::{Child, Command, Reach, Signal};

use crate::support::Person;
use crate::vsix::{extension, task};

/// Starts `azure-emulator` towards a person's emulator.
fn start(person: &Person, arguments: &[&str]) -> (Child, process::Lines) {
    let data = person.running.emulator.data.display().to_string();
    let command = Command::new(env!("CARGO_BIN_EXE_azure-emulator"))
        .arguments(arguments.iter().copied().chain(["--data", &data]))
        .environment([("PLANTED".to_owned(), "planted-5ecret".to_owned())]);
    command.spawn().expect("it starts")
}

/// Runs it to its end: whether it was content, and what it printed.
async fn run(person: &Person, arguments: &[&str]) -> (bool, String) {
    let (child, mut lines) = start(person, arguments);
    let mut printed = String::new();
    while let Some(line) = lines.next().await {
        printed.push_str(&line.text);
        printed.push('\n');
    }
    (child.wait().await.is_success(), printed)
}

#[tokio::test]
async fn extensions_connections_and_pipelines_by_command() {
    let person = Person::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).expect("a file");
        path.display().to_string()
    };
    let script =
        "console.log(`at ${process.env[`ENDPOINT_URL_${process.env.INPUT_CONNECTEDSERVICENAMEARM}`]}`);";
    let package = file("greetings.vsix", &extension("1.0.0", &task((1, 0, 0)), script).bytes());
    let installed = run(&person, &["extension", "install", &package]).await;
    assert_eq!(installed, (true, "installed contoso-tools.greetings 1.0.0: Greeter@1.0.0\n".to_owned()));
    let listed = run(&person, &["extension", "list"]).await;
    assert_eq!(listed, (true, "contoso-tools.greetings 1.0.0: Greeter@1.0.0\n".to_owned()));

    let connection = r#"{"type": "azurerm", "scheme": "ManagedServiceIdentity", "parameters": {"tenantid": "t"},
        "data": {"environment": "AzureStack", "environmentUrl": "{emulator-url}/", "subscriptionId": "s",
                 "subscriptionName": "n"}}"#;
    let connection = file("connection.json", connection.as_bytes());
    let (made, printed) =
        run(&person, &["service-connection", "put", "my prod", "--file", &connection]).await;
    assert!(made && printed.contains("scheme: ManagedServiceIdentity"), "{printed}");
    let broken = file("broken.json", br#"{"type": "azurerm", "scheme": "ManagedServiceIdentity"}"#);
    let (made, printed) = run(&person, &["service-connection", "put", "prod", "--file", &broken]).await;
    assert!(!made && printed.contains("parameters.tenantid is missing"), "{printed}");

    file("steps.yml", b"steps: [{script: 'echo template said $(word) and $(key) to ${{ parameters.who }}'}]\nparameters: [{name: who}]\n");
    let yaml = "parameters: [{name: who}]\nsteps:\n- task: Greeter@1\n  inputs: {azureSubscription: my prod}\n\
                - template: steps.yml\n  parameters: {who: \"${{ parameters.who }}\"}\n";
    let yaml = file("pipeline.yml", yaml.as_bytes());
    let arguments = [
        "pipeline",
        "run",
        &yaml,
        "--variable",
        "word=hi",
        "--secret",
        "key=PLANTED",
        "--parameter",
        "who=all",
    ];
    let (good, printed) = run(&person, &arguments).await;
    assert!(good, "{printed}");
    assert!(printed.contains(&format!("at {}/", person.running.emulator.url)), "{printed}");
    assert!(printed.contains("template said hi and *** to all") && !printed.contains("planted"), "{printed}");
    let failing = file("failing.yml", b"steps: [{checkout: none}, {script: exit 3}]");
    let (good, printed) = run(&person, &["pipeline", "run", &failing]).await;
    assert!(!good && printed.contains("error: Bash exited with code '3'."), "{printed}");
    assert!(printed.trim_end().ends_with(": failed"), "{printed}");
    let wrong = file("wrong.yml", b"steps: [{scrip: echo}]");
    let (good, printed) = run(&person, &["pipeline", "run", &wrong]).await;
    assert!(
        !good && printed.contains("/wrong.yml (Line: 1, Col: 10): Unexpected value 'scrip'"),
        "{printed}"
    );

    let (gone, _) = run(&person, &["extension", "uninstall", "contoso-tools.greetings"]).await;
    assert!(gone);
    let (gone, printed) = run(&person, &["extension", "uninstall", "contoso-tools.greetings"]).await;
    assert!(!gone && printed.contains("contoso-tools.greetings is not installed"), "{printed}");
}

#[tokio::test]
async fn interrupting_a_run_cancels_it_and_shows_how_it_ends() {
    let person = Person::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let yaml = folder.path().join("endless.yml");
    let text =
        "steps: [{checkout: none}, {script: 'sleep 600'}, {script: echo tidied up, condition: always()}]";
    std::fs::write(&yaml, text).expect("a file");
    let (child, mut lines) = start(&person, &["pipeline", "run", &yaml.display().to_string()]);
    person.job_runs().await;
    child.signal(Signal::Interrupt, Reach::Process);
    let mut printed = String::new();
    while let Some(line) = lines.next().await {
        printed.push_str(&line.text);
        printed.push('\n');
    }
    assert!(!child.wait().await.is_success(), "{printed}");
    assert!(printed.contains("cancelling run 1") && printed.contains("tidied up"), "{printed}");
    assert!(printed.trim_end().ends_with(": canceled"), "{printed}");
}

#[tokio::test]
async fn without_an_emulator_it_says_how_to_name_one() {
    let nowhere = tempfile::tempdir().expect("a folder");
    let command = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_azure-emulator"))
            .arguments(arguments.iter().copied())
            .environment(Vec::<(String, String)>::new())
            .spawn()
            .expect("it starts")
    };
    let printed = async |arguments: &[&str]| {
        let (child, mut lines) = command(arguments);
        let line = lines.next().await.map(|line| line.text).unwrap_or_default();
        assert!(!child.wait().await.is_success());
        line
    };
    let line = printed(&["extension", "list"]).await;
    assert!(line.contains("EMULATOR_URL is not set") && line.contains("--data"), "{line}");
    let line = printed(&["extension", "list", "--data", &nowhere.path().display().to_string()]).await;
    assert!(line.contains("is this the --data folder of an emulator?"), "{line}");
}
