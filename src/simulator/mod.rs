//! The FLUX simulator: an HTTP server that speaks the FLUX API, keeps books, draws images, and fails on request.
//!
//! It is the whole other side: the one FLUX client talks to it as to the real thing, and nothing here knows that client, a job,
//! or a store. Orders go to one listener, tickets and images are at another (the "cluster", one port further), because the
//! real API answers 404 to a poll at the wrong host. It runs inside this program by default, shared by all processes on
//! one data directory (`shared`), or as a server of its own (`Simulator::serve`, `darkroom simulate`). Every choice that
//! the public documents of the API leave open is named where it was made.

mod account;
mod api;
mod demo;
mod errors;
pub mod faults;
mod images;
mod ledger;
mod options;
mod request;
mod rng;
mod standby;
mod ticket;

pub use api::{RunningSimulator, Simulator};
pub use demo::{DemoImages, DemoJob, DemoPlaces, demo_jobs};
pub use errors::SimulatorError;
pub use faults::{FaultKind, Faults, InvalidFault};
pub use ledger::{BillEntry, Ledger, LedgerError};
pub use options::{BillAt, InvalidSpeed, LINK_LIFETIME, MAX_ACTIVE, SimulatorOptions, Speed};
pub use standby::{SharedSimulator, shared};
