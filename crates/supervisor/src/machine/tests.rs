//! Lives, as tables: when, what happened, what the machine answers.

use super::*;
use Answer::{Done, Refused, TryAgain};
use Event::{
    AgentExited, AgentNotStarted, Configured, DeadlinePassed, Disabled, GroupDeleted, Notified,
    PreparationFailed, Prepared, Said as Line, StopSignal, Unregistered, UpdateEnded,
};

fn policy() -> Policy {
    Policy {
        configure: false,
        start: Duration::from_mins(5),
        idle: Duration::from_mins(15),
        lifetime: Duration::from_hours(6),
        grace: Duration::from_mins(1),
        may_unregister: true,
        group: GroupEnd::DeletedByUs,
    }
}

/// An effect in a word.
fn word(effect: &Effect) -> String {
    match effect {
        Effect::Report { outcome, agent, .. } => {
            let left = if matches!(agent, Leftover::Left(_)) { "+agent-left" } else { "" };
            format!("Report({}{left})", outcome.name())
        }
        Effect::Warn(_) => "Warn".to_owned(),
        Effect::ReportGroupLeft(_) => "GroupLeft".to_owned(),
        other => format!("{other:?}"),
    }
}

/// A life in which each step is (seconds since the start, event, effects).
type Life = [(u64, Event, &'static str)];

fn check(policy: Policy, life: &Life) -> Machine {
    let (mut machine, first) = Machine::new(policy, false);
    assert_eq!(first, [Effect::Prepare]);
    for (at, event, expected) in life {
        let effects = machine.on(Duration::from_secs(*at), event.clone());
        let words: Vec<String> = effects.iter().map(word).collect();
        assert_eq!(words.join(" "), *expected, "at {at} s: {event:?}");
    }
    machine
}

/// A life that has ended.
fn check_whole(policy: Policy, life: &Life) {
    assert_eq!(check(policy, life).deadline(), None, "the life must be over");
}

const TAKE_DOWN: &str = "KillAgent Disable";
const TAKE_DOWN_AFTER_FAILURE: &str = "KillAgent ShipDiagnostics Disable";
/// The agent was disabled while its job ran.
const TAKE_DOWN_AFTER_JOB: &str = "KillAgent Unregister";
const JOB_STARTED: &str = "FetchTokens Disable";

#[test]
fn a_good_life() {
    check_whole(
        policy(),
        &[
            (2, Prepared, "StartAgent"),
            (4, Line(Said::Listening), ""),
            (9, Line(Said::JobStarted), JOB_STARTED),
            (9, Notified(Notification::Starting), ""),
            (10, Disabled(Done), ""),
            (60, Line(Said::JobFinished), ""),
            (60, Notified(Notification::Finished), ""),
            (61, AgentExited(Exit::Code(0)), TAKE_DOWN_AFTER_JOB),
            (61, Unregistered(Done), "Report(job-finished) DeleteGroup"),
            (62, GroupDeleted(Done), "Exit"),
        ],
    );
}

#[test]
fn token_mode_configures_first() {
    let policy = Policy { configure: true, ..policy() };
    check_whole(
        policy.clone(),
        &[
            (2, Prepared, "Configure"),
            (9, Configured(Exit::Code(1)), TAKE_DOWN_AFTER_FAILURE),
            (9, Disabled(Done), "Unregister"),
            (9, Unregistered(Done), "Report(configuration-failed)"),
            (29, DeadlinePassed, "DeleteGroup"),
            (29, GroupDeleted(Done), "Exit"),
        ],
    );
    check(policy, &[(2, Prepared, "Configure"), (9, Configured(Exit::Code(0)), "StartAgent")]);
}

#[test]
fn a_configure_that_loops_for_ever_is_ended() {
    check(
        Policy { configure: true, ..policy() },
        &[
            (2, Prepared, "Configure"),
            (299, DeadlinePassed, ""),
            (300, DeadlinePassed, TAKE_DOWN_AFTER_FAILURE),
            (301, Configured(Exit::Signal(9)), ""),
        ],
    );
}

#[test]
fn without_rights_it_just_stops_and_says_so() {
    check_whole(
        Policy { may_unregister: false, group: GroupEnd::LeftToOthers, ..policy() },
        &[
            (2, Prepared, "StartAgent"),
            (9, Line(Said::JobStarted), "FetchTokens"),
            (60, AgentExited(Exit::Code(0)), "KillAgent Report(job-finished) Exit"),
        ],
    );
}

#[test]
fn a_second_start_is_refused_and_taken_down() {
    let (mut machine, first) = Machine::new(policy(), true);
    assert_eq!(first, [Effect::KillAgent, Effect::Disable]);
    assert_eq!(machine.on(Duration::ZERO, Prepared), []);
    assert_eq!(machine.on(Duration::ZERO, Disabled(Done)), [Effect::Unregister]);
}

#[test]
fn exit_codes_before_a_job() {
    for (exit, outcome) in [
        (Exit::Code(0), "agent-removed"),
        (Exit::Code(1), "agent-failed"),
        (Exit::Code(2), "agent-failed"),
        (Exit::Signal(9), "agent-failed"),
    ] {
        let mut machine = check(
            policy(),
            &[
                (2, Prepared, "StartAgent"),
                (4, Line(Said::Listening), ""),
                (5, AgentExited(exit), TAKE_DOWN_AFTER_FAILURE),
                (5, Disabled(Refused("no".into())), "Unregister"),
            ],
        );
        let report = machine.on(Duration::from_secs(5), Unregistered(Done));
        assert_eq!(word(&report[0]), format!("Report({outcome})"), "{exit}");
    }
}

#[test]
fn exit_codes_during_and_after_a_job() {
    // Code 4 after a job means that an update waited for it: finished, and never relaunched.
    for (exit, during, after) in [
        (Exit::Code(0), "job-finished", "job-finished"),
        (Exit::Code(4), "job-finished", "job-finished"),
        (Exit::Code(3), "job-finished", "job-finished"),
        (Exit::Code(2), "agent-lost", "job-finished"),
        (Exit::Signal(9), "agent-lost", "job-finished"),
    ] {
        for (finished, outcome) in [(false, during), (true, after)] {
            let life = [(2, Prepared, "StartAgent"), (9, Notified(Notification::Starting), JOB_STARTED)];
            let mut machine = check(policy(), &life);
            let mut at = |event| machine.on(Duration::from_secs(20), event);
            at(Disabled(Done));
            if finished {
                at(Notified(Notification::Finished));
            }
            at(AgentExited(exit));
            let report = at(Unregistered(Done));
            assert_eq!(word(&report[0]), format!("Report({outcome})"), "{exit}, finished: {finished}");
        }
    }
}

#[test]
fn defect_10_an_update_before_the_job_relaunches_once_and_still_takes_one_job() {
    check_whole(
        policy(),
        &[
            (2, Prepared, "StartAgent"),
            (4, Line(Said::Listening), ""),
            (5, AgentExited(Exit::Code(4)), "AwaitUpdate"),
            (30, UpdateEnded(Ok(())), "StartAgent"),
            (32, Line(Said::Listening), ""),
            (40, Line(Said::JobStarted), JOB_STARTED),
            (41, Disabled(Done), ""),
            (60, AgentExited(Exit::Code(4)), TAKE_DOWN_AFTER_JOB),
            (61, Unregistered(Done), "Report(job-finished) DeleteGroup"),
            (62, GroupDeleted(Done), "Exit"),
        ],
    );
}

#[test]
fn a_job_that_is_heard_of_after_exit_code_4_was_the_only_one() {
    check(
        policy(),
        &[
            (2, Prepared, "StartAgent"),
            (60, AgentExited(Exit::Code(4)), "AwaitUpdate"),
            (60, Notified(Notification::Finished), TAKE_DOWN),
            (90, UpdateEnded(Ok(())), ""),
        ],
    );
}

#[test]
fn an_update_that_fails_or_repeats_or_hangs_ends_the_life() {
    let updating: [(u64, Event, &str); 2] =
        [(2, Prepared, "StartAgent"), (5, AgentExited(Exit::Code(4)), "AwaitUpdate")];
    let mut failed = check(policy(), &updating);
    failed.on(Duration::from_secs(6), UpdateEnded(Err("disk full".into())));
    let mut hung = check(policy(), &updating);
    assert_eq!(hung.on(Duration::from_secs(304), DeadlinePassed), []);
    hung.on(Duration::from_secs(305), DeadlinePassed);
    let mut repeated = check(policy(), &updating);
    repeated.on(Duration::from_secs(6), UpdateEnded(Ok(())));
    repeated.on(Duration::from_secs(9), AgentExited(Exit::Code(4)));
    for mut machine in [failed, hung, repeated] {
        machine.on(Duration::from_secs(400), Disabled(Done));
        let report = machine.on(Duration::from_secs(400), Unregistered(Done));
        assert_eq!(word(&report[0]), "Report(update-failed)");
    }
}

#[test]
fn an_agent_that_hangs_after_its_job_is_killed_and_its_job_counts() {
    check_whole(
        policy(),
        &[
            (2, Prepared, "StartAgent"),
            (9, Notified(Notification::Starting), JOB_STARTED),
            (9, Disabled(Done), ""),
            (60, Notified(Notification::Finished), ""),
            (89, DeadlinePassed, ""),
            (90, DeadlinePassed, "KillAgent"),
            (90, AgentExited(Exit::Signal(9)), "KillAgent ShipDiagnostics Unregister"),
            (90, Unregistered(Done), "Report(job-finished) DeleteGroup"),
            (90, GroupDeleted(Done), "Exit"),
        ],
    );
}

#[test]
fn an_agent_that_survives_being_killed_does_not_keep_us() {
    check(
        policy(),
        &[
            (2, Prepared, "StartAgent"),
            (9, Notified(Notification::Finished), JOB_STARTED),
            (39, DeadlinePassed, "KillAgent"),
            (44, DeadlinePassed, "KillAgent ShipDiagnostics"),
            (44, Disabled(Done), "Unregister"),
        ],
    );
}

#[test]
fn defect_12_an_agent_without_a_job_ends() {
    check_whole(
        policy(),
        &[
            (2, Prepared, "StartAgent"),
            (10, Line(Said::Listening), ""),
            (909, DeadlinePassed, ""),
            (910, DeadlinePassed, "InterruptAgent"),
            (911, AgentExited(Exit::Code(0)), TAKE_DOWN),
            (911, Disabled(Done), "Unregister"),
            (911, Unregistered(Done), "Report(no-job) DeleteGroup"),
            (911, GroupDeleted(Done), "Exit"),
        ],
    );
}

#[test]
fn an_agent_that_never_listens_ends() {
    check(
        policy(),
        &[
            (2, Prepared, "StartAgent"),
            (300, DeadlinePassed, "InterruptAgent"),
            (310, DeadlinePassed, "KillAgent"),
            (310, AgentExited(Exit::Signal(9)), TAKE_DOWN_AFTER_FAILURE),
        ],
    );
}

#[test]
fn an_agent_that_says_why_it_gets_no_session_is_believed() {
    let (clock, taken) = (Obstacle::Clock, Obstacle::SessionTaken);
    let hindered = [
        (2, Prepared, "StartAgent"),
        (4, Line(Said::Hindered(taken)), ""),
        (5, Line(Said::Hindered(clock)), ""),
    ];
    let end = |machine: &mut Machine| {
        let at = Duration::from_secs(320);
        machine.on(at, DeadlinePassed);
        machine.on(at, AgentExited(Exit::Code(1)));
        machine.on(at, Disabled(Done));
        match machine.on(at, Unregistered(Done)).swap_remove(0) {
            Effect::Report { outcome, .. } => outcome,
            other => panic!("{other:?}"),
        }
    };
    let during = "the agent was connecting";
    assert_eq!(end(&mut check(policy(), &hindered)), Outcome::NotOnline { during, obstacle: Some(clock) });
    let mut failed = check(policy(), &hindered[..2]);
    failed.on(Duration::from_secs(5), AgentExited(Exit::Code(1)));
    assert_eq!(end(&mut failed), Outcome::AgentFailed { exit: Exit::Code(1), obstacle: Some(taken) });
    let mut online = check(policy(), &hindered);
    online.on(Duration::from_secs(6), Line(Said::Listening));
    online.on(Duration::from_secs(7), AgentExited(Exit::Code(1)));
    assert_eq!(end(&mut online), Outcome::AgentFailed { exit: Exit::Code(1), obstacle: None });
}

#[test]
fn an_agent_that_speaks_another_language_is_online_when_it_connects() {
    let machine = check(policy(), &[(2, Prepared, "StartAgent"), (4, Notified(Notification::Listening), "")]);
    assert_eq!(machine.deadline(), Some(Duration::from_secs(904)), "the idle timeout runs");
}

#[test]
fn the_longest_life_ends_also_with_a_job() {
    check(
        policy(),
        &[
            (2, Prepared, "StartAgent"),
            (9, Line(Said::JobStarted), JOB_STARTED),
            (9, Disabled(Done), ""),
            (21_599, DeadlinePassed, ""),
            (21_600, DeadlinePassed, "InterruptAgent"),
            (21_660, DeadlinePassed, "KillAgent"),
            (21_660, AgentExited(Exit::Signal(9)), "KillAgent ShipDiagnostics Unregister"),
            (21_660, Unregistered(Done), "Report(lifetime-over) DeleteGroup"),
        ],
    );
}

#[test]
fn defect_02_a_stop_signal_ends_an_idle_agent_and_takes_it_down() {
    check_whole(
        policy(),
        &[
            (2, Prepared, "StartAgent"),
            (4, Line(Said::Listening), ""),
            (5, StopSignal, "InterruptAgent"),
            (6, AgentExited(Exit::Code(0)), TAKE_DOWN),
            (6, Disabled(Done), "Unregister"),
            (6, Unregistered(Done), "Report(stopped) DeleteGroup"),
            (6, GroupDeleted(Done), "Exit"),
        ],
    );
}

#[test]
fn a_stop_signal_gives_a_running_job_its_grace_and_a_second_one_does_not() {
    let running: [(u64, Event, &str); 3] =
        [(2, Prepared, "StartAgent"), (9, Line(Said::JobStarted), JOB_STARTED), (9, Disabled(Done), "")];
    let mut patient = check(policy(), &running);
    let at = Duration::from_secs;
    assert_eq!(patient.on(at(20), StopSignal), [Effect::InterruptAgent]);
    assert_eq!(patient.deadline(), Some(at(80)));
    patient.on(at(30), AgentExited(Exit::Code(0)));
    assert_eq!(word(&patient.on(at(30), Unregistered(Done))[0]), "Report(job-stopped)");

    let mut insistent = check(policy(), &running);
    insistent.on(at(20), StopSignal);
    assert_eq!(insistent.on(at(21), StopSignal), [Effect::KillAgent]);
    insistent.on(at(21), AgentExited(Exit::Signal(9)));
    let report = insistent.on(at(21), Unregistered(Done));
    let Effect::Report { outcome, .. } = &report[0] else { panic!("{report:?}") };
    assert_eq!(outcome, &Outcome::JobStopped { killed: true });
}

#[test]
fn a_job_that_comes_in_the_moment_we_stop_gets_its_grace() {
    let machine = check(
        policy(),
        &[
            (2, Prepared, "StartAgent"),
            (4, Line(Said::Listening), ""),
            (904, DeadlinePassed, "InterruptAgent"),
            (905, Notified(Notification::Starting), JOB_STARTED),
        ],
    );
    assert_eq!(machine.deadline(), Some(Duration::from_secs(965)));
}

#[test]
fn a_stop_signal_before_the_agent_runs_takes_down_at_once() {
    check(policy(), &[(1, StopSignal, TAKE_DOWN), (1, Prepared, "")]);
    check(
        Policy { configure: true, ..policy() },
        &[(1, Prepared, "Configure"), (2, StopSignal, TAKE_DOWN), (2, Configured(Exit::Signal(9)), "")],
    );
}

#[test]
fn what_cannot_be_prepared_or_started_is_taken_down() {
    check(policy(), &[(1, PreparationFailed("no package".into()), TAKE_DOWN_AFTER_FAILURE)]);
    check(
        policy(),
        &[(1, Prepared, "StartAgent"), (1, AgentNotStarted("no loader".into()), TAKE_DOWN_AFTER_FAILURE)],
    );
}

#[test]
fn defect_01_a_refused_unregistration_does_not_stop_the_deletion() {
    check_whole(
        policy(),
        &[
            (1, PreparationFailed("no package".into()), TAKE_DOWN_AFTER_FAILURE),
            (11, DeadlinePassed, "Unregister"),
            (12, Unregistered(TryAgain("a job is running".into())), ""),
            (13, DeadlinePassed, "Unregister"),
            (130, Unregistered(TryAgain("a job is running".into())), ""),
            (131, DeadlinePassed, "Report(preparation-failed+agent-left)"),
            (150, DeadlinePassed, ""),
            (151, DeadlinePassed, "DeleteGroup"),
            (151, GroupDeleted(TryAgain("503".into())), ""),
            (152, DeadlinePassed, "DeleteGroup"),
            (153, GroupDeleted(Refused("no right".into())), "GroupLeft Exit"),
        ],
    );
}

#[test]
fn whoever_provisions_has_time_to_read_why_unless_somebody_wants_it_gone() {
    check_whole(
        policy(),
        &[
            (1, PreparationFailed("no package".into()), TAKE_DOWN_AFTER_FAILURE),
            (1, Disabled(Done), "Unregister"),
            (2, Unregistered(Done), "Report(preparation-failed)"),
            (5, StopSignal, "DeleteGroup"),
            (6, GroupDeleted(Done), "Exit"),
        ],
    );
}

#[test]
fn steps_are_tried_again_with_growing_pauses_within_their_budget() {
    let mut machine = check(
        policy(),
        &[(0, PreparationFailed("x".into()), TAKE_DOWN_AFTER_FAILURE), (0, Disabled(Done), "Unregister")],
    );
    let mut tries = 0;
    let mut now = Duration::ZERO;
    loop {
        machine.on(now, Unregistered(TryAgain("busy".into())));
        now = machine.deadline().expect("it is not over");
        let effects = machine.on(now, DeadlinePassed);
        if effects != [Effect::Unregister] {
            break;
        }
        tries += 1;
    }
    assert_eq!(now, Duration::from_mins(2));
    assert_eq!(tries, 12);
}

#[test]
fn a_signal_while_taking_down_changes_nothing_and_a_second_one_ends_it() {
    check_whole(
        policy(),
        &[
            (1, PreparationFailed("x".into()), TAKE_DOWN_AFTER_FAILURE),
            (2, StopSignal, ""),
            (3, Disabled(Done), "Unregister"),
            (4, StopSignal, "Report(preparation-failed+agent-left) Exit"),
        ],
    );
}
