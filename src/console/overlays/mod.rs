//! What covers the panes: one file each.

pub mod costs;
pub mod form;
