//! The run of `provision`: the steps, and the way back from each.

use std::cell::Cell;
use std::pin::pin;
use std::time::Duration;

use lifecycle::AgentName;
use tokio::time::{Instant, sleep};

use super::diagnose::{Diagnosis, Evidence, LOG_LINES};
use super::plan::{Circumstances, GroupPlan, plan};
use super::preflight::{Ready, gather, verdict};
use super::several;
use super::take_down::{AgentRecord, Pair, TakenDown, take_down};
use super::wait::{Next, Seen, Why, next, progress};
use crate::checks::placement::Placement;
use crate::errors::{Failure, Kept, Leftovers};
use crate::interrupts::Interrupts;
use crate::report::Report;
use crate::services::{Answer, ErrorKind, Groups, Pools, ServiceError, Services};
use crate::settings::{Cloud, NameChoice, ProvisionSettings, Registration};

/// How long a request that creates something may go on after an interruption: with its answer we know what to take
/// down. A cancelled pipeline gives ten seconds in all.
const SETTLE: Duration = Duration::from_secs(3);
/// Stopped by a signal; what there was to take down is said later.
const INTERRUPTED: Failure = Failure::Interrupted { taken_down: None };

/// What was provisioned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Provisioned {
    /// Name of the agent and its container group.
    pub(crate) name: AgentName,
    /// Resource id of the container group.
    pub(crate) container_group_id: String,
    /// Whether it was waited for and is online.
    pub(crate) online: bool,
    /// How many requests it took until there was nothing left to do but wait.
    pub(crate) requests_before_waiting: u64,
}

/// The resource id of a container group.
pub(crate) fn container_group_id(settings: &ProvisionSettings, name: &AgentName) -> String {
    format!(
        "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.ContainerInstance/containerGroups/{name}",
        settings.azure.subscription, settings.azure.resource_group
    )
}

/// Provisions the agents, or takes down what was created and says why.
pub(crate) async fn provision(
    services: &impl Services,
    settings: &ProvisionSettings,
    report: &Report,
    interrupts: &Interrupts,
) -> Result<Vec<Provisioned>, Failure> {
    let ready = tokio::select! {
        biased;
        () = interrupts.first() => return Err(INTERRUPTED),
        ready = preflight(services, settings, report) => ready?,
    };
    let abandoned = Cell::new(false);
    let work = Work { services, settings, report, interrupts, ready: &ready, abandoned: &abandoned };
    match settings.count {
        1 => Ok(vec![work.one_agent().await?]),
        count => several::provision(work, count).await,
    }
}

/// Asks and judges, before anything is created.
pub(crate) async fn preflight(
    services: &impl Services,
    settings: &ProvisionSettings,
    report: &Report,
) -> Result<Ready, Failure> {
    report.progress("checking pool, resource group, network and quota");
    let facts = gather(services, settings).await;
    let ready = verdict(settings, &facts).map_err(Failure::Preflight)?;
    for warning in &ready.warnings {
        report.warning(warning);
    }
    Ok(ready)
}

/// The name: the user's, or one that was never used.
pub(crate) fn choose_name(
    services: &impl Services,
    settings: &ProvisionSettings,
) -> Result<AgentName, Failure> {
    match &settings.name {
        NameChoice::Explicit(name) => Ok(name.clone()),
        NameChoice::Prefix(prefix) => {
            AgentName::mint(prefix, settings.run, services.now(), services.random())
                .map_err(|why| Failure::Internal(format!("no name could be made from {prefix:?}: {why}")))
        }
    }
}

async fn settled(interrupts: &Interrupts) {
    interrupts.first().await;
    tokio::select! {
        () = sleep(SETTLE) => {}
        () = interrupts.second() => {}
    }
}

/// How long to wait before a creation that was refused is asked for again, after so many tries; `None`: not at all.
/// A registry stumbles now and then, and the service then says the same as of an image that is not there: such a
/// refusal is worth a second try. What the service itself calls passing is worth a third.
fn try_again(kind: ErrorKind, tries: u32) -> Option<Duration> {
    match (kind, tries) {
        (ErrorKind::Image | ErrorKind::Transient, 1) => Some(Duration::from_secs(2)),
        (ErrorKind::Transient, 2) => Some(Duration::from_secs(10)),
        _ => None,
    }
}

