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
    /// What a shared document requests although the model has no such parameter: without effect.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ignored: BTreeMap<String, Value>,
}

impl Spec {
    /// Width and height in pixels, where both are requested.
    pub fn size(&self) -> Option<(u32, u32)> {
        let side = |name: &str| u32::try_from(self.parameters.get(name)?.as_u64()?).ok().filter(|side| *side > 0);
        Some((side("width")?, side("height")?))
    }

    /// A spec with the model's own defaults, written by this machine's user.
    pub fn new(model: impl Into<String>, prompt: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            prompt: prompt.into(),
            parameters: BTreeMap::new(),
            from_shared_store: false,
            ignored: BTreeMap::new(),
        }
    }

    /// The same with one parameter set.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.parameters.insert(name.into(), value.into());
        self
    }

    /// One line about requested parameters without effect: `steps = 28, guidance = 3`. `None` where each has one.
    pub fn ignored_line(&self) -> Option<String> {
        let pairs: Vec<String> = self.ignored.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        (!pairs.is_empty()).then(|| crate::text::sanitize_line(&pairs.join(", "), 200))
    }
}
