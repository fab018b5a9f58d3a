//! Who runs this process, for the record of a change.

use crate::engine::Operator;
pub use crate::wiring::operator;

/// The operator of a command line, for the record of a command.
pub fn operator_here() -> Operator {
    Operator { by: operator(), from: "cli" }
}
