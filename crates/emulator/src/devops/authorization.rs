//! Who calls Azure DevOps, and what they may do.

use std::collections::BTreeMap;
use std::sync::Arc;

use hyper::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::wire::Refusal;
use crate::Emulator;
use crate::entra::Audience;
use crate::http::{Reply, Request, Router};
use crate::world::World;

/// Audience of the token of a registered agent.
const AGENT_AUDIENCE: &str = "emulator:agent";
/// Audience of the token of a job.
const JOB_AUDIENCE: &str = "emulator:job";
/// How long a job's token is good. Assumed: the service lets it live as long as the job's time-out, at most days.
const JOB_TOKEN_SECONDS: i64 = 48 * 3600;

/// What a member may do with agent pools.
/// Assumed: one role for all pools. The service has one for each, and nothing here needs the difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// See them.
    Reader,
    /// Queue jobs for them.
    User,
    /// Register and remove agents.
    Administrator,
}

/// A member of the organization.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Member {
    /// Display name.
    pub name: String,
    /// What it may do with pools.
    pub role: Role,
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A member: a person with a personal access token, or a principal of Entra ID.
    Member {
        /// Object id.
        id: Uuid,
        /// Display name.
        name: String,
        /// What it may do.
        role: Role,
    },
    /// A registered agent, which may do what agents do in its pool.
    Agent {
        /// The pool.
        pool_id: u64,
        /// The agent.
        agent_id: u64,
    },
    /// A job, which may report to its plan and otherwise has the role of the build service.
    Job {
        /// The plan.
        plan_id: Uuid,
        /// The job in it.
        job_id: Uuid,
        /// Role of the build service.
        role: Role,
    },
}

impl Caller {
    /// The name that refusals give.
    pub fn name(&self) -> String {
        match self {
            Self::Member { name, .. } => name.clone(),
            Self::Agent { agent_id, .. } => format!("Agent {agent_id}"),
            Self::Job { .. } => "Project Collection Build Service (contoso)".to_owned(),
        }
    }

    /// Requires that the caller may manage the pool.
    pub fn require_manage(&self, pool: &str) -> Result<(), Refusal> {
        self.require(Role::Administrator, "Manage", pool)
    }

    /// Requires that the caller may queue jobs for the pool.
    pub fn require_use(&self, pool: &str) -> Result<(), Refusal> {
        self.require(Role::User, "Use", pool)
    }

    fn require(&self, least: Role, permission: &str, pool: &str) -> Result<(), Refusal> {
        match self {
            Self::Member { role, .. } | Self::Job { role, .. } if *role >= least => Ok(()),
            _ => Err(access_denied(&format!(
                "Access denied. {} needs {permission} permissions for pool {pool} to perform the action. For more \
                 information, contact the Azure DevOps Server administrator.",
                self.name()
            ))),
        }
    }

    /// Requires that the caller may act as an agent of the pool: one of its agents, or who manages it.
    pub fn require_listen(&self, pool_id: u64, pool: &str) -> Result<(), Refusal> {
        match self {
            Self::Agent { pool_id: own, .. } if *own == pool_id => Ok(()),
            _ => self.require(Role::Administrator, "Listen", pool),
        }
    }

    /// Requires that the caller may see pools: everybody except an agent of another pool.
    pub fn require_view(&self, pool_id: u64, pool: &str) -> Result<(), Refusal> {
        match self {
            Self::Agent { pool_id: own, .. } if *own != pool_id => self.require(Role::Reader, "View", pool),
            _ => Ok(()),
        }
    }

    /// Requires that the caller may report to the plan: one of its jobs, or an administrator.
    pub fn require_plan(&self, plan_id: Uuid) -> Result<(), Refusal> {
        match self {
            Self::Job { plan_id: own, .. } if *own == plan_id => Ok(()),
            Self::Member { role: Role::Administrator, .. } => Ok(()),
            _ => Err(Refusal::new(
                403,
                "TaskOrchestrationPlanSecurityException",
                format!("{} is not authorized to access plan {plan_id}.", self.name()),
            )),
        }
    }
}

