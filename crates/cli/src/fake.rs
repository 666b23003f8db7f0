//! Azure and Azure DevOps in memory, on tokio's virtual time. For tests of flows; it knows nothing of HTTP.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use lifecycle::{
    Agent, AgentName, AgentStatus, ComputePhase, ContainerGroup, OwnershipTags, Removal, Timestamp,
};
use redact::Secret;
use tokio::time::Instant;

use crate::checks::placement::Placement;
use crate::interrupts::InterruptCounter;
use crate::provision::plan::GroupPlan;
use crate::services::{
    Answer, ContainerState, ErrorKind, Event, GroupView, Groups, NewAgent, Pool, Pools, Registered,
    ResourceGroup, ServiceError, Services, Subnet, SubnetLookup, Usage,
};
use crate::settings::{
    Azure, AzureCredential, Cloud, Container, DevOps, DevOpsCredential, Fallbacks, Life, NameChoice, Network,
    Os, Priority, ProvisionSettings, Registration, Registry, Size, Sku, TakeDown,
};

pub(crate) const ORGANIZATION: &str = "https://dev.azure.com/contoso";
pub(crate) const OTHER_ORGANIZATION: &str = "https://dev.azure.com/fabrikam";

const BEGIN: Timestamp = Timestamp(1_795_478_400);

/// How to reach both services.
pub(crate) struct Connected {
    pub(crate) azure: Azure,
    pub(crate) devops: DevOps,
}

/// To both services, as nobody in particular.
pub(crate) fn connected() -> Connected {
    let ProvisionSettings { azure, devops, .. } = settings();
    Connected { azure, devops }
}

/// Settings with which everything works.
pub(crate) fn settings() -> ProvisionSettings {
    ProvisionSettings {
        azure: Azure {
            cloud: Cloud::Public,
            extra_ca: None,
            ca_file: None,
            credential: AzureCredential::AzureCli,
            subscription: "00000000-1111-2222-3333-444444444444".to_owned(),
            resource_group: "agents".to_owned(),
        },
        devops: DevOps {
            organization: ORGANIZATION.to_owned(),
            credential: DevOpsCredential::PersonalAccessToken(Secret::new("pat")),
        },
        pool: "private".to_owned(),
        name: NameChoice::Prefix("agent".to_owned()),
        count: 1,
        run: Some(4711),
        agent_url: ORGANIZATION.to_owned(),
        registration: Registration::JustInTime,
        location: None,
        network: None,
        container: Container {
            image: "contoso.azurecr.io/agent:1".to_owned(),
            registry: Registry::Anonymous,
            os: Os::Linux,
            cpu: 1.0,
            memory_gb: 1.0,
            zone: None,
            priority: Priority::Regular,
            sku: Sku::Standard,
            dns_servers: vec![],
            environment: BTreeMap::new(),
            secure_environment: BTreeMap::new(),
            agent_ca: None,
            log_analytics: None,
        },
        life: Life {
            online_timeout: Some(Duration::from_mins(4)),
            idle_timeout: Duration::from_mins(15),
            max_lifetime: Duration::from_hours(6),
            take_down: TakeDown::Outside,
            identity: None,
            keep_on_error: None,
        },
        fallbacks: Fallbacks::default(),
        tags: BTreeMap::new(),
    }
}

/// A subnet in settings.
pub(crate) fn network() -> Network {
    Network {
        resource_group: "networks".to_owned(),
        name: "network".to_owned(),
        subnet: "for-agents".to_owned(),
    }
}

/// What the settings ask for, in the region where everything works.
pub(crate) fn placement(settings: &ProvisionSettings) -> Placement {
    let size = Size { cpu: settings.container.cpu, memory_gb: settings.container.memory_gb };
    Placement { location: "westeurope".to_owned(), zone: settings.container.zone.clone(), size }
}

/// The one pool.
pub(crate) fn pool() -> Pool {
    Pool { id: 3, name: "private".to_owned(), hosted: false, manageable: Some(true) }
}

/// An agent that is offline.
pub(crate) fn agent(name: &str) -> Agent {
    Agent {
        id: 1,
        name: name.to_owned(),
        enabled: true,
        status: AgentStatus::Offline,
        assigned_request: None,
        status_since: None,
    }
}

/// A group whose container runs.
pub(crate) fn group_view() -> GroupView {
    GroupView {
        id: "/groups/a".to_owned(),
        phase: ComputePhase::Running,
        provisioning_state: "Succeeded".to_owned(),
        container: None,
        events: vec![],
        tags: BTreeMap::new(),
    }
}

/// A service's refusal.
pub(crate) fn error(kind: ErrorKind) -> ServiceError {
    ServiceError { kind, what: format!("the service answered {kind:?}"), remedy: "ask again.".to_owned() }
}

