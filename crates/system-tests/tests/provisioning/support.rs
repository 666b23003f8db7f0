//! What several of these tests do to a world.

use emulator::State;
use emulator::arm::Subnet;
use system_tests::{Invocation, World};

/// The sample's network.
pub(crate) const NETWORK: &str = "sampleprivatenetwork";
/// Its subnet for agents.
pub(crate) const SUBNET: &str = "azure-devops-agents";

/// Runs it; what is printed is that row, and afterwards nothing is left.
pub(crate) async fn fails_as(world: &World, row: &str, invocation: &Invocation) {
    invocation.run().await.has_row(row);
    world.nothing_left().await;
}

/// `provision` into the sample's subnet.
pub(crate) fn in_network(world: &World) -> Invocation {
    world.provision().and("vnet-name", NETWORK).and("subnet-name", SUBNET)
}

/// Changes the sample's subnet.
pub(crate) fn change_subnet(world: &World, change: impl FnOnce(&mut Subnet)) {
    world.emulator().change(|state| {
        let network = state.arm.networks.values_mut().next().expect("the sample's network");
        change(&mut network.subnets[0]);
    });
}

/// Waits until a reply is held back.
pub(crate) async fn held(world: &World) {
    world.wait_for("a reply that is held back", |state| (state.held > 0).then_some(())).await;
}

/// How many requests came whose method and path hold these.
pub(crate) fn requests(state: &State, method: &str, part: &str) -> u64 {
    let known = state.requests.iter().filter(|(request, _)| {
        request.starts_with(method) && request.to_ascii_lowercase().contains(&part.to_ascii_lowercase())
    });
    known.map(|(_, count)| count).sum()
}
