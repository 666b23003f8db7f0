//! The sample's network.

use emulator::arm::Subnet;

use crate::World;

/// The sample's network.
pub const NETWORK: &str = "sampleprivatenetwork";
/// Its subnet for agents.
pub const SUBNET: &str = "azure-devops-agents";

impl World {
    /// Changes the sample's subnet for agents.
    pub fn change_subnet(&self, change: impl FnOnce(&mut Subnet)) {
        self.emulator().change(|state| {
            let network = state.arm.networks.values_mut().next().expect("the sample's network");
            change(&mut network.subnets[0]);
        });
    }

    /// Leaves it no free address: it has eight, of which Azure keeps five.
    pub fn fill_subnet(&self) {
        self.change_subnet(|subnet| {
            "10.10.254.0/29".clone_into(&mut subnet.address_prefix);
            subnet.ip_configurations = ["a", "b", "c"]
                .map(|name| format!("/subscriptions/s/providers/Microsoft.Network/networkInterfaces/{name}"))
                .into();
        });
    }

    /// Puts a machine into it, so that it cannot be delegated.
    pub fn share_subnet(&self) {
        self.change_subnet(|subnet| {
            subnet.delegations.clear();
            let interface =
                "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkInterfaces/web-1";
            subnet.ip_configurations = vec![format!("{interface}/ipConfigurations/first")];
        });
    }
}
