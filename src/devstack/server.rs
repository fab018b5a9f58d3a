//! The servers of the stack. Self-contained: `build.rs` compiles this file too.

use std::fmt;

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
    /// All servers.
    pub const ALL: [Self; 3] = [Self::Firestore, Self::Storage, Self::Temporal];

    /// The name in files and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firestore => "firestore",
            Self::Storage => "storage",
            Self::Temporal => "temporal",
        }
    }

    /// The default port.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Firestore => 8080,
            Self::Storage => 4443,
            Self::Temporal => 7233,
        }
    }

    /// The default port of its web page, where it has one.
    pub fn default_page_port(self) -> Option<u16> {
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
