//! Real registries: Debian's `docker-registry`.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::engine::remove;

/// A registry. It ends with this, and the engine forgets what it was given from here.
#[derive(Debug)]
pub struct Registry {
    child: Child,
    server: String,
    folder: PathBuf,
}

impl Registry {
    /// One that keeps its images in that folder, and lets only this user in, or everybody.
    pub fn start(folder: &Path, login: Option<(&str, &str)>) -> Self {
        std::fs::create_dir_all(folder).expect("a folder");
        // Whoever takes the port in between makes the start fail, which is said.
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        let server = format!("127.0.0.1:{port}");
        let authentication = login.map_or_else(String::new, |(user, password)| {
            let file = password_file(folder, user, password);
            format!("auth:\n  htpasswd:\n    realm: tests\n    path: {}\n", file.display())
        });
        let configuration = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {server}\n\
             {authentication}",
            folder.join("data").display()
        );
        let file = folder.join(format!("{port}.yml"));
        std::fs::write(&file, configuration).expect("a file");
        let program = std::env::var_os("DOCKER_REGISTRY").unwrap_or_else(|| "docker-registry".into());
        let child = Command::new(program)
            .arg("serve")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker-registry starts: apt-get install docker-registry");
        let mut registry = Self { child, server, folder: folder.to_owned() };
        registry.wait();
        registry
    }

    /// Another registry with the same images, which lets only this user in.
    #[must_use]
    pub fn closed(&self, user: &str, password: &str) -> Self {
        Self::start(&self.folder, Some((user, password)))
    }

    /// The full name of an image in it.
    pub fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.server)
    }

    /// Its host and port.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Connects until somebody listens.
    fn wait(&mut self) {
        while std::net::TcpStream::connect(&self.server).is_err() {
            let ended = self.child.try_wait().expect("its state");
            assert!(ended.is_none(), "docker-registry ended: {ended:?}");
            std::thread::yield_now();
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let pattern = format!("reference={}/*/*", self.server);
        remove(&["rmi"], &["images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", &pattern]);
    }
}

/// A file of users as the registry reads it, made by Apache's own tool.
fn password_file(folder: &Path, user: &str, password: &str) -> PathBuf {
    let made = Command::new("htpasswd").args(["-Bbn", user, password]).output();
    let made = made.expect("htpasswd runs: apt-get install apache2-utils");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let file = folder.join("users");
    std::fs::write(&file, made.stdout).expect("a file");
    file
}
