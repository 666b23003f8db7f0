//! Whole lives: the real program, a fake agent in shell, and a small Azure.

#![cfg(target_os = "linux")]

mod support;

use std::{fs, io::Write, path::Path};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use ring::digest;
use serde_json::json;
use support::{Azure, Home, Life, agent, alive, just_in_time, reply, self_destructing};

const AGENT: &str = "/contoso/_apis/distributedtask/pools/3/agents/17";

/// The taking down of an agent in its three steps; disabling comes earlier when there is a job.
fn taking_down() -> [String; 4] {
    let group =
        "/subscriptions/sub/resourceGroups/rg/providers/Microsoft.ContainerInstance/containerGroups/group";
    [
        format!("PATCH {AGENT}?api-version=7.1  {}", json!({"enabled": false, "id": 17})),
        format!("GET {AGENT}?api-version=7.1&includeAssignedRequest=true"),
        format!("DELETE {AGENT}?api-version=7.1"),
        format!("DELETE {group}?api-version=2025-09-01"),
    ]
}

fn well() -> Azure {
    Azure::start(|_, _| None)
}

fn start(azure: &Azure, home: &Home) -> Life {
    Life::start(azure, home, just_in_time().into_iter().chain(self_destructing(azure)))
}

#[test]
fn one_job_and_nothing_left() {
    let (azure, home) = (
        well(),
        Home::with_agent(
            r#"echo "$@" >> started; setsid sleep 987 & echo $! > orphan; say "Listening for Jobs"; job"#,
        ),
    );
    let output = start(&azure, &home).end();
    output.assert_outcome("job-finished");
    assert_eq!(output.outcome()["agent"], "removed");
    assert_eq!(output.outcome()["containerGroup"], "deleting");
    assert_eq!(azure.requests(), taking_down());
    assert_eq!(home.read("started"), "run --once --startuptype service\n");
    assert!(home.path("used").exists());
    assert!(!alive(&home.read("orphan")), "what the job left behind must be gone");
}

#[test]
fn as_the_first_process_it_hears_signals_and_collects_orphans() {
    let (azure, home) = (
        well(),
        Home::with_agent(
            r#"
trap 'exit 0' INT
orphan=$(sh -c 'true & echo $!')
while [ -e /proc/$orphan ]; do :; done
echo "child of $PPID"; tr '\0' ' ' < /proc/1/cmdline; echo; say "Listening for Jobs"
wait_for_signal"#,
        ),
    );
    let variables = just_in_time().into_iter().chain(self_destructing(&azure));
    // Making a process namespace needs rights that not every machine gives; there it cannot be tried.
    let Some(mut life) = Life::start_as_first_process(&azure, &home, variables) else { return };
    life.until("child of 1");
    life.until("resume");
    life.until("Listening for Jobs");
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", life.id())).unwrap();
    kill(Pid::from_raw(children.trim().parse().unwrap()), Signal::SIGTERM).unwrap();
    life.end().assert_outcome("stopped");
}

