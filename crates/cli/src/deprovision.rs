//! `deprovision`: takes agents down by name, and says how their lives ended. A job is never ended from here.

use std::time::Duration;

use lifecycle::{AgentName, AgentStatus};
use tokio::time::{Instant, sleep};

use crate::errors::{Failure, Leftovers};
use crate::interrupts::Interrupts;
use crate::life_end::{self, LifeEnd};
use crate::provision::take_down::{AgentRecord, Pair, TakenDown, take_down};
use crate::report::Report;
use crate::services::{Answer, ErrorKind, GroupView, Groups, Pools, ServiceError, Services};

/// Between two looks at an agent that runs a job.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// What is to be taken down, and how patiently.
pub(crate) struct Request {
    /// The agents.
    pub(crate) names: Vec<AgentName>,
    /// The organization that we are connected to.
    pub(crate) organization: String,
    /// Where to look for an agent whose container group is gone.
    pub(crate) pool: Option<String>,
    /// How long jobs are waited for, all together.
    pub(crate) job_timeout: Duration,
}

/// How it went with one agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was there and is gone; how its life had ended, if it had and said so.
    TakenDown(Option<LifeEnd>),
    /// There was nothing of that name.
    WasNotThere,
}

/// Takes them down one after the other; what fails does not stop the rest.
pub(crate) async fn deprovision(
    services: &impl Services,
    request: &Request,
    report: &Report,
    interrupts: &Interrupts,
) -> Result<Vec<(AgentName, Outcome)>, Failure> {
    let deadline = Instant::now() + request.job_timeout;
    let (mut done, mut failures) = (Vec::new(), Vec::new());
    for (position, name) in request.names.iter().enumerate() {
        report.progress(&format!("taking down {name}"));
        let outcome = tokio::select! {
            biased;
            () = interrupts.first() => return Err(interrupted(&request.names[position..])),
            outcome = one(services, request, name, (report, deadline)) => outcome,
        };
        match outcome {
            Ok(outcome) => done.push((name.clone(), outcome)),
            Err(failure) => failures.push((name.clone(), failure)),
        }
    }
    match failures.len() {
        0 => Ok(done),
        1 if done.is_empty() => Err(failures.remove(0).1),
        _ => Err(together(failures, request.job_timeout)),
    }
}

/// Failures of several agents; where all of them only have a job to finish, that is one message.
fn together(failures: Vec<(AgentName, Failure)>, waited: Duration) -> Failure {
    let only_jobs = failures.iter().all(|(_, failure)| matches!(failure, Failure::JobsRunning { .. }));
    if only_jobs {
        let names = failures.into_iter().map(|(name, _)| name).collect();
        return Failure::JobsRunning { names, waited };
    }
    Failure::Several(failures)
}

fn interrupted(rest: &[AgentName]) -> Failure {
    let names: Vec<_> = rest.iter().map(AgentName::as_str).collect();
    let leftovers = Leftovers {
        left: names.iter().map(|name| format!("{name}, whole or in part")).collect(),
        command: format!("ephemeral-agents deprovision {}", names.join(" ")),
    };
    Failure::LeftBehind { cause: Box::new(Failure::Interrupted { taken_down: None }), leftovers }
}

async fn one(
    services: &impl Services,
    request: &Request,
    name: &AgentName,
    (report, deadline): (&Report, Instant),
) -> Result<Outcome, Failure> {
    let Some(pair) = find(services, request, name, report).await? else {
        return Ok(Outcome::WasNotThere);
    };
    loop {
        let ended = how_it_ended(services, &pair).await;
        match take_down(services, &pair).await {
            TakenDown::Done => return Ok(Outcome::TakenDown(ended)),
            TakenDown::Left(left) => return Err(not_all_of_it(name, &left)),
            TakenDown::JobRunning if Instant::now() >= deadline => {
                return Err(Failure::JobsRunning { names: vec![name.clone()], waited: request.job_timeout });
            }
            TakenDown::JobRunning => {
                report.progress(&format!("{name} runs a job; waiting for it"));
                sleep(LOOK_AGAIN.min(deadline.saturating_duration_since(Instant::now()))).await;
            }
        }
    }
}

/// What the supervisor said last. Nice to know, and no reason not to go on.
async fn how_it_ended(services: &impl Services, pair: &Pair) -> Option<LifeEnd> {
    if !pair.group.get() {
        return None;
    }
    match services.groups().logs(&pair.name, Some(life_end::LINES)).await {
        Ok(log) => life_end::find(&log.unwrap_or_default()),
        Err(error) => {
            tracing::debug!(name = pair.name.as_str(), %error, "its log was not read");
            None
        }
    }
}

fn not_all_of_it(name: &AgentName, left: &[String]) -> Failure {
    Failure::Service {
        doing: format!("take down all of {name}"),
        error: ServiceError {
            kind: ErrorKind::Unavailable,
            what: left.join("; "),
            remedy: "run the same command again.".to_owned(),
        },
    }
}

