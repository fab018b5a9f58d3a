//! The console: panes, keys and the one data flow. Knows jobs, costs, engine messages and log records; never an adapter.

pub mod board;
pub mod cost;
pub mod format;
pub mod frame;
pub mod keymap;
pub mod layout;
pub mod money;
pub mod notices;
pub mod overlays;
pub mod panes;
pub mod status;
mod text_line;
pub mod theme;
