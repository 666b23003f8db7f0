//! A reaper, or the controller that serves waiting jobs too: the real core, step by step.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use lifecycle::{
    Action, AgentName, AgentPool, ComputeBackend, ComputeError, Executor, Memory, ObserveError, Outcome,
    Plan, Planned, Policy, PoolError, Retire, Snapshot, Timestamp, lint, observe, plan,
};

use crate::bug::Bug;
use crate::faults::Fault;
use crate::promise::Promise;
use crate::services::{Groups, Pool, Shared, lock};
use crate::world::{Caller, Event};

/// From the end of one look to the beginning of the next, in seconds.
const PAUSE: u64 = 60;

type Look = Pin<Box<dyn Future<Output = Duration> + Send>>;

/// One reaper: what it remembers, and the look that it is in the middle of.
pub(crate) struct Reaper {
    who: usize,
    memory: Arc<Mutex<Memory>>,
    look: Option<Look>,
}

impl Reaper {
    pub(crate) fn new(who: usize) -> Self {
        Self { who, memory: Arc::default(), look: None }
    }

    /// One turn: up to the next call of a port. Between any two it may be over.
    pub(crate) fn turn(&mut self, world: &Shared) {
        let who = self.who;
        if self.is_cut(world) {
            self.look = None;
            self.memory = Arc::default();
            let mut world = lock(world);
            world.tell(|| format!("reaper {who} ends, and begins anew"));
            let caller = &mut world.callers[who];
            // A new one knows nothing of the other's wait.
            *caller =
                Caller { clock: caller.clock, refused_until: caller.refused_until, ..Caller::default() };
            world.after(PAUSE, Event::Reaper(who));
            return;
        }
        let look = self.look.get_or_insert_with(|| {
            let pass = Pass { world: Arc::clone(world), who, memory: Arc::clone(&self.memory) };
            Box::pin(async move { pass.run().await })
        });
        match look.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => {
                let mut world = lock(world);
                let wait = world.between(0, 2);
                world.after(wait, Event::Reaper(who));
            }
            Poll::Ready(wait) => {
                self.look = None;
                lock(world).after(wait.as_secs().max(PAUSE), Event::Reaper(who));
            }
        }
    }

    fn is_cut(&self, world: &Shared) -> bool {
        let fault = if self.look.is_some() { Fault::ReaperCut } else { Fault::MemoryLost };
        lock(world).faults.strikes(fault)
    }
}

/// One look, and what is done about it.
struct Pass {
    world: Shared,
    who: usize,
    memory: Arc<Mutex<Memory>>,
}

impl Pass {
    fn has(&self, bug: Bug) -> bool {
        lock(&self.world).has(bug)
    }

    fn now(&self) -> Timestamp {
        let world = lock(&self.world);
        Timestamp(world.now.saturating_add_signed(world.callers[self.who].clock))
    }

