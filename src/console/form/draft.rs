//! The contents of the form as text, and the spec that follows from it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::catalog::{Catalog, Model, ParameterKind, SpecError};
use crate::console::saved::Preset;
use crate::engine::NewJob;
use crate::jobs::{JobId, Spec};
use crate::text;

/// Jobs that one form makes at most.
const MAX_COUNT: u32 = 100;
/// Tags of one job.
const MAX_TAGS: usize = 20;
/// Characters of one tag.
const MAX_TAG: usize = 40;

/// What was typed into the form and is not queued.
#[derive(Debug, Default)]
pub struct Drafts {
    /// A new job, kept when Esc closed the form.
    pub new: Option<Draft>,
    /// The changed clone of a job, kept when Esc closed the form.
    pub clone: Option<(JobId, Draft)>,
    /// What was submitted, with the cloned job, until the engine has it.
    pub submitted: Option<(Option<JobId>, Draft)>,
}

/// Everything that was typed: what Esc keeps. Texts of parameters stay when the model changes, for the models that take them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Draft {
    /// The prompt, with its line breaks.
    pub prompt: String,
    /// The model's name; empty is the first of the catalog.
    pub model: String,
    /// How many; empty is one.
    pub count: String,
    /// Tags, apart by spaces or commas.
    pub tags: String,
    /// What was typed for parameters, by API name; absent is the API's default.
    pub values: BTreeMap<String, String>,
    /// Input images named by another program in a shared store: while one is in use, local files are not read.
    pub foreign_images: BTreeSet<String>,
    /// Whether choices in the prompt and the lists below make many requests; the lists stay when it is switched off.
    pub matrix: bool,
    /// Models of the matrix; empty is the model above.
    pub models: String,
    /// Sizes of the matrix.
    pub sizes: String,
    /// Seeds of the matrix.
    pub seeds: String,
}

/// The result of validating a draft.
#[derive(Debug, Clone)]
pub struct ValidatedDraft {
    /// The spec; invalid values are omitted and listed in `problems`.
    pub spec: Spec,
    /// How many.
    pub count: u32,
    /// Cleaned, each once.
    pub tags: Vec<String>,
    /// What is wrong, by field: `prompt`, `model`, `count`, `tags` or the parameter's API name.
    pub problems: Vec<SpecError>,
}

impl Draft {
    /// A draft that produces the same spec and tags.
    pub fn from_job(spec: &Spec, tags: &[String]) -> Self {
        let mut draft =
            Self { prompt: spec.prompt.clone(), model: spec.model.clone(), tags: tags.join(", "), ..Self::default() };
        for (name, value) in spec.parameters.iter().filter(|(_, value)| !value.is_null()) {
            draft.values.insert(name.clone(), text_of(value));
        }
        if spec.from_shared_store {
            let strings = spec.parameters.values().flat_map(parts_of);
            draft.foreign_images = strings.collect();
        }
        draft
    }

