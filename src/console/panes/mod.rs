//! The panes: one file each, one `draw` each.

pub mod footer;
pub mod header;
pub mod image;
pub mod logs;
pub mod notice;
pub mod queue;
pub mod spend;
pub mod steps;
