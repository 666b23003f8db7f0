//! The networks of containers.
//!
//! Every container is on the *service* network, which leads to this machine, where the emulator answers, and nowhere
//! else; containers on it do not see each other. A group in a virtual network is also on a Docker network with that
//! network's address space, at the address that it was given in its subnet. Only a group that may call out (one that is
//! in no virtual network, or in a subnet with a NAT gateway) is on the *out* network too. No port is ever published.

use std::collections::HashMap;
use std::net::IpAddr;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{
    EndpointIpamConfig, EndpointSettings, Ipam, IpamConfig, NetworkConnectRequest, NetworkCreateRequest,
    NetworkInspect,
};
use bollard::query_parameters::ListNetworksOptions;
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
        let gateway = gateway_of(find_or_make(docker, service).await?)
            .ok_or_else(|| format!("the Docker network {prefix} has no gateway"))?;
        let out = request(format!("{prefix}-out"), false, None, apart());
        find_or_make(docker, out).await?;
        Ok(Self { prefix, gateway, making: tokio::sync::Mutex::default() })
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
            connect(docker, &name, container, Some(joined.address)).await?;
        }
        if group.has_way_out {
            connect(docker, &format!("{}-out", self.prefix), container, None).await?;
        }
        Ok(())
    }

    /// Removes them, once nothing is on them; also those of an earlier start with the same state.
    pub(super) async fn end(&self, docker: &Docker) {
        let ours = HashMap::from([("name".to_owned(), vec![self.prefix.clone()])]);
        let listed = docker.list_networks(Some(ListNetworksOptions { filters: Some(ours) })).await;
        let listed = listed.inspect_err(|error| tracing::warn!("Docker networks are left behind: {error}"));
        for name in listed.unwrap_or_default().into_iter().filter_map(|network| network.name) {
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

/// Makes a network if it is not there.
async fn find_or_make(docker: &Docker, request: NetworkCreateRequest) -> Result<NetworkInspect, String> {
    let name = request.name.clone();
    let problem = |error: Error| format!("the Docker engine gives no network {name}: {error}");
    if let Ok(found) = docker.inspect_network(&name, None).await {
        return Ok(found);
    }
    docker.create_network(request).await.map_err(problem)?;
    docker.inspect_network(&name, None).await.map_err(problem)
}

/// The address of this machine in a network.
fn gateway_of(network: NetworkInspect) -> Option<IpAddr> {
    let configurations = network.ipam?.config?;
    configurations.into_iter().find_map(|configuration| configuration.gateway)?.parse().ok()
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
