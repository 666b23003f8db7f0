//! Whole lives of agents with faults on, in each of which somebody is killed at some moment; then `reap`, until it is
//! quiet; then nothing may be left in either service.
//!
//! `CHAOS_LIVES` and `CHAOS_SEED` say how many and which; `cargo xtask chaos` sets them. Who dies when is repeated by a
//! seed; how the processes of a machine take turns is not.

mod life;

use std::sync::Arc;

use nix::sys::signal::Signal;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;
use system_tests::World;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::life::{Fate, Life};

/// Lives at once: as many as the machine can give the processor to.
const AT_ONCE: usize = 6;

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect("a number"))
}

/// Faults that come and go by themselves, or stay until the lives are over.
fn faults(world: &World, lives: u64, random: &mut StdRng) {
    let mut some = |most: u64| random.random_range(1..=most.max(1));
    world.fault("http.throttle", json!({"count": some(lives), "retry_after_seconds": 1}));
    world.fault("http.lose-reply", json!({"count": some(lives / 2)}));
    world.fault("http.unavailable", json!({"count": some(lives / 2)}));
    world.fault("devops.agent-list-lag-seconds", 1);
    world.fault("arm.list-lag-seconds", 1);
    world.fault("arm.delete-seconds", 1);
    world.fault("arm.delete-while-creating-leaks", true);
    world.fault("arm.restart-after-exit", some(lives / 4));
    // What is not taken down yet is in nobody's way.
    world.fault("arm.quota", 2 * lives);
    // An agent that was killed is known to be gone a little sooner than in two minutes, and its job with it.
    world.fault("devops.silence-seconds", 4);
    world.fault("devops.poll-seconds", 2);
    world.fault("devops.lock-seconds", 8);
}

#[expect(clippy::print_stdout, reason = "`cargo xtask chaos` shows it")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_whoever_dies_and_whenever() {
    let (lives, seed) = (number("CHAOS_LIVES", 30), number("CHAOS_SEED", 7));
    let mut random = StdRng::seed_from_u64(seed);
    let world = Arc::new(World::start().await);
    faults(&world, lives, &mut random);
    let (turns, mut running) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    for number in 0..lives {
        let (life, world, turns) =
            (Life::random(number, &mut random), Arc::clone(&world), Arc::clone(&turns));
        running.spawn(async move {
            let _turn = turns.acquire_owned().await.expect("a turn");
            life.run(&world).await
        });
    }
    let fates: Vec<Fate> = running.join_all().await;

    for knob in ["http.throttle", "http.lose-reply", "http.unavailable", "arm.restart-after-exit"] {
        world.mend(knob);
    }
    let left = (world.agents().len(), world.groups().len());
    let reap = world
        .reap()
        .and("every", "1s")
        .and("max-deletes-an-hour", &(2 * lives).to_string())
        .and("grace", "2")
        .and("start-deadline", "20")
        .and("offline-limit", "2")
        .start();
    world.nothing_left().await;
    reap.signal(Signal::SIGTERM);
    let reaped = reap.end().await;
    assert_eq!(reaped.code, Some(0), "{}", reaped.said());

    for fate in &fates {
        let jobs = fate.name.as_deref().map(|name| world.jobs_of(name)).unwrap_or_default();
        assert!(jobs.len() <= 1, "{:?} had more than one job: {jobs:?}", fate.life);
    }
    let killed = fates.iter().filter(|fate| fate.killed).count();
    println!(
        "seed {seed}: {lives} lives, in {killed} of which somebody was killed; {} agents and {} container groups were \
         left for reap, and nothing after it",
        left.0, left.1
    );
    assert!(killed * 2 > fates.len(), "the test can fail: {killed} of {}", fates.len());
    Arc::into_inner(world).expect("nobody else has it").end().await;
}
