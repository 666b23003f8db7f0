//! A large pool: how many requests a look takes, and how much memory.

use emulator::arm::{ContainerGroup, Phase};
use system_tests::{World, most_memory};
use uuid::Uuid;

use crate::support::{old_pair, register, world};

/// Agents of the pool, container groups of the resource group, and how many of these have ended.
const AGENTS: usize = 5_000;
const GROUPS: usize = 1_000;
const ENDED: usize = 20;

/// Names of our form, of a moment long past.
fn name(number: usize) -> String {
    format!("agent{number}-20200101000000-yypnqa")
}

/// A container group like another, under another name.
fn like(group: &ContainerGroup, number: usize) -> ContainerGroup {
    let name = name(number);
    let mut other = group.clone();
    other.id = group.id.replace(&group.name, &name);
    other.key = Uuid::new_v4();
    if number >= ENDED {
        other.containers[0].phase = Phase::Running { since: jiff::Timestamp::UNIX_EPOCH };
    }
    other.name = name;
    other
}

/// Whoever has a container group that runs is online; the rest are agents of people's own.
fn fill(world: &World, template: &str) {
    for number in 0..AGENTS {
        register(world, &if number < GROUPS { name(number) } else { format!("build-machine-{number}") });
    }
    world.emulator().change(|state| {
        let found = state.arm.container_groups.values().find(|group| group.name == template);
        let group = found.expect("the template").clone();
        for number in 0..GROUPS {
            let other = like(&group, number);
            state.arm.container_groups.insert(other.id.to_ascii_lowercase(), other);
        }
        let running: Vec<String> = (ENDED..GROUPS).map(name).collect();
        let agents = state.devops.agents.values_mut();
        agents.filter(|agent| running.contains(&agent.name)).for_each(|agent| agent.online = true);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_pool_takes_one_request_a_page_and_little_memory() {
    let world = world().await;
    let template = old_pair(&world, "ends").await;
    fill(&world, &template);
    let about = |world: &World| world.asked(&["/containerGroups/"]) + world.asked(&["/agents/"]);
    let before = (world.asked(&[]), about(&world));
    let reap = world.reap().start();
    let memory = most_memory(reap.id());
    let (printed, most) = tokio::join!(reap.end(), memory);
    assert_eq!(printed.code, Some(0), "{}", printed.said());
    assert_eq!(world.groups().len(), GROUPS - ENDED);
    assert_eq!(world.agents().len(), AGENTS - ENDED);

    let lists = world.asked(&["GET ", "/containerGroups 200"]);
    assert_eq!(lists, u64::try_from(GROUPS + 1).expect("a number").div_ceil(100), "a page has a hundred");
    assert_eq!(world.asked(&["GET ", "/agents 200"]), 1, "the pool's list has one page");
    // An agent is disabled and removed. A container group's list does not show that it has ended, so that it is looked
    // at; its last log is read, and it is deleted.
    let spent = about(&world) - before.1;
    assert_eq!(spent, 5 * u64::try_from(ENDED + 1).expect("a number"));
    let rest = world.asked(&[]) - before.0 - spent - lists;
    assert!(rest <= 10, "{rest} requests besides: tokens, the cloud, the pool");
    assert!(most <= 50 << 20, "{} MiB", most >> 20);
    world.end().await;
}
