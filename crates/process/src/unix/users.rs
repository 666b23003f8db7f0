//! The users of the machine, read from the password file: a static program cannot ask the C library's name services.

use std::{fs, path::PathBuf};

/// Someone a program can be run as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: String,
    /// The user id.
    pub uid: u32,
    /// The id of the user's own group.
    pub gid: u32,
    /// The home directory.
    pub home: PathBuf,
}

impl User {
    /// The user of this name, or of this number, in `/etc/passwd`.
    pub fn find(name: &str) -> Option<Self> {
        find(&fs::read_to_string("/etc/passwd").ok()?, name)
    }
}

/// Whether this process may do everything, and so may start processes as other users.
pub fn is_superuser() -> bool {
    nix::unistd::geteuid().is_root()
}

fn find(passwd: &str, wanted: &str) -> Option<User> {
    passwd.lines().filter_map(parse).find(|user| user.name == wanted || user.uid.to_string() == wanted)
}

/// Reads `name:password:uid:gid:comment:home:shell`.
fn parse(line: &str) -> Option<User> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, uid, gid, _, home, ..] = fields[..] else { return None };
    Some(User { name: name.to_owned(), uid: uid.parse().ok()?, gid: gid.parse().ok()?, home: home.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_name_or_number() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\n# comment\nbroken:x\nagent:x:1001:1002:,,,:/home/agent:/bin/sh\n";
        let agent = User { name: "agent".into(), uid: 1001, gid: 1002, home: "/home/agent".into() };
        assert_eq!(find(passwd, "agent"), Some(agent.clone()));
        assert_eq!(find(passwd, "1001"), Some(agent));
        assert_eq!(find(passwd, "broken"), None);
        assert_eq!(find(passwd, "nobody"), None);
    }
}
