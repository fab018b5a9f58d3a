//! The servers of the whole stack on this machine: the Firestore emulator, a Cloud Storage server, a Temporal server. Where they
//! are installed, how each is started, when it answers, and that none outlives whoever started it.
//!
//! ```text
//!   darkroom dev ──pipe──▶ darkroom guard-server ──▶ the server, in a process group of its own
//! ```
//!
//! The pipe carries nothing. It closes when `darkroom dev` ends, however that ends, killed as well: then the guard ends the
//! server's process group. Must not know what darkroom keeps in the servers, and must not be needed by any but `darkroom dev`
//! and the tests.

mod group;
mod guard;
mod launch;
mod places;
mod ports;
mod running;

use std::fmt;

pub use guard::{GUARD, guard};
pub use launch::Launch;
pub use places::{Missing, Places};
pub use ports::Port;
pub use running::{Running, ServerError, http, make_bucket, stop_all};

/// One of the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Server {
    /// The official Firestore emulator.
    Firestore,
    /// fake-gcs-server.
    Storage,
    /// `temporal server start-dev`.
    Temporal,
}

impl Server {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Firestore, Self::Storage, Self::Temporal];

    /// One word, for files and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Firestore => "firestore",
            Self::Storage => "storage",
            Self::Temporal => "temporal",
        }
    }

    /// The port that everybody expects it at.
    pub fn usual_port(self) -> u16 {
        match self {
            Self::Firestore => 8080,
            Self::Storage => 4443,
            Self::Temporal => 7233,
        }
    }

    /// The port that everybody expects its web page at, where it has one.
    pub fn usual_page(self) -> Option<u16> {
        (self == Self::Temporal).then_some(8233)
    }
}

impl fmt::Display for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Firestore => "Firestore emulator",
            Self::Storage => "Cloud Storage server",
            Self::Temporal => "Temporal server",
        })
    }
}
