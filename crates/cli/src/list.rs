//! `list`: the agents of a resource group, and where each is in its life.

use std::collections::BTreeMap;
use std::time::Duration;

use lifecycle::{
    Agent, AgentName, ComputePhase, ContainerGroup, Ended, OwnershipTags, Stage, Timestamp, registration,
    stage,
};
use serde_json::{Value, json};

use crate::errors::Failure;
use crate::report::Report;
use crate::report::table::{duration, table};
use crate::services::{Groups, Pools, Services};

/// How long an agent may take to come online before it counts as overdue. Large images take ten minutes.
const START_DEADLINE: Duration = Duration::from_mins(15);

/// One agent in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Its name.
    pub(crate) name: String,
    /// Where it is in its life; `None` where its pool is not ours to ask.
    pub(crate) stage: Option<Stage>,
    /// What its group says of whose it is.
    pub(crate) ownership: OwnershipTags,
}

/// Asks both services and pairs what they say.
pub(crate) async fn list(
    services: &impl Services,
    organization: &str,
    report: &Report,
) -> Result<Vec<Row>, Failure> {
    let failed = |doing: &str| {
        let doing = doing.to_owned();
        move |error| Failure::Service { doing, error }
    };
    report.progress("looking at container groups and agents");
    // Compute first, agents second: what appears in between shows up as an agent too many, which is cheap.
    let groups = services.groups().list().await.map_err(failed("list the container groups"))?;
    let mut agents = BTreeMap::new();
    for (_, ownership) in ours(&groups) {
        if !is_here(&ownership, organization) || agents.contains_key(&ownership.pool) {
            continue;
        }
        let pool = services.pools().pool(&ownership.pool).await.map_err(failed("look for the agent pool"))?;
        let of_pool = match pool {
            Some(pool) => {
                Some(services.pools().agents(pool.id).await.map_err(failed("list the agents of the pool"))?)
            }
            None => None,
        };
        agents.insert(ownership.pool, of_pool);
    }
    let mut rows = rows(&groups, &agents, organization, services.now());
    for row in &mut rows {
        row.look_closer(services).await?;
    }
    Ok(rows)
}

impl Row {
    /// A list does not say whether a container runs or has ended; that matters where its agent is not online.
    async fn look_closer(&mut self, services: &impl Services) -> Result<(), Failure> {
        let open = matches!(self.stage, Some(Stage::Provisioning | Stage::Over(Ended::StartDeadline)));
        let Some(name) = AgentName::new(self.name.as_str()).ok().filter(|_| open) else { return Ok(()) };
        let group = services.groups().group(&name).await;
        let group = group.map_err(|error| Failure::Service { doing: format!("look at {name}"), error })?;
        if group.is_none_or(|group| group.phase == ComputePhase::Exited) {
            self.stage = Some(Stage::Over(Ended::Finished));
        }
        Ok(())
    }
}

fn ours(groups: &[ContainerGroup]) -> impl Iterator<Item = (&ContainerGroup, OwnershipTags)> {
    groups.iter().filter_map(|group| Some((group, group.ownership()?)))
}

fn is_here(ownership: &OwnershipTags, organization: &str) -> bool {
    ownership.is_of(organization)
}

/// Pairs groups with agents by name.
fn rows(
    groups: &[ContainerGroup],
    agents: &BTreeMap<String, Option<Vec<Agent>>>,
    organization: &str,
    now: Timestamp,
) -> Vec<Row> {
    let mut rows: Vec<_> = ours(groups)
        .map(|(group, ownership)| {
            let here = is_here(&ownership, organization);
            let of_pool = agents.get(&ownership.pool).and_then(Option::as_ref).filter(|_| here);
            let overdue = now.since(ownership.created_at) > START_DEADLINE;
            let stage = of_pool.map(|agents| {
                let agent = agents.iter().find(|agent| agent.name.eq_ignore_ascii_case(&group.name));
                stage(Some(&group.phase), registration(agent), overdue)
            });
            Row { name: group.name.clone(), stage, ownership }
        })
        .collect();
    rows.sort_by(|a, b| (a.ownership.created_at, &a.name).cmp(&(b.ownership.created_at, &b.name)));
    rows
}

fn words(stage: Option<Stage>) -> &'static str {
    match stage {
        None => "unknown",
        Some(Stage::Provisioning) => "provisioning",
        Some(Stage::Idle) => "idle",
        Some(Stage::Assigned) => "running a job",
        Some(Stage::Deprovisioning) => "deprovisioning",
        Some(Stage::Over(Ended::Finished)) => "finished",
        Some(Stage::Over(Ended::ComputeLost)) => "container lost",
        Some(Stage::Over(Ended::StartDeadline)) => "not online in time",
        Some(Stage::Unrecognized) => "unrecognized",
    }
}