/// How a call that creates something goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Answered with an error; nothing happened.
    Answers(ErrorKind),
    /// It happened, and the answer was lost.
    LostReply,
    /// It happened, and no answer comes in an hour.
    NeverAnswers,
}

struct Group {
    created: Instant,
    tags: BTreeMap<String, String>,
    exit: Option<(Duration, i64)>,
    lines: bool,
    printed: String,
}

impl Group {
    fn exited(&self) -> Option<i64> {
        self.exit.filter(|(after, _)| self.created.elapsed() >= *after).map(|(_, code)| code)
    }
}

/// Everything that exists, and how it will behave.
pub(crate) struct World {
    begin: Instant,
    agents: RefCell<Vec<Agent>>,
    groups: RefCell<BTreeMap<String, Group>>,
    changes: RefCell<Vec<String>>,
    calls: Cell<usize>,
    interrupt: RefCell<Option<(usize, InterruptCounter)>>,
    job: Cell<Option<Duration>>,
    next_agent: Cell<u64>,
    random: Cell<u64>,
    /// After what time the agent of a created group is online; `None`: never.
    pub(crate) online_after: Cell<Option<Duration>>,
    /// After what time, and with what code, the container of a created group ends.
    pub(crate) exit: Cell<Option<(Duration, i64)>>,
    pub(crate) register_fault: Cell<Option<Fault>>,
    pub(crate) create_fault: Cell<Option<Fault>>,
    /// Regions that have no room.
    pub(crate) full_regions: RefCell<Vec<&'static str>>,
    /// How many creations are still refused, and how.
    pub(crate) stumbles: Cell<(u32, ErrorKind)>,
    pub(crate) delete_fault: Cell<Option<ErrorKind>>,
    pub(crate) poll_fault: Cell<Option<ErrorKind>>,
    pub(crate) unknown_pool: Cell<bool>,
    /// Everything that was handed to containers.
    pub(crate) plans: RefCell<Vec<GroupPlan>>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            begin: Instant::now(),
            agents: RefCell::default(),
            groups: RefCell::default(),
            changes: RefCell::default(),
            calls: Cell::default(),
            interrupt: RefCell::default(),
            job: Cell::default(),
            next_agent: Cell::new(1),
            random: Cell::new(12_345_678),
            online_after: Cell::new(Some(Duration::from_secs(30))),
            exit: Cell::default(),
            register_fault: Cell::default(),
            create_fault: Cell::default(),
            full_regions: RefCell::default(),
            stumbles: Cell::new((0, ErrorKind::Transient)),
            delete_fault: Cell::default(),
            poll_fault: Cell::default(),
            unknown_pool: Cell::default(),
            plans: RefCell::default(),
        }
    }
}

impl World {
    /// An agent without a group.
    pub(crate) fn add_agent(&self, name: &str, status: AgentStatus) {
        self.agents.borrow_mut().retain(|agent| agent.name != name);
        let id = self.next_agent.replace(self.next_agent.get() + 1);
        self.agents.borrow_mut().push(Agent { id, status, ..agent(name) });
    }

    /// An agent with its group.
    pub(crate) fn add_pair(&self, name: &str, status: AgentStatus) {
        self.add_agent(name, status);
        let now = self.now();
        let tags = OwnershipTags {
            organization: ORGANIZATION.to_owned(),
            pool: pool().name,
            run: Some(4711),
            agent_id: None,
            created_at: now,
            expires_at: now.after(Duration::from_hours(6)),
            version: "0.1.0".to_owned(),
        };
        self.add_group(name, tags.to_map());
    }

    /// A group that is not ours.
    pub(crate) fn add_foreign_group(&self, name: &str) {
        self.add_group(name, BTreeMap::new());
    }

    fn add_group(&self, name: &str, tags: BTreeMap<String, String>) {
        let group = Group {
            created: Instant::now(),
            tags,
            exit: self.exit.get(),
            lines: false,
            printed: String::new(),
        };
        self.groups.borrow_mut().insert(name.to_owned(), group);
    }

    /// Every agent holds a job until then.
    pub(crate) fn job_until(&self, end: Duration) {
        self.job.set(Some(end));
    }

    /// The container of a group prints `line 1` after a second, and so on.
    pub(crate) fn log_line_every_second(&self, name: &str) {
        self.groups.borrow_mut().get_mut(name).expect("exists").lines = true;
    }

    /// The container of a group has printed this.
    pub(crate) fn printed(&self, name: &str, text: &str) {
        text.clone_into(&mut self.groups.borrow_mut().get_mut(name).expect("exists").printed);
    }

    /// The container of a group ends.
    pub(crate) fn exit_after(&self, name: &str, after: Duration, code: i64) {
        self.groups.borrow_mut().get_mut(name).expect("exists").exit = Some((after, code));
    }

