//! The networks of containers.
//!
//! Every container is on the *service* network, which leads to this machine, where the emulator answers, and nowhere
//! else; containers on it do not see each other. A group in a virtual network is also on a Docker network with that
//! network's address space, at the address that it was given in its subnet. Only a group that may call out (one that is
//! in no virtual network, or in a subnet with a NAT gateway) is on the *out* network too. No port is ever published.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, PoisonError};

use bollard::Docker;
use bollard::models::{
    EndpointIpamConfig, EndpointSettings, Ipam, IpamConfig, NetworkConnectRequest, NetworkCreateRequest,
};
use sha2::Digest as _;

use crate::compute::specification::GroupNetwork;

/// Docker's option by which containers of one network do not reach each other.
const AMONG_THEMSELVES: &str = "com.docker.network.bridge.enable_icc";

/// The networks of one emulator on an engine.
#[derive(Debug)]
pub(super) struct Networks {
    /// What the names of all of them begin with.
    prefix: String,
    gateway: IpAddr,
    /// Those of virtual networks that were made.
    made: Mutex<BTreeSet<String>>,
    /// Held while one is made: the engine would make two of the same name.
    making: tokio::sync::Mutex<()>,
}

/// Eight digits that name a thing of any length.
pub(super) fn short(text: &[u8]) -> String {
    sha2::Sha256::digest(text).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

impl Networks {
    /// Makes the service and the out network, or finds those of an earlier start.
    pub(super) async fn make(docker: &Docker, prefix: String) -> Result<Self, String> {
        let apart = || HashMap::from([(AMONG_THEMSELVES.to_owned(), "false".to_owned())]);
        let service = request(prefix.clone(), true, None, apart());
        let gateway = find_or_make(docker, service).await?;
        let out = request(format!("{prefix}-out"), false, None, apart());
        find_or_make(docker, out).await?;
        Ok(Self { prefix, gateway, made: Mutex::default(), making: tokio::sync::Mutex::default() })
    }

    /// This machine, as containers and clients see it.
    pub(super) fn gateway(&self) -> IpAddr {
        self.gateway
    }

    /// The service network.
    pub(super) fn service(&self) -> &str {
        &self.prefix
    }

    /// Connects a container that does not run yet to what its group is in, besides the service network.
    pub(super) async fn connect(
        &self,
        docker: &Docker,
        container: &str,
        group: &GroupNetwork,
    ) -> Result<(), String> {
        if let Some(joined) = &group.joined {
            let name = format!("{}-{}", self.prefix, short(joined.network.as_bytes()));
            let space = request(name.clone(), true, Some(joined.address_space.clone()), HashMap::new());
            {
                let _one_at_a_time = self.making.lock().await;
                find_or_make(docker, space).await?;
            }
            self.made.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone());
            connect(docker, &name, container, Some(joined.address)).await?;
        }
        if group.has_way_out {
            connect(docker, &format!("{}-out", self.prefix), container, None).await?;
        }
        Ok(())
    }

    /// Removes them, once nothing is on them.
    pub(super) async fn end(&self, docker: &Docker) {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for name in made.into_iter().chain([format!("{}-out", self.prefix), self.prefix.clone()]) {
            if let Err(error) = docker.remove_network(&name).await {
                tracing::warn!("the Docker network {name} is left behind: {error}");
            }
        }
    }
}

fn request(
    name: String,
    is_internal: bool,
    space: Option<String>,
    options: HashMap<String, String>,
) -> NetworkCreateRequest {
    let configuration = |subnet| vec![IpamConfig { subnet: Some(subnet), ..IpamConfig::default() }];
    NetworkCreateRequest {
        name,
        driver: Some("bridge".to_owned()),
        internal: Some(is_internal),
        ipam: space.map(|subnet| Ipam { config: Some(configuration(subnet)), ..Ipam::default() }),
        options: Some(options),
        ..NetworkCreateRequest::default()
    }
}

/// Makes a network if it is not there, and gives the address of this machine in it.
async fn find_or_make(docker: &Docker, request: NetworkCreateRequest) -> Result<IpAddr, String> {
    let name = request.name.clone();
    let problem = |error: String| format!("the Docker engine gives no network {name}: {error}");
    let mut found = docker.inspect_network(&name, None).await;
    if found.is_err() {
        docker.create_network(request).await.map_err(|error| problem(error.to_string()))?;
        found = docker.inspect_network(&name, None).await;
    }
    let network = found.map_err(|error| problem(error.to_string()))?;
    let configurations = network.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
    let of_this_machine = configurations.into_iter().find_map(|configuration| {
        // The engine takes the first address of the range for this machine, and says so only of ranges of its own.
        configuration.gateway.or_else(|| first_address(configuration.subnet.as_deref()?))
    });
    let address = of_this_machine.ok_or_else(|| problem("it has no gateway".to_owned()))?;
    address.parse().map_err(|_| problem(format!("its gateway {address} is not an address")))
}

fn first_address(range: &str) -> Option<String> {
    let (network, _) = range.split_once('/')?;
    let network: Ipv4Addr = network.parse().ok()?;
    Some(Ipv4Addr::from(u32::from(network) + 1).to_string())
}

async fn connect(
    docker: &Docker,
    network: &str,
    container: &str,
    address: Option<IpAddr>,
) -> Result<(), String> {
    let fixed = |address: IpAddr| EndpointIpamConfig {
        ipv4_address: Some(address.to_string()),
        ..EndpointIpamConfig::default()
    };
    let settings = address
        .map(|address| EndpointSettings { ipam_config: Some(fixed(address)), ..EndpointSettings::default() });
    let request = NetworkConnectRequest { container: container.to_owned(), endpoint_config: settings };
    docker.connect_network(network, request).await.map_err(|error| format!("{network}: {error}"))
}
