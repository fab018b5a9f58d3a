//! What to generate. The catalog validates it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What to generate; immutable within an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// Name of a model in the catalog.
    pub model: String,
    /// The prompt as it was written, control characters included; empty for models that take none.
    pub prompt: String,
    /// The model's other parameters by their API names, only those that were given.
    #[serde(default)]
    pub parameters: BTreeMap<String, Value>,
    /// Whether another program wrote it into a shared store: then input images may be public https URLs only.
    #[serde(default)]
    pub from_shared_store: bool,
}

impl Spec {
    /// A spec with the model's own defaults, written by this machine's user.
    pub fn new(model: impl Into<String>, prompt: impl Into<String>) -> Self {
        Self { model: model.into(), prompt: prompt.into(), parameters: BTreeMap::new(), from_shared_store: false }
    }

    /// The same with one parameter set.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.parameters.insert(name.into(), value.into());
        self
    }
}
