//! Other people's programs that judge our work or stand beside it, in the versions that we have tried.

/// A package of npm, or of `PyPI`, and its version.
pub(crate) type Pinned = (&'static str, &'static str);

/// Packages extensions for Azure DevOps.
pub(crate) const TFX_CLI: Pinned = ("tfx-cli", "0.23.1");

/// How tasks read their environment.
pub(crate) const TASK_LIB: Pinned = ("azure-pipelines-task-lib", "5.281.0");

/// Azure's own emulator of storage, behind ours.
pub(crate) const AZURITE: Pinned = ("azurite", "3.35.0");

/// Azure DevOps, as scripts in Node call it.
pub(crate) const DEVOPS_NODE_API: Pinned = ("azure-devops-node-api", "17.0.1");

/// The Azure CLI: a judge of the emulator, and what the image `azure` is tried with. The engine keeps what it made of
/// it as long as this stays.
pub(crate) const AZURE_CLI: Pinned = ("azure-cli", "2.91.0");

/// Azure and Azure DevOps, as scripts in Python call them.
pub(crate) const PYTHON_SDKS: &[Pinned] = &[
    ("azure-identity", "1.27.0"),
    ("azure-mgmt-authorization", "4.0.0"),
    ("azure-mgmt-containerinstance", "10.1.0"),
    ("azure-mgmt-containerregistry", "15.0.0"),
    ("azure-mgmt-msi", "7.1.0"),
    ("azure-mgmt-network", "33.1.0"),
    ("azure-mgmt-resource", "26.0.0"),
    ("azure-mgmt-storage", "25.3.0"),
    ("azure-devops", "7.1.0b4"),
];
