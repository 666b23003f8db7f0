//! Carries out what was planned, over the two ports.
//!
//! Every step may be repeated, and what is not done now is done by a later pass: nothing here waits, tries again, or
//! reads a clock.

use std::fmt;
use std::time::Duration;

use crate::{
    Agent, AgentPool, ComputeBackend, ComputeError, ComputePhase, PlacedGroup, PoolError, Removal, Retire,
    Timestamp,
};

/// A change that was made at a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The mark stands on the container group.
    Marked,
    /// The agent gets no other job.
    Disabled,
    /// The agent is not in its pool any more.
    Unregistered,
    /// Deleting the container group was accepted.
    Deleted,
}

/// Why something is left for a later pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Its agent has got a job: it is disabled, finishes it and gets no other.
    JobRunning,
    /// The service wants no calls before this is over.
    Throttled(Duration),
    /// The service did not answer, or not now; in its words.
    Unclear(String),
}

/// How it went with one agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every step is done. A container group takes a moment to go.
    Done,
    /// The next pass goes on with it.
    Waiting(Wait),
    /// A service refuses, in its words. Somebody has to do something about it.
    Failed(String),
}

/// What was done about one agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The steps that were done, in their order.
    pub steps: Vec<Step>,
    /// Whether the deletion of a container group was asked for and may have been accepted, known or not: it counts
    /// against the budget of deletions.
    pub spends_a_delete: bool,
    /// How it went.
    pub outcome: Outcome,
    /// The last lines that its container printed, read before it was deleted.
    pub log: Option<String>,
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::JobRunning => f.write_str("its agent runs a job by now; it is disabled and gets no other"),
            Self::Throttled(wait) => write!(f, "the service wants no calls for {} s", wait.as_secs()),
            Self::Unclear(words) => f.write_str(words),
        }
    }
}

/// Does the actions of one pass.
pub struct Executor<'a, B, P> {
    places: &'a [B],
    pools: &'a [P],
    compute_stops: Option<Duration>,
    pool_stops: Option<Duration>,
}

impl<'a, B: ComputeBackend, P: AgentPool> Executor<'a, B, P> {
    /// For the places and pools that the snapshot was made from.
    pub fn new(places: &'a [B], pools: &'a [P]) -> Self {
        Self { places, pools, compute_stops: None, pool_stops: None }
    }

    /// The longest wait that a service asked for in this pass.
    pub fn not_before(&self) -> Option<Duration> {
        self.compute_stops.max(self.pool_stops)
    }

    /// Takes down what there is of an agent: mark, disable, unregister, delete. `at` is the moment of the mark.
    ///
    /// May be stopped between any two steps: what is left of it is found by the next pass.
    pub async fn retire(&mut self, retire: &Retire, at: Timestamp) -> Record {
        let mut record =
            Record { steps: Vec::new(), spends_a_delete: false, outcome: Outcome::Done, log: None };
        if let Err(outcome) = self.steps(retire, at, &mut record).await {
            record.outcome = outcome;
        }
        record
    }

    async fn steps(&mut self, retire: &Retire, at: Timestamp, record: &mut Record) -> Result<(), Outcome> {
        self.stop_if_told(retire)?;
        if let Some(placed) = &retire.group {
            record.log = self.log(placed, retire).await?;
            self.mark(placed, at, record).await?;
        }
        if let Some(id) = retire.agent_id {
            self.unregister(retire.pool, id, record).await?;
        } else if let Some(placed) = &retire.group {
            self.look_again(retire, placed).await?;
        }
        if let Some(placed) = &retire.group {
            let asked = self.places[placed.place].delete_listed(&placed.group).await;
            let unclear = matches!(asked, Err(ComputeError::Indeterminate(_) | ComputeError::Unavailable(_)));
            record.spends_a_delete = asked.is_ok() || unclear;
            asked.map_err(|error| self.compute_outcome(error))?;
            record.steps.push(Step::Deleted);
        }
        Ok(())
    }

    /// A service that wants no calls gets none, and then nothing is begun that could not be finished.
    fn stop_if_told(&self, retire: &Retire) -> Result<(), Outcome> {
        let compute = self.compute_stops.filter(|_| retire.group.is_some());
        let asks_pool =
            retire.agent_id.is_some() || retire.group.as_ref().is_some_and(|placed| may_come(retire, placed));
        let pool = self.pool_stops.filter(|_| asks_pool);
        match compute.max(pool) {
            Some(wait) => Err(Outcome::Waiting(Wait::Throttled(wait))),
            None => Ok(()),
        }
    }