/// What every agent of a run has in common.
pub(super) struct Work<'a, S> {
    pub(super) services: &'a S,
    pub(super) settings: &'a ProvisionSettings,
    pub(super) report: &'a Report,
    pub(super) interrupts: &'a Interrupts,
    pub(super) ready: &'a Ready,
    /// Set when another agent of the run failed, so that this one is not wanted any more.
    pub(super) abandoned: &'a Cell<bool>,
}

impl<S> Clone for Work<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Work<'_, S> {}

impl<S: Services> Work<'_, S> {
    /// Provisions one agent, or takes down what was created and says why. Where a place has no room the next one is
    /// tried, each time with a new name: the service takes one name in several regions for fraud.
    pub(super) async fn one_agent(self) -> Result<Provisioned, Failure> {
        let mut places = self.ready.placements.iter().peekable();
        let mut tried = Vec::new();
        while let Some(placement) = places.next() {
            let name = choose_name(self.services, self.settings)?;
            let agent = AgentRecord::None.into();
            let pair = Pair { name, pool_id: Some(self.ready.pool.id), agent, group: false.into() };
            let attempt = Attempt { work: self, placement, pair: &pair };
            let failure = match attempt.make(places.peek().is_some()).await {
                Ok(provisioned) => return Ok(provisioned),
                Err(failure) => failure,
            };
            tried.push(placement.to_string());
            match places.peek() {
                Some(next) if failure.is_for_want_of_room() => {
                    self.report.warning(&format!("no room in {placement}; trying {next}"));
                }
                _ if tried.len() > 1 => return Err(Failure::AllTried { last: Box::new(failure), tried }),
                _ => return Err(failure),
            }
        }
        Err(Failure::Internal("there was no place to try".to_owned()))
    }

    /// What a person types to take agents down, from the same terminal: it finds the same cloud there, too.
    pub(super) fn removing_command(&self, names: &[&AgentName]) -> String {
        let azure = &self.settings.azure;
        let names: Vec<_> = names.iter().map(|name| name.as_str()).collect();
        let mut command = format!(
            "ephemeral-agents deprovision {} --subscription {} --resource-group {} --organization-url {} \
             --agent-pool '{}'",
            names.join(" "),
            azure.subscription,
            azure.resource_group,
            self.settings.devops.organization,
            self.ready.pool.name
        );
        if azure.cloud != Cloud::Public {
            command.push_str(" --cloud ");
            command.push_str(azure.cloud.as_str());
        }
        if let Some(file) = &azure.ca_file {
            command.push_str(" --ca-file '");
            command.push_str(&file.display().to_string());
            command.push('\'');
        }
        command
    }
}

struct Attempt<'a, S> {
    work: Work<'a, S>,
    placement: &'a Placement,
    pair: &'a Pair,
}

impl<'a, S> std::ops::Deref for Attempt<'a, S> {
    type Target = Work<'a, S>;

    fn deref(&self) -> &Work<'a, S> {
        &self.work
    }
}

