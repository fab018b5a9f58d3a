//! The servers of `darkroom dev` and of the tests: the Firestore emulator, a Cloud Storage server, a Temporal server. Where they
//! are installed, how each is started, when it is ready, and that none outlives the process that started it.
//!
//! ```text
//!   darkroom dev ──pipe──▶ darkroom guard-server ──▶ the server, in a process group of its own
//! ```
//!
//! The pipe carries no data. It closes when `darkroom dev` exits, even by `kill -9`; then the watchdog stops the server's process
//! group.

mod launch;
mod locate;
mod ports;
mod process;
mod process_group;
mod server;
mod stack;
mod watchdog;

pub use launch::Launch;
pub use locate::{NotInstalled, ServerLocator};
pub use ports::Port;
pub use process::{ServerError, ServerProcess, http, make_bucket, stop_all};
pub use server::Server;
pub use stack::{BUCKET, PROJECT, Stack, StackProgress};
pub use watchdog::{WATCHDOG_COMMAND, watchdog};
