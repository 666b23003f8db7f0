//! Azure DevOps: agent pools, agents, sessions, messages, job requests, plans.
//!
//! What runs pipelines uses it through plain functions over the state: [`create_plan`], [`queue_job`], [`cancel_job`],
//! [`put_record`], [`create_log`], [`append_log`], [`register_agent`], [`remove_agent`], [`find_task`],
//! [`pool_by_name`], [`queue_by_pool_name`]. It is told of what happens to a job by
//! [`crate::pipelines::job_assigned`] and [`crate::pipelines::job_finished`]. Endpoints are added with [`endpoint`],
//! which knows who calls.

mod agents;
mod authorization;
mod demands;
mod discovery;
mod extensions;
mod job_request_views;
mod job_requests;
mod locations;
mod messages;
mod oauth;
mod oidc;
mod packages;
mod pipeline_permissions;
mod plan_events;
mod plan_views;
mod plans;
mod pools;
mod projects;
mod queues;
mod scheduler;
mod sessions;
mod tasks;
mod telemetry;
mod updates;
mod wire;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

pub use agents::{Agent, AgentMessage, NewAgent, PublicKeyText, register_agent, remove_agent};
pub(crate) use authorization::{Call, endpoint, issue_job_token};
pub use authorization::{Caller, Member, Role};
pub use demands::{Capabilities, Demand};
pub use extensions::Extension;
pub use job_requests::{
    JobRequest, NewJobRequest, NoAgent, ReservedAgent, cancel_job, finish_job, queue_job,
};
pub(crate) use oidc::{issuer, subject};
pub(crate) use packages::Packages;
pub use pipeline_permissions::PipelinePermissions;
pub use plans::{
    Attachment, Log, NewPlan, OutputVariable, Plan, Record, Timeline, append_log, create_log, create_plan,
    id_of, put_record,
};
pub use pools::{Pool, pool_by_name};
pub(crate) use projects::owner;
pub use queues::{Queue, queue_by_pool_name};
pub use sessions::Session;
pub(crate) use tasks::task_names_apart;
pub use tasks::{Contribution, TaskDefinition, find_task};
pub use wire::{Reference, Refusal, Secret};
pub(crate) use wire::{collection, time, without_nulls};

use crate::faults::Knob;
use crate::http::{Reply, Request, Router};
use crate::world::{ORGANIZATION, World};

/// In a job's message: the URL by which the agent that gets it knows the emulator, without a slash at its end.
pub const BASE_URL: &str = "{emulator-url}";
/// In a job's message: the access token of the job.
pub const JOB_TOKEN: &str = "{job-token}";

/// Faults of Azure DevOps.
pub const KNOBS: &[Knob] = &[
    Knob {
        name: "devops.agent-list-lag-seconds",
        meaning: "lists show agents, and whether they are online, only after this many seconds",
    },
    Knob {
        name: "devops.agent-refresh",
        meaning: "agents of another version are told to update to this one, such as \"4.276.0\", when they open a session, or {version, during-job: true} when their job begins; from then on its package is listed",
    },
    Knob {
        name: "devops.auth-skew-seconds",
        meaning: "the clock that checks agents' assertions is this many seconds ahead; negative is behind",
    },
    Knob { name: "devops.lock-seconds", meaning: "how long an agent holds a job without renewing (600)" },
    Knob {
        name: "devops.package-corrupt",
        meaning: "the agent package that is served does not match its hash",
    },
    Knob {
        name: "devops.package-host",
        meaning: "agent packages are listed under this, such as \"https://download.invalid\", in place of the emulator's own address",
    },
    Knob {
        name: "devops.package-missing",
        meaning: "the agent package is listed, and its download answers 404",
    },
    Knob { name: "devops.package-none", meaning: "no agent package is listed" },
    Knob {
        name: "devops.pool-role",
        meaning: "role over every pool of whoever holds the personal access token: reader, user (administrator)",
    },
    Knob { name: "devops.poll-seconds", meaning: "how long a poll for messages is held (50)" },
    Knob {
        name: "devops.rate-limit-delay-header",
        meaning: "every reply says with X-RateLimit-Delay and Retry-After that it was delayed by this many seconds",
    },
    Knob {
        name: "devops.remove-busy",
        meaning: "so many removals of agents are refused since the agent runs a job",
    },
    Knob {
        name: "devops.second-job",
        meaning: "so often it is overlooked that an agent shuts down after its job, so that it gets another",
    },
    Knob {
        name: "devops.session-conflict",
        meaning: "so many sessions are refused since the agent has one already",
    },
    Knob { name: "devops.token-expired", meaning: "personal access tokens are refused as expired" },
    Knob {
        name: "devops.silence-seconds",
        meaning: "how long an agent that does not poll counts as online (120)",
    },
    Knob {
        name: "devops.token-scope",
        meaning: "what personal access tokens are good for: none, or read, which is GET alone",
    },
];

