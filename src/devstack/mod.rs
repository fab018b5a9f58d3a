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
mod server;

pub use guard::{GUARD, guard};
pub use launch::Launch;
pub use places::{Missing, Places};
pub use ports::Port;
pub use running::{Running, ServerError, http, make_bucket, stop_all};
pub use server::Server;
