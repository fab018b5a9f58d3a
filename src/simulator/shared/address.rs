//! Owns the shared simulator's address: how it is chosen, kept, and recognised. Must not bind.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

use crate::fs::write_atomically;

/// The file within the directory.
const FILE: &str = "simulator.json";

/// Ports below those that systems give to outgoing connections.
const FIRST: u16 = 20_000;
const PAIRS: u16 = 5_000;

/// How long a simulator may take to say who it is.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where the simulator of a directory is. The cluster is at the next port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// Where orders go.
    pub url: Url,
}

/// What stands in the file.
#[derive(Serialize, Deserialize)]
struct Written {
    url: String,
}

impl Address {
    /// The API's port.
    pub fn port(&self) -> Option<u16> {
        self.url.port()
    }

    /// The address that is written down, if one is, and it can be read.
    pub fn read(directory: &Path) -> Option<Self> {
        let written: Written = serde_json::from_slice(&std::fs::read(directory.join(FILE)).ok()?).ok()?;
        Some(Self { url: Url::parse(&written.url).ok()? })
    }

    /// Writes it down: whole or not at all.
    pub fn write(&self, directory: &Path) -> std::io::Result<()> {
        let mut text = serde_json::to_vec(&Written { url: self.url.to_string() })?;
        text.push(b'\n');
        write_atomically(&directory.join(FILE), &text)
    }
}

/// Ports to try for a directory, in an order of its own: even ones between 20000 and 30000.
pub(super) fn candidates(directory: &Path) -> impl Iterator<Item = u16> + use<> {
    let digest = Sha256::digest(directory.as_os_str().as_encoded_bytes());
    let start = u16::from_le_bytes([digest[0], digest[1]]) % PAIRS;
    (0..PAIRS).map(move |step| FIRST + 2 * ((start + step) % PAIRS))
}

/// Whether the simulator of that directory answers there.
pub(super) async fn is_ours(url: &Url, identity: &str) -> bool {
    let (Some(Ok(ip)), Some(port)) = (url.host_str().map(str::parse::<IpAddr>), url.port()) else { return false };
    let question = async {
        let mut stream = TcpStream::connect(SocketAddr::new(ip, port)).await?;
        let request = format!("GET /simulator/health HTTP/1.1\r\nHost: {ip}:{port}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(4096).read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let Ok(Ok(answer)) = tokio::time::timeout(PATIENCE, question).await else { return false };
    let answer = String::from_utf8_lossy(&answer);
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return false };
    let Ok(body) = serde_json::from_str::<serde_json::Value>(body) else { return false };
    head.contains(" 200 ") && body["simulator"] == "darkroom" && body["directory"] == identity
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_nonsense_is_not() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Address::read(directory.path()), None);
        let address = Address { url: Url::parse("http://127.0.0.1:20002/").unwrap() };
        assert_eq!(address.port(), Some(20_002));
        address.write(directory.path()).unwrap();
        assert_eq!(Address::read(directory.path()), Some(address));
        std::fs::write(directory.path().join(FILE), "{").unwrap();
        assert_eq!(Address::read(directory.path()), None);
    }

    #[test]
    fn every_pair_of_ports_is_tried_once() {
        let ports: Vec<u16> = candidates(Path::new("/tmp/a")).collect();
        let distinct: std::collections::BTreeSet<u16> = ports.iter().copied().collect();
        assert_eq!((ports.len(), distinct.len()), (5_000, 5_000));
        assert!(distinct.iter().all(|port| port % 2 == 0 && (20_000..30_000).contains(port)));
        assert_ne!(ports[0], candidates(Path::new("/tmp/b")).next().unwrap());
    }
}
