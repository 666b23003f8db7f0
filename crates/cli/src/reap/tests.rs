//! The flow of `reap` over both ports in memory, on tokio's virtual time.

use std::cell::RefCell;
use std::time::Duration;

use lifecycle::in_memory::{Call, Groups, Pool};
use lifecycle::{
    Agent, AgentName, AgentStatus, ComputeError, ComputePhase, ContainerGroup, OwnershipTags, PoolError,
    Reading, Timestamp,
};
use tokio::time::Instant;

use super::{Audit, Estate, Telling, reap};
use crate::arguments::Output;
use crate::errors::{Blame, Failure};
use crate::fake;
use crate::interrupts::{InterruptCounter, Interrupts};
use crate::report::capture::Shared;
use crate::report::{Masker, Report, Talk, capture};
use crate::services::{ErrorKind, ServiceError};
use crate::settings::ReapSettings;

const BEGIN: Timestamp = Timestamp(1_795_478_400);

/// One resource group and one pool.
struct World {
    places: [Groups; 1],
    pools: [Pool; 1],
    begin: Instant,
    /// Asks to stop when so many calls were made to the pool.
    stop: RefCell<Option<(usize, InterruptCounter)>>,
}

impl World {
    fn new() -> Self {
        Self {
            places: [Groups::default()],
            pools: [Pool::default()],
            begin: Instant::now(),
            stop: RefCell::default(),
        }
    }

    fn groups(&self) -> &Groups {
        &self.places[0]
    }

    fn pool(&self) -> &Pool {
        &self.pools[0]
    }

    /// A pair that was made an hour ago and whose agent was never online.
    fn leave_over(&self, random: u64) -> String {
        let made = Timestamp(BEGIN.0 - 3_600);
        let name = AgentName::mint("agent", Some(7), made, random).expect("valid").to_string();
        let agent = Agent {
            id: 0,
            name: name.clone(),
            enabled: true,
            status: AgentStatus::Offline,
            assigned_request: None,
            status_since: Some(made),
        };
        let id = self.pool().put(agent);
        let tags = OwnershipTags {
            organization: fake::ORGANIZATION.to_owned(),
            pool: "private".to_owned(),
            run: Some(7),
            agent_id: Some(id),
            created_at: made,
            expires_at: made.after(Duration::from_hours(6)),
            version: "0.1.0".to_owned(),
        };
        let group = ContainerGroup { name: name.clone(), phase: ComputePhase::Running, tags: tags.to_map() };
        self.groups().put(group);
        name
    }

    fn stop_where_that_is_due(&self) {
        if let Some((calls, counter)) = &*self.stop.borrow()
            && self.pool().calls().len() >= *calls
        {
            counter.add();
        }
    }

    fn left(&self) -> (usize, usize) {
        (self.groups().all().len(), self.pool().all().len())
    }
}

impl Estate for World {
    type Compute = Groups;
    type Pool = Pool;

    fn places(&self) -> &[Groups] {
        &self.places
    }

    fn pools(&self) -> &[Pool] {
        &self.pools
    }

    fn now(&self) -> Timestamp {
        self.stop_where_that_is_due();
        BEGIN.after(self.begin.elapsed())
    }

    fn requests_sent(&self) -> u64 {
        (self.groups().calls().len() + self.pool().calls().len()) as u64
    }

    fn take_ids_of_changes(&self) -> Vec<String> {
        self.stop_where_that_is_due();
        vec!["id-1".to_owned()]
    }

    async fn explain(&self, _: Reading) -> Option<ServiceError> {
        None
    }
}

fn settings() -> ReapSettings {
    let fake::Connected { azure, devops } = fake::connected();
    ReapSettings {
        azure,
        devops,
        resource_groups: vec!["agents".to_owned()],
        pools: vec!["private".to_owned()],
        start_deadline: Duration::from_mins(15),
        offline_limit: Duration::from_mins(15),
        grace: Duration::from_mins(15),
        deletes_an_hour: 270,
        every: None,
        dry_run: false,
        audit_file: None,
    }
}

/// What was printed, and how it ended.
struct Ran {
    outcome: Result<(), Failure>,
    results: Shared,
    talk: Shared,
}

async fn run(world: &World, settings: &ReapSettings) -> Ran {
    let (counter, interrupts) = Interrupts::new();
    run_with(world, settings, (counter, interrupts), Output::Text).await
}

