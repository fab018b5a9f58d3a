//! The Temporal engine against the official development server: real workers as processes, real workflows, the simulator's bill.
//! Each test has a namespace of its own; one that kills the server has a server of its own.

mod alone;
mod changed;
mod chaos;
mod deaths;
mod fleet;
mod operators;
mod replay;
mod server;
mod switch;
mod worker;
mod working;
