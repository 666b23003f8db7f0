//! Entra ID and Resource Manager as foreign clients see them: an emulator in this process, and plain HTTP and JSON.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod authorization;
mod container_group_life;
mod entra_tokens;
mod faults;
mod graph;
mod managed_identity;
mod networks;
mod paging;
mod refusals;
mod registries;
mod registry_tokens;
mod resources;
mod secrets;
mod storage;
mod support;
