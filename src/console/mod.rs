//! The console: panes, keys and the one data flow. Knows jobs, costs, engine messages and log records; never an adapter.

pub mod format;
pub mod frame;
pub mod money;
pub mod overlays;
pub mod panes;
#[cfg(test)]
mod samples;
pub mod theme;
