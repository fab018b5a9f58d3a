//! Chooses a loopback port for a server: the default one, or any free one.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// A port that was free when it was chosen.
#[derive(Debug)]
pub struct Port {
    /// On the loopback interface.
    pub address: SocketAddr,
    /// Keeps another `darkroom dev` from choosing the same default port while the server starts.
    _lock: Option<File>,
}

impl Port {
    /// The default port where it is free, otherwise any free port. Errors: no port is left.
    pub fn choose(default: u16) -> io::Result<Self> {
        let address = loopback(default);
        if let Some(lock) = lock(default)
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

/// Connects as well as binds, because some systems allow binding a port that a server on all interfaces uses.
fn is_free(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_millis(300)).is_err() && TcpListener::bind(address).is_ok()
}

fn lock(port: u16) -> Option<File> {
    let path = std::env::temp_dir().join(format!("darkroom-dev-port-{port}.lock"));
    // The lock file of another user cannot be opened; then the port counts as in use.
    crate::fs::try_lock(&path).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_in_use_or_reserved_is_not_chosen() {
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
