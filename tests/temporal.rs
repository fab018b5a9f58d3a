//! The Temporal engine against the official development server: real workers as processes, real workflows, the simulator's bill.
//! Each test has a namespace of its own; one that kills the server has a server of its own.

mod server;
mod working;
