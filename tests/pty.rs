//! The real console in a real pseudo terminal: real keys in, the screen and the raw bytes out, and what the store recorded.

mod contexts;
mod demo;
mod everyday_tasks;
mod hostile;
mod idle;
mod input;
mod job_actions;
mod money;
mod sizes;
mod slow_terminal;
pub(crate) mod terminal;
mod terminal_restore;