#[test]
fn a_second_start_in_the_same_container_runs_nothing_and_takes_down() {
    let (azure, home) = (well(), Home::with_agent(r#"echo run >> started; say "Listening for Jobs"; job"#));
    start(&azure, &home).end();
    let before = azure.requests().len();
    let output = start(&azure, &home).end();
    output.assert_outcome("used-before");
    assert_eq!(home.read("started"), "run\n");
    assert_eq!(azure.requests()[before..], taking_down());
}

#[test]
fn defect_01_a_job_that_still_counts_as_running_is_waited_for() {
    let azure = Azure::start(|request, before| match before {
        0..2 if request.starts_with(&format!("DELETE {AGENT}")) => {
            let message = "Agent \"n\" is running a job for pool \"p\".";
            Some(reply(400, &json!({"typeKey": "TaskAgentJobStillRunningException", "message": message})))
        }
        _ => None,
    });
    let home = Home::with_agent(r#"say "Listening for Jobs"; job"#);
    start(&azure, &home).end().assert_outcome("job-finished");
    let requests = azure.requests();
    let deletions = requests.iter().filter(|request| request.starts_with("DELETE")).count();
    assert_eq!(deletions, 4, "{requests:?}");
    assert!(requests.last().is_some_and(|last| last.contains("containerGroups")), "{requests:?}");
}

#[test]
fn defect_02_a_stop_signal_reaches_the_agent_and_takes_everything_down() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let (azure, home) = (
            well(),
            Home::with_agent(
                r#"trap 'echo interrupted; exit 0' INT; say "Listening for Jobs"; wait_for_signal"#,
            ),
        );
        let mut life = start(&azure, &home);
        life.until("Listening for Jobs");
        kill(Pid::from_raw(life.id()), signal).unwrap();
        let output = life.end();
        output.assert_outcome("stopped");
        assert!(output.0.contains(&"interrupted".to_owned()), "{}", output.text());
        assert_eq!(azure.requests(), taking_down());
    }
}

#[test]
fn defect_08_the_final_deletion_is_awaited_and_tried_again() {
    let azure = Azure::start(|request, before| match before {
        0 if request.contains("containerGroups") => {
            Some(reply(409, &json!({"error": {"code": "ContainerGroupTransitioning", "message": "later"}})))
        }
        _ => None,
    });
    let home = Home::with_agent(r#"say "Listening for Jobs"; job"#);
    start(&azure, &home).end().assert_outcome("job-finished");
    let requests = azure.requests();
    assert_eq!(requests[requests.len() - 2..], [taking_down()[3].clone(), taking_down()[3].clone()]);
}

#[test]
fn defect_10_an_agent_that_updates_itself_still_runs_one_job() {
    let (azure, home) = (
        well(),
        Home::with_agent(
            r#"
echo "$@" >> started; mkdir -p _diag; say "Listening for Jobs"
if [ ! -e _diag/SelfUpdate-1.log ]; then
  touch _diag/SelfUpdate-1.log
  setsid sh -c "while [ -e /proc/$$ ]; do :; done; mv _diag/SelfUpdate-1.log _diag/SelfUpdate-1.log.succeed; touch _diag/SelfUpdate-1.log" &
  exit 4
fi
job; exit 4"#,
        ),
    );
    start(&azure, &home).end().assert_outcome("job-finished");
    let run = "run --once --startuptype service\n";
    assert_eq!(home.read("started"), format!("{run}{run}"));
}

#[test]
fn defect_12_an_agent_without_a_job_does_not_wait_for_ever() {
    let (azure, home) =
        (well(), Home::with_agent(r#"trap 'exit 0' INT; say "Listening for Jobs"; wait_for_signal"#));
    let mut variables = just_in_time();
    variables.extend(self_destructing(&azure));
    variables.push(("AZP_IDLE_TIMEOUT", "1".into()));
    Life::start(&azure, &home, variables).end().assert_outcome("no-job");
    assert_eq!(azure.requests(), taking_down());
}

#[test]
fn without_credentials_it_stops_and_says_who_takes_it_down() {
    let (azure, home) = (well(), Home::with_agent(r#"say "Listening for Jobs"; job"#));
    let output = Life::start(&azure, &home, just_in_time()).end();
    output.assert_outcome("job-finished");
    assert_eq!(output.outcome()["containerGroup"], "left");
    assert!(output.text().contains("`ephemeral-agents deprovision` takes it down"), "{}", output.text());
    assert!(azure.requests().is_empty());
}

#[test]
fn an_agent_that_fails_is_explained_by_its_own_log() {
    let (azure, home) =
        (well(), Home::with_agent("mkdir -p _diag; echo 'the reason' > _diag/Agent_1-utc.log; exit 1"));
    let output = start(&azure, &home).end();
    output.assert_outcome("agent-failed");
    assert!(output.0.contains(&"the reason".to_owned()), "{}", output.text());
}

#[test]
fn settings_that_make_no_sense_are_said() {
    let (azure, home) = (well(), Home::empty());
    let output =
        Life::start(&azure, &home, just_in_time().into_iter().chain([("AZP_GRACE", "soon".into())])).end();
    output.assert_outcome("settings-invalid");
    assert!(
        output.text().contains("AZP_GRACE is no number of seconds (soon): set it to"),
        "{}",
        output.text()
    );
}

/// Looks for the marked secrets wherever a job can look, and says so. The pattern does not match itself.
const SPY: &str = r#"
case "$1" in
configure)
  [ "$VSTS_AGENT_INPUT_TOKEN" = planted-token ] && echo "configured with its token"
  while [ $# -gt 1 ]; do [ "$1" = --notificationsocketaddress ] && address=$2; shift; done
  echo "{\"agentId\":17,\"poolId\":3,\"notificationSocketAddress\":\"$address\"}" > .agent ;;
run)
  say "Listening for Jobs"; say "Running job: Job"; notify "Starting job"
  env | grep '[p]lanted' | sed 's/^/LEAK in env: /'
  for file in /proc/[0-9]*/environ /proc/[0-9]*/cmdline; do
    tr '\0' '\n' < $file 2>/dev/null | grep -q '[p]lanted-' && echo "LEAK in $file"
  done
  grep -rl '[p]lanted-' "$PWD/.." 2>/dev/null | grep -v Agent.Listener | sed 's/^/LEAK in /'
  [ -e token ] && echo "LEAK token file"
  echo "an echo of planted-key and of planted-token"
  say "Job Job completed with result: Succeeded"; notify "Finished job" ;;
esac"#;

#[test]
fn defect_04_and_09_no_secret_is_where_a_job_can_read_it() {
    let (azure, home) = (well(), Home::with_agent(SPY));
    let token = home.path("token");
    fs::write(&token, "planted-token\n").unwrap();
    let mut variables = self_destructing(&azure);
    variables.retain(|(name, _)| *name != "AZ_MANAGED_IDENTITY");
    variables.extend([
        ("AZP_TOKEN_FILE", token.display().to_string()),
        ("AZP_POOL", "pool".into()),
        ("AZ_TENANT_ID", "11111111-1111-1111-1111-111111111111".into()),
        ("AZ_SERVICE_PRINCIPAL", "22222222-2222-2222-2222-222222222222".into()),
        ("AZ_SERVICE_PRINCIPAL_KEY", "planted-key".into()),
    ]);
    let output = Life::start(&azure, &home, variables).end();
    output.assert_outcome("job-finished");
    let text = output.text();
    assert!(text.contains("configured with its token"), "{text}");
    assert!(!text.contains("LEAK"), "{text}");
    assert!(!text.contains("planted-"), "{text}");
    assert!(text.contains("an echo of *** and of ***"), "{text}");
    assert!(!token.exists(), "the token file must be gone");
    assert_eq!(azure.requests(), taking_down());
}

/// A package with this script for an agent.
fn package(script: &str) -> Vec<u8> {
    let script = agent(script);
    let mut header = tar::Header::new_gnu();
    header.set_size(script.len() as u64);
    header.set_mode(0o755);
    let encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut builder = tar::Builder::new(encoder);
    builder.append_data(&mut header, "bin/Agent.Listener", script.as_bytes()).expect("an entry");
    let mut encoder = builder.into_inner().expect("an archive");
    encoder.flush().expect("an archive");
    encoder.finish().expect("an archive")
}

/// An organization that offers an old package, and this one with this hash.
fn offering(package: Vec<u8>, hash: String) -> Azure {
    Azure::start(move |request, _| {
        if request.contains("/_apis/distributedtask/packages/agent?platform=linux-") {
            let offer = |minor: u64, name: &str| json!({"version": {"major": 4, "minor": minor, "patch": 0}, "downloadUrl": name, "hashValue": hash});
            let value = [offer(99, "https://nowhere.invalid/old"), offer(275, "HERE/package")];
            return Some(reply(200, &json!({"count": 2, "value": value})));
        }
        request.starts_with("GET /package").then(|| (200, package.clone()))
    })
}

fn hash(bytes: &[u8]) -> String {
    digest::digest(&digest::SHA256, bytes)
        .as_ref()
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

#[test]
fn the_package_that_the_user_names_is_fetched_checked_and_run() {
    let bytes = package(r#"say "Listening for Jobs"; job"#);
    for (hash, outcome) in [(hash(&bytes), "job-finished"), ("0".repeat(64), "preparation-failed")] {
        let (azure, home) = (offering(bytes.clone(), String::new()), Home::empty());
        let mut variables = just_in_time();
        variables.push(("AZP_AGENT_PACKAGE_URL", format!("{}/package", azure.url)));
        variables.push(("AZP_AGENT_PACKAGE_SHA256", hash));
        Life::start(&azure, &home, variables).end().assert_outcome(outcome);
        assert_eq!(home.path("agent/bin/Agent.Listener").exists(), outcome == "job-finished");
        assert!(!Path::new(&home.path("agent-package.tar.gz")).exists());
    }
}

#[test]
fn the_newest_package_of_the_organization_is_fetched() {
    let bytes = package(
        r#"[ "$1" = run ] || { echo '{"agentId":17,"poolId":3}' > .agent; exit; }; say "Listening for Jobs"; say "Running job: x""#,
    );
    let hash = hash(&bytes);
    let (azure, home) = (offering(bytes, hash), Home::empty());
    let output = Life::start(&azure, &home, [("AZP_TOKEN", "t0ken".to_owned())]).end();
    output.assert_outcome("job-finished");
    assert_eq!(output.outcome()["agent"], "removed");
}
