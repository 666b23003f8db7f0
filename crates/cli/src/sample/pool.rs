//! The agent pool, with an agent that is never online: Azure DevOps refuses a job for a pool without agents before it
//! waits, and counts agents that are offline.
//!
//! A pool has no tags. So the name of that agent says what the sample made: the pool too, or only the agent.

use lifecycle::AgentName;

use crate::errors::Failure;
use crate::interrupts::Interrupts;
use crate::report::Report;
use crate::services::{Answer, ErrorKind, NewAgent, Pool, Pools, ServiceError};
use crate::settings::Os;
use crate::settings::sample::SamplePool;

/// The agent of a pool that the sample made.
const WITH_POOL: &str = "sample-placeholder-and-pool";

/// The agent of a pool that was there.
const ALONE: &str = "sample-placeholder";

/// What is said where nobody said which organization.
pub(super) const LEFT_OUT: &str = "The agent pool is left out: give --organization-url to include it.";

fn failed(doing: &str) -> impl Fn(ServiceError) -> Failure + '_ {
    move |error| Failure::Service { doing: doing.to_owned(), error }
}

/// Makes the pool, or what is missing of it.
pub(super) async fn create(
    pools: &impl Pools,
    wanted: &SamplePool,
    report: &Report,
    interrupts: &Interrupts,
) -> Result<String, Failure> {
    report.progress(&format!("looking at the agent pool {}", wanted.name));
    let name = &wanted.name;
    tokio::select! {
        biased;
        () = interrupts.first() => Err(Failure::Interrupted { taken_down: None }),
        outcome = Box::pin(ensure(pools, wanted)) => {
            outcome.map_err(failed(&format!("make the agent pool {name}")))
        }
    }
}

/// Says now what would keep [`create`] or [`delete`] from working, as far as that can be known: before anything else is
/// made or deleted.
pub(super) async fn look(
    pools: &impl Pools,
    (wanted, creates): (&SamplePool, bool),
    interrupts: &Interrupts,
) -> Result<(), Failure> {
    let name = &wanted.name;
    let looking = async {
        match see(pools, name).await? {
            Some((pool, has_agents)) if creates => takes_agents(&pool, has_agents),
            _ => Ok(()),
        }
    };
    tokio::select! {
        biased;
        () = interrupts.first() => Err(Failure::Interrupted { taken_down: None }),
        outcome = Box::pin(looking) => outcome.map_err(failed(&format!("look at the agent pool {name}"))),
    }
}

/// The pool, if it is there, and whether it has agents.
async fn see(pools: &impl Pools, name: &str) -> Answer<Option<(Pool, bool)>> {
    let Some(pool) = pools.pool(name).await? else { return Ok(None) };
    let has_agents = !pools.agents(pool.id).await?.is_empty();
    Ok(Some((pool, has_agents)))
}

/// One without agents has to take one.
fn takes_agents(pool: &Pool, has_agents: bool) -> Answer<()> {
    if has_agents || !(pool.hosted || pool.manageable == Some(false)) {
        return Ok(());
    }
    Err(ServiceError {
        kind: ErrorKind::Refused,
        what: "it is there without an agent, and you may not add one".to_owned(),
        remedy: "have whoever holds the token made an administrator of the pool (Agent pools, Security)."
            .to_owned(),
    })
}

async fn ensure(pools: &impl Pools, wanted: &SamplePool) -> Answer<String> {
    let name = &wanted.name;
    let Some((pool, has_agents)) = see(pools, name).await? else {
        let pool = pools.create_pool(name).await?;
        register(pools, wanted, &pool, WITH_POOL).await?;
        return Ok(format!("agent pool {name}: created, with the agent {WITH_POOL}, which is never online"));
    };
    if has_agents {
        return Ok(format!("agent pool {name}: unchanged"));
    }
    takes_agents(&pool, has_agents)?;
    register(pools, wanted, &pool, ALONE).await?;
    Ok(format!("agent pool {name}: was there; the agent {ALONE} was added, which is never online"))
}

async fn register(pools: &impl Pools, wanted: &SamplePool, pool: &Pool, name: &str) -> Answer<()> {
    let url = wanted.devops.organization.clone();
    let agent = NewAgent { url, os: Os::Linux };
    // Nobody gets what an agent would need to be this one.
    pools.register(pool, &agent_name(name)?, &agent).await.map(drop)
}

