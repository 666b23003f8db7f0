//! The phase of a container group: one total function from the service's two words.

use lifecycle::ComputePhase;

/// From `provisioningState` and, where the answer has one, `instanceView.state`. Lists have none: then a group that was
/// provisioned counts as running until it is looked at by itself.
pub(crate) fn phase(provisioning: &str, instance: Option<&str>) -> ComputePhase {
    let instance = instance.filter(|state| !state.is_empty());
    match provisioning.to_ascii_lowercase().as_str() {
        "pending" | "accepted" | "creating" | "updating" => ComputePhase::Creating,
        "deleting" => ComputePhase::Deleting,
        "failed" | "canceled" | "stopped" => ComputePhase::Exited,
        // Its node is being replaced: it will run again, or fail.
        "repairing" => ComputePhase::Running,
        "succeeded" => instance.map_or(ComputePhase::Running, provisioned),
        _ => ComputePhase::Unrecognized(provisioning.to_owned()),
    }
}

fn provisioned(instance: &str) -> ComputePhase {
    match instance.to_ascii_lowercase().as_str() {
        "pending" | "waiting" | "creating" => ComputePhase::Creating,
        "running" => ComputePhase::Running,
        "succeeded" | "failed" | "stopped" | "terminated" => ComputePhase::Exited,
        _ => ComputePhase::Unrecognized(instance.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use lifecycle::ComputePhase::{self, Creating, Deleting, Exited, Running};

    use super::phase;

    #[test]
    fn every_word_of_the_service_has_its_phase() {
        let table = [
            ("Pending", Some("Pending"), Creating),
            ("Pending", None, Creating),
            ("Creating", Some(""), Creating),
            ("Updating", Some("Running"), Creating),
            ("Succeeded", None, Running),
            ("Succeeded", Some(""), Running),
            ("Succeeded", Some("Running"), Running),
            ("succeeded", Some("Pending"), Creating),
            ("Succeeded", Some("Succeeded"), Exited),
            ("Succeeded", Some("Failed"), Exited),
            ("Succeeded", Some("Stopped"), Exited),
            ("Repairing", Some("Running"), Running),
            ("Failed", None, Exited),
            ("Failed", Some("Pending"), Exited),
            ("Canceled", None, Exited),
            ("Deleting", Some("Running"), Deleting),
        ];
        for (provisioning, instance, expected) in table {
            assert_eq!(phase(provisioning, instance), expected, "{provisioning} {instance:?}");
        }
        for (provisioning, instance, word) in
            [("Unhealthy", Some("Running"), "Unhealthy"), ("Succeeded", Some("Dreaming"), "Dreaming")]
        {
            assert_eq!(phase(provisioning, instance), ComputePhase::Unrecognized(word.to_owned()));
        }
    }
}