/// What there is under that name, and is ours.
async fn find(
    services: &impl Services,
    request: &Request,
    name: &AgentName,
    report: &Report,
) -> Result<Option<Pair>, Failure> {
    let failed = |error| Failure::Service { doing: format!("look for {name}"), error };
    let group = services.groups().group(name).await.map_err(failed)?;
    let pool_name = match &group {
        Some(group) => Some(pool_of(group, request, name)?),
        None => request.pool.clone(),
    };
    let Some(pool_name) = pool_name else {
        report.warning(&format!(
            "there is no container group {name}; give --agent-pool to look for an agent of that name too"
        ));
        return Ok(None);
    };
    let pool = services.pools().pool(&pool_name).await.map_err(failed)?;
    if pool.is_none() {
        report.warning(&format!(
            "there is no agent pool `{pool_name}` that you may see, so no agent to unregister"
        ));
    }
    let pool_id = pool.map(|pool| pool.id);
    let agent = match (&group, pool_id) {
        (_, None) => AgentRecord::None,
        (Some(_), Some(_)) => AgentRecord::Asked,
        (None, Some(pool_id)) => lone_agent(services, pool_id, name).await.map_err(failed)?,
    };
    let exists = group.is_some() || agent != AgentRecord::None;
    Ok(exists.then(|| Pair {
        name: name.clone(),
        pool_id,
        agent: agent.into(),
        group: group.is_some().into(),
    }))
}

/// The pool of a group that is ours, and of this organization.
fn pool_of(group: &GroupView, request: &Request, name: &AgentName) -> Result<String, Failure> {
    let refused = |what: String, remedy: String| Failure::Service {
        doing: format!("take down {name}"),
        error: ServiceError { kind: ErrorKind::Taken, what, remedy },
    };
    let Some(ownership) = group.ownership() else {
        return Err(refused(
            "that container group does not carry our tags, so it is not ours to delete".to_owned(),
            format!("if it is to go all the same: `az container delete --ids {}`.", group.id),
        ));
    };
    let theirs = ownership.organization.trim_end_matches('/');
    if !theirs.eq_ignore_ascii_case(&request.organization) {
        return Err(refused(
            format!("its agent is registered in {theirs}"),
            format!("use --organization-url {theirs}, and a token for it."),
        ));
    }
    Ok(ownership.pool)
}

/// An agent without its container group carries no tag that says it is ours; a name that we minted says so too. One
/// that is online without a group of ours runs elsewhere, and is somebody else's.
async fn lone_agent(services: &impl Services, pool_id: u64, name: &AgentName) -> Answer<AgentRecord> {
    match services.pools().agent(pool_id, name).await? {
        None => Ok(AgentRecord::None),
        Some(agent) if name.is_minted() && agent.status == AgentStatus::Offline => {
            Ok(AgentRecord::Known(agent.id))
        }
        Some(_) => Err(ServiceError {
            kind: ErrorKind::Taken,
            what:
                "an agent of that name exists, without a container group of ours: it may be somebody else's"
                    .to_owned(),
            remedy: "if it is to go all the same, remove it from its pool in Azure DevOps.".to_owned(),
        }),
    }
}

