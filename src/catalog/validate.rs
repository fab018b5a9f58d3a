//! Validates a spec, and makes the request body of a valid one. Loads no image.

use serde_json::{Map, Value};

use super::{Catalog, Model, SpecError};
use crate::jobs::Spec;
use crate::text::sanitize_line;
use crate::text::suggest;

/// Longest prompt in bytes. The API publishes no limit; 32,000 tokens are claimed for FLUX.2, a token being about four bytes.
pub(super) const MAX_PROMPT: usize = 131_072;

impl Catalog {
    /// Everything that is wrong with `spec`; empty when the API would take it.
    pub fn validate(&self, spec: &Spec) -> Vec<SpecError> {
        self.request_body(spec).err().unwrap_or_default()
    }

    /// The JSON body of the submit: whole numbers as integers, nothing that was not given, no unknown field. Images are in it
    /// as they were named; the provider's client loads files before a submit.
    pub fn request_body(&self, spec: &Spec) -> Result<Map<String, Value>, Vec<SpecError>> {
        let Some(model) = self.model(&spec.model) else { return Err(vec![self.unknown_model(&spec.model)]) };
        let mut problems = Vec::new();
        let mut body = Map::new();
        match model.prompt_problem(&spec.prompt) {
            Some(problem) => problems.push(problem),
            None if spec.prompt.trim().is_empty() => {}
            None => _ = body.insert("prompt".to_owned(), Value::from(spec.prompt.clone())),
        }
        for (name, value) in spec.parameters.iter().filter(|(_, value)| !value.is_null()) {
            match model.parameter(name) {
                None => problems.push(model.unknown_parameter(name)),
                Some(parameter) => match parameter.check(value, spec.from_shared_store) {
                    Ok(value) => _ = body.insert(name.clone(), value),
                    Err(problem) => problems.push(problem),
                },
            }
        }
        model.check_combinations(spec, &body, &mut problems);
        if problems.is_empty() { Ok(body) } else { Err(problems) }
    }

    pub(super) fn unknown_model(&self, name: &str) -> SpecError {
        let names = || self.models.iter().map(|model| model.name.as_str());
        let close = suggest(name, names());
        let known = if close.is_empty() {
            format!("one of: {}", names().collect::<Vec<_>>().join(", "))
        } else {
            format!("did you mean {}?", close.join(" or "))
        };
        SpecError::new("model", format!("'{}' is not a known model; {known}", sanitize_line(name, 60)))
    }
}

impl Model {
    fn prompt_problem(&self, prompt: &str) -> Option<SpecError> {
        let empty = prompt.trim().is_empty();
        match self.prompt {
            None if !empty => Some(SpecError::new("prompt", format!("{} takes no prompt", self.name))),
            Some(true) if empty => Some(SpecError::new("prompt", format!("is empty; {} needs one", self.name))),
            _ if prompt.len() > MAX_PROMPT => {
                Some(SpecError::new("prompt", format!("is {} bytes long; at most {MAX_PROMPT}", prompt.len())))
            }
            _ => None,
        }
    }

    fn unknown_parameter(&self, name: &str) -> SpecError {
        let names = || self.parameters.iter().map(|parameter| parameter.name.as_str());
        let close = suggest(name, names());
        let known = if close.is_empty() {
            format!("it takes {}", names().collect::<Vec<_>>().join(", "))
        } else {
            format!("did you mean {}?", close.join(" or "))
        };
        SpecError::new(name, format!("{} has no such parameter; {known}", self.name))
    }

    /// The rules that bind several fields. `body` holds the values that are right by themselves.
    fn check_combinations(&self, spec: &Spec, body: &Map<String, Value>, problems: &mut Vec<SpecError>) {
        let given = |name: &str| spec.parameters.get(name).is_some_and(|value| !value.is_null());
        for parameter in self.parameters.iter().filter(|parameter| parameter.required && !given(&parameter.name)) {
            problems.push(SpecError::new(
                &parameter.name,
                format!("is missing; {}: {}", parameter.help, parameter.range()),
            ));
        }
        let some = |name: &String| if name == "prompt" { !spec.prompt.trim().is_empty() } else { given(name) };
        if !self.needs_one_of.is_empty() && !self.needs_one_of.iter().any(some) {
            let message = format!("is empty; {} needs {}", self.name, self.needs_one_of.join(" or "));
            problems.push(SpecError::new(&self.needs_one_of[0], message));
        }
        let side = |name: &str| body.get(name).and_then(Value::as_u64).unwrap_or(0);
        let pixels = side("width").saturating_mul(side("height"));
        if let Some(max) = self.max_pixels.filter(|max| pixels > *max) {
            let message = format!("{}x{} is {pixels} pixels; at most {max} (4 MP)", side("width"), side("height"));
            problems.push(SpecError::new("width", message));
        }
    }
}
