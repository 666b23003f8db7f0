//! Leaving nothing behind: disable, unregister, delete the container group, in this order.

use std::time::Duration;

use super::{Disabling, Effect, Event, Machine, State};
use crate::outcome::{GroupEnd, Leftover, Outcome};

/// How a service answered one step of the taking down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Done, or there was nothing to do.
    Done,
    /// Not now: the service is busy, out of reach, or still counts our job as running.
    TryAgain(String),
    /// Not at all: trying again would be answered the same.
    Refused(String),
}

/// Disabling is a courtesy; unregistering does its work too.
const DISABLE_BUDGET: Duration = Duration::from_secs(10);

/// The service may count the job as running for a while after the agent has reported its end.
const UNREGISTER_BUDGET: Duration = Duration::from_mins(2);

/// Everything else is done by then, and what stays behind costs money: the longest budget.
const DELETE_BUDGET: Duration = Duration::from_mins(10);

/// How long a container group stays after an agent that never came online. Whoever waits for the agent sees in the pool
/// that it is gone, and reads here why; afterwards nobody could.
const LINGER: Duration = Duration::from_secs(20);

/// The first wait before a step is tried again. It doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The longest such wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Disable,
    Unregister,
    DeleteGroup,
}

impl Step {
    fn budget(self) -> Duration {
        match self {
            Self::Disable => DISABLE_BUDGET,
            Self::Unregister => UNREGISTER_BUDGET,
            Self::DeleteGroup => DELETE_BUDGET,
        }
    }

    fn effect(self) -> Effect {
        match self {
            Self::Disable => Effect::Disable,
            Self::Unregister => Effect::Unregister,
            Self::DeleteGroup => Effect::DeleteGroup,
        }
    }
}

/// How far the taking down has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TakeDown {
    outcome: Outcome,
    agent: Leftover,
    step: Step,
    /// When the step is given up.
    until: Duration,
    /// Waiting to try again then, rather than for an answer.
    again_at: Option<Duration>,
    pause: Duration,
    /// The last reason why the step did not succeed.
    trouble: String,
    told_to_stop: bool,
}

impl TakeDown {
    fn new(outcome: Outcome) -> Self {
        Self {
            outcome,
            agent: Leftover::NotOurs,
            step: Step::Disable,
            until: Duration::ZERO,
            again_at: None,
            pause: FIRST_PAUSE,
            trouble: String::new(),
            told_to_stop: false,
        }
    }

    /// Puts the step off.
    fn linger(&mut self, now: Duration) {
        self.again_at = Some(now + LINGER);
        self.until += LINGER;
    }

    /// Whether the step was put off, rather than tried.
    fn is_lingering(&self) -> bool {
        self.again_at.is_some() && self.trouble.is_empty()
    }

    pub(super) fn deadline(&self) -> Duration {
        self.again_at.map_or(self.until, |again| again.min(self.until))
    }
}

impl Machine {
    /// The agent's life is over; whatever is left of its processes is killed and the taking down begins.
    pub(super) fn take_down(&mut self, now: Duration, outcome: Outcome) -> Vec<Effect> {
        let mut effects = vec![Effect::KillAgent];
        if outcome.is_failure() {
            effects.push(Effect::ShipDiagnostics);
        }
        let steps = TakeDown::new(outcome);
        effects.extend(if self.policy.may_unregister {
            match self.disabling {
                Disabling::NotTried => self.begin(now, steps, Step::Disable),
                // The answer is on its way: wait for it, do not ask twice.
                Disabling::Asked => {
                    self.begin(now, steps, Step::Disable);
                    Vec::new()
                }
                Disabling::Answered => self.begin(now, steps, Step::Unregister),
            }
        } else {
            self.report(now, steps)
        });
        effects
    }

