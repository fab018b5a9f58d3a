//! Who runs this process, for the record of a change.

pub use crate::wiring::operator;
