//! What is to run.

use uuid::Uuid;

/// A container group to run. It holds secrets: its environment and volumes are not shown.
pub(crate) struct GroupSpecification {
    /// Names it in every report.
    pub(crate) key: Uuid,
    /// The name its user gave it.
    pub(crate) name: String,
    /// Its containers, the init containers first.
    pub(crate) containers: Vec<ContainerSpecification>,
    /// Its volumes.
    pub(crate) volumes: Vec<Volume>,
    /// What it is connected to.
    pub(crate) network: GroupNetwork,
    /// As whom images are fetched, by registry.
    pub(crate) registry_logins: Vec<RegistryLogin>,
}

/// What a group is connected to.
pub(crate) struct GroupNetwork {
    /// The virtual network that it has joined.
    pub(crate) joined: Option<JoinedNetwork>,
    /// Whether it may call out.
    pub(crate) has_way_out: bool,
    /// Name servers in place of the usual ones.
    pub(crate) dns_servers: Vec<String>,
}

/// A virtual network, and a group's place in it.
pub(crate) struct JoinedNetwork {
    /// Id of the network.
    pub(crate) network: String,
    /// The part of its address space that the subnet lies in.
    pub(crate) address_space: String,
    /// The group's own address.
    pub(crate) address: std::net::IpAddr,
}

/// A registry, and how one gets in.
pub(crate) struct RegistryLogin {
    /// The registry's host, as images name it.
    pub(crate) server: String,
    /// Where it really is: the same, but for registries of Azure.
    pub(crate) behind: String,
    /// As whom.
    pub(crate) login: Login,
}

/// As whom images are fetched.
pub(crate) enum Login {
    /// As a user of the registry.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// The registry lets nobody in, and says this.
    Refused(String),
}

/// A container to run.
pub(crate) struct ContainerSpecification {
    /// Its name.
    pub(crate) name: String,
    /// Whether it has to end before the others start.
    pub(crate) is_init: bool,
    /// Its image.
    pub(crate) image: String,
    /// What to run in place of what the image says; empty: what the image says.
    pub(crate) command: Vec<String>,
    /// Its environment.
    pub(crate) environment: Vec<(String, String)>,
    /// Cores.
    pub(crate) cpu: Option<f64>,
    /// Gigabytes.
    pub(crate) memory_gb: Option<f64>,
    /// Its volumes.
    pub(crate) mounts: Vec<Mount>,
}

/// Where a container sees a volume.
pub(crate) struct Mount {
    /// Which.
    pub(crate) volume: String,
    /// Where.
    pub(crate) path: String,
    /// Whether it may only read.
    pub(crate) is_read_only: bool,
}

/// A volume: a folder, empty or with secret files.
pub(crate) struct Volume {
    /// Its name.
    pub(crate) name: String,
    /// Names and contents of its files.
    pub(crate) secret_files: Vec<(String, Vec<u8>)>,
}

impl std::fmt::Debug for GroupSpecification {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupSpecification")
            .field("key", &self.key)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Makes the folders of the volumes below `folder`, each with its files, for its owner only.
pub(super) fn write_volumes(folder: &std::path::Path, volumes: &[Volume]) -> std::io::Result<()> {
    for volume in volumes {
        let path = folder.join(&volume.name);
        std::fs::create_dir_all(&path)?;
        if volume.secret_files.is_empty() {
            // Whoever runs in a container may write in an empty volume, as in Azure.
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o777))?;
        }
        for (name, content) in &volume.secret_files {
            // Names come from a request: only the last part of a path is taken.
            let name = std::path::Path::new(name).file_name().unwrap_or_default();
            std::fs::write(path.join(name), content)?;
        }
    }
    Ok(())
}