/// The list for people.
pub(crate) fn as_text(rows: &[Row], now: Timestamp) -> String {
    if rows.is_empty() {
        return "no agents of ours in this resource group".to_owned();
    }
    let cells: Vec<_> = rows
        .iter()
        .map(|row| {
            let ownership = &row.ownership;
            let expires = if now >= ownership.expires_at {
                "expired".to_owned()
            } else {
                format!("in {}", duration(ownership.expires_at.since(now).as_secs()))
            };
            [
                row.name.clone(),
                words(row.stage).to_owned(),
                duration(now.since(ownership.created_at).as_secs()),
                ownership.pool.clone(),
                ownership.run.map_or_else(|| "-".to_owned(), |run| run.to_string()),
                expires,
            ]
        })
        .collect();
    table(["NAME", "STAGE", "AGE", "POOL", "RUN", "EXPIRES"], &cells)
}

/// The list for programs.
pub(crate) fn as_json(rows: &[Row], now: Timestamp) -> Value {
    let agents: Vec<_> = rows
        .iter()
        .map(|row| {
            let ownership = &row.ownership;
            json!({
                "name": row.name,
                "stage": words(row.stage),
                "organization": ownership.organization,
                "pool": ownership.pool,
                "run": ownership.run,
                "createdAt": ownership.created_at.to_string(),
                "expiresAt": ownership.expires_at.to_string(),
                "expired": now >= ownership.expires_at,
            })
        })
        .collect();
    json!({ "version": 1, "agents": agents })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lifecycle::AgentStatus;

    use super::{as_json, as_text, list};
    use crate::arguments::Output;
    use crate::fake::{self, World};
    use crate::report::{Masker, Talk, capture};
    use crate::services::Services as _;

    async fn shown(world: &World, organization: &str) -> String {
        let (report, _, _) = capture::report(Talk::Plain, Output::Text, Masker::default());
        let rows = list(world, organization, &report).await.expect("listed");
        as_text(&rows, world.now())
    }

    #[tokio::test(start_paused = true)]
    async fn pairs_with_their_stages() {
        let world = World::default();
        world.online_after.set(None);
        world.add_pair("a1", AgentStatus::Online);
        world.add_pair("a2", AgentStatus::Offline);
        world.add_foreign_group("database");
        tokio::time::advance(Duration::from_secs(1_000)).await;
        world.add_pair("a3", AgentStatus::Offline);
        insta::assert_snapshot!(shown(&world, fake::ORGANIZATION).await, @"
        NAME  STAGE               AGE          POOL     RUN   EXPIRES
        a1    idle                16 min 40 s  private  4711  in 5 h 43 min
        a2    not online in time  16 min 40 s  private  4711  in 5 h 43 min
        a3    provisioning        0 s          private  4711  in 6 h 0 min
        ");
    }

    #[tokio::test(start_paused = true)]
    async fn a_container_that_ended_is_not_provisioning() {
        let world = World::default();
        world.online_after.set(None);
        world.add_pair("a1", AgentStatus::Offline);
        world.exit_after("a1", Duration::from_secs(5), 1);
        assert!(shown(&world, fake::ORGANIZATION).await.contains("a1    provisioning"));
        tokio::time::advance(Duration::from_secs(6)).await;
        assert!(shown(&world, fake::ORGANIZATION).await.contains("a1    finished"));
    }

    #[tokio::test(start_paused = true)]
    async fn agents_of_another_organization_are_listed_without_a_guess() {
        let world = World::default();
        world.add_pair("a1", AgentStatus::Online);
        let text = shown(&world, fake::OTHER_ORGANIZATION).await;
        assert!(text.contains("a1    unknown"), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_json_is_a_contract() {
        let world = World::default();
        world.add_pair("a1", AgentStatus::Online);
        let (report, _, _) = capture::report(Talk::Plain, Output::Json, Masker::default());
        let rows = list(&world, fake::ORGANIZATION, &report).await.expect("listed");
        insta::assert_snapshot!(format!("{:#}", as_json(&rows, world.now())), @r#"
        {
          "agents": [
            {
              "createdAt": "2026-11-24T00:00:00Z",
              "expired": false,
              "expiresAt": "2026-11-24T06:00:00Z",
              "name": "a1",
              "organization": "https://dev.azure.com/contoso",
              "pool": "private",
              "run": 4711,
              "stage": "idle"
            }
          ],
          "version": 1
        }
        "#);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_there() {
        assert_eq!(
            shown(&World::default(), fake::ORGANIZATION).await,
            "no agents of ours in this resource group"
        );
    }
}