    /// Asks to stop when the call of that number is made, counted from 1.
    pub(crate) fn interrupt_at(&self, call: usize, counter: InterruptCounter) {
        self.interrupt.replace(Some((call, counter)));
    }

    /// What was changed, in order.
    pub(crate) fn changes(&self) -> Vec<String> {
        self.changes.borrow().clone()
    }

    /// Tags of the only group.
    pub(crate) fn tags_of_the_group(&self) -> BTreeMap<String, String> {
        self.groups.borrow().values().next().expect("a group").tags.clone()
    }

    /// Names of the agents that are registered.
    pub(crate) fn agents_left(&self) -> Vec<String> {
        self.agents.borrow().iter().map(|agent| agent.name.clone()).collect()
    }

    /// Nothing is left.
    pub(crate) fn assert_empty(&self) {
        assert!(self.agents.borrow().is_empty(), "agents are left: {:?}", self.agents.borrow());
        let groups: Vec<_> = self.groups.borrow().keys().cloned().collect();
        assert!(groups.is_empty(), "groups are left: {groups:?}");
    }

    async fn enter(&self) {
        self.calls.set(self.calls.get() + 1);
        if let Some((call, counter)) = &*self.interrupt.borrow()
            && *call == self.calls.get()
        {
            counter.add();
        }
        tokio::task::yield_now().await;
    }

    fn changed(&self, what: String) {
        self.changes.borrow_mut().push(what);
    }

    async fn answer<T>(&self, fault: Option<Fault>, happens: impl FnOnce() -> T) -> Answer<T> {
        match fault {
            None => Ok(happens()),
            Some(Fault::Answers(kind)) => Err(error(kind)),
            Some(Fault::LostReply) => {
                happens();
                Err(error(ErrorKind::Indeterminate))
            }
            Some(Fault::NeverAnswers) => {
                let done = happens();
                tokio::time::sleep(Duration::from_hours(1)).await;
                Ok(done)
            }
        }
    }

    /// The agent as the pool shows it now.
    fn shown(&self, agent: &Agent) -> Agent {
        let mut agent = agent.clone();
        let online = self.groups.borrow().get(&agent.name).is_some_and(|group| {
            self.online_after.get().is_some_and(|after| group.created.elapsed() >= after)
                && group.exited().is_none()
        });
        if online {
            agent.status = AgentStatus::Online;
        }
        agent.assigned_request = self.job.get().filter(|end| self.begin.elapsed() < *end).map(|_| 9);
        agent
    }

    fn view(group: &Group, name: &str) -> GroupView {
        let (phase, state, exit_code) = match group.exited() {
            Some(code) => (ComputePhase::Exited, "Terminated", Some(code)),
            None => (ComputePhase::Running, "Running", None),
        };
        GroupView {
            id: format!("/groups/{name}"),
            phase,
            container: Some(ContainerState { state: state.to_owned(), exit_code, detail: String::new() }),
            events: vec![Event {
                at: Some(BEGIN),
                name: "Started".to_owned(),
                message: "Started container".to_owned(),
                count: 1,
            }],
            tags: group.tags.clone(),
            ..group_view()
        }
    }
}

impl Pools for World {
    async fn pool(&self, name: &str) -> Answer<Option<Pool>> {
        self.enter().await;
        Ok(Some(pool()).filter(|pool| pool.name == name && !self.unknown_pool.get()))
    }

    async fn create_pool(&self, name: &str) -> Answer<Pool> {
        self.enter().await;
        self.changed(format!("create pool {name}"));
        self.unknown_pool.set(false);
        Ok(pool())
    }

    async fn delete_pool(&self, _: u64) -> Answer<()> {
        self.enter().await;
        self.changed("delete pool".to_owned());
        self.unknown_pool.set(true);
        Ok(())
    }

    async fn register(&self, _: &Pool, name: &AgentName, _: &NewAgent) -> Answer<Registered> {
        self.enter().await;
        self.answer(self.register_fault.get(), || {
            self.changed(format!("register {name}"));
            self.add_agent(name.as_str(), AgentStatus::Offline);
            let agent_id = self.agents.borrow().last().expect("added").id;
            Registered { agent_id, configuration: Secret::new("jit-configuration") }
        })
        .await
    }

    async fn agent(&self, _: u64, name: &AgentName) -> Answer<Option<Agent>> {
        self.enter().await;
        if let Some(kind) = self.poll_fault.get() {
            return Err(error(kind));
        }
        let agents = self.agents.borrow();
        Ok(agents.iter().find(|agent| agent.name == name.as_str()).map(|agent| self.shown(agent)))
    }

    async fn agents(&self, _: u64) -> Answer<Vec<Agent>> {
        self.enter().await;
        Ok(self.agents.borrow().iter().map(|agent| self.shown(agent)).collect())
    }

    async fn disable(&self, _: u64, agent_id: u64) -> Answer<()> {
        self.enter().await;
        self.changed(format!("disable {agent_id}"));
        Ok(())
    }

