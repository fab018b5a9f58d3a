//! What a bulk action changes: tags, and the values of clones. Typed as one line, in the console and on the command line.

use serde::{Deserialize, Serialize};

use crate::catalog::Catalog;
use crate::engine::NewJob;
use crate::jobs::Job;
use crate::text::{entered_line, sanitize_line, suggest};

/// Characters of one tag.
const MAX_TAG: usize = 40;

/// Tags of one job.
const MAX_TAGS: usize = 20;

/// Tags that are added, and tags that are removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TagEdit {
    /// Added where they are missing.
    pub add: Vec<String>,
    /// Removed.
    pub remove: Vec<String>,
}

impl TagEdit {
    /// The tags as they are, so that a tag with a space can be named. Errors: one line.
    pub fn of_tags(add: &[String], remove: &[String]) -> Result<Self, String> {
        let mut edit = Self::default();
        for (list, tags) in [(&mut edit.add, add), (&mut edit.remove, remove)] {
            for tag in tags.iter().map(|tag| entered_line(tag.trim()).text) {
                if tag.is_empty() {
                    return Err("a tag is empty".to_owned());
                }
                if !list.contains(&tag) {
                    list.push(tag);
                }
            }
        }
        if let Some(tag) = edit.add.iter().find(|tag| tag.chars().count() > MAX_TAG) {
            return Err(too_long(tag));
        }
        Ok(edit)
    }

    /// Reads `cover -draft`: words are added, words behind a minus are removed. Errors: one line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut edit = Self::default();
        for word in text.split([',', ' ']).map(|word| entered_line(word.trim()).text).filter(|word| !word.is_empty()) {
            let (list, tag) = match word.strip_prefix('-') {
                Some(tag) => (&mut edit.remove, tag),
                None => (&mut edit.add, word.strip_prefix('+').unwrap_or(&word)),
            };
            if tag.is_empty() {
                return Err("a minus needs the tag that it removes, without a space between".to_owned());
            }
            if tag.chars().count() > MAX_TAG {
                return Err(too_long(tag));
            }
            if !list.iter().any(|known| known == tag) {
                list.push(tag.to_owned());
            }
        }
        if edit.add.is_empty() && edit.remove.is_empty() {
            return Err("type tags to add, and -tags to remove".to_owned());
        }
        Ok(edit)
    }

    /// The tags after the edit. Errors: too many.
    pub fn applied_to(&self, tags: &[String]) -> Result<Vec<String>, String> {
        let mut edited: Vec<String> = tags.iter().filter(|tag| !self.remove.contains(tag)).cloned().collect();
        edited.extend(self.add.iter().filter(|tag| !tags.contains(tag)).cloned());
        if edited.len() > MAX_TAGS && edited.len() > tags.len() {
            return Err(format!("it would have {} tags: at most {MAX_TAGS}", edited.len()));
        }
        Ok(edited)
    }

    /// Whether `tags` are what the edit made of `old`.
    pub(in crate::engine) fn has_left(&self, tags: &[String], old: &[String]) -> bool {
        self.applied_to(old).is_ok_and(|left| left == tags)
    }

    /// `+cover -draft`.
    pub fn summary(&self) -> String {
        let added = self.add.iter().map(|tag| format!("+{tag}"));
        let removed = self.remove.iter().map(|tag| format!("-{tag}"));
        sanitize_line(&added.chain(removed).collect::<Vec<_>>().join(" "), 120)
    }
}

fn too_long(tag: &str) -> String {
    format!("'{}' is longer than {MAX_TAG} characters", sanitize_line(tag, 12))
}

/// What a clone changes, in the order in which it was typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SpecEdit {
    values: Vec<(String, String)>,
}

impl SpecEdit {
    /// Reads `model=flux-2-max seed= prompt="{prompt}, at night" tags="night -draft"`. An empty value removes a parameter. Errors: one line.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::of_pairs(&words(text)?)
    }

    /// The same from `key=value` pairs that a shell has split. A path of an input image becomes absolute: any worker may create the clone.
    pub fn of_pairs(pairs: &[String]) -> Result<Self, String> {
        let mut values: Vec<(String, String)> = Vec::new();
        let working_dir = std::env::current_dir().unwrap_or_default();
        for word in pairs {
            let Some((key, value)) = word.split_once('=') else {
                return Err(format!("'{}' is not key=value", sanitize_line(word, 30)));
            };
            check_key(key)?;
            if key == "model" && Catalog::builtin().model(value).is_none() {
                let names = Catalog::builtin().models.iter().map(|model| model.name.as_str());
                let close = suggest(value, names).first().map(|name| format!("; did you mean {name}?"));
                let value = sanitize_line(value, 40);
                return Err(format!("'{value}' is not a known model{}", close.unwrap_or_default()));
            }
            if key == "tags" && !value.is_empty() {
                TagEdit::parse(value)?;
            }
            values.retain(|(known, _)| known != key);
            let value = Catalog::builtin().absolute_input(key, value, &working_dir);
            values.push((key.to_owned(), value));
        }
        Ok(Self { values })
    }

    /// The clone of a job. Errors: why the catalog would reject it.
    pub fn clone_of(&self, job: &Job) -> Result<NewJob, String> {
        let catalog = Catalog::builtin();
        let (mut spec, mut tags) = (job.spec.clone(), job.tags.clone());
        spec.ignored.clear();
        if let Some((_, model)) = self.values.iter().find(|(key, _)| key == "model") {
            spec.model.clone_from(model);
        }
        let model = catalog.model(&spec.model);
        for (key, value) in &self.values {
            match key.as_str() {
                "model" => {}
                "prompt" => spec.prompt = value.replace("{prompt}", &job.spec.prompt),
                "tags" if value.is_empty() => tags.clear(),
                "tags" => tags = TagEdit::parse(value)?.applied_to(&tags)?,
                name if value.is_empty() => _ = spec.parameters.remove(name),
                name => {
                    let parameter = model.and_then(|model| model.parameter(name));
                    let parameter = parameter.ok_or_else(|| format!("{name}: {} has no such parameter", spec.model))?;
                    let value = parameter.parse(value).map_err(|problem| problem.to_string())?;
                    spec.parameters.insert(name.to_owned(), value);
                }
            }
        }
        match catalog.validate(&spec).first() {
            Some(problem) => Err(problem.to_string()),
            None => Ok(NewJob { spec, tags }),
        }
    }

    /// `model=flux-2-max seed=`.
    pub fn summary(&self) -> String {
        let pair = |(key, value): &(String, String)| {
            if value.contains(' ') { format!("{key}=\"{value}\"") } else { format!("{key}={value}") }
        };
        let pairs: Vec<String> = self.values.iter().map(pair).collect();
        if pairs.is_empty() { "no changes".to_owned() } else { sanitize_line(&pairs.join(" "), 160) }
    }
}

