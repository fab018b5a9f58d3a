//! What is wrong with a spec.

use crate::text::sanitize_line;

/// One thing wrong with a spec.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{parameter}: {message}")]
pub struct SpecError {
    /// `prompt`, `model` or the parameter's API name, cleaned.
    pub parameter: String,
    /// One line: what is wrong and what would be right.
    pub message: String,
}

impl SpecError {
    pub(super) fn new(parameter: &str, message: impl Into<String>) -> Self {
        Self { parameter: sanitize_line(parameter, 60), message: message.into() }
    }
}