    fn remembers<T>(&self, with: impl FnOnce(&mut Memory) -> T) -> T {
        with(&mut self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn policy(&self) -> Policy {
        let mut policy = lock(&self.world).policy.clone();
        // One serves jobs; the other only takes away what is left over.
        if self.who > 0 {
            policy.offer = None;
        }
        if self.has(Bug::NoGrace) {
            policy.grace = Duration::ZERO;
        }
        if self.has(Bug::NoBudget) {
            policy.deletes_an_hour = usize::MAX;
        }
        policy
    }

    /// Looks, judges, checks, does: and says how long to wait.
    async fn run(self) -> Duration {
        let policy = self.policy();
        {
            let mut world = lock(&self.world);
            let now = world.now;
            world.callers[self.who].began = now;
            world.callers[self.who].was_refused = false;
        }
        let places = [Groups { world: Arc::clone(&self.world), who: self.who }];
        let pools = [Pool { world: Arc::clone(&self.world), who: self.who }];
        let now = self.now();
        let seen = if self.has(Bug::AgentsFirst) {
            agents_first(&places, &pools, &policy, now).await
        } else {
            observe(&places, &pools, &policy, now).await
        };
        let wait = match seen {
            Ok(snapshot) => self.acts(&policy, &snapshot, (&places, &pools)).await,
            Err(
                ObserveError::Compute(_, ComputeError::Throttled { retry_after })
                | ObserveError::Pool(_, PoolError::Throttled { retry_after }),
            ) => Some(retry_after),
            Err(_) => None,
        };
        let now = self.now();
        self.remembers(|memory| memory.forget(now));
        let forgets = self.has(Bug::ForgetsRetryAfter);
        wait.filter(|_| !forgets).unwrap_or_default()
    }

    async fn acts(
        &self,
        policy: &Policy,
        snapshot: &Snapshot,
        (places, pools): (&[Groups; 1], &[Pool; 1]),
    ) -> Option<Duration> {
        let decided = self.remembers(|memory| {
            memory.note_listed(snapshot);
            let plan = plan(policy, snapshot, memory);
            lint(&plan, snapshot, policy, memory).map(|()| plan)
        });
        let Plan { now, .. } = match decided {
            Ok(plan) => plan,
            Err(breaches) => {
                let how = breaches.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                lock(&self.world).broken(Promise::Lint, || how);
                return None;
            }
        };
        self.tells(snapshot, &now);
        let mut executor = Executor::new(places, pools);
        let mut told = None;
        for planned in now {
            match planned.action {
                Action::Retire(retire) => self.retires(&mut executor, &retire, (places, pools)).await,
                Action::Provision { .. } => {
                    told = told.max(executor.not_before());
                    if told.is_none() {
                        told = self.provisions(&places[0], &pools[0]).await;
                    }
                }
            }
        }
        executor.not_before().max(told)
    }

    fn tells(&self, snapshot: &Snapshot, planned: &[Planned]) {
        let line = || {
            let what = planned.iter().map(|planned| match &planned.action {
                Action::Retire(retire) => format!("; {}: {}", retire.name, planned.reason),
                Action::Provision { request, .. } => format!("; an agent for job {request}"),
            });
            let seen = (snapshot.groups.len(), snapshot.agents.len());
            format!(
                "reaper {} saw {} groups, {} agents{}",
                self.who,
                seen.0,
                seen.1,
                what.collect::<String>()
            )
        };
        lock(&self.world).tell(line);
    }

    async fn retires(
        &self,
        executor: &mut Executor<'_, Groups, Pool>,
        retire: &Retire,
        (places, pools): (&[Groups; 1], &[Pool; 1]),
    ) {
        let at = self.now();
        if self.has(Bug::DeletesFirst) {
            if let Some(placed) = &retire.group {
                drop(places[0].delete_listed(&placed.group).await);
            }
            if let Some(id) = retire.agent_id {
                drop(pools[0].remove(id).await);
            }
            return;
        }
        let record = executor.retire(retire, at).await;
        if record.spends_a_delete {
            self.remembers(|memory| memory.note_delete(at));
        }
        let mut world = lock(&self.world);
        if let Outcome::Failed(why) = record.outcome
            && !world.callers[self.who].was_refused
        {
            world.broken(Promise::NoFalseAlarm, || format!("{}: {why}", retire.name));
        }
    }

    /// Makes an agent. What was created is noted before anybody is asked to: nobody knows what becomes of a call.
    async fn provisions(&self, groups: &Groups, pool: &Pool) -> Option<Duration> {
        let name: AgentName = lock(&self.world).mint();
        if !self.has(Bug::ForgetsCreations) {
            let now = self.now();
            self.remembers(|memory| memory.note_creation(name.clone(), now));
        }
        let mut agent_id = None;
        if !lock(&self.world).registers_itself {
            agent_id = match pool.register(&name, &()).await {
                Ok(id) => Some(id),
                Err(PoolError::Throttled { retry_after }) => return Some(retry_after),
                Err(_) => return None,
            };
        }
        let tags = lock(&self.world).tags(agent_id);
        match groups.create(&name, &tags, &()).await {
            Err(ComputeError::Throttled { retry_after }) => Some(retry_after),
            _ => None,
        }
    }
}

/// The other order of reading.
async fn agents_first(
    places: &[Groups; 1],
    pools: &[Pool; 1],
    policy: &Policy,
    now: Timestamp,
) -> Result<Snapshot, ObserveError> {
    let agents = observe(&[] as &[Groups], pools, policy, now).await?;
    let groups = observe(places, &[] as &[Pool], policy, now).await?;
    Ok(Snapshot { groups: groups.groups, ..agents })
}