/// What Azure DevOps knows.
#[derive(Debug, Serialize, Deserialize)]
pub struct State {
    /// Id of the organization.
    pub organization_id: Uuid,
    /// Id of the project.
    pub project_id: Uuid,
    /// Who may call, by object id.
    pub members: BTreeMap<Uuid, Member>,
    /// The member as whom jobs call.
    pub build_service_id: Uuid,
    /// Agent pools.
    pub pools: BTreeMap<u64, Pool>,
    /// Queues of the project.
    pub queues: BTreeMap<u64, Queue>,
    /// Registered agents of all pools.
    pub agents: BTreeMap<u64, Agent>,
    /// Sessions of agents.
    pub sessions: BTreeMap<Uuid, Session>,
    /// Job requests of all pools.
    pub requests: BTreeMap<u64, JobRequest>,
    /// Plans.
    pub plans: BTreeMap<Uuid, Plan>,
    /// The version of the agent that came out since, known to those who were told to update to it.
    #[serde(default)]
    pub newer_agent: Option<String>,
    /// Tasks that pipelines can use besides those built in.
    pub tasks: Vec<TaskDefinition>,
    /// The extensions that are installed.
    #[serde(default)]
    pub extensions: Vec<Extension>,
    last_agent_id: u64,
    last_request_id: u64,
    last_message_id: u64,
}

/// What will happen in Azure DevOps.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Due {
    /// A job's lock may have lapsed.
    LockEnds {
        /// The request.
        request_id: u64,
    },
    /// An agent that was told to cancel its job may not have reported.
    CancelEnds {
        /// The request.
        request_id: u64,
    },
    /// An agent may have stopped polling.
    SessionEnds {
        /// Its session.
        session_id: Uuid,
    },
}

impl State {
    /// An organization with one project and three pools, each with a queue in the project. The pool for ephemeral
    /// agents holds one agent that is never online, so that jobs for it queue.
    pub fn new(world: &World, now: Timestamp) -> Self {
        let build_service_id = Uuid::new_v4();
        let mut state = Self {
            organization_id: Uuid::new_v4(),
            project_id: Uuid::new_v4(),
            members: authorization::first_members(world, build_service_id),
            build_service_id,
            pools: pools::first_pools(),
            queues: queues::first_queues(),
            agents: BTreeMap::new(),
            sessions: BTreeMap::new(),
            requests: BTreeMap::new(),
            plans: BTreeMap::new(),
            newer_agent: None,
            tasks: Vec::new(),
            extensions: Vec::new(),
            last_agent_id: 0,
            last_request_id: 0,
            last_message_id: 0,
        };
        agents::add_placeholder(&mut state, now);
        state
    }

    /// Whether the first part of a path names an organization.
    pub fn is_organization(&self, name: &str) -> bool {
        name.eq_ignore_ascii_case(ORGANIZATION)
    }
}

/// Carries out an event.
pub(crate) fn carry_out(state: &mut crate::State, due: Due) {
    match due {
        Due::LockEnds { request_id } => job_requests::lock_ends(state, request_id),
        Due::CancelEnds { request_id } => finish_job(state, request_id, "canceled", false),
        Due::SessionEnds { session_id } => sessions::session_ends(state, session_id),
    }
}

/// Adds the routes.
pub(crate) fn routes(router: &mut Router) {
    discovery::routes(router);
    projects::routes(router);
    pools::routes(router);
    queues::routes(router);
    pipeline_permissions::routes(router);
    agents::routes(router);
    updates::routes(router);
    oauth::routes(router);
    sessions::routes(router);
    messages::routes(router);
    job_request_views::routes(router);
    plan_views::routes(router);
    plan_events::routes(router);
    oidc::routes(router);
    packages::routes(router);
    tasks::routes(router);
    extensions::routes(router);
    telemetry::routes(router);
}

/// Adds the emulator's own: members of the organization, tasks, extensions.
pub(crate) fn control_routes(router: &mut Router) {
    authorization::control_routes(router);
    tasks::control_routes(router);
    extensions::control_routes(router);
}

/// The reply where no route is.
pub(crate) fn no_route(request: &Request, known_path: bool) -> Reply {
    if known_path {
        let message = format!("The requested resource does not support http method '{}'.", request.method);
        return Reply::json(405, &serde_json::json!({"message": message, "count": 1}));
    }
    let message = format!(
        "The controller for path '{}' was not found or does not implement IController.",
        request.path
    );
    Refusal::new(404, "HttpException", message).into()
}

fn later(moment: Timestamp, span: Duration) -> Timestamp {
    let span = jiff::SignedDuration::try_from(span).unwrap_or(jiff::SignedDuration::MAX);
    moment.checked_add(span).unwrap_or(Timestamp::MAX)
}

/// A body as JSON, or the refusal of one that is none.
pub(crate) fn body(request: &Request) -> Result<Value, Refusal> {
    if request.body.is_empty() {
        return Ok(Value::Null);
    }
    let problem = |error| Refusal::bad_request(format!("The body of the request is not JSON: {error}"));
    request.json().map_err(problem)
}
