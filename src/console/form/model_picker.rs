//! The choice of a model: the arrow keys step through all, typing narrows them down.

use crate::catalog::{Catalog, Model};

/// What narrows the models down.
#[derive(Debug, Clone, Default)]
pub struct ModelPicker {
    typed: String,
}

impl ModelPicker {
    /// What was typed.
    pub fn typed(&self) -> &str {
        &self.typed
    }

    /// The models that match, and the place of `current` among them.
    pub fn matching<'a>(&self, catalog: &'a Catalog, current: &str) -> (Vec<&'a Model>, Option<usize>) {
        let models = matching(catalog, &self.typed);
        let place = models.iter().position(|model| model.name == current);
        (models, place)
    }

    /// The next or the previous model that matches.
    pub fn step(&self, catalog: &Catalog, current: &str, forward: bool) -> Option<String> {
        let (models, place) = self.matching(catalog, current);
        let count = models.len();
        let next = match (place, forward) {
            (None, _) => 0,
            (Some(place), true) => (place + 1) % count,
            (Some(place), false) => (place + count - 1) % count,
        };
        models.get(next).map(|model| model.name.clone())
    }

    /// Takes a typed character, where some model still matches; returns the model that is chosen then.
    pub fn type_character(&mut self, catalog: &Catalog, current: &str, character: char) -> Option<String> {
        let longer = format!("{}{}", self.typed, character.to_lowercase());
        let models = matching(catalog, &longer);
        let first = models.first()?;
        self.typed = longer;
        let stays = models.iter().any(|model| model.name == current);
        Some(if stays { current.to_owned() } else { first.name.clone() })
    }

    /// Takes back the last character.
    pub fn backspace(&mut self) {
        self.typed.pop();
    }

    /// Takes back all of them.
    pub fn clear(&mut self) {
        self.typed.clear();
    }
}

fn matching<'a>(catalog: &'a Catalog, typed: &str) -> Vec<&'a Model> {
    let matches =
        |model: &&Model| model.name.to_lowercase().contains(typed) || model.title.to_lowercase().contains(typed);
    catalog.models.iter().filter(matches).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_narrows_models_ignores_nonsense() {
        let catalog = Catalog::builtin();
        let mut picker = ModelPicker::default();
        let mut current = catalog.models[0].name.clone();
        for character in "KONTEXTzz".chars() {
            current = picker.type_character(catalog, &current, character).unwrap_or(current);
        }
        assert_eq!(picker.typed(), "kontext");
        assert_eq!(current, "flux-kontext-pro");
        assert_eq!(picker.step(catalog, &current, true).as_deref(), Some("flux-kontext-max"));
        assert_eq!(picker.step(catalog, &current, false).as_deref(), Some("flux-kontext-max"), "round and round");
        picker.clear();
        assert_eq!(picker.matching(catalog, &current).0.len(), catalog.models.len());
    }

    #[test]
    fn an_empty_catalog_has_no_next_model() {
        let empty = Catalog::default();
        assert_eq!(ModelPicker::default().step(&empty, "x", true), None);
        assert_eq!(ModelPicker::default().type_character(&empty, "x", 'a'), None);
    }
}
