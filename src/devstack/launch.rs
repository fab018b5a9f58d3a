//! How each server is started, and the URL that responds when it is ready.

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::{Port, Server};

/// A server that can be started.
#[derive(Debug)]
pub struct Launch {
    /// The server.
    pub server: Server,
    /// Its program.
    pub program: PathBuf,
    port: Port,
    page: Option<Port>,
}

impl Launch {
    /// Chooses the default ports where they are free. Errors: no port is left.
    pub fn new(server: Server, program: PathBuf) -> io::Result<Self> {
        let port = Port::choose(server.default_port())?;
        Ok(Self { server, program, port, page: server.default_page_port().map(Port::choose).transpose()? })
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.port.address
    }

    /// The URL of its web page, where it has one.
    pub fn page(&self) -> Option<String> {
        self.page.as_ref().map(|page| format!("http://{}", page.address))
    }

    /// The arguments of the program. All data is kept in memory.
    pub fn arguments(&self) -> Vec<OsString> {
        let (host, port) = (self.address().ip().to_string(), self.address().port().to_string());
        match self.server {
            Server::Firestore => args(&["start", &format!("--host={host}"), &format!("--port={port}")]),
            Server::Storage => {
                let (own, url) = (self.address().to_string(), format!("http://{}", self.address()));
                let listen = args(&["-scheme", "http", "-backend", "memory", "-host", &host, "-port", &port]);
                [listen, args(&["-public-host", &own, "-external-url", &url])].concat()
            }
            Server::Temporal => {
                let mut arguments = args(&["server", "start-dev", "--log-level", "warn", "--ip", &host]);
                arguments.extend(args(&["--port", &port]));
                match &self.page {
                    Some(page) => arguments.extend(args(&["--ui-port", &page.address.port().to_string()])),
                    None => arguments.push("--headless".into()),
                }
                arguments
            }
        }
    }

    /// A URL that responds with 200 once the server is ready. Temporal's page requests the namespace from the server.
    pub(super) fn ready_url(&self) -> String {
        match (self.server, self.page()) {
            (Server::Storage, _) => format!("http://{}/_internal/healthcheck", self.address()),
            (Server::Temporal, Some(page)) => format!("{page}/api/v1/namespaces/default"),
            (Server::Firestore | Server::Temporal, _) => format!("http://{}/", self.address()),
        }
    }
}

fn args(args: &[&str]) -> Vec<OsString> {
    args.iter().map(OsString::from).collect()
}
