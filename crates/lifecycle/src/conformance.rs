//! What every implementation of a port must do, as functions that its tests call.
//!
//! Each function drives a real implementation against a service that holds nothing of ours, and panics with the rule
//! that was broken. They never wait by a clock: `settle` is the caller's way to let the service come to rest (the
//! emulator is stepped; in memory there is nothing to do).

use crate::{
    AgentName, AgentPool, ComputeBackend, ComputePhase, ContainerGroup, OwnershipTags, PoolError, Removal,
    Timestamp,
};

/// Names and ways that the suite for [`ComputeBackend`] needs.
pub struct ComputeSubject<'a, B: ComputeBackend> {
    /// The implementation.
    pub backend: &'a B,
    /// A name that nothing has.
    pub name: AgentName,
    /// Tags to create with.
    pub tags: OwnershipTags,
    /// A container group that the service accepts and runs.
    pub spec: &'a B::Spec,
    /// Name of a container group that exists and is not ours.
    pub foreign: AgentName,
}

/// Creates twice, lists, looks, reads the log, marks twice, leaves what is foreign alone, deletes twice.
///
/// # Panics
/// When a rule of [`ComputeBackend`] does not hold.
pub async fn compute_backend<B, S, F>(subject: ComputeSubject<'_, B>, mut settle: S)
where
    B: ComputeBackend,
    S: FnMut() -> F,
    F: Future<Output = ()>,
{
    let ComputeSubject { backend, name, tags, spec, foreign } = subject;
    let listed = async || {
        let groups = backend.list().await.expect("listing works");
        groups.into_iter().find(|group| group.name == name.as_str())
    };
    assert_eq!(listed().await, None, "the suite begins without {name}");
    assert_eq!(backend.delete(&name).await, Ok(()), "absent counts as deleted");
    assert_eq!(backend.look(&name).await, Ok(None), "there is nothing to look at");

    assert_eq!(backend.create(&name, &tags, spec).await, Ok(()), "creating works");
    assert_eq!(backend.create(&name, &tags, spec).await, Ok(()), "creating the same again is no error");
    settle().await;
    let group = listed().await.expect("what was created is listed");
    assert_eq!(group.ownership(), Some(tags.clone()), "the tags come back as they were given");
    assert!(
        matches!(group.phase, ComputePhase::Creating | ComputePhase::Running | ComputePhase::Exited),
        "it is on its way, not {:?}",
        group.phase
    );
    assert!(backend.logs(&name).await.is_ok(), "asking for the log is no error, whatever is in it");

    marks(backend, &group).await;

    assert!(backend.create(&foreign, &tags, spec).await.is_err(), "what is not ours is not overwritten");
    let theirs = backend.look(&foreign).await.expect("looking works").expect("the foreign one is there");
    assert!(backend.mark(&theirs, Timestamp(60)).await.is_err(), "what is not ours is not marked");
    assert!(backend.delete_listed(&theirs).await.is_err(), "what is listed as not ours is not deleted");
    assert!(backend.delete(&foreign).await.is_err(), "what is not ours is not deleted");

    assert_eq!(backend.delete(&name).await, Ok(()), "deleting works");
    assert_eq!(backend.delete(&name).await, Ok(()), "deleting again is no error");
    assert_eq!(backend.delete_listed(&group).await, Ok(()), "nor is deleting what was listed before");
    settle().await;
    assert_eq!(listed().await, None, "what was deleted is gone");
    assert_eq!(backend.mark(&group, Timestamp(120)).await, Ok(()), "absent counts as marked");
    assert_eq!(listed().await, None, "marking creates nothing");
    let still_there = backend.list().await.expect("listing works");
    assert!(still_there.iter().any(|group| group.name == foreign.as_str()), "the foreign one is untouched");
}

/// The mark is written once, moves when it is written again, and leaves the other tags alone.
async fn marks<B: ComputeBackend>(backend: &B, group: &ContainerGroup) {
    assert_eq!(group.retiring_since(), None, "a new group is not marked");
    let name = AgentName::new(group.name.as_str()).expect("a name of ours");
    for moment in [Timestamp(60), Timestamp(90)] {
        assert_eq!(backend.mark(group, moment).await, Ok(()), "marking works");
        let seen = backend.look(&name).await.expect("looking works").expect("it is there");
        assert_eq!(seen.retiring_since(), Some(moment), "the mark is seen");
        assert_eq!(seen.ownership(), group.ownership(), "marking leaves the other tags alone");
    }
}

/// Names and ways that the suite for [`AgentPool`] needs.
pub struct PoolSubject<'a, P: AgentPool> {
    /// The implementation.
    pub pool: &'a P,
    /// A name that no agent has.
    pub name: AgentName,
    /// What to register it with.
    pub registration: &'a P::Registration,
}

/// Registers, refuses to replace, disables twice, removes twice.
///
/// # Panics
/// When a rule of [`AgentPool`] does not hold.
pub async fn agent_pool<P: AgentPool>(subject: PoolSubject<'_, P>) {
    let PoolSubject { pool, name, registration } = subject;
    let listed = async || {
        let agents = pool.agents().await.expect("listing works");
        agents.into_iter().find(|agent| agent.name == name.as_str())
    };
    assert_eq!(listed().await, None, "the suite begins without {name}");
    assert!(pool.register(&name, registration).await.is_ok(), "registering works");
    assert!(
        matches!(pool.register(&name, registration).await, Err(PoolError::NameTaken(taken)) if taken == name),
        "an agent that exists is not replaced"
    );
    let agent = listed().await.expect("what was registered is listed");
    assert!(agent.enabled, "a new agent may be given jobs");
    assert_eq!(agent.assigned_request, None, "a new agent has no job");
    assert!(agent.status_since.is_some(), "the service says since when");

    assert_eq!(pool.disable(agent.id).await, Ok(()), "disabling works");
    assert_eq!(pool.disable(agent.id).await, Ok(()), "disabling again is no error");
    assert!(!listed().await.expect("still there").enabled, "a disabled agent is listed as such");

    assert_eq!(pool.remove(agent.id).await, Ok(Removal::Removed), "removing works");
    assert_eq!(pool.remove(agent.id).await, Ok(Removal::AlreadyGone), "removing again is no error");
    assert_eq!(pool.disable(agent.id).await, Ok(()), "disabling what is gone is no error");
    assert_eq!(listed().await, None, "what was removed is gone");
    assert!(pool.job_requests().await.is_ok(), "job requests can be listed");
}