fn access_denied(message: &str) -> Refusal {
    Refusal::new(403, "AccessDeniedException", message)
}

/// A request of somebody who is known.
pub(crate) struct Call {
    /// The emulator.
    pub(crate) emulator: Arc<Emulator>,
    /// The request.
    pub(crate) request: Request,
    /// Who sent it.
    pub(crate) caller: Caller,
}

/// Answers `method` on `/{organization}/` and `path`, once it is known who calls and which version of the API they
/// want. `handler`'s `Err` is a reply too.
pub(crate) fn endpoint<H, F>(router: &mut Router, method: Method, path: &str, handler: H)
where
    H: Fn(Call) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Reply, Reply>> + Send + 'static,
{
    let handler = Arc::new(handler);
    router.on(method, &format!("/{{organization}}/{path}"), move |emulator, request| {
        let handler = Arc::clone(&handler);
        async move {
            let caller = caller(&emulator, &request)?;
            check_version(&request)?;
            let version = version(&request).map(str::to_owned);
            let delay = emulator.read(|state| state.faults.get("devops.rate-limit-delay-header").cloned());
            let reply = handler(Call { emulator, request, caller }).await.unwrap_or_else(|refusal| refusal);
            Ok(finished(reply, version.as_deref(), delay.as_ref().and_then(Value::as_f64)))
        }
    });
}

/// Says the version in the content type, and what the knob for rate limits asks for.
fn finished(mut reply: Reply, version: Option<&str>, delay: Option<f64>) -> Reply {
    if let (Some(version), Some(kind)) = (version, reply.headers.get("content-type"))
        && let Ok(kind) = kind.to_str()
        && kind.starts_with("application/json")
        && let Ok(kind) = format!("{kind}; api-version={version}").try_into()
    {
        reply.headers.insert("content-type", kind);
    }
    match delay {
        Some(seconds) => reply
            .header("x-ratelimit-resource", "Concurrency")
            .header("x-ratelimit-delay", &format!("{seconds:.3}"))
            .header("x-ratelimit-limit", "200")
            .header("x-ratelimit-remaining", "0")
            .header("retry-after", &format!("{:.0}", seconds.ceil())),
        None => reply,
    }
}

/// The version of the API that a request asks for, in its query or in `Accept`.
fn version(request: &Request) -> Option<&str> {
    let parameter = |part: &'_ str| part.trim().to_ascii_lowercase().starts_with("api-version=");
    let accepted =
        || request.header("accept")?.split([';', ',']).find(|part| parameter(part))?.split('=').nth(1);
    request.query.get("api-version").or_else(accepted).map(str::trim).filter(|version| !version.is_empty())
}

fn check_version(request: &Request) -> Result<(), Refusal> {
    let Some(version) = version(request) else {
        if !matches!(request.method, Method::POST | Method::PUT | Method::PATCH) {
            return Ok(());
        }
        let message = format!(
            "No api-version was supplied for the \"{}\" request. The version must be supplied either as part of the \
             Accept header (e.g. \"application/json; api-version=1.0\") or as a query parameter (e.g. \
             \"?api-version=1.0\").",
            request.method
        );
        return Err(Refusal::new(400, "VssVersionNotSpecifiedException", message));
    };
    let number = version.split('-').next().unwrap_or_default();
    if number.parse::<f64>().is_ok_and(|number| number >= 1.0) {
        return Ok(());
    }
    let message = format!("The specified API version value is not valid: {version}.");
    Err(Refusal::new(400, "VssInvalidApiVersionException", message))
}

