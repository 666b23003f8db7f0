//! Who calls, where container groups run as processes: all of them have the address of this machine, but the system
//! knows to which process a connection belongs.

use std::net::SocketAddr;
use std::path::Path;

/// The processes that hold the other end of a connection from `peer` on this machine, as far as we may look.
pub(super) fn processes_at(peer: SocketAddr) -> Vec<u32> {
    let tables =
        ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| std::fs::read_to_string(table).unwrap_or_default());
    let Some(inode) = tables.iter().find_map(|table| inode_of(table, peer.port())) else { return Vec::new() };
    let socket = format!("socket:[{inode}]");
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|id| holds(*id, &socket)).collect()
}

/// The process that started a process.
pub(super) fn parent_of(process: u32) -> Option<u32> {
    parent(&std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

/// The inode of the socket that calls from a port of loopback.
fn inode_of(table: &str, port: u16) -> Option<u64> {
    let is_it = |fields: &Vec<&str>| {
        let (address, local_port) =
            fields.get(1).and_then(|local| local.rsplit_once(':')).unwrap_or_default();
        // 127.0.0.1 as it stands in memory, also at the end of an address of version 6; or ::1.
        let is_loopback =
            address.ends_with("0100007F") || address.ends_with("00000000000000000000000001000000");
        is_loopback && u16::from_str_radix(local_port, 16) == Ok(port)
    };
    let lines = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    lines.filter(is_it).find_map(|fields| fields.get(9)?.parse().ok().filter(|inode| *inode != 0))
}

fn holds(process: u32, socket: &str) -> bool {
    let files = std::fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    files.filter_map(|file| std::fs::read_link(file.path()).ok()).any(|target| target == Path::new(socket))
}

/// The fourth field of `/proc/…/stat`; the second is a name in parentheses, which may hold anything.
fn parent(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::{parent, parent_of, processes_at};

    #[test]
    fn a_connection_is_known_by_its_process() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let client = TcpStream::connect(listener.local_addr().expect("its address")).expect("a connection");
        let (_accepted, peer) = listener.accept().expect("the other end");
        assert_eq!(processes_at(peer), [std::process::id()]);
        drop(client);
        assert!(parent_of(std::process::id()).is_some());
        assert_eq!(parent("7 (a) b) S 42 7"), Some(42));
    }
}
