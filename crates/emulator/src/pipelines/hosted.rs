//! The hosted pool: each of its jobs gets a stand-in agent of its own, as a process in a folder of its own.
//!
//! The service makes a fresh machine for each job. Here the machine is this one, which the log of the emulator says;
//! what is fresh is the folder, the registration and the environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use process::{Child, Command, Exit, Reach, Signal};
use serde::{Deserialize, Serialize};

use super::agent_files;
use super::execution::HOSTED_POOL;
use crate::arm::{GroupIdentities, Identity};
use crate::devops;
use crate::{Effect, Emulator};

/// Agents that run at once; more jobs wait. As many as a small organization may buy.
const MOST: u32 = 10;
/// How long an agent may take to end when the emulator stops.
const GRACE: Duration = Duration::from_secs(5);

/// The hosted pool's agents.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Hosted {
    last_number: u64,
    running: u32,
    waiting: u32,
    /// Resource ids of the user-assigned identities of the machine, in lower case.
    #[serde(default)]
    identities: Vec<String>,
    /// What shows the identity endpoint that somebody asks from this machine.
    #[serde(default)]
    identity_token: String,
}

impl Hosted {
    /// The key by which its machine asks for tokens.
    pub(super) fn identity_key(&self) -> &str {
        &self.identity_token
    }
}

/// Something to do for the hosted pools.
#[derive(Clone, Copy, Debug)]
pub enum HostedAgentCommand {
    /// Start an agent for one job.
    Start {
        /// Counts the agents.
        number: u64,
    },
}

/// The processes that run, by number.
#[derive(Debug, Default)]
pub struct HostedAgents(Mutex<BTreeMap<u64, Child>>);