/// Who sent a request, or the reply that says that they are not known.
pub(crate) fn caller(emulator: &Emulator, request: &Request) -> Result<Caller, Reply> {
    if let Some(password) = request.basic_password() {
        let known = emulator.read(|state| state.world.personal_access_token == password);
        if known && emulator.read(|state| state.faults.is_on("devops.token-expired")) {
            let message = "Access Denied: The Personal Access Token used has expired.";
            return Err(Refusal::new(401, "UnauthorizedRequestException", message).into());
        }
        if known {
            return Ok(Caller::Member {
                id: super::projects::OWNER_ID,
                name: super::projects::OWNER_NAME.to_owned(),
                role: Role::Administrator,
            });
        }
    }
    let Some(token) = request.bearer() else { return Err(unauthorized(emulator, request, "")) };
    let claims = emulator.signing_key.verify(token);
    match claims.as_ref().and_then(|claims| claims.get("aud")).and_then(Value::as_str) {
        Some(AGENT_AUDIENCE) => agent_caller(emulator, request, &claims.unwrap_or_default()),
        Some(JOB_AUDIENCE) => job_caller(emulator, request, &claims.unwrap_or_default()),
        _ => member_caller(emulator, request, token),
    }
}

fn member_caller(emulator: &Emulator, request: &Request, token: &str) -> Result<Caller, Reply> {
    let Some(found) = crate::entra::verify_access_token(emulator, token, Audience::DevOps) else {
        return Err(unauthorized(emulator, request, ""));
    };
    let member = emulator.read(|state| state.devops.members.get(&found.object_id).cloned());
    match member {
        Some(member) => Ok(Caller::Member { id: found.object_id, name: member.name, role: member.role }),
        None => Err(unauthorized(emulator, request, &found.object_id.to_string())),
    }
}

fn agent_caller(
    emulator: &Emulator,
    request: &Request,
    claims: &Map<String, Value>,
) -> Result<Caller, Reply> {
    if is_over(emulator, claims) {
        return Err(unauthorized(emulator, request, ""));
    }
    let number = |claim: &str| claims.get(claim).and_then(Value::as_u64).unwrap_or_default();
    let (pool_id, agent_id) = (number("pool"), number("agent"));
    let client = claims.get("client").and_then(Value::as_str).unwrap_or_default();
    // An agent that was removed, or registered anew, has another client id or none.
    let current = emulator.read(|state| {
        state.devops.agents.get(&agent_id).is_some_and(|agent| agent.client_id.to_string() == client)
    });
    if current {
        return Ok(Caller::Agent { pool_id, agent_id });
    }
    let message = "The agent's access token is no longer valid: its registration was removed or replaced.";
    Err(Refusal::new(401, "TaskAgentAccessTokenExpiredException", message).into())
}

fn job_caller(emulator: &Emulator, request: &Request, claims: &Map<String, Value>) -> Result<Caller, Reply> {
    let id = |claim: &str| claims.get(claim)?.as_str()?.parse::<Uuid>().ok();
    let (Some(plan_id), Some(job_id), false) = (id("plan"), id("job"), is_over(emulator, claims)) else {
        return Err(unauthorized(emulator, request, ""));
    };
    let role = emulator.read(|state| {
        state.devops.members.get(&state.devops.build_service_id).map_or(Role::Reader, |member| member.role)
    });
    Ok(Caller::Job { plan_id, job_id, role })
}

fn is_over(emulator: &Emulator, claims: &Map<String, Value>) -> bool {
    let expiry = claims.get("exp").and_then(Value::as_i64).unwrap_or(0);
    emulator.read(|state| state.now.as_second()) > expiry
}