    /// Nice to have, and no reason not to go on.
    async fn log(&mut self, placed: &PlacedGroup, retire: &Retire) -> Result<Option<String>, Outcome> {
        match self.places[placed.place].logs(&retire.name).await {
            Ok(log) => Ok(log),
            Err(error @ ComputeError::Throttled { .. }) => Err(self.compute_outcome(error)),
            Err(_) => Ok(None),
        }
    }

    /// Only what could be taken for an agent that starts needs the mark.
    async fn mark(
        &mut self,
        placed: &PlacedGroup,
        at: Timestamp,
        record: &mut Record,
    ) -> Result<(), Outcome> {
        let counts = matches!(placed.group.phase, ComputePhase::Creating | ComputePhase::Running);
        if !counts || placed.group.retiring_since().is_some() {
            return Ok(());
        }
        let marked = self.places[placed.place].mark(&placed.group, at).await;
        marked.map_err(|error| self.compute_outcome(error))?;
        record.steps.push(Step::Marked);
        Ok(())
    }

    async fn unregister(&mut self, pool: usize, id: u64, record: &mut Record) -> Result<(), Outcome> {
        self.pools[pool].disable(id).await.map_err(|error| self.pool_outcome(error))?;
        record.steps.push(Step::Disabled);
        match self.pools[pool].remove(id).await.map_err(|error| self.pool_outcome(error))? {
            Removal::JobRunning => return Err(Outcome::Waiting(Wait::JobRunning)),
            Removal::Removed | Removal::AlreadyGone => record.steps.push(Step::Unregistered),
        }
        Ok(())
    }

    /// An agent that registers itself may have done so since the pool was read, and have a job by now: then the next
    /// pass goes on, with its id.
    async fn look_again(&mut self, retire: &Retire, placed: &PlacedGroup) -> Result<(), Outcome> {
        if !may_come(retire, placed) {
            return Ok(());
        }
        let agents = self.pools[retire.pool].agents().await.map_err(|error| self.pool_outcome(error))?;
        let has_come = |agent: &Agent| agent.name.eq_ignore_ascii_case(retire.name.as_str());
        if agents.iter().any(has_come) {
            return Err(Outcome::Waiting(Wait::Unclear("its agent has just been registered".to_owned())));
        }
        Ok(())
    }

    fn compute_outcome(&mut self, error: ComputeError) -> Outcome {
        match error {
            ComputeError::Throttled { retry_after } => {
                self.compute_stops = self.compute_stops.max(Some(retry_after));
                Outcome::Waiting(Wait::Throttled(retry_after))
            }
            ComputeError::Indeterminate(words) | ComputeError::Unavailable(words) => {
                Outcome::Waiting(Wait::Unclear(words))
            }
            refused => Outcome::Failed(refused.to_string()),
        }
    }

    fn pool_outcome(&mut self, error: PoolError) -> Outcome {
        match error {
            PoolError::Throttled { retry_after } => {
                self.pool_stops = self.pool_stops.max(Some(retry_after));
                Outcome::Waiting(Wait::Throttled(retry_after))
            }
            PoolError::Indeterminate(words) | PoolError::Unavailable(words) => {
                Outcome::Waiting(Wait::Unclear(words))
            }
            refused => Outcome::Failed(refused.to_string()),
        }
    }
}

