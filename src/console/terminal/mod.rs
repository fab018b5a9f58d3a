//! The terminal and the loop around `App`: bytes and signals in, frames and effects out. The only room of the console that does
//! I/O. It does not decide what a key means or what a frame shows.

mod background;
mod event_loop;
mod input;
mod line_meter;
mod notify;
mod output;
mod screen;
mod signals;
mod tmux;
mod waits;

pub use event_loop::{EngineLink, LogSources, run};