async fn run_with(
    world: &World,
    settings: &ReapSettings,
    (_counter, interrupts): (InterruptCounter, Interrupts),
    output: Output,
) -> Ran {
    let (report, results, talk): (Report, _, _) = capture::report(Talk::Plain, output, Masker::default());
    let audit = Audit::open(settings.audit_file.as_deref()).expect("a file");
    let telling = Telling { report: &report, audit: &audit, interrupts: &interrupts };
    let outcome = reap(world, settings, &telling).await;
    Ran { outcome, results, talk }
}

#[tokio::test(start_paused = true)]
async fn what_is_left_over_is_removed_and_told() {
    let world = World::new();
    let name = world.leave_over(1);
    let end = r#"{"event":"outcome","outcome":"no-job","detail":"no job came"}"#;
    world.groups().prints(&name, end);
    let ran = run(&world, &settings()).await;
    assert_eq!(ran.outcome, Ok(()));
    assert_eq!(world.left(), (0, 0));
    insta::assert_snapshot!(ran.results.text());
    insta::assert_snapshot!(ran.talk.text());
    let again = run(&world, &settings()).await;
    assert_eq!(again.results.text(), "Nothing is left over. 2 requests.\n");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_changes_nothing() {
    let world = World::new();
    world.leave_over(1);
    let before = (world.groups().all(), world.pool().all());
    let ran = run(&world, &ReapSettings { dry_run: true, ..settings() }).await;
    assert_eq!(ran.outcome, Ok(()));
    assert_eq!((world.groups().all(), world.pool().all()), before);
    let said = ran.results.text();
    assert!(said.contains("would remove its agent and container group"), "{said}");
    assert!(said.contains("Would remove 1 container group and 1 agent; nothing was changed."), "{said}");
    assert!(!ran.talk.text().contains("audit"), "{}", ran.talk.text());
}

#[tokio::test(start_paused = true)]
async fn what_a_service_refuses_is_a_list_and_its_own_exit_code() {
    let world = World::new();
    let (locked, free) = (world.leave_over(1), world.leave_over(2));
    world.groups().fail(Call::Delete, ComputeError::Rejected("it is locked".to_owned()), false);
    let ran = run(&world, &settings()).await;
    let failure = ran.outcome.expect_err("one is left");
    assert_eq!(failure.blame(), Blame::Partly);
    assert_eq!(failure.message().details, [format!("- {locked}: it is locked")]);
    assert_eq!(world.left(), (1, 0), "{free} went all the same");
}

#[tokio::test(start_paused = true)]
async fn a_program_gets_one_document_with_the_list_and_the_last_log() {
    let world = World::new();
    let name = world.leave_over(1);
    let end = r#"{"event":"outcome","outcome":"no-job","detail":"no job came"}"#;
    world.groups().prints(&name, &format!("##vso[task.complete]\n{end}\n"));
    world.groups().fail(Call::Delete, ComputeError::Rejected("it is locked".to_owned()), false);
    let (report, results, _) = capture::report(Talk::Plain, Output::Json, Masker::default());
    let (_counter, interrupts) = Interrupts::new();
    let telling = Telling { report: &report, audit: &Audit::Talk, interrupts: &interrupts };
    let failure = reap(&world, &settings(), &telling).await.expect_err("one is left");
    report.failure(&failure);
    let document: serde_json::Value = serde_json::from_str(&results.text()).expect("one document");
    assert_eq!(document["error"]["what"], "One thing is left over and was not removed.");
    let agent = &document["agents"][0];
    assert_eq!(
        (agent["outcome"].as_str(), agent["detail"].as_str()),
        (Some("refused"), Some("it is locked"))
    );
    assert_eq!(agent["lifeEnd"]["outcome"], "no-job");
    assert!(agent["log"].as_str().expect("a log").starts_with("##-vso["), "it commands no pipeline");
}

#[tokio::test(start_paused = true)]
async fn the_budget_postpones_and_an_hour_later_it_goes_on() {
    let world = World::new();
    for random in 1..=3 {
        world.leave_over(random);
    }
    let (counter, interrupts) = Interrupts::new();
    let settings = ReapSettings { deletes_an_hour: 2, every: Some(Duration::from_mins(20)), ..settings() };
    // 1 list; 2 x (disable, remove); then 2 lists without deletions; after an hour the third.
    world.stop.replace(Some((10, counter)));
    let (held, _) = Interrupts::new();
    let ran = run_with(&world, &settings, (held, interrupts), Output::Text).await;
    assert_eq!(ran.outcome, Ok(()), "stopping is how it ends");
    assert_eq!(world.left(), (0, 0));
    let said = ran.talk.text();
    assert_eq!(said.matches("postponed: the budget of deletions is spent").count(), 3, "{said}");
    assert!(world.begin.elapsed() >= Duration::from_hours(1), "{:?}", world.begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_failed_pass_is_told_and_does_not_end_the_next() {
    let world = World::new();
    world.leave_over(1);
    world.pool().fail(Call::List, PoolError::Unavailable("answered 503".to_owned()), false);
    let (counter, interrupts) = Interrupts::new();
    world.stop.replace(Some((4, counter)));
    let settings = ReapSettings { every: Some(Duration::from_mins(5)), ..settings() };
    let (held, _) = Interrupts::new();
    let ran = run_with(&world, &settings, (held, interrupts), Output::Text).await;
    assert_eq!((ran.outcome, world.left()), (Ok(()), (0, 0)));
    let said = ran.talk.text();
    assert!(said.contains("warning: Could not list the agents of the pool private: answered 503."), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_wants_no_lists_gets_none_before_its_wait_is_over() {
    let world = World::new();
    world.leave_over(1);
    let wait = Duration::from_mins(5);
    world.groups().fail(Call::List, ComputeError::Throttled { retry_after: wait }, false);
    let (counter, interrupts) = Interrupts::new();
    world.stop.replace(Some((3, counter)));
    let settings = ReapSettings { every: Some(Duration::from_secs(10)), ..settings() };
    let (held, _) = Interrupts::new();
    let ran = run_with(&world, &settings, (held, interrupts), Output::Text).await;
    assert_eq!((ran.outcome, world.left()), (Ok(()), (0, 0)));
    assert!(world.begin.elapsed() >= wait, "{:?}", world.begin.elapsed());
    let said = ran.talk.text();
    assert!(said.contains("try again in 300 s; nothing was changed."), "{said}");
    let lists = world.groups().calls().into_iter().filter(|call| *call == Call::List);
    assert_eq!(lists.count(), 2, "one that was refused, and one after the wait");
}

#[tokio::test(start_paused = true)]
async fn half_a_list_removes_nothing() {
    let world = World::new();
    world.leave_over(1);
    world.groups().fail(Call::List, ComputeError::Unauthorized("not yours".to_owned()), false);
    let failure = run(&world, &settings()).await.outcome.expect_err("not whole");
    assert!(matches!(failure, Failure::Service { error, .. } if error.kind == ErrorKind::Refused));
    assert_eq!(world.left(), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn who_stops_it_hears_what_was_done() {
    let world = World::new();
    let first = world.leave_over(1);
    world.leave_over(2);
    let (counter, interrupts) = Interrupts::new();
    // The list, and the agent of the first.
    world.stop.replace(Some((3, counter)));
    let (held, _) = Interrupts::new();
    let ran = run_with(&world, &settings(), (held, interrupts), Output::Text).await;
    let failure = ran.outcome.expect_err("interrupted");
    assert_eq!(failure.blame(), Blame::Partly);
    let said = failure.message().to_string();
    assert!(said.starts_with("Interrupted."), "{said}");
    assert!(said.contains(&first) && said.contains("goes on where it was stopped"), "{said}");
    assert_eq!(world.left(), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn each_removal_is_a_line_of_the_audit_file() {
    let world = World::new();
    let name = world.leave_over(1);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("reaped.jsonl");
    let settings = ReapSettings { audit_file: Some(file.clone()), ..settings() };
    assert_eq!(run(&world, &settings).await.outcome, Ok(()));
    let text = std::fs::read_to_string(&file).expect("the file");
    let line: serde_json::Value = serde_json::from_str(&text).expect("one line of JSON");
    assert_eq!(line["name"], name);
    assert_eq!(line["what"].as_array().map(Vec::len), Some(2), "agent and container group");
    assert_eq!(line["who"], "whoever is signed in to the Azure CLI");
    assert_eq!(line["requestIds"][0], "id-1");
    assert_eq!(line["when"], "2026-11-24T00:00:00Z");
    assert!(Audit::open(Some(folder.path())).is_err(), "a folder is no file");
}
