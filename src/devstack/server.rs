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
