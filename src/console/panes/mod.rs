//! The panes: one file each, one `draw` each.

pub mod logs;
pub mod picture;
pub mod spend;
