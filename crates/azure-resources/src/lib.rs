//! Azure Resource Manager as an agent's life needs it: container groups, and what is read before one is created.
//!
//! A [`ResourceManager`] is one cloud's Resource Manager and a credential. [`ContainerGroups`] are those of one
//! resource group; they implement [`lifecycle::ComputeBackend`]. A [`Subscription`] answers what can be checked
//! beforehand: resource group, region, quotas, provider registration, subnet. [`resources`] makes and removes what
//! agents need around them: networks, registries, storage accounts, identities, roles.
//!
//! The judgement is in functions from data to data: the body of a [`ContainerGroupSpec`], the phase of a container
//! group, the [`FailureClass`] of a refusal.

pub mod resources;

mod backend;
mod body;
mod container_groups;
mod failure;
mod image;
mod manager;
mod network;
mod operation;
mod phase;
mod registry;
mod spec;
mod subscription;
mod view;
mod way_out;
mod wire;

pub use container_groups::{AGENT_CONTAINER, ContainerGroups, GroupError};
pub use failure::{FailureClass, compute_error};
pub use image::{ImageInfo, ImageName, Platform, RegistryAccess, look_at_image};
pub use manager::ResourceManager;
pub use network::{Subnet, SubnetId, SubnetRoom};
pub use operation::{Operation, OperationStatus};
pub use registry::{REGISTRY_TOKEN_USER, registry_token};
pub use spec::{
    ContainerGroupSpec, EnvironmentValue, EnvironmentVariable, IdentityAccess, LogAnalytics, OperatingSystem,
    Priority, RegistryCredential, RegistryLogin, Sku, UserAssignedIdentity,
};
pub use subscription::{ResourceGroupInfo, Subscription, SubscriptionInfo, Usage, same_location};
pub use view::{ContainerGroupView, ContainerState, ContainerView, Event};
pub use way_out::{WayOut, way_out};