    async fn remove(&self, _: u64, agent_id: u64) -> Answer<Removal> {
        self.enter().await;
        if self.job.get().is_some_and(|end| self.begin.elapsed() < end) {
            return Ok(Removal::JobRunning);
        }
        self.changed(format!("remove {agent_id}"));
        let before = self.agents.borrow().len();
        self.agents.borrow_mut().retain(|agent| agent.id != agent_id);
        Ok(if self.agents.borrow().len() < before { Removal::Removed } else { Removal::AlreadyGone })
    }

    fn registration_preview(&self, name: &AgentName, _: &NewAgent) -> serde_json::Value {
        serde_json::json!({ "name": name.as_str() })
    }
}

impl Groups for World {
    async fn resource_group(&self) -> Answer<Option<ResourceGroup>> {
        self.enter().await;
        Ok(Some(ResourceGroup { location: "westeurope".to_owned() }))
    }

    async fn subnet(&self, _: &Network) -> Answer<SubnetLookup> {
        self.enter().await;
        Ok(SubnetLookup::Found(Subnet {
            location: "westeurope".to_owned(),
            delegations: vec!["Microsoft.ContainerInstance/containerGroups".to_owned()],
            has_way_out: true,
            security_group: None,
            others: vec![],
            free: Some(100),
        }))
    }

    async fn usages(&self, _: &str) -> Answer<Vec<Usage>> {
        self.enter().await;
        Ok(vec![])
    }

    async fn create(&self, plan: &GroupPlan) -> Answer<()> {
        self.enter().await;
        self.plans.borrow_mut().push(plan.clone());
        if self.full_regions.borrow().contains(&plan.location.as_str()) {
            return Err(error(ErrorKind::Capacity));
        }
        if let (left @ 1.., kind) = self.stumbles.get() {
            self.stumbles.set((left - 1, kind));
            return Err(error(kind));
        }
        self.answer(self.create_fault.get(), || {
            self.changed(format!("create {}", plan.name));
            if plan.secure_environment.contains_key("AZP_TOKEN") {
                self.add_agent(plan.name.as_str(), AgentStatus::Offline);
            }
            self.add_group(plan.name.as_str(), plan.ownership.to_map());
        })
        .await
    }

    async fn group(&self, name: &AgentName) -> Answer<Option<GroupView>> {
        self.enter().await;
        Ok(self.groups.borrow().get(name.as_str()).map(|group| Self::view(group, name.as_str())))
    }

    async fn list(&self) -> Answer<Vec<ContainerGroup>> {
        self.enter().await;
        let groups = self.groups.borrow();
        Ok(groups
            .iter()
            .map(|(name, group)| ContainerGroup {
                name: name.clone(),
                // The service's list does not say what containers do.
                phase: ComputePhase::Running,
                tags: group.tags.clone(),
            })
            .collect())
    }

    async fn delete(&self, name: &AgentName) -> Answer<()> {
        self.enter().await;
        if let Some(kind) = self.delete_fault.get() {
            return Err(error(kind));
        }
        self.changed(format!("delete {name}"));
        self.groups.borrow_mut().remove(name.as_str());
        Ok(())
    }

    async fn retag(&self, name: &AgentName, tags: &BTreeMap<String, String>) -> Answer<()> {
        self.enter().await;
        self.changed(format!("retag {name}"));
        self.groups.borrow_mut().get_mut(name.as_str()).expect("exists").tags = tags.clone();
        Ok(())
    }

    async fn logs(&self, name: &AgentName, _: Option<u32>) -> Answer<Option<String>> {
        self.enter().await;
        let groups = self.groups.borrow();
        let Some(group) = groups.get(name.as_str()) else { return Ok(None) };
        let until = group.exit.map_or(group.created.elapsed(), |(end, _)| end.min(group.created.elapsed()));
        let lines = if group.lines { until.as_secs() } else { 0 };
        let lines: Vec<_> = (1..=lines).map(|line| format!("line {line}\n")).collect();
        Ok(Some(lines.concat() + &group.printed))
    }

    fn group_preview(&self, plan: &GroupPlan) -> serde_json::Value {
        let secure: Vec<_> = plan.secure_environment.keys().collect();
        serde_json::json!({ "location": plan.location, "environment": plan.environment, "secure": secure })
    }
}

impl Services for World {
    type Pools = Self;
    type Groups = Self;

    fn pools(&self) -> &Self {
        self
    }

    fn groups(&self) -> &Self {
        self
    }

    fn now(&self) -> Timestamp {
        BEGIN.after(self.begin.elapsed())
    }

    fn random(&self) -> u64 {
        self.random.replace(self.random.get() + 1)
    }

    fn requests_sent(&self) -> u64 {
        self.calls.get() as u64
    }
}
