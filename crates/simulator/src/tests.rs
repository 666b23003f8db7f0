//! Each mistake that is made on purpose is found, and without one nothing is.

use crate::bug::Bug;
use crate::{Options, Promise, run, shrunk};

/// How many seeds there are to find a mistake in; without one, all of them pass.
const SEEDS: u64 = 300;

/// Seeds that once showed a flaw of the core, when worlds were made as they were then, and what it was. They go on
/// being run: a seed that was worth something once is one more world.
const FOUND: [(u64, &str); 7] = [
    (5, "jobs waited for an agent that had come, served its job and gone"),
    (79, "a controller that began anew went above the capacity"),
    (144, "a container group came back between two calls"),
    (200, "a deletion without a reply was not counted"),
    (236, "an agent that had registered itself since the look was deleted under its job"),
    (23_786, "a supervisor between unregistering and deletion was taken for one that starts"),
    (281, "the same, by the other reaper"),
];

/// The first seed that shows the mistake breaks one of these promises.
#[track_caller]
fn is_found(bug: Bug, promises: &[Promise]) {
    let violation =
        (0..SEEDS).find_map(|seed| run(&Options { seed, bug: Some(bug), ..Options::default() }).violation);
    let violation = violation.unwrap_or_else(|| panic!("{bug:?} is not found"));
    assert!(promises.contains(&violation.promise), "{bug:?} is found by chance: {violation}");
}

macro_rules! found {
    ($($(#[$doc:meta])* $test:ident: $bug:ident breaks $($promise:ident)|+;)+) => {
        $($(#[$doc])* #[test] fn $test() { is_found(Bug::$bug, &[$(Promise::$promise),+]); })+
    };
}

found! {
    the_mark_is_left_out: LeavesOutTheMark breaks Order;
    what_is_gone_counts_as_a_failure: GoneIsFailure breaks NoFalseAlarm;
    only_the_first_page_is_read: FirstPageOnly breaks Capacity | KeepsWhatIsKept | Order | EveryJobServed;
    half_a_list_counts_as_the_whole: HalfAList breaks Capacity | KeepsWhatIsKept | Order | LeavesTheLivingAlone;
    a_list_that_failed_counts_as_empty: NoListIsEmpty breaks OnlyOurs;
    the_wait_is_forgotten: ForgetsRetryAfter breaks RetryAfter;
    job_running_counts_as_removed: IgnoresJobRunning breaks LeavesJobsAlone;
    an_agent_with_a_job_is_judged_as_if_it_had_none: IgnoresAssigned breaks LeavesJobsAlone | EveryJobServed;
    the_group_goes_before_the_agent: DeletesFirst breaks Order;
    no_tags_are_asked_for: TakesUntagged breaks OnlyOurs;
    the_pool_is_not_compared: TakesOtherPools breaks OnlyOurs;
    an_agent_that_is_online_is_taken_for_an_orphan: TakesOnline breaks OnlyOurs;
    what_is_just_made_is_taken_down: NoGrace breaks LeavesTheLivingAlone;
    deletions_are_not_counted: NoBudget breaks Budget;
    what_was_created_is_forgotten: ForgetsCreations breaks Capacity;
    an_unknown_outcome_counts_as_done: UnclearIsDone breaks Order | LeavesJobsAlone;
    what_is_kept_is_taken_down: IgnoresKept breaks KeepsWhatIsKept;
    a_supervisor_runs_twice: RunsTwice breaks OneJob;
    what_has_expired_is_left: NeverExpires breaks NothingLeft;
    orphans_are_left: IgnoresOrphans breaks NothingLeft;
}

#[test]
fn without_a_mistake_the_same_seeds_pass() {
    let mut lives = 0;
    for seed in (0..SEEDS).chain(FOUND.map(|(seed, _)| seed)) {
        let done = run(&Options { seed, ..Options::default() });
        assert_eq!(done.violation, None, "seed {seed}");
        lives += done.lives;
    }
    assert!(lives > 1_000, "only {lives} agents were made");
}

#[test]
fn every_fault_strikes() {
    let struck: Vec<_> =
        (0..40).flat_map(|seed| run(&Options { seed, ..Options::default() }).struck).collect();
    for (fault, word, _) in crate::FAULTS {
        assert!(struck.iter().any(|strike| strike.0 == fault), "{word} never struck");
    }
}

#[test]
fn a_seed_decides_everything() {
    let told = |seed| run(&Options { seed, trace: true, ..Options::default() }).trace;
    assert_eq!(told(3), told(3));
    assert_ne!(told(3), told(4));
}

/// What is shrunk breaks the same promise, with fewer faults, and can be repeated.
#[test]
fn a_failure_shrinks() {
    let options = Options { seed: 0, bug: Some(Bug::LeavesOutTheMark), ..Options::default() };
    let failed = run(&options);
    let (least, shown) = shrunk(&options, &failed);
    let promise = |run: &crate::Run| run.violation.as_ref().map(|violation| violation.promise);
    assert_eq!(promise(&shown), Some(Promise::Order));
    assert_eq!(promise(&run(&least)), Some(Promise::Order));
    assert!(shown.struck.len() < failed.struck.len(), "{:?}", least.only);
    assert!(!shown.trace.is_empty());
}

/// The order in which lists are read keeps no promise that is stated here: what it saves is an agent too many now and
/// then, where a job is taken between two lists.
#[test]
fn reading_agents_first_breaks_no_promise() {
    for seed in 0..SEEDS {
        let done = run(&Options { seed, bug: Some(Bug::AgentsFirst), ..Options::default() });
        assert_eq!(done.violation, None, "seed {seed}: then it is a promise, and this page has to say so");
    }
}
