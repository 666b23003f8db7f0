//! What settings may not be together: what the service says only once it was asked.

use super::{Container, Life, Network, Os, Priority, Problems, Registry, Sku};

/// Notes what the service does not have for such a container.
pub(super) fn check(container: &Container, network: Option<&Network>, life: &Life, problems: &mut Problems) {
    windows(container, network, life, problems);
    spot(container, network, problems);
}

/// What there is not for spot.
fn spot(container: &Container, network: Option<&Network>, problems: &mut Problems) {
    if container.priority != Priority::Spot {
        return;
    }
    let (with, remedy) = if network.is_some() {
        ("in a virtual network", "use regular, or leave the network out")
    } else if container.sku != Sku::Standard {
        ("with another sku than standard", "use regular, or the sku standard")
    } else if container.zone.is_some() {
        ("in an availability zone", "use regular, or leave the zone out")
    } else if container.cpu > 4.0 || container.memory_gb > 16.0 {
        ("with more than 4 cores or 16 GB", "use regular, or ask for less")
    } else {
        return;
    };
    problems.add("priority", format!("is spot, which there is not {with}"), remedy);
}

/// What there is for Linux only.
fn windows(container: &Container, network: Option<&Network>, life: &Life, problems: &mut Problems) {
    if container.os != Os::Windows {
        return;
    }
    if container.sku == Sku::Confidential {
        problems.add("sku", "is confidential, which there is for Linux only", "use standard, or Linux");
    }
    if network.is_none() {
        return;
    }
    let what = "is given for a Windows container in a virtual network, where the service has no identities";
    if life.identity.is_some() {
        problems.add("identity", what, "leave the identity out, or use Linux");
    }
    if matches!(container.registry, Registry::Identity { .. }) {
        problems.add("registry-identity", what, "give registry-user instead, or use Linux");
    }
}
