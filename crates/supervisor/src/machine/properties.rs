//! What holds for every life, however events fall.

use proptest::prelude::*;

use super::*;

fn answers() -> impl Strategy<Value = Answer> {
    prop_oneof![
        Just(Answer::Done),
        Just(Answer::TryAgain("busy".into())),
        Just(Answer::Refused("no right".into()))
    ]
}

fn exits() -> impl Strategy<Value = Exit> {
    prop_oneof![(0..5).prop_map(Exit::Code), Just(Exit::Signal(9))]
}

fn events() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => Just(Event::Prepared),
        1 => Just(Event::PreparationFailed("x".into())),
        2 => exits().prop_map(Event::Configured),
        1 => Just(Event::AgentNotStarted("x".into())),
        2 => Just(Event::Said(Said::Listening)),
        1 => Just(Event::Said(Said::JobStarted)),
        1 => Just(Event::Said(Said::JobFinished)),
        1 => Just(Event::Notified(Notification::Starting)),
        1 => Just(Event::Notified(Notification::Finished)),
        3 => exits().prop_map(Event::AgentExited),
        2 => Just(Event::UpdateEnded(Ok(()))),
        1 => Just(Event::UpdateEnded(Err("x".into()))),
        1 => Just(Event::StopSignal),
        2 => Just(Event::DeadlinePassed),
        2 => answers().prop_map(Event::Disabled),
        2 => answers().prop_map(Event::Unregistered),
        2 => answers().prop_map(Event::GroupDeleted),
    ]
}

fn policies() -> impl Strategy<Value = Policy> {
    let groups = prop_oneof![Just(GroupEnd::DeletedByUs), Just(GroupEnd::LeftToOthers), Just(GroupEnd::None)];
    (any::<bool>(), any::<bool>(), groups).prop_map(|(configure, may_unregister, group)| Policy {
        configure,
        may_unregister,
        group,
        start: Duration::from_mins(5),
        idle: Duration::from_mins(15),
        lifetime: Duration::from_hours(6),
        grace: Duration::from_mins(1),
    })
}

/// A life: events with the seconds between them, and afterwards nothing but deadlines.
fn live(policy: Policy, used: bool, script: Vec<(u64, Event)>) -> Vec<(bool, Effect)> {
    let (mut machine, first) = Machine::new(policy, used);
    let mut effects: Vec<(bool, Effect)> = first.into_iter().map(|effect| (false, effect)).collect();
    let mut now = Duration::ZERO;
    for (pause, event) in script {
        now += Duration::from_secs(pause);
        let answer = machine.on(now, event);
        effects.extend(answer.into_iter().map(|effect| (machine.job_seen(), effect)));
    }
    for _ in 0..1000 {
        let Some(deadline) = machine.deadline() else { break };
        now = now.max(deadline);
        let answer = machine.on(now, Event::DeadlinePassed);
        effects.extend(answer.into_iter().map(|effect| (machine.job_seen(), effect)));
    }
    effects
}

fn count(effects: &[(bool, Effect)], wanted: &Effect) -> usize {
    effects.iter().filter(|(_, effect)| effect == wanted).count()
}

fn position(effects: &[(bool, Effect)], wanted: impl Fn(&Effect) -> bool) -> Option<usize> {
    effects.iter().position(|(_, effect)| wanted(effect))
}

proptest! {
    #[test]
    fn every_life_ends_and_says_how(
        policy in policies(),
        used in any::<bool>(),
        script in prop::collection::vec((0_u64..600, events()), 0..40),
    ) {
        let effects = live(policy.clone(), used, script);
        prop_assert_eq!(count(&effects, &Effect::Exit), 1);
        prop_assert_eq!(&effects.last().expect("there are effects").1, &Effect::Exit);
        let report = |effect: &Effect| matches!(effect, Effect::Report { .. });
        prop_assert_eq!(effects.iter().filter(|(_, effect)| report(effect)).count(), 1);
    }

    #[test]
    fn there_is_never_a_second_job(
        policy in policies(),
        used in any::<bool>(),
        script in prop::collection::vec((0_u64..600, events()), 0..40),
    ) {
        let effects = live(policy.clone(), used, script);
        let starts = count(&effects, &Effect::StartAgent);
        let allowed = if used { 0 } else { 2 };
        prop_assert!(starts <= allowed, "started {} times", starts);
        let started_after_job = effects.iter().any(|(job, effect)| *job && *effect == Effect::StartAgent);
        prop_assert!(!started_after_job);
    }

    #[test]
    fn take_down_keeps_its_order_and_its_rights(
        policy in policies(),
        script in prop::collection::vec((0_u64..600, events()), 0..40),
    ) {
        let effects = live(policy.clone(), false, script);
        let disable = position(&effects, |effect| *effect == Effect::Disable);
        let unregister = position(&effects, |effect| *effect == Effect::Unregister);
        let delete = position(&effects, |effect| *effect == Effect::DeleteGroup);
        let start = effects.iter().rposition(|(_, effect)| *effect == Effect::StartAgent);
        if policy.may_unregister {
            prop_assert!(disable.is_some());
            prop_assert!(unregister.is_none_or(|at| disable < Some(at)));
            prop_assert!(delete.is_none_or(|at| unregister.is_none_or(|before| before < at)));
        } else {
            prop_assert_eq!((disable, unregister), (None, None));
        }
        prop_assert!(delete.is_none() || policy.group == GroupEnd::DeletedByUs);
        prop_assert!(delete.is_none_or(|at| start < Some(at)), "nothing starts after the deletion");
        prop_assert!(unregister.is_none_or(|at| start < Some(at)), "nothing starts after unregistering");
    }

    #[test]
    fn what_runs_is_killed_before_anything_is_taken_down(
        policy in policies(),
        script in prop::collection::vec((0_u64..600, events()), 0..40),
    ) {
        let effects = live(policy, false, script);
        let report = position(&effects, |effect| matches!(effect, Effect::Report { .. }));
        let start = effects.iter().rposition(|(_, effect)| *effect == Effect::StartAgent);
        let kill = effects.iter().rposition(|(_, effect)| *effect == Effect::KillAgent);
        prop_assert!(start < kill, "an agent is started after the last kill");
        prop_assert!(kill < report);
    }
}