    /// The model, or the first one where the name is unknown.
    pub fn model<'a>(&self, catalog: &'a Catalog) -> Option<&'a Model> {
        catalog.model(&self.model).or_else(|| catalog.models.first())
    }

    /// What was typed for a parameter.
    pub fn value(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    /// Sets or, with an empty text, unsets a parameter.
    pub fn set(&mut self, name: &str, value: String) {
        if value.is_empty() {
            self.values.remove(name);
        } else {
            self.values.insert(name.to_owned(), value);
        }
    }

    /// How much text it holds.
    pub fn bytes(&self) -> usize {
        let values = self.values.values().chain(&self.foreign_images).map(String::len);
        self.prompt.len() + self.tags.len() + values.sum::<usize>()
    }

    /// The parameter set without the prompt.
    pub fn preset(&self, catalog: &Catalog) -> Preset {
        let validated = self.validate(catalog);
        let model = self.model(catalog);
        let is_taken = |name: &str| model.is_some_and(|model| model.parameter(name).is_some());
        let parameters = self.values.iter().filter(|(name, _)| is_taken(name));
        Preset {
            model: model.map(|model| model.name.clone()),
            count: (validated.count != 1).then_some(validated.count),
            tags: validated.tags,
            parameters: parameters.map(|(name, value)| (name.clone(), value.trim().to_owned())).collect(),
        }
    }

    /// Takes a parameter set: its parameters replace all that were typed, the prompt stays.
    pub fn apply(&mut self, preset: &Preset) {
        if let Some(model) = &preset.model {
            self.model.clone_from(model);
        }
        if let Some(count) = preset.count {
            self.count = count.to_string();
        }
        if !preset.tags.is_empty() {
            self.tags = preset.tags.join(", ");
        }
        self.values.clone_from(&preset.parameters);
        self.foreign_images.clear();
    }

    /// The spec and everything that is wrong with it.
    pub fn validate(&self, catalog: &Catalog) -> ValidatedDraft {
        let mut problems = Vec::new();
        let mut spec = Spec::new(self.model.clone(), "");
        if let Some(model) = self.model(catalog) {
            spec.model.clone_from(&model.name);
            if model.prompt.is_some() {
                spec.prompt.clone_from(&self.prompt);
            }
            for parameter in &model.parameters {
                let typed = self.value(&parameter.name).trim();
                if typed.is_empty() {
                    continue;
                }
                match parameter.parse(typed) {
                    Ok(value) => _ = spec.parameters.insert(parameter.name.clone(), value),
                    Err(problem) => problems.push(problem),
                }
            }
            let images = model.images().filter_map(|parameter| spec.parameters.get(&parameter.name));
            spec.from_shared_store = images.flat_map(parts_of).any(|part| self.foreign_images.contains(&part));
        }
        let known: BTreeSet<String> = problems.iter().map(|problem| problem.parameter.clone()).collect();
        let missing = catalog.validate(&spec).into_iter().filter(|problem| !known.contains(&problem.parameter));
        problems.extend(missing);
        let count = self.count(&mut problems);
        let tags = self.tags(&mut problems);
        ValidatedDraft { spec, count, tags, problems }
    }

    fn count(&self, problems: &mut Vec<SpecError>) -> u32 {
        let typed = self.count.trim();
        if typed.is_empty() {
            return 1;
        }
        match typed.parse() {
            Ok(count) if (1..=MAX_COUNT).contains(&count) => count,
            _ => {
                let message = format!(
                    "'{}' is not valid: expected a whole number from 1 to {MAX_COUNT}",
                    text::sanitize_line(typed, 20)
                );
                problems.push(SpecError { parameter: "count".to_owned(), message });
                1
            }
        }
    }

    fn tags(&self, problems: &mut Vec<SpecError>) -> Vec<String> {
        let mut tags: Vec<String> = Vec::new();
        for tag in self.tags.split([',', ' ']).map(|tag| text::entered_line(tag.trim()).text) {
            if !tag.is_empty() && !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        let long = tags.iter().find(|tag| tag.chars().count() > MAX_TAG);
        if let Some(tag) = long {
            let message = format!("'{}' is longer than {MAX_TAG} characters", text::sanitize_line(tag, 12));
            problems.push(SpecError { parameter: "tags".to_owned(), message });
        } else if tags.len() > MAX_TAGS {
            let message = format!("{} tags: at most {MAX_TAGS}", tags.len());
            problems.push(SpecError { parameter: "tags".to_owned(), message });
        }
        tags
    }
}

impl ValidatedDraft {
    /// What is wrong with that field.
    pub fn problem(&self, field: &str) -> Option<&str> {
        self.problems.iter().find(|problem| problem.parameter == field).map(|problem| problem.message.as_str())
    }

    /// The jobs: the same spec as often as it is wanted.
    pub fn jobs(&self) -> Vec<NewJob> {
        (0..self.count).map(|_| NewJob { spec: self.spec.clone(), tags: self.tags.clone() }).collect()
    }
}

/// The parameters of the model that the form shows: of numbered ones (`input_image_2`), only the next free one.
pub fn shown_parameters(draft: &Draft, model: &Model) -> Vec<usize> {
    let empty = |name: &str| draft.value(name).is_empty();
    let shown = |name: &str| {
        let Some((base, number)) = name.rsplit_once('_') else { return true };
        let Ok(number @ 2..) = number.parse::<u32>() else { return true };
        let before = if number == 2 { base.to_owned() } else { format!("{base}_{}", number - 1) };
        !empty(name) || model.parameter(&before).is_none() || !empty(&before)
    };
    let parameters = model.parameters.iter().enumerate();
    parameters.filter(|(_, parameter)| shown(&parameter.name)).map(|(index, _)| index).collect()
}

/// Whether a parameter is chosen with the arrow keys, not typed.
pub fn is_chosen(kind: &ParameterKind) -> bool {
    matches!(kind, ParameterKind::Boolean | ParameterKind::Choice(_))
}

/// A value as it would be typed.
fn text_of(value: &Value) -> String {
    match value {
        Value::Array(_) => parts_of(value).join(", "),
        Value::String(_) => parts_of(value).concat(),
        other => other.to_string(),
    }
}

/// The texts of a value, or of a list of values, without the head of a `data:` URL: its comma would end a list entry.
fn parts_of(value: &Value) -> Vec<String> {
    let clean = |raw: &str| {
        let text = match raw.strip_prefix("data:").and_then(|data| data.split_once(";base64,")) {
            Some((_, base64)) => base64,
            None => raw,
        };
        text::entered_line(text).text
    };
    match value {
        Value::String(text) => vec![clean(text)],
        Value::Array(values) => values
            .iter()
            .map(|value| value.as_str().map_or_else(|| value.to_string(), |text| clean(text).replace(',', "%2C")))
            .collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cloned_spec_is_unchanged() {
        let spec = Spec::new("flux-2-flex", "a fox\nin the rain")
            .with("width", 1024)
            .with("guidance", 4.5)
            .with("prompt_upsampling", false)
            .with("output_format", "png")
            .with("input_image", "https://example.org/a.png");
        let validated = Draft::from_job(&spec, &[]).validate(Catalog::builtin());
        assert_eq!(validated.problems, []);
        assert_eq!(validated.spec, spec);
        assert_eq!(validated.jobs().len(), 1);
    }

    #[test]
    fn image_list_round_trips_through_the_form() {
        let images = serde_json::json!(["https://example.org/a%2Cb.png", "photo.png"]);
        let spec = Spec::new("flux-3-image", "x").with("images", images);
        assert_eq!(Draft::from_job(&spec, &[]).validate(Catalog::builtin()).spec, spec);
    }

    #[test]
    fn external_image_path_stays_external() {
        let mut spec = Spec::new("flux-2-pro", "x").with("input_image", "/etc/passwd");
        spec.from_shared_store = true;
        let mut draft = Draft::from_job(&spec, &[]);
        let validated = draft.validate(Catalog::builtin());
        assert!(validated.spec.from_shared_store);
        assert!(validated.problem("input_image").is_some(), "a file of this machine, named by another program");

        draft.set("input_image_2", "/etc/passwd".to_owned());
        draft.set("input_image", String::new());
        assert!(draft.validate(Catalog::builtin()).spec.from_shared_store, "also in another field");

        draft.set("input_image_2", "own.png".to_owned());
        let validated = draft.validate(Catalog::builtin());
        assert!(!validated.spec.from_shared_store);
        assert_eq!(validated.problems, []);
    }

    #[test]
    fn numbered_images_come_one_after_another() {
        let model = Catalog::builtin().model("flux-2-pro").unwrap();
        let names = |draft: &Draft| -> Vec<&str> {
            let shown = shown_parameters(draft, model);
            shown.into_iter().map(|index| model.parameters[index].name.as_str()).collect()
        };
        let mut draft = Draft::default();
        assert_eq!(names(&draft).last(), Some(&"input_image"));
        draft.set("input_image", "a.png".to_owned());
        assert_eq!(names(&draft).last(), Some(&"input_image_2"));
    }

    #[test]
    fn invalid_values_are_reported_per_field() {
        let mut draft = Draft { prompt: "x".to_owned(), count: "0".to_owned(), ..Draft::default() };
        draft.tags = format!("a, a b {}", "x".repeat(50));
        draft.set("width", "wide".to_owned());
        draft.set("height", "7".to_owned());
        let validated = draft.validate(Catalog::builtin());
        for field in ["count", "tags", "width", "height"] {
            assert!(validated.problem(field).is_some(), "{field}");
        }
        assert_eq!(validated.problems.len(), 4, "{:?}", validated.problems);
    }
}