fn agent_name(name: &str) -> Answer<AgentName> {
    AgentName::new(name).map_err(|why| ServiceError {
        kind: ErrorKind::Refused,
        what: format!("its agent cannot be called {name}: {why}"),
        remedy: "report this.".to_owned(),
    })
}

/// Removes what [`create`] made.
pub(super) async fn delete(
    pools: &impl Pools,
    wanted: &SamplePool,
    report: &Report,
    interrupts: &Interrupts,
) -> Result<String, Failure> {
    report.progress(&format!("looking at the agent pool {}", wanted.name));
    let name = &wanted.name;
    tokio::select! {
        biased;
        () = interrupts.first() => Err(Failure::Interrupted { taken_down: None }),
        outcome = Box::pin(remove(pools, name)) => {
            outcome.map_err(failed(&format!("delete the agent pool {name}")))
        }
    }
}

async fn remove(pools: &impl Pools, name: &str) -> Answer<String> {
    let Some(pool) = pools.pool(name).await? else { return Ok(format!("agent pool {name}: is not there")) };
    let agents = pools.agents(pool.id).await?;
    let Some(ours) = agents.iter().find(|agent| [WITH_POOL, ALONE].contains(&agent.name.as_str())) else {
        return Ok(format!("agent pool {name}: left, since the sample did not make it"));
    };
    if ours.name == WITH_POOL && agents.len() > 1 {
        return Ok(format!(
            "agent pool {name}: left, since it has other agents; `ephemeral-agents list` shows those that are ours"
        ));
    }
    pools.remove(pool.id, ours.id).await?;
    if ours.name == ALONE {
        return Ok(format!("agent pool {name}: left, without the agent {ALONE}"));
    }
    pools.delete_pool(pool.id).await?;
    Ok(format!("agent pool {name}: deleted"))
}

#[cfg(test)]
mod tests {
    use lifecycle::AgentStatus;

    use super::{ALONE, create, delete};
    use crate::arguments::Output;
    use crate::fake::{World, settings};
    use crate::interrupts::Interrupts;
    use crate::report::{Masker, Talk, capture};
    use crate::settings::sample::SamplePool;

    fn wanted() -> SamplePool {
        SamplePool { devops: settings().devops, name: "private".to_owned() }
    }

    async fn both(world: &World) -> (String, String) {
        let (report, _, _) = capture::report(Talk::Plain, Output::Text, Masker::default());
        let (_counter, interrupts) = Interrupts::new();
        let made = create(world, &wanted(), &report, &interrupts).await.expect("made");
        let gone = delete(world, &wanted(), &report, &interrupts).await.expect("gone");
        (made, gone)
    }

    #[tokio::test(start_paused = true)]
    async fn a_pool_that_was_made_is_deleted_with_its_agent() {
        let world = World::default();
        world.unknown_pool.set(true);
        let (made, gone) = both(&world).await;
        assert!(made.contains("created, with the agent"), "{made}");
        assert_eq!(gone, "agent pool private: deleted");
        assert_eq!(
            world.changes(),
            ["create pool private", "register sample-placeholder-and-pool", "remove 1", "delete pool"]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_pool_that_was_there_stays() {
        let world = World::default();
        let (made, gone) = both(&world).await;
        assert!(made.contains("was there") && made.contains(ALONE), "{made}");
        assert!(gone.contains("left, without the agent"), "{gone}");
        assert!(!world.changes().contains(&"delete pool".to_owned()), "{:?}", world.changes());
    }

    #[tokio::test(start_paused = true)]
    async fn a_pool_with_agents_is_left_alone() {
        let world = World::default();
        world.add_agent("of-others", AgentStatus::Online);
        let (made, gone) = both(&world).await;
        assert_eq!(made, "agent pool private: unchanged");
        assert!(gone.contains("the sample did not make it"), "{gone}");
        assert_eq!(world.changes(), [""; 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pool_that_was_made_and_has_other_agents_since_is_left() {
        let world = World::default();
        world.add_agent("sample-placeholder-and-pool", AgentStatus::Offline);
        world.add_agent("of-others", AgentStatus::Offline);
        let (_, gone) = both(&world).await;
        assert!(gone.contains("it has other agents"), "{gone}");
        assert_eq!(world.changes(), [""; 0]);
    }
}