    pub(super) fn on_taking_down(&mut self, now: Duration, event: Event) -> Vec<Effect> {
        let State::TakingDown(steps) = &self.state else { return Vec::new() };
        let steps = steps.clone();
        match (event, steps.step) {
            (Event::Disabled(_), Step::Disable) => self.begin(now, steps, Step::Unregister),
            (Event::Unregistered(answer), Step::Unregister) => self.on_unregistered(now, steps, answer),
            (Event::GroupDeleted(answer), Step::DeleteGroup) => self.on_group_deleted(now, steps, answer),
            (Event::DeadlinePassed, _) if now >= steps.deadline() => self.on_step_deadline(now, steps),
            // The first signal is what our own deletion brings, or somebody in a hurry: we are doing what they want.
            (Event::StopSignal, _) if steps.told_to_stop => self.give_up(steps, "told to stop twice"),
            (Event::StopSignal, _) if steps.is_lingering() => {
                let step = steps.step;
                self.begin(now, TakeDown { told_to_stop: true, ..steps }, step)
            }
            (Event::StopSignal, _) => {
                self.state = State::TakingDown(TakeDown { told_to_stop: true, ..steps });
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn begin(&mut self, now: Duration, steps: TakeDown, step: Step) -> Vec<Effect> {
        let until = now + step.budget();
        let fresh =
            TakeDown { step, until, again_at: None, pause: FIRST_PAUSE, trouble: String::new(), ..steps };
        self.state = State::TakingDown(fresh);
        vec![step.effect()]
    }

    fn on_unregistered(&mut self, now: Duration, mut steps: TakeDown, answer: Answer) -> Vec<Effect> {
        match answer {
            Answer::Done => steps.agent = Leftover::Removed,
            Answer::Refused(why) => steps.agent = Leftover::Left(why),
            Answer::TryAgain(why) => return self.try_again(now, steps, why),
        }
        self.report(now, steps)
    }

    /// Last words come before the group is deleted: afterwards nobody may be left to speak.
    fn report(&mut self, now: Duration, steps: TakeDown) -> Vec<Effect> {
        let group = self.policy.group;
        let (outcome, agent) = (steps.outcome.clone(), steps.agent.clone());
        let mut effects = vec![Effect::Report { outcome, agent, group }];
        if group == GroupEnd::DeletedByUs {
            let lingers = steps.outcome.is_before_online() && !steps.told_to_stop;
            let deletion = self.begin(now, steps, Step::DeleteGroup);
            match &mut self.state {
                State::TakingDown(steps) if lingers => steps.linger(now),
                _ => effects.extend(deletion),
            }
        } else {
            self.state = State::Over;
            effects.push(Effect::Exit);
        }
        effects
    }

    fn on_group_deleted(&mut self, now: Duration, steps: TakeDown, answer: Answer) -> Vec<Effect> {
        match answer {
            Answer::Done => {
                self.state = State::Over;
                vec![Effect::Exit]
            }
            Answer::Refused(why) => self.group_stays(&why),
            Answer::TryAgain(why) => self.try_again(now, steps, why),
        }
    }

    fn try_again(&mut self, now: Duration, steps: TakeDown, trouble: String) -> Vec<Effect> {
        let again_at = Some(now + steps.pause);
        let pause = (steps.pause * 2).min(LONGEST_PAUSE);
        self.state = State::TakingDown(TakeDown { again_at, pause, trouble, ..steps });
        Vec::new()
    }

    fn on_step_deadline(&mut self, now: Duration, steps: TakeDown) -> Vec<Effect> {
        if now < steps.until {
            let effect = steps.step.effect();
            self.state = State::TakingDown(TakeDown { again_at: None, ..steps });
            return vec![effect];
        }
        let trouble =
            if steps.trouble.is_empty() { "no answer came".to_owned() } else { steps.trouble.clone() };
        match steps.step {
            Step::Disable => self.begin(now, steps, Step::Unregister),
            Step::Unregister => self.report(now, TakeDown { agent: Leftover::Left(trouble), ..steps }),
            Step::DeleteGroup => self.group_stays(&trouble),
        }
    }

    fn give_up(&mut self, steps: TakeDown, why: &str) -> Vec<Effect> {
        if steps.step == Step::DeleteGroup {
            return self.group_stays(why);
        }
        self.state = State::Over;
        let group = match self.policy.group {
            GroupEnd::DeletedByUs => GroupEnd::NotTried,
            other => other,
        };
        let agent = Leftover::Left(why.to_owned());
        vec![Effect::Report { outcome: steps.outcome, agent, group }, Effect::Exit]
    }

    fn group_stays(&mut self, why: &str) -> Vec<Effect> {
        self.state = State::Over;
        vec![Effect::ReportGroupLeft(why.to_owned()), Effect::Exit]
    }
}
