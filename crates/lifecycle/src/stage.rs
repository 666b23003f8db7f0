//! Where a pair is in its life: derived from what the services say, never stored.

use crate::ComputePhase;

/// What the pool says of the pair's agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// No agent of that name.
    None,
    /// Registered, and not heard from.
    Offline,
    /// Online, without a job.
    Idle,
    /// It holds a job request.
    Assigned,
}

/// Why a pair has no future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Its container ended.
    Finished,
    /// The agent is there and its container group is not.
    ComputeLost,
    /// It did not come online in time.
    StartDeadline,
}

/// Where a pair is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// On its way to being online.
    Provisioning,
    /// Online and waiting for a job.
    Idle,
    /// It has a job. Nobody but the pipeline ends that.
    Assigned,
    /// On its way out by itself.
    Deprovisioning,
    /// To be taken down, and why.
    Over(Ended),
    /// The backend uses a word we do not know: report it, leave it alone.
    Unrecognized,
}

/// The stage of a pair.
///
/// `compute` is `None` where no container group of that name is listed. `start_overdue` says that the pair is older
/// than an agent may take to come online.
pub fn stage(compute: Option<&ComputePhase>, registration: Registration, start_overdue: bool) -> Stage {
    use ComputePhase::{Creating, Deleting, Exited, Running, Unrecognized};
    match (compute, registration) {
        (_, Registration::Assigned) => Stage::Assigned,
        (Some(Unrecognized(_)), _) => Stage::Unrecognized,
        // Registered before its container group exists: just-in-time registration comes first.
        (None, Registration::Offline) if !start_overdue => Stage::Provisioning,
        (None | Some(Deleting), Registration::None) => Stage::Deprovisioning,
        (None, Registration::Offline | Registration::Idle) => Stage::Over(Ended::ComputeLost),
        (Some(Exited | Deleting), _) => Stage::Over(Ended::Finished),
        (Some(Creating | Running), Registration::Idle) => Stage::Idle,
        (Some(Creating | Running), _) if start_overdue => Stage::Over(Ended::StartDeadline),
        (Some(Creating | Running), _) => Stage::Provisioning,
    }
}

#[cfg(test)]
mod tests {
    use super::{Registration, stage};
    use crate::ComputePhase;

    /// The whole lifecycle on one screen. A change to it is a visible difference in review.
    const TABLE: &str = "\
compute      None                                 Offline                              Idle                Assigned
none         Deprovisioning                       Provisioning / Over(ComputeLost)     Over(ComputeLost)   Assigned
Creating     Provisioning / Over(StartDeadline)   Provisioning / Over(StartDeadline)   Idle                Assigned
Running      Provisioning / Over(StartDeadline)   Provisioning / Over(StartDeadline)   Idle                Assigned
Exited       Over(Finished)                       Over(Finished)                       Over(Finished)      Assigned
Deleting     Deprovisioning                       Over(Finished)                       Over(Finished)      Assigned
Unrecognized Unrecognized                         Unrecognized                         Unrecognized        Assigned
";

    #[test]
    fn stage_table() {
        use std::fmt::Write as _;
        let registrations =
            [Registration::None, Registration::Offline, Registration::Idle, Registration::Assigned];
        let computes = [
            ("none", None),
            ("Creating", Some(ComputePhase::Creating)),
            ("Running", Some(ComputePhase::Running)),
            ("Exited", Some(ComputePhase::Exited)),
            ("Deleting", Some(ComputePhase::Deleting)),
            ("Unrecognized", Some(ComputePhase::Unrecognized("Repairing".to_owned()))),
        ];
        let widths = [36, 36, 19, 0];
        let mut drawn = format!("{:13}", "compute");
        for (registration, width) in registrations.iter().zip(widths) {
            write!(drawn, "{:width$} ", format!("{registration:?}")).expect("text");
        }
        drawn = format!("{}\n", drawn.trim_end());
        for (label, compute) in &computes {
            let mut row = format!("{label:13}");
            for (registration, width) in registrations.iter().zip(widths) {
                let young = format!("{:?}", stage(compute.as_ref(), *registration, false));
                let overdue = format!("{:?}", stage(compute.as_ref(), *registration, true));
                let cell = if young == overdue { young } else { format!("{young} / {overdue}") };
                write!(row, "{cell:width$} ").expect("text");
            }
            drawn.push_str(row.trim_end());
            drawn.push('\n');
        }
        assert_eq!(drawn, TABLE, "\n{drawn}");
    }
}