/// What is said when it is over.
pub(crate) fn summary(done: &[(AgentName, Outcome)]) -> (String, serde_json::Value) {
    let words = |outcome: &Outcome| match outcome {
        Outcome::TakenDown(Some(end)) => format!("taken down; {}: {}", end.outcome, end.detail),
        Outcome::TakenDown(None) => "taken down".to_owned(),
        Outcome::WasNotThere => "was not there".to_owned(),
    };
    let lines: Vec<_> = done.iter().map(|(name, outcome)| format!("{name}: {}", words(outcome))).collect();
    let agents: Vec<_> = done
        .iter()
        .map(|(name, outcome)| {
            let end = match outcome {
                Outcome::TakenDown(end) => end.as_ref(),
                Outcome::WasNotThere => None,
            };
            serde_json::json!({
                "name": name.as_str(),
                "existed": matches!(outcome, Outcome::TakenDown(_)),
                "outcome": end.map(|end| &end.outcome),
                "detail": end.map(|end| &end.detail),
            })
        })
        .collect();
    (lines.join("\n"), serde_json::json!({ "version": 1, "agents": agents }))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lifecycle::{AgentName, AgentStatus};

    use super::{Outcome, Request, deprovision};
    use crate::arguments::Output;
    use crate::errors::Failure;
    use crate::fake::{self, World};
    use crate::interrupts::Interrupts;
    use crate::report::{Masker, Talk, capture};

    const MINTED: &str = "agent7-20261124000000-yypnqa";

    fn request(names: &[&str]) -> Request {
        Request {
            names: names.iter().map(|name| AgentName::new(*name).expect("valid")).collect(),
            organization: "https://dev.azure.com/contoso".to_owned(),
            pool: Some("private".to_owned()),
            job_timeout: Duration::from_mins(1),
        }
    }

    async fn run(world: &World, request: &Request) -> Result<Vec<Outcome>, Failure> {
        let (report, _, _) = capture::report(Talk::Plain, Output::Text, Masker::default());
        let (_counter, interrupts) = Interrupts::new();
        let done = deprovision(world, request, &report, &interrupts).await?;
        Ok(done.into_iter().map(|(_, outcome)| outcome).collect())
    }

    #[tokio::test(start_paused = true)]
    async fn takes_down_what_is_ours() {
        let world = World::default();
        world.add_pair(MINTED, AgentStatus::Online);
        assert_eq!(run(&world, &request(&[MINTED])).await, Ok(vec![Outcome::TakenDown(None)]));
        world.assert_empty();
        assert_eq!(world.changes(), ["disable 1", "remove 1", &format!("delete {MINTED}")]);
        assert_eq!(run(&world, &request(&[MINTED])).await, Ok(vec![Outcome::WasNotThere]), "and again");
    }

    #[tokio::test(start_paused = true)]
    async fn says_how_the_life_ended() {
        let world = World::default();
        world.add_pair(MINTED, AgentStatus::Offline);
        world.printed(
            MINTED,
            r#"{"event":"outcome","outcome":"job-finished","detail":"the agent has run its job"}"#,
        );
        let (report, _, _) = capture::report(Talk::Plain, Output::Text, Masker::default());
        let (_counter, interrupts) = Interrupts::new();
        let done = deprovision(&world, &request(&[MINTED]), &report, &interrupts).await.expect("done");
        let (text, json) = super::summary(&done);
        assert_eq!(text, format!("{MINTED}: taken down; job-finished: the agent has run its job"));
        assert_eq!(json["agents"][0]["outcome"], "job-finished");
        assert_eq!(json["agents"][0]["detail"], "the agent has run its job");
    }

    #[tokio::test(start_paused = true)]
    async fn never_touches_what_is_not_ours() {
        let world = World::default();
        world.add_foreign_group("database");
        let failure = run(&world, &request(&["database"])).await.expect_err("refused");
        insta::assert_snapshot!(failure.message(), @"
        Could not take down database: that container group does not carry our tags, so it is not ours to delete.
        To do: if it is to go all the same: `az container delete --ids /groups/database`.
        ");
        world.add_agent("build-machine", AgentStatus::Offline);
        assert!(run(&world, &request(&["build-machine"])).await.is_err(), "not minted by us");
        world.add_agent(MINTED, AgentStatus::Online);
        assert!(run(&world, &request(&[MINTED])).await.is_err(), "online without a group of ours");
        assert!(world.changes().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn removes_an_agent_whose_group_is_gone() {
        let world = World::default();
        world.add_agent(MINTED, AgentStatus::Offline);
        assert_eq!(run(&world, &request(&[MINTED])).await, Ok(vec![Outcome::TakenDown(None)]));
        world.assert_empty();
    }

    #[tokio::test(start_paused = true)]
    async fn waits_for_a_job_and_then_goes_on() {
        let world = World::default();
        world.add_pair(MINTED, AgentStatus::Online);
        world.job_until(Duration::from_secs(30));
        assert_eq!(run(&world, &request(&[MINTED])).await, Ok(vec![Outcome::TakenDown(None)]));
        world.assert_empty();
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_that_takes_longer_keeps_its_container() {
        let world = World::default();
        world.add_pair(MINTED, AgentStatus::Online);
        world.job_until(Duration::from_hours(1));
        let failure = run(&world, &request(&[MINTED])).await.expect_err("still running");
        assert!(matches!(failure, Failure::JobsRunning { .. }), "{failure:?}");
        assert!(!world.changes().iter().any(|change| change.starts_with("delete")));
    }

    #[tokio::test(start_paused = true)]
    async fn one_failure_does_not_stop_the_rest() {
        let world = World::default();
        world.add_foreign_group("database");
        world.add_pair(MINTED, AgentStatus::Offline);
        let failure = run(&world, &request(&["database", MINTED])).await.expect_err("partly");
        assert!(matches!(failure, Failure::Several(failures) if failures.len() == 1));
        assert!(world.changes().contains(&format!("delete {MINTED}")));
    }

    #[tokio::test(start_paused = true)]
    async fn an_agent_of_another_organization_says_which() {
        let world = World::default();
        world.add_pair(MINTED, AgentStatus::Offline);
        let request = Request { organization: fake::OTHER_ORGANIZATION.to_owned(), ..request(&[MINTED]) };
        let failure = run(&world, &request).await.expect_err("another organization");
        assert!(
            failure.message().to_string().contains("use --organization-url https://dev.azure.com/contoso")
        );
    }
}
