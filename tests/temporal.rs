//! The Temporal engine against the official development server: real workers as processes, real workflows, the simulator's bill.
//! Each test has a namespace of its own; one that kills the server has a server of its own.

mod activities;
mod bulk;
mod cancel_and_signals;
mod chaos;
mod engine_switch;
mod happy_path;
mod nondeterminism;
pub mod old_backend;
mod other_programs;
mod replay;
mod server;
mod slots_and_status;
pub mod worker;
mod worker_failures;