impl<S: Services> Attempt<'_, S> {
    /// The agent, or why there is none; then nothing is left of it, or the failure says what. `is_next`: another place
    /// can be tried after this one.
    async fn make(&self, is_next: bool) -> Result<Provisioned, Failure> {
        let outcome = {
            let mut steps = pin!(self.steps());
            tokio::select! {
                biased;
                outcome = &mut steps => outcome,
                () = settled(self.interrupts) => Err(INTERRUPTED),
            }
        };
        match outcome {
            Ok(provisioned) => Ok(provisioned),
            Err(failure) => {
                let goes_on = is_next && failure.is_for_want_of_room();
                let keep = self.settings.life.keep_on_error.filter(|_| !goes_on);
                Err(self.undo(failure, keep).await)
            }
        }
    }

    /// Where the work is, with the agent's name where there are several.
    fn progress(&self, text: &str) {
        match self.settings.count {
            1 => self.report.progress(text),
            _ => self.report.progress(&format!("{}: {text}", self.pair.name)),
        }
    }

    async fn steps(&self) -> Result<Provisioned, Failure> {
        let name = &self.pair.name;
        let registered = match self.settings.registration {
            Registration::JustInTime => Some(self.register().await?),
            Registration::Token(_) => None,
        };
        self.stop_if_interrupted()?;
        let circumstances = Circumstances {
            name,
            pool: &self.ready.pool,
            placement: self.placement,
            registered: registered.as_ref().map(|agent| (agent.agent_id, &agent.configuration)),
            now: self.services.now(),
        };
        self.create(&plan(self.settings, &circumstances)).await?;
        self.stop_if_interrupted()?;
        let requests_before_waiting = self.services.requests_sent();
        let online = match self.settings.life.online_timeout {
            Some(limit) => self.wait(limit).await.map(|()| true)?,
            None => false,
        };
        let container_group_id = container_group_id(self.settings, name);
        Ok(Provisioned { name: name.clone(), container_group_id, online, requests_before_waiting })
    }

    async fn register(&self) -> Result<crate::services::Registered, Failure> {
        let name = &self.pair.name;
        self.progress(&format!("registering {name} in the pool {}", self.ready.pool.name));
        self.pair.agent.set(AgentRecord::Asked);
        match self.services.pools().register(&self.ready.pool, name, &self.settings.new_agent()).await {
            Ok(registered) => {
                self.pair.agent.set(AgentRecord::Known(registered.agent_id));
                self.report.learn(std::slice::from_ref(&registered.configuration));
                Ok(registered)
            }
            Err(error) => {
                // An agent that was there before us is not ours to remove.
                if error.kind == ErrorKind::Taken || error.kind == ErrorKind::Refused {
                    self.pair.agent.set(AgentRecord::None);
                }
                Err(failed("register the agent", error))
            }
        }
    }

    async fn create(&self, plan: &GroupPlan) -> Result<(), Failure> {
        let name = &self.pair.name;
        self.progress(&format!("creating the container group {name} in {}", self.placement.location));
        self.pair.group.set(true);
        if matches!(self.settings.registration, Registration::Token(_)) {
            self.pair.agent.set(AgentRecord::Asked);
        }
        let mut tries = 0;
        loop {
            let outcome = match self.services.groups().create(plan).await {
                Err(error) if error.kind == ErrorKind::Indeterminate => self.was_created(error).await,
                outcome => outcome,
            };
            let Err(error) = outcome else { return Ok(()) };
            tries += 1;
            let Some(pause) = try_again(error.kind, tries) else {
                // Refused for certain: nothing came into being, and what was there before us is not ours to remove.
                if matches!(error.kind, ErrorKind::Taken | ErrorKind::Refused | ErrorKind::Image) {
                    self.pair.group.set(false);
                }
                return Err(failed("create the container group", error));
            };
            self.report.warning(&format!("{}; trying again in {} s", error.what, pause.as_secs()));
            self.pause(pause).await?;
        }
    }

    /// Waits, unless somebody interrupts.
    async fn pause(&self, time: Duration) -> Result<(), Failure> {
        tokio::select! {
            biased;
            () = self.interrupts.first() => Err(INTERRUPTED),
            () = sleep(time) => Ok(()),
        }
    }

    /// The answer was lost; whether the group was created can be seen.
    async fn was_created(&self, error: ServiceError) -> Answer<()> {
        match self.services.groups().group(&self.pair.name).await? {
            Some(group) if group.ownership().is_some() => Ok(()),
            _ => Err(error),
        }
    }

    async fn wait(&self, limit: Duration) -> Result<(), Failure> {
        let begin = Instant::now();
        let mut agent_was_there = false;
        loop {
            let (agent, group) = tokio::join!(
                self.services.pools().agent(self.ready.pool.id, &self.pair.name),
                self.services.groups().group(&self.pair.name)
            );
            let pause = match (agent, group) {
                (Ok(agent), Ok(group)) => {
                    self.progress(&progress(group.as_ref()));
                    let seen = Seen { agent: agent.as_ref(), agent_was_there, group: group.as_ref() };
                    agent_was_there |= agent.is_some();
                    match next(seen, begin.elapsed(), limit) {
                        Next::Online => return Ok(()),
                        Next::GiveUp(why) => return Err(self.diagnose(why, group).await),
                        Next::Wait(pause) => pause,
                    }
                }
                (Err(error), _) | (_, Err(error)) => self.tolerate(error, begin.elapsed(), limit).await?,
            };
            self.pause(pause).await?;
            self.stop_if_interrupted()?;
        }
    }

    /// A service that hiccups while we wait is asked again; one that refuses is not.
    async fn tolerate(
        &self,
        error: ServiceError,
        waited: Duration,
        limit: Duration,
    ) -> Result<Duration, Failure> {
        if error.kind == ErrorKind::Refused {
            return Err(failed("see whether the agent is online", error));
        }
        if waited >= limit {
            return Err(self.diagnose(Why::TimedOut(limit), None).await);
        }
        self.report.warning(&error.what);
        Ok(Duration::from_secs(5).min(limit.saturating_sub(waited)))
    }

    async fn diagnose(&self, why: Why, group: Option<crate::services::GroupView>) -> Failure {
        self.progress("looking for the reason");
        let log = self.services.groups().logs(&self.pair.name, Some(LOG_LINES)).await.ok().flatten();
        let evidence = Evidence {
            why,
            group: group.as_ref(),
            log: log.as_deref(),
            image: &self.settings.container.image,
            in_network: self.settings.network.is_some(),
        };
        let diagnosis = Box::new(Diagnosis::of(&evidence));
        Failure::NotOnline { name: self.pair.name.clone(), diagnosis, kept: None }
    }

    fn stop_if_interrupted(&self) -> Result<(), Failure> {
        if self.interrupts.happened() || self.abandoned.get() { Err(INTERRUPTED) } else { Ok(()) }
    }

    /// Takes down what exists, or keeps it for so long where that was asked for.
    async fn undo(&self, failure: Failure, keep: Option<Duration>) -> Failure {
        if self.pair.remains().is_empty() {
            return failure;
        }
        if let Failure::NotOnline { name, diagnosis, .. } = &failure
            && let Some(time) = keep
            && self.keep(time).await.is_ok()
        {
            let kept = Some(Kept { time, command: self.removing_command(&[&self.pair.name]) });
            return Failure::NotOnline { name: name.clone(), diagnosis: diagnosis.clone(), kept };
        }
        self.progress(&format!("taking down {}", self.pair.name));
        let taken_down = tokio::select! {
            biased;
            () = self.interrupts.second() => TakenDown::Left(self.pair.remains()),
            taken_down = take_down(self.services, self.pair) => taken_down,
        };
        let left = match taken_down {
            TakenDown::Done => {
                return match failure {
                    Failure::Interrupted { .. } => {
                        Failure::Interrupted { taken_down: Some(self.pair.name.clone()) }
                    }
                    other => other,
                };
            }
            TakenDown::JobRunning => vec![format!("the agent {}, which runs a job by now", self.pair.name)],
            TakenDown::Left(left) => left,
        };
        let leftovers = Leftovers { left, command: self.removing_command(&[&self.pair.name]) };
        Failure::LeftBehind { cause: Box::new(failure), leftovers }
    }

    /// Keeps a failed agent for a look: it gets no job, and after that time anybody may take it down.
    async fn keep(&self, time: Duration) -> Answer<()> {
        let group = self.services.groups().group(&self.pair.name).await?;
        if let AgentRecord::Known(id) = self.pair.agent.get() {
            self.services.pools().disable(self.ready.pool.id, id).await?;
        }
        if let Some(group) = group
            && let Some(ownership) = group.ownership()
        {
            let expires_at = self.services.now().after(time);
            let mut tags = group.tags.clone();
            tags.extend(lifecycle::OwnershipTags { expires_at, ..ownership }.to_map());
            tags.insert(lifecycle::KEPT_UNTIL.to_owned(), expires_at.to_string());
            self.services.groups().retag(&self.pair.name, &tags).await?;
        }
        Ok(())
    }
}

fn failed(doing: &str, error: ServiceError) -> Failure {
    Failure::Service { doing: doing.to_owned(), error }
}