/// The reply to somebody who is not known: a sign-in page for those who seem to be a browser, a challenge for others.
fn unauthorized(emulator: &Emulator, request: &Request, user: &str) -> Reply {
    let suppressed =
        request.header("x-tfs-fedauthredirect").is_some_and(|value| value.eq_ignore_ascii_case("suppress"));
    let agent = request
        .header("user-agent")
        .is_some_and(|agent| agent.contains("VSServices") || agent.contains("VstsAgent"));
    if matches!(request.method, Method::GET | Method::POST) && !suppressed && !agent {
        let page =
            "<html><head><title>Azure DevOps Services | Sign In</title></head><body>Sign in.</body></html>";
        return Reply::text(203, "text/html; charset=utf-8", page);
    }
    let message = format!("TF400813: The user '{user}' is not authorized to access this resource.");
    let tenant = emulator.read(|state| state.world.tenant);
    let base = &request.base_url;
    Reply::from(Refusal::new(401, "UnauthorizedRequestException", message))
        .header("www-authenticate", &format!("Bearer authorization_uri={base}/{tenant}"))
        .header("www-authenticate", &format!("Basic realm=\"{base}/\""))
        .header("www-authenticate", "TFS-Federated")
}

/// A token for a registered agent, good for `seconds`.
pub(super) fn issue_agent_token(emulator: &Emulator, agent: &super::Agent, seconds: i64) -> String {
    let now = emulator.read(|state| state.now.as_second());
    emulator.signing_key.sign(&json!({
        "aud": AGENT_AUDIENCE, "iss": "emulator", "sub": agent.client_id, "nbf": now, "exp": now + seconds,
        "pool": agent.pool_id, "agent": agent.id, "client": agent.client_id, "jti": Uuid::new_v4(),
    }))
}

/// The access token of a job: it may report to its plan, and has the role of the build service otherwise.
pub(crate) fn issue_job_token(emulator: &Emulator, plan_id: Uuid, job_id: Uuid) -> String {
    let (now, project) = emulator.read(|state| {
        let scope = state.devops.plans.get(&plan_id).map_or(state.devops.project_id, |plan| plan.scope);
        (state.now.as_second(), scope)
    });
    emulator.signing_key.sign(&json!({
        "aud": JOB_AUDIENCE, "iss": "emulator", "sub": job_id, "nbf": now, "exp": now + JOB_TOKEN_SECONDS,
        "plan": plan_id, "job": job_id, "project": project, "scope": "LocalUser", "jti": Uuid::new_v4(),
    }))
}

/// The app registration `provisioner`, and the build service.
pub(super) fn first_members(world: &World, build_service_id: Uuid) -> BTreeMap<Uuid, Member> {
    let provisioner = Member { name: "provisioner".to_owned(), role: Role::Administrator };
    let build_service =
        Member { name: "Project Collection Build Service (contoso)".to_owned(), role: Role::Reader };
    BTreeMap::from([(world.client_object_id, provisioner), (build_service_id, build_service)])
}

/// Adds `PUT` and `DELETE /emulator/members/{objectId}`: who belongs to the organization. `build-service` stands for
/// the one as whom jobs call.
pub(super) fn control_routes(router: &mut Router) {
    router.on(Method::PUT, "/emulator/members/{id}", put_member);
    router.on(Method::DELETE, "/emulator/members/{id}", delete_member);
}

fn member_id(emulator: &Emulator, request: &Request) -> Result<Uuid, Reply> {
    match request.param("id") {
        "build-service" => Ok(emulator.read(|state| state.devops.build_service_id)),
        id => id.parse().map_err(|_| {
            Reply::json(400, &json!({"error": format!("{id:?} is not an object id, nor build-service")}))
        }),
    }
}

async fn put_member(emulator: Arc<Emulator>, request: Request) -> Result<Reply, Reply> {
    crate::control::authorize(&emulator, &request)?;
    let id = member_id(&emulator, &request)?;
    let member: Member = crate::control::body(&request)?;
    emulator.change(|state| state.devops.members.insert(id, member));
    Ok(Reply::status(204))
}

async fn delete_member(emulator: Arc<Emulator>, request: Request) -> Result<Reply, Reply> {
    crate::control::authorize(&emulator, &request)?;
    let id = member_id(&emulator, &request)?;
    emulator.change(|state| state.devops.members.remove(&id));
    Ok(Reply::status(204))
}