/// Whether an agent may still register itself in this container. Under a name that we did not choose it may be somebody
/// else's, and is nothing to wait for.
fn may_come(retire: &Retire, placed: &PlacedGroup) -> bool {
    let is_up = matches!(placed.group.phase, ComputePhase::Creating | ComputePhase::Running);
    let registers_itself = placed.group.ownership().is_some_and(|ownership| ownership.agent_id.is_none());
    is_up && registers_itself && retire.name.is_minted()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Executor, Outcome, Record, Step, Wait};
    use crate::in_memory::{Call, Groups, Pool};
    use crate::worlds::{NOW, at_once, policy, tags};
    use crate::{
        Action, Agent, AgentPool as _, AgentStatus, ComputeError, ComputePhase, ContainerGroup, Memory,
        PoolError, Retire, Timestamp, observe, plan,
    };

    const WAIT: Duration = Duration::from_secs(30);

    /// Two agents, which are to go: their agents were never online.
    struct World {
        places: [Groups; 1],
        pools: [Pool; 1],
    }

    const NAMES: [&str; 2] = ["agent7-20261124000000-aaaaaa", "agent7-20261124000000-bbbbbb"];

    impl World {
        fn new() -> Self {
            let world = Self { places: [Groups::default()], pools: [Pool::default()] };
            for name in NAMES {
                world.groups().put(ContainerGroup {
                    name: name.to_owned(),
                    phase: ComputePhase::Running,
                    tags: tags(NOW).to_map(),
                });
                world.pool().put(Agent {
                    id: 0,
                    name: name.to_owned(),
                    enabled: true,
                    status: AgentStatus::Offline,
                    assigned_request: None,
                    status_since: Some(NOW),
                });
            }
            world
        }

        fn groups(&self) -> &Groups {
            &self.places[0]
        }

        fn pool(&self) -> &Pool {
            &self.pools[0]
        }

        fn doomed(&self) -> Vec<Retire> {
            let (policy, later) = (policy(), NOW.after(Duration::from_hours(1)));
            let snapshot = at_once(observe(&self.places, &self.pools, &policy, later)).expect("whole");
            let plan = plan(&policy, &snapshot, &Memory::default());
            let retire = |planned: crate::Planned| match planned.action {
                Action::Retire(retire) => Some(retire),
                Action::Provision { .. } => None,
            };
            plan.now.into_iter().filter_map(retire).collect()
        }

        fn pass(&self) -> Vec<Record> {
            let mut executor = Executor::new(&self.places, &self.pools);
            let doomed = self.doomed();
            doomed.iter().map(|retire| at_once(executor.retire(retire, Timestamp(NOW.0 + 1)))).collect()
        }

        fn left(&self) -> (usize, usize) {
            (self.groups().all().len(), self.pool().all().len())
        }
    }

    fn outcomes(records: &[Record]) -> Vec<&Outcome> {
        records.iter().map(|record| &record.outcome).collect()
    }

    #[test]
    fn the_order_is_mark_disable_unregister_delete_and_the_log_comes_first() {
        let world = World::new();
        world.groups().prints(NAMES[0], "its last line");
        let records = world.pass();
        let all = [Step::Marked, Step::Disabled, Step::Unregistered, Step::Deleted];
        assert_eq!(records[0].steps, all);
        assert_eq!(records[0].log.as_deref(), Some("its last line"));
        assert_eq!(outcomes(&records), [&Outcome::Done; 2]);
        assert_eq!(world.left(), (0, 0));
        let calls = world.groups().calls();
        assert_eq!(
            calls[calls.len() - 3..],
            [Call::Logs, Call::Mark, Call::Delete],
            "three calls for a group"
        );
        assert_eq!(world.pass(), [], "and nothing is left to do");
    }

    #[test]
    fn whatever_call_fails_the_next_pass_goes_on() {
        let unclear = || "no answer".to_owned();
        for takes_effect in [false, true] {
            for call in [Call::Mark, Call::Delete] {
                let world = World::new();
                world.groups().fail(call, ComputeError::Indeterminate(unclear()), takes_effect);
                let records = world.pass();
                let waits = Outcome::Waiting(Wait::Unclear(unclear()));
                assert_eq!(outcomes(&records), [&waits, &Outcome::Done], "{call:?}");
                world.pass();
                assert_eq!(world.left(), (0, 0), "{call:?} {takes_effect}");

                let world = World::new();
                world.pool().fail(call, PoolError::Unavailable(unclear()), takes_effect);
                assert_eq!(outcomes(&world.pass()), [&waits, &Outcome::Done], "{call:?}");
                assert_eq!(world.groups().all().len(), 1, "a group is deleted after its agent only");
                world.pass();
                assert_eq!(world.left(), (0, 0), "{call:?} {takes_effect}");
            }
        }
    }

    /// Seed 200 of the simulator: five deletions within an hour where four are allowed, one of them without a reply.
    #[test]
    fn a_deletion_whose_reply_is_lost_is_spent() {
        let unclear = || "no answer".to_owned();
        let cases = [
            (None, true),
            (Some(ComputeError::Indeterminate(unclear())), true),
            (Some(ComputeError::Unavailable(unclear())), true),
            (Some(ComputeError::Throttled { retry_after: WAIT }), false),
            (Some(ComputeError::Rejected(unclear())), false),
        ];
        for (error, spent) in cases {
            let world = World::new();
            if let Some(error) = error.clone() {
                world.groups().fail(Call::Delete, error, true);
            }
            assert_eq!(world.pass()[0].spends_a_delete, spent, "{error:?}");
        }
        let world = World::new();
        world.pool().fail(Call::Mark, PoolError::Unavailable(unclear()), false);
        assert!(!world.pass()[0].spends_a_delete, "nothing was asked for");
    }

    #[test]
    fn a_log_that_is_not_to_be_had_stops_nothing() {
        let world = World::new();
        world.groups().fail(Call::Logs, ComputeError::Unavailable(String::new()), false);
        assert_eq!(outcomes(&world.pass()), [&Outcome::Done; 2]);
    }

    #[test]
    fn an_agent_that_got_a_job_in_between_keeps_its_container() {
        let world = World::new();
        let busy = world.pool().all()[0].id;
        world.pool().gets_a_job(busy);
        let records = world.pass();
        assert_eq!(records[0].outcome, Outcome::Waiting(Wait::JobRunning));
        assert_eq!(records[0].steps, [Step::Marked, Step::Disabled]);
        assert_eq!(world.left(), (1, 1));
        assert!(!world.pool().all()[0].enabled, "it gets no other job");
    }

    /// Seed 236 of the simulator: a container group that was marked came back, its agent registered itself after the
    /// pool was read, and had a job when the group was deleted.
    #[test]
    fn an_agent_that_registered_itself_since_the_look_keeps_its_container() {
        let world = World::new();
        let agent = world.pool().all().swap_remove(0);
        let doomed = world.doomed().swap_remove(0);
        let unseen = Retire { agent_id: None, ..doomed };
        let mut executor = Executor::new(&world.places, &world.pools);
        let record = at_once(executor.retire(&unseen, NOW));
        assert_eq!(record.steps, [Step::Marked], "the mark stands: it gets no other future");
        assert!(matches!(record.outcome, Outcome::Waiting(Wait::Unclear(_))), "{:?}", record.outcome);
        assert!(matches!(at_once(world.pools[0].remove(agent.id)), Ok(crate::Removal::Removed)));
        assert_eq!(at_once(executor.retire(&unseen, NOW)).outcome, Outcome::Done, "nobody has come");
    }

    #[test]
    fn a_service_that_is_told_off_is_left_alone_for_the_pass() {
        let world = World::new();
        world.pool().fail(Call::Mark, PoolError::Throttled { retry_after: WAIT }, false);
        let records = world.pass();
        assert_eq!(outcomes(&records), [&Outcome::Waiting(Wait::Throttled(WAIT)); 2]);
        assert_eq!(records[1].steps, [], "nothing is begun that could not be finished");
        assert_eq!(world.pool().calls(), [Call::List, Call::Mark]);

        let world = World::new();
        world.groups().fail(Call::Logs, ComputeError::Throttled { retry_after: WAIT }, false);
        let mut executor = Executor::new(&world.places, &world.pools);
        let doomed = world.doomed();
        at_once(executor.retire(&doomed[0], NOW));
        assert_eq!(executor.not_before(), Some(WAIT));
        let lone = Retire { group: None, ..doomed[1].clone() };
        assert_eq!(at_once(executor.retire(&lone, NOW)).outcome, Outcome::Done, "the other service goes on");
    }

    #[test]
    fn a_refusal_is_told_in_the_services_words() {
        let world = World::new();
        world.groups().fail(Call::Delete, ComputeError::Rejected("it is locked".to_owned()), false);
        assert_eq!(world.pass()[0].outcome, Outcome::Failed("it is locked".to_owned()));
    }

    #[test]
    fn a_container_that_has_ended_is_seen_although_lists_say_that_it_runs() {
        let world = World::new();
        world.groups().ends(NAMES[0]);
        let (policy, soon) = (policy(), NOW.after(Duration::from_mins(12)));
        let snapshot = at_once(observe(&world.places, &world.pools, &policy, soon)).expect("whole");
        let plan = plan(&policy, &snapshot, &Memory::default());
        assert_eq!(plan.now.len(), 1, "the other may still come online: {plan:?}");
        assert_eq!(plan.now[0].reason, crate::Reason::Ended);
    }

    #[test]
    fn there_is_no_snapshot_of_half_a_list() {
        let failures: [&dyn Fn(&World); 3] = [
            &|world| world.groups().fail(Call::List, ComputeError::Unavailable(String::new()), false),
            &|world| world.groups().fail(Call::Look, ComputeError::Unavailable(String::new()), false),
            &|world| world.pool().fail(Call::List, PoolError::Unavailable(String::new()), false),
        ];
        for fail in failures {
            let world = World::new();
            fail(&world);
            assert!(at_once(observe(&world.places, &world.pools, &policy(), NOW)).is_err());
        }
    }
}
