//! What the program itself prints: help, and the errors that need no service.

use std::process::{Command, Output};

fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ephemeral-agents"))
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .output()
        .expect("starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

/// Everything that `provision` requires, with a service that nobody listens to.
fn enough(cloud: &str) -> Vec<(&str, &str)> {
    vec![
        ("EPHEMERAL_AGENTS_CLOUD", cloud),
        ("EPHEMERAL_AGENTS_SUBSCRIPTION", "00000000-1111-2222-3333-444444444444"),
        ("EPHEMERAL_AGENTS_RESOURCE_GROUP", "agents"),
        ("EPHEMERAL_AGENTS_ORGANIZATION_URL", "https://127.0.0.1:1/contoso"),
        ("EPHEMERAL_AGENTS_AGENT_POOL", "private"),
        ("EPHEMERAL_AGENTS_IMAGE", "contoso.azurecr.io/agent:1"),
        ("EPHEMERAL_AGENTS_SECURE_ENV", "FEED_TOKEN"),
        ("EPHEMERAL_AGENTS_REGISTRY_USER", "puller"),
        ("EPHEMERAL_AGENTS_REGISTRY_PASSWORD", "planted-password"),
        ("FEED_TOKEN", "planted-feed"),
        ("AZURE_TENANT_ID", "tenant"),
        ("AZURE_CLIENT_ID", "client"),
        ("AZURE_CLIENT_SECRET", "planted-key"),
        ("AZURE_DEVOPS_EXT_PAT", "planted-token"),
    ]
}

#[test]
fn help_of_every_command() {
    let commands = ["provision", "deprovision", "list", "logs", "doctor", "reap", "completions"];
    let commands = commands.iter().map(std::slice::from_ref);
    for command in std::iter::once(&[][..]).chain(commands) {
        let output = run(&[command, &["--help"]].concat(), &[]);
        assert!(output.status.success());
        let name = format!("help_{}", command.first().copied().unwrap_or("ephemeral-agents"));
        insta::assert_snapshot!(name, stdout(&output));
    }
}

#[test]
fn a_wrong_option_is_the_users_to_fix() {
    let output = run(&["provision", "--agent-pol", "private"], &[]);
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(stderr(&output));
}

#[test]
fn missing_settings_are_said_together() {
    let output = run(&["logs", "a1"], &[]);
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(stderr(&output));
}

#[test]
fn in_a_pipeline_the_failure_is_an_issue_of_the_run() {
    let output = run(&["logs", "a1"], &[("TF_BUILD", "True")]);
    let text = stdout(&output);
    assert!(text.starts_with("##vso[task.logissue type=error]2 settings have to be corrected."), "{text}");
}

#[test]
fn a_name_that_cannot_be_ours_is_refused_before_anything_is_asked() {
    let output = run(&["deprovision", "Not_Ours"], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("NAME: is \"Not_Ours\""), "{}", stderr(&output));
}

#[test]
fn completions_for_a_shell() {
    let output = run(&["completions", "bash"], &[]);
    assert!(output.status.success());
    assert!(stdout(&output).contains("complete -F"), "{}", stdout(&output));
}

#[test]
fn a_service_that_cannot_be_reached() {
    let output = run(&["list"], &enough("https://127.0.0.1:1"));
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("Could not reach Azure: no connection to 127.0.0.1"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn no_planted_secret_is_printed_at_the_loudest() {
    let loud = [
        &["provision", "-vv"][..],
        &["provision", "-vv", "--dry-run", "--output", "json"],
        &["doctor", "-vv"],
        &["reap", "-vv", "--output", "json"],
    ];
    for command in loud {
        let output = run(command, &enough("https://127.0.0.1:1"));
        let text = stdout(&output) + &stderr(&output);
        assert!(text.contains("127.0.0.1"), "it got as far as the service: {text}");
        assert!(!text.contains("planted"), "{text}");
    }
}

#[cfg(unix)]
#[test]
fn a_signal_stops_it_with_130_while_a_service_keeps_it_waiting() {
    use std::net::TcpListener;
    use std::process::Stdio;

    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let cloud = format!("https://{}", silent.local_addr().expect("an address"));
    let commands: [&[&str]; 7] = [
        &["doctor"],
        &["reap"],
        &["list"],
        &["provision"],
        &["provision", "--dry-run"],
        &["deprovision", "a1"],
        &["logs", "a1"],
    ];
    for command in commands {
        let program = Command::new(env!("CARGO_BIN_EXE_ephemeral-agents"))
            .args(command)
            .env_clear()
            .envs(enough(&cloud))
            .stderr(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        // Connected: so it listens to signals by now, and waits for an answer that does not come.
        let (_connection, _) = silent.accept().expect("it connects");
        let kill = Command::new("kill").args(["-INT", &program.id().to_string()]).status();
        assert!(kill.expect("kill starts").success());
        let output = program.wait_with_output().expect("ends");
        assert_eq!(output.status.code(), Some(130), "{command:?}: {}", stderr(&output));
        assert!(stderr(&output).contains("Interrupted."), "{command:?}: {}", stderr(&output));
    }
}