fn check_key(key: &str) -> Result<(), String> {
    let parameters = Catalog::builtin().models.iter().flat_map(|model| &model.parameters);
    let known: std::collections::BTreeSet<&str> =
        parameters.map(|parameter| parameter.name.as_str()).chain(["model", "prompt", "tags"]).collect();
    if known.contains(key) {
        return Ok(());
    }
    let close = suggest(key, known.into_iter()).first().map(|name| format!("; did you mean {name}?"));
    Err(format!("'{}' is not a parameter of any model{}", sanitize_line(key, 30), close.unwrap_or_default()))
}

/// The words of a line; double quotes keep spaces together.
fn words(text: &str) -> Result<Vec<String>, String> {
    let (mut words, mut word, mut quoted, mut begun) = (Vec::new(), String::new(), false, false);
    for character in text.chars() {
        match character {
            '"' => (quoted, begun) = (!quoted, true),
            character if character.is_whitespace() && !quoted => {
                if std::mem::take(&mut begun) {
                    words.push(std::mem::take(&mut word));
                }
            }
            character => {
                word.push(character);
                begun = true;
            }
        }
    }
    if quoted {
        return Err("a quote is never closed".to_owned());
    }
    words.extend(begun.then_some(word));
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::{JobId, Spec};

    fn job() -> Job {
        let spec = Spec::new("flux-2-pro", "a fox").with("seed", 7).with("width", 1024);
        let mut job = Job::new(JobId::new("fox").unwrap(), spec, true, chrono::DateTime::UNIX_EPOCH);
        job.tags = vec!["draft".to_owned()];
        job
    }

    #[test]
    fn tags_are_added_and_removed() {
        let edit = TagEdit::parse("cover, -draft +cover").unwrap();
        assert_eq!(edit.applied_to(&job().tags).unwrap(), ["cover"]);
        assert_eq!(edit.summary(), "+cover -draft");
        assert!(TagEdit::parse(" - ").is_err() && TagEdit::parse("").is_err());
        let many: Vec<String> = (0..20).map(|number| number.to_string()).collect();
        assert!(edit.applied_to(&many).unwrap_err().contains("21 tags"));
    }

    #[test]
    fn tag_with_a_space_is_removed_as_it_is() {
        let edit = TagEdit::of_tags(&["cover".to_owned()], &["from page, old".to_owned()]).unwrap();
        assert_eq!(edit.applied_to(&["from page, old".to_owned(), "from".to_owned()]).unwrap(), ["from", "cover"]);
        assert_eq!(TagEdit::of_tags(&[" ".to_owned()], &[]).unwrap_err(), "a tag is empty");
        assert!(TagEdit::of_tags(&["x".repeat(41)], &[]).is_err());
    }

    #[test]
    fn clone_changes_only_what_is_named() {
        let edit =
            SpecEdit::parse(r#"model=flux-2-max seed= prompt="{prompt}, at night" tags="night -draft""#).unwrap();
        let clone = edit.clone_of(&job()).unwrap();
        assert_eq!(clone.spec, Spec::new("flux-2-max", "a fox, at night").with("width", 1024));
        assert_eq!(clone.tags, ["night"]);
        assert_eq!(SpecEdit::parse("").unwrap().clone_of(&job()).unwrap().spec, job().spec, "once more");
    }

    #[test]
    fn relative_image_path_of_a_clone_is_absolute() {
        let edit = SpecEdit::parse("input_image=in.png input_image_2=https://example.org/a.png prompt=in.png").unwrap();
        let spec = edit.clone_of(&job()).unwrap().spec;
        let path = std::env::current_dir().unwrap().join("in.png");
        assert_eq!(spec.parameters["input_image"], path.to_str().unwrap());
        assert_eq!(
            (&spec.parameters["input_image_2"], spec.prompt.as_str()),
            (&"https://example.org/a.png".into(), "in.png")
        );
    }

    #[test]
    fn wrong_edits_are_named() {
        for (text, part) in [
            ("sede=7", "did you mean seed?"),
            ("model=flux-2-por", "did you mean flux-2-pro"),
            ("night", "'night' is not key=value"),
            ("prompt=\"a", "never closed"),
        ] {
            let why = SpecEdit::parse(text).unwrap_err();
            assert!(why.contains(part), "{why}");
        }
        let why = SpecEdit::parse("width=7").unwrap().clone_of(&job()).unwrap_err();
        assert!(why.contains("width"), "{why}");
        let why = SpecEdit::parse("model=flux-pro-1.1-ultra").unwrap().clone_of(&job()).unwrap_err();
        assert!(why.contains("width: flux-pro-1.1-ultra has no such parameter"), "{why}");
    }
}
