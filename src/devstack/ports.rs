//! Owns the choice of a loopback port for a server: the usual one, or any that is free. Must not listen on it.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// A port that was free a moment ago.
#[derive(Debug)]
pub struct Port {
    /// On the loopback interface.
    pub address: SocketAddr,
    /// Keeps a second `darkroom dev` of this machine from choosing the same usual port while the server is still on its way.
    _lock: Option<File>,
}

impl Port {
    /// The usual port if nobody has it, else any that is free. Errors: the system has none.
    pub fn choose(usual: u16) -> io::Result<Self> {
        let address = loopback(usual);
        if let Some(lock) = lock(usual)
            && is_free(address)
        {
            return Ok(Self { address, _lock: Some(lock) });
        }
        let address = TcpListener::bind(loopback(0))?.local_addr()?;
        Ok(Self { address, _lock: None })
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// A server on all interfaces has the port too, though some systems would let us bind it once more.
fn is_free(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_millis(300)).is_err() && TcpListener::bind(address).is_ok()
}

fn lock(port: u16) -> Option<File> {
    let path = std::env::temp_dir().join(format!("darkroom-dev-port-{port}.lock"));
    // Another user's file cannot be opened: then the port counts as taken.
    crate::fs::try_lock(&path).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_or_spoken_for_is_left_to_whoever_has_it() {
        let taken = TcpListener::bind(loopback(0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let other = Port::choose(port).unwrap();
        assert_ne!(other.address.port(), port);
        drop(taken);
        let first = Port::choose(port).unwrap();
        let second = Port::choose(port).unwrap();
        assert!(second.address.port() != port, "{first:?} {second:?}");
        drop(first);
        let _ = std::fs::remove_file(std::env::temp_dir().join(format!("darkroom-dev-port-{port}.lock")));
    }
}
