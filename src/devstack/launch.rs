//! Owns how each server is started, and the page of it that answers when it is ready. Must not start one.

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::{Port, Server};

/// A server that can be started.
#[derive(Debug)]
pub struct Launch {
    /// Which one.
    pub server: Server,
    /// Its program.
    pub program: PathBuf,
    port: Port,
    page: Option<Port>,
}

impl Launch {
    /// At the usual ports where they are free. Errors: the system has no port left.
    pub fn new(server: Server, program: PathBuf) -> io::Result<Self> {
        let port = Port::choose(server.usual_port())?;
        Ok(Self { server, program, port, page: server.usual_page().map(Port::choose).transpose()? })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.port.address
    }

    /// Where its web page is, if it has one.
    pub fn page(&self) -> Option<String> {
        self.page.as_ref().map(|page| format!("http://{}", page.address))
    }

    /// The arguments of its program. Whatever it keeps, it keeps in its memory.
    pub fn arguments(&self) -> Vec<OsString> {
        let (host, port) = (self.address().ip().to_string(), self.address().port().to_string());
        match self.server {
            Server::Firestore => words(&["start", &format!("--host={host}"), &format!("--port={port}")]),
            Server::Storage => {
                let (own, url) = (self.address().to_string(), format!("http://{}", self.address()));
                let listen = words(&["-scheme", "http", "-backend", "memory", "-host", &host, "-port", &port]);
                [listen, words(&["-public-host", &own, "-external-url", &url])].concat()
            }
            Server::Temporal => {
                let mut arguments = words(&["server", "start-dev", "--log-level", "warn", "--ip", &host]);
                arguments.extend(words(&["--port", &port]));
                match &self.page {
                    Some(page) => arguments.extend(words(&["--ui-port", &page.address.port().to_string()])),
                    None => arguments.push("--headless".into()),
                }
                arguments
            }
        }
    }

    /// A page that answers 200 once the server is ready. Temporal's asks the server itself for its namespace.
    pub(super) fn answers_at(&self) -> String {
        match (self.server, self.page()) {
            (Server::Storage, _) => format!("http://{}/_internal/healthcheck", self.address()),
            (Server::Temporal, Some(page)) => format!("{page}/api/v1/namespaces/default"),
            (Server::Firestore | Server::Temporal, _) => format!("http://{}/", self.address()),
        }
    }
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}
