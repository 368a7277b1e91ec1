//! Whose program is at the other end of a connection of this machine.
//!
//! Linux says it in `/proc/net/tcp`. Where the system does not, every program of this machine
//! may use the port, as with `ssh -L`.

use std::net::{SocketAddr, SocketAddrV4};

use tokio::net::TcpStream;

/// Whether it is one of this user. What cannot be found out is a no, where it can be at all.
pub fn is_ours(stream: &TcpStream) -> bool {
    if !cfg!(target_os = "linux") {
        return true;
    }
    let (Ok(SocketAddr::V4(own)), Ok(SocketAddr::V4(peer))) =
        (stream.local_addr(), stream.peer_addr())
    else {
        return false;
    };
    let read = || {
        let table = std::fs::read_to_string("/proc/net/tcp").ok()?;
        Some(owner(&table, peer, own)? == own_user()?)
    };
    read().unwrap_or(false)
}

#[cfg(unix)]
fn own_user() -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    Some(std::fs::metadata("/proc/self").ok()?.uid())
}

#[cfg(not(unix))]
fn own_user() -> Option<u32> {
    None
}

/// The user of the socket from `local` to `remote`, proc(5).
fn owner(table: &str, local: SocketAddrV4, remote: SocketAddrV4) -> Option<u32> {
    let (local, remote) = (written(local), written(remote));
    table.lines().skip(1).find_map(|line| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let is_it = words.next() == Some(&local) && words.next() == Some(&remote);
        match is_it {
            // Behind the state, the queues, the timer and the retransmissions.
            true => words.nth(4)?.parse().ok(),
            false => None,
        }
    })
}

/// `0100007F:1F90`: the address as the machine's memory holds it.
fn written(address: SocketAddrV4) -> String {
    let bits = u32::from_ne_bytes(address.ip().octets());
    format!("{bits:08X}:{:04X}", address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_found_by_both_of_its_ends() {
        let at = |port| SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, port);
        let (a, b) = (written(at(8080)), written(at(40_000)));
        let line = |from: &str, to: &str, user: u32| {
            format!(
                "   1: {from} {to} 01 00000000:00000000 00:00000000 00000000 {user:5}        0 1 1\n"
            )
        };
        let table = [
            "  sl  local_address ...\n".to_owned(),
            line(&a, &b, 7),
            line(&b, &a, 1000),
        ]
        .concat();
        assert_eq!(owner(&table, at(40_000), at(8080)), Some(1000));
        assert_eq!(owner(&table, at(8080), at(40_000)), Some(7));
        assert_eq!(owner(&table, at(40_001), at(8080)), None);
        assert_eq!(owner("", at(1), at(2)), None);
    }

    #[tokio::test]
    async fn a_connection_of_this_process_is_ours() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        #[allow(clippy::disallowed_methods, reason = "a client of the test's own")]
        let client = TcpStream::connect(address);
        let (accepted, client) = tokio::join!(listener.accept(), client);
        assert!(is_ours(&accepted.unwrap().0));
        drop(client.unwrap());
    }
}
