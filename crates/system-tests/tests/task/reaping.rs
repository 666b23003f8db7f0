//! The command `reap`, on a schedule.

use emulator::devops::{NewAgent, register_agent};
use jiff::Timestamp;
use system_tests::World;

use crate::support::{prepared, with_key};

/// A name of our form, of a moment long past.
const ORPHAN: &str = "agent7-20200101000000-yypnqa";

/// The sample, as it stands: what a run left over goes, and what just came stays.
#[tokio::test]
async fn the_sample_runs_as_it_stands() {
    let Some(world) = prepared(World::start_with(&[("sleeps", "exec sleep 600")]).await).await else {
        return;
    };
    world.connect("sample-azure-subscription", &with_key(&world)).await;
    let made = world.provision_unseen().with("image", "registry.test/sleeps:1");
    let (expired, young) = (made.run().await, made.run().await);
    let (expired, young) = (expired.agent_name(), young.agent_name());
    world.emulator().change(|state| {
        let group = state.arm.container_groups.values_mut().find(|group| group.name == expired);
        group.expect("the group").tags["expires-at"] = "2020-01-01T00:00:00Z".into();
        let pool = emulator::devops::pool_by_name(state, emulator::world::POOL).expect("the pool").id;
        let new = NewAgent { name: ORPHAN.to_owned(), version: "4.0.0".to_owned(), ..NewAgent::default() };
        let id = register_agent(state, pool, new).expect("registered").id;
        state.devops.agents.get_mut(&id).expect("registered").status_changed_on = Timestamp::UNIX_EPOCH;
    });
    let sample = include_str!("../../../../samples/cleanup-pipeline/azure-pipelines.yml");
    let printed = world.pipeline("sample", sample).run().await;
    let said = printed.said();
    assert_eq!(printed.code, Some(0), "{said}");
    for part in [
        format!("{expired}: it expired at 2020-01-01T00:00:00Z"),
        format!("{ORPHAN}: it has no container group"),
        "Removed 1 container group and 2 agents.".to_owned(),
    ] {
        assert!(said.contains(&part), "{part} in {said}");
    }
    assert_eq!((world.agents(), world.groups()), (vec![young.to_owned()], vec![young.to_owned()]));
    world.end().await;
}
