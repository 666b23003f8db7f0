//! Which agent gets which job: a decision over data, without the state.

use std::collections::BTreeMap;

use super::demands::{Capabilities, Demand, all_met};

/// A job request that waits for an agent.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    /// Id of the request; the smaller was there first.
    pub(super) id: u64,
    /// The pool it waits in.
    pub(super) pool_id: u64,
    /// What it demands.
    pub(super) demands: Vec<Demand>,
}

/// An agent that may get a job.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    /// Its id.
    pub(super) id: u64,
    /// The pool it is in.
    pub(super) pool_id: u64,
    /// What it can do.
    pub(super) capabilities: Capabilities,
    /// Whether it may get jobs at all.
    pub(super) enabled: bool,
    /// Whether it has a live session.
    pub(super) online: bool,
    /// Whether it said that its job was its last.
    pub(super) shutting_down: bool,
    /// How many jobs it has.
    pub(super) jobs: u64,
    /// How many it may have at a time.
    pub(super) max_parallelism: u64,
}

impl Candidate {
    fn is_free(&self) -> bool {
        self.enabled && self.online && !self.shutting_down && self.jobs < self.max_parallelism
    }
}

/// Gives each waiting request, the oldest first, a free agent of its pool that meets its demands; of several the one
/// with the smallest id. Returns pairs of request and agent.
pub(super) fn assign(waiting: &[Waiting], candidates: &[Candidate]) -> Vec<(u64, u64)> {
    let mut free: BTreeMap<u64, Candidate> = candidates
        .iter()
        .filter(|candidate| candidate.is_free())
        .map(|candidate| (candidate.id, candidate.clone()))
        .collect();
    let mut ordered: Vec<&Waiting> = waiting.iter().collect();
    ordered.sort_by_key(|request| request.id);
    let mut pairs = Vec::new();
    for request in ordered {
        let fits = |agent: &Candidate| {
            agent.pool_id == request.pool_id && all_met(&request.demands, &agent.capabilities)
        };
        if let Some(agent) = free.values_mut().find(|agent| agent.is_free() && fits(agent)) {
            agent.jobs += 1;
            pairs.push((request.id, agent.id));
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Candidate, Waiting, assign};
    use crate::devops::demands::Demand;

    fn request(id: u64, pool_id: u64, demands: &[&str]) -> Waiting {
        Waiting { id, pool_id, demands: demands.iter().map(|text| Demand::parse(text)).collect() }
    }

    fn agent(id: u64, pool_id: u64, capabilities: &[&str]) -> Candidate {
        Candidate {
            id,
            pool_id,
            capabilities: capabilities.iter().map(|name| ((*name).to_owned(), String::new())).collect(),
            enabled: true,
            online: true,
            shutting_down: false,
            jobs: 0,
            max_parallelism: 1,
        }
    }

    #[test]
    fn jobs_go_to_agents_that_may_have_them() {
        let free = || agent(5, 3, &["docker"]);
        for (name, agents, expected) in [
            ("a free one", vec![free()], vec![(1, 5)]),
            ("another pool", vec![agent(5, 4, &["docker"])], vec![]),
            ("a demand not met", vec![agent(5, 3, &[])], vec![]),
            ("disabled", vec![Candidate { enabled: false, ..free() }], vec![]),
            ("offline", vec![Candidate { online: false, ..free() }], vec![]),
            ("shutting down", vec![Candidate { shutting_down: true, ..free() }], vec![]),
            ("busy", vec![Candidate { jobs: 1, ..free() }], vec![]),
            ("busy with room", vec![Candidate { jobs: 1, max_parallelism: 2, ..free() }], vec![(1, 5)]),
            ("the smaller id", vec![agent(7, 3, &["docker"]), free()], vec![(1, 5)]),
        ] {
            assert_eq!(assign(&[request(1, 3, &["docker"])], &agents), expected, "{name}");
        }
    }

    #[test]
    fn the_oldest_request_is_served_first_and_does_not_hold_up_others() {
        let waiting = [request(9, 3, &[]), request(2, 3, &[]), request(1, 3, &["gpu"])];
        assert_eq!(assign(&waiting, &[agent(5, 3, &[])]), [(2, 5)]);
    }

    prop_compose! {
        fn any_agent()(
            id in 0_u64..12, pool_id in 0_u64..3, docker: bool, enabled: bool, online: bool, shutting_down: bool,
            jobs in 0_u64..3, max_parallelism in 1_u64..3,
        ) -> Candidate {
            let capabilities = if docker { vec!["docker"] } else { vec![] };
            Candidate { enabled, online, shutting_down, jobs, max_parallelism, ..agent(id, pool_id, &capabilities) }
        }
    }

    proptest! {
        #[test]
        fn nobody_gets_what_they_may_not_have(
            agents in proptest::collection::vec(any_agent(), 0..10),
            wanted in proptest::collection::btree_map(0_u64..20, (0_u64..3, any::<bool>()), 0..10),
        ) {
            let agents: std::collections::BTreeMap<u64, Candidate> =
                agents.into_iter().map(|agent| (agent.id, agent)).collect();
            let candidates: Vec<Candidate> = agents.values().cloned().collect();
            let waiting: Vec<Waiting> = wanted.iter().map(|(id, (pool, docker))| {
                request(*id, *pool, if *docker { &["docker"] } else { &[] })
            }).collect();
            let pairs = assign(&waiting, &candidates);
            let mut requests = std::collections::BTreeSet::new();
            for (request, agent) in &pairs {
                let (pool, docker) = wanted[request];
                let agent = &agents[agent];
                prop_assert!(requests.insert(request), "one request, one agent");
                prop_assert!(agent.enabled && agent.online && !agent.shutting_down && agent.pool_id == pool);
                prop_assert!(!docker || agent.capabilities.contains_key("docker"));
            }
            for agent in agents.values() {
                let given = pairs.iter().filter(|(_, id)| *id == agent.id).count() as u64;
                prop_assert!(given == 0 || agent.jobs + given <= agent.max_parallelism);
            }
        }
    }
}
