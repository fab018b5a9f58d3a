//! A job to be created.

use crate::jobs::Spec;

/// A job to be created.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    /// What to generate.
    pub spec: Spec,
    /// Free-form labels.
    pub tags: Vec<String>,
}