impl HostedAgents {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Child>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives the machine of hosted agents these user-assigned identities. `Err` names one that is not there.
///
/// In the service only a pool of one's own machines has identities (Managed DevOps Pools, scale sets): agents that
/// Microsoft hosts have none. Here one pool stands for both.
pub fn set_identities(state: &mut crate::State, ids: &[String]) -> Result<Vec<Identity>, String> {
    let known: Result<Vec<Identity>, String> = ids
        .iter()
        .map(|id| state.arm.user_assigned_identity(id).cloned().ok_or_else(|| id.clone()))
        .collect();
    let known = known?;
    let hosted = &mut state.pipelines.hosted;
    hosted.identities = ids.iter().map(|id| id.to_ascii_lowercase()).collect();
    if hosted.identity_token.is_empty() {
        hosted.identity_token = crate::world::random_secret();
    }
    Ok(known)
}

/// The identities of the machine, for those who have its key.
pub(crate) fn identities(state: &crate::State, key: &str) -> Option<GroupIdentities> {
    let hosted = &state.pipelines.hosted;
    let identities = hosted.identities.iter().filter_map(|id| state.arm.user_assigned_identity(id).cloned());
    // A machine has been up for long when its agent gets a job.
    (!key.is_empty() && hosted.identity_token == key).then(|| GroupIdentities {
        started: Some(jiff::Timestamp::UNIX_EPOCH),
        identities: identities.collect(),
    })
}

/// A job waits in the hosted pool: starts an agent now, or when another ends.
pub(crate) fn want_agent(state: &mut crate::State) {
    let hosted = &mut state.pipelines.hosted;
    if hosted.running >= MOST {
        hosted.waiting += 1;
        return;
    }
    hosted.running += 1;
    hosted.last_number += 1;
    state.effects.push(Effect::HostedAgent(HostedAgentCommand::Start { number: hosted.last_number }));
}

/// An agent ended: removes it, and starts the next that is wanted.
fn agent_ended(state: &mut crate::State, agent_id: Option<u64>, ended: &str) {
    let hosted = &mut state.pipelines.hosted;
    hosted.running = hosted.running.saturating_sub(1);
    if hosted.waiting > 0 {
        hosted.waiting -= 1;
        want_agent(state);
    }
    match agent_id {
        Some(agent_id) if took_a_job(state, agent_id) => remove(state, agent_id),
        Some(agent_id) => {
            remove(state, agent_id);
            fail_waiting(state, ended);
        }
        None => fail_waiting(state, ended),
    }
}

fn took_a_job(state: &crate::State, agent_id: u64) -> bool {
    state.devops.requests.values().any(|request| request.is_of(agent_id))
}

/// Removes an agent that is no more. A job that it still has dies with it.
fn remove(state: &mut crate::State, agent_id: u64) {
    let given: Vec<u64> = state
        .devops
        .requests
        .values()
        .filter(|request| request.is_of(agent_id))
        .map(|request| request.id)
        .collect();
    for request_id in given {
        devops::finish_job(state, request_id, "abandoned", true);
    }
    if let Err(refusal) = devops::remove_agent(state, agent_id) {
        tracing::warn!(agent_id, refusal.message, "hosted agent not removed");
    }
}

/// No agent comes for the job that has waited longest: it fails, with the reason in the emulator's log.
fn fail_waiting(state: &mut crate::State, ended: &str) {
    let Some(pool_id) = devops::pool_by_name(state, HOSTED_POOL).map(|pool| pool.id) else { return };
    let mut waiting =
        state.devops.requests.values().filter(|request| request.pool_id == pool_id && request.is_waiting());
    let Some(request_id) = waiting.next().map(|request| request.id) else { return };
    tracing::error!(ended, "a hosted agent took no job, which fails therefore");
    super::execution::job_failed(state, request_id, ended);
}

/// Starts doing it; what comes of it arrives as changes of the state.
pub(crate) fn carry_out(emulator: &Arc<Emulator>, command: HostedAgentCommand) {
    let HostedAgentCommand::Start { number } = command;
    let emulator = Arc::clone(emulator);
    tokio::spawn(async move {
        let folder = emulator.data.join("hosted").join(number.to_string());
        let (agent_id, ended) = match prepare(&emulator, &folder, number).await {
            Ok(agent_id) => (Some(agent_id), run(&emulator, &folder, number).await),
            Err(problem) => (None, format!("The hosted agent could not be started: {problem}")),
        };
        if let Err(error) = tokio::fs::remove_dir_all(&folder).await {
            tracing::debug!(%error, folder = %folder.display(), "folder of a hosted agent not removed");
        }
        emulator.change(|state| agent_ended(state, agent_id, &ended));
    });
}

/// Registers an agent and lays its files out.
async fn prepare(emulator: &Arc<Emulator>, folder: &Path, number: u64) -> Result<u64, String> {
    let program = stand_in_agent(emulator)?;
    let made = tokio::task::spawn_blocking(agent_files::Key::make).await;
    let key = made.map_err(|error| error.to_string())??;
    let name = format!("hosted-{number}");
    let agent = emulator
        .change(|state| {
            let pool = devops::pool_by_name(state, HOSTED_POOL).map(|pool| pool.id).unwrap_or_default();
            devops::register_agent(state, pool, agent_files::new_agent(&name, key.public.clone()))
        })
        .map_err(|refusal| refusal.message)?;
    let files = agent_files::texts(&emulator.url, HOSTED_POOL, &agent, &key);
    match lay_out(folder, &program, &files) {
        Ok(()) => Ok(agent.id),
        Err(error) => {
            let _ = emulator.change(|state| devops::remove_agent(state, agent.id));
            Err(format!("{}: {error}", folder.display()))
        }
    }
}

/// The program that `--stand-in-agent` names, or the one beside this program.
fn stand_in_agent(emulator: &Emulator) -> Result<PathBuf, String> {
    let beside = || {
        let own = std::env::current_exe().ok()?;
        own.ancestors()
            .skip(1)
            .take(2)
            .map(|folder| folder.join("stand-in-agent"))
            .find(|path| path.is_file())
    };
    let program = emulator.options.stand_in_agent.clone().or_else(beside);
    program.ok_or_else(|| {
        "there is no stand-in-agent beside the emulator; build it, or name it with --stand-in-agent"
            .to_owned()
    })
}

fn lay_out(folder: &Path, program: &Path, files: &[(&str, String)]) -> std::io::Result<()> {
    std::fs::create_dir_all(folder.join("bin"))?;
    std::fs::create_dir_all(folder.join("home"))?;
    let listener = folder.join("bin/Agent.Listener");
    // Another file system needs a copy.
    if std::fs::hard_link(program, &listener).is_err() {
        std::fs::copy(program, &listener)?;
    }
    for (name, text) in files {
        crate::options::write_private(&folder.join(name), text)?;
    }
    Ok(())
}

/// Runs the agent to its end, and says how that was.
async fn run(emulator: &Arc<Emulator>, folder: &Path, number: u64) -> String {
    tracing::info!(number, "hosted pool: served by the stand-in agent");
    let command = Command::new(folder.join("bin/Agent.Listener"))
        .arguments(["run", "--once"])
        .environment(environment(emulator, folder))
        .directory(folder);
    let (child, mut lines) = match command.spawn() {
        Ok(started) => started,
        Err(error) => return format!("The hosted agent could not be started: {error}"),
    };
    emulator.hosted_agents.lock().insert(number, child.clone());
    while let Some(line) = lines.next().await {
        tracing::debug!(number, "{}", line.text);
    }
    let exit: Exit = child.wait().await;
    child.kill_tree();
    emulator.hosted_agents.lock().remove(&number);
    format!("The hosted agent ended ({exit}) before it took a job.")
}

/// A clean environment. Tools that lie beside the emulator are found first.
fn environment(emulator: &Emulator, folder: &Path) -> Vec<(String, String)> {
    let own = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.display().to_string()));
    let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned());
    let path = own.map_or(path.clone(), |own| format!("{own}:{path}"));
    // The metadata address of a real machine cannot be bound here; clients of managed identity take it from this.
    let identity = emulator.read(|state| {
        let hosted = &state.pipelines.hosted;
        let endpoint = format!("{}/identity/{}", emulator.identity_url, hosted.identity_token);
        (!hosted.identities.is_empty()).then(|| ("AZURE_POD_IDENTITY_AUTHORITY_HOST".to_owned(), endpoint))
    });
    let mut environment = vec![
        ("PATH".to_owned(), path),
        ("HOME".to_owned(), folder.join("home").display().to_string()),
        ("LANG".to_owned(), "C.UTF-8".to_owned()),
        ("SSL_CERT_FILE".to_owned(), emulator.data.join("ca.pem").display().to_string()),
        ("NODE_EXTRA_CA_CERTS".to_owned(), emulator.data.join("ca.pem").display().to_string()),
    ];
    environment.extend(identity);
    environment
}

/// After a start with kept state: nobody watches the agents of before any more, so that their jobs are lost; those that
/// still wait get new ones.
pub(crate) fn resume(state: &mut crate::State) {
    let Some(pool_id) = devops::pool_by_name(state, HOSTED_POOL).map(|pool| pool.id) else { return };
    let hosted = &mut state.pipelines.hosted;
    (hosted.running, hosted.waiting) = (0, 0);
    let agents: Vec<u64> =
        state.devops.agents.values().filter(|agent| agent.pool_id == pool_id).map(|agent| agent.id).collect();
    let requests = state.devops.requests.values().filter(|request| request.pool_id == pool_id);
    let waiting = requests.filter(|request| request.is_waiting()).count();
    for agent_id in agents {
        remove(state, agent_id);
    }
    for _ in 0..waiting {
        want_agent(state);
    }
}

/// Ends the hosted agents that run.
pub(crate) async fn end_all(emulator: &Arc<Emulator>) {
    let own: Vec<Child> = emulator.hosted_agents.lock().values().cloned().collect();
    let stops = own.iter().map(|child| child.stop(Signal::Interrupt, Reach::Process, GRACE));
    futures_util::future::join_all(stops).await;
}
