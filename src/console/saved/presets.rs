//! Presets: named parameter sets in `presets.toml`, which people may edit as well.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::fs::{parent_dir, write_atomically};
use crate::text::{sanitize_line, suggest};

/// Characters of a name.
const MAX_NAME: usize = 40;

/// All presets, by name.
pub type Presets = BTreeMap<String, Preset>;

/// A parameter set. What it leaves out stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// The model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How many images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Parameters by API name, as they would be typed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "typed_values")]
    pub parameters: BTreeMap<String, String>,
}

/// The file of the presets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresetFile {
    /// Its path.
    pub path: PathBuf,
}

impl Preset {
    /// `flux-2-pro · 4 images · width=1024 seed=7 · #cover`.
    pub fn summary(&self) -> String {
        let mut parts: Vec<String> = self.model.iter().cloned().collect();
        parts.extend(self.count.filter(|count| *count != 1).map(|count| format!("{count} images")));
        let parameters: Vec<String> = self.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        parts.extend((!parameters.is_empty()).then(|| parameters.join(" ")));
        parts.extend((!self.tags.is_empty()).then(|| format!("tags {}", self.tags.join(" "))));
        sanitize_line(&parts.join(" · "), 200)
    }
}

impl PresetFile {
    /// The file of a data directory.
    pub fn in_data_dir(data_dir: &Path) -> Self {
        Self { path: data_dir.join("presets.toml") }
    }

    /// All presets; an empty list if the file does not exist. Errors: one line with the file's name.
    pub fn load(&self) -> Result<Presets, String> {
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Presets::new()),
            Err(error) => return Err(self.problem(&error.to_string())),
        };
        toml::from_str(&text).map_err(|error| {
            let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            let place = line.map_or(String::new(), |line| format!("line {line}: "));
            self.problem(&format!("{place}{}", error.message()))
        })
    }

    /// Adds or replaces one; returns all of them. A file that cannot be read is never overwritten.
    pub fn save(&self, name: &str, preset: Preset) -> Result<Presets, String> {
        let name = checked_name(name)?;
        let mut presets = self.load()?;
        presets.insert(name, preset);
        self.write(&presets)?;
        Ok(presets)
    }

    /// Removes one; returns the others.
    pub fn remove(&self, name: &str) -> Result<Presets, String> {
        let mut presets = self.load()?;
        if presets.remove(name).is_none() {
            return Err(unknown(&presets, name));
        }
        self.write(&presets)?;
        Ok(presets)
    }

    /// The preset of that name. Errors: the names that are close.
    pub fn find(&self, name: &str) -> Result<Preset, String> {
        let presets = self.load()?;
        presets.get(name).cloned().ok_or_else(|| unknown(&presets, name))
    }

    fn write(&self, presets: &Presets) -> Result<(), String> {
        let failed = |error: std::io::Error| self.problem(&error.to_string());
        let text = toml::to_string(presets).map_err(|error| self.problem(&error.to_string()))?;
        std::fs::create_dir_all(parent_dir(&self.path)).map_err(failed)?;
        write_atomically(&self.path, text.as_bytes()).map_err(failed)
    }

    fn problem(&self, why: &str) -> String {
        sanitize_line(&format!("presets {}: {why}", self.path.display()), 300)
    }
}

/// The name without spaces at its ends. Errors: empty, too long, or with control characters.
fn checked_name(name: &str) -> Result<String, String> {
    let name = name.trim();
    if name.is_empty() {
        return Err("a preset needs a name".to_owned());
    }
    if name.chars().count() > MAX_NAME || sanitize_line(name, MAX_NAME) != name {
        return Err(format!("a preset's name has at most {MAX_NAME} characters, none of them a control character"));
    }
    Ok(name.to_owned())
}

fn unknown(presets: &Presets, name: &str) -> String {
    let close = suggest(name, presets.keys().map(String::as_str));
    let name = sanitize_line(name, MAX_NAME);
    match close.first() {
        Some(close) => format!("unknown preset '{name}'; did you mean '{close}'?"),
        None if presets.is_empty() => format!("unknown preset '{name}': none is saved; Ctrl+S in the form saves one"),
        None => {
            let known: Vec<&str> = presets.keys().map(String::as_str).collect();
            format!("unknown preset '{name}'; known: {}", known.join(", "))
        }
    }
}

/// Numbers and switches that were written without quotes.
fn typed_values<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let values = BTreeMap::<String, toml::Value>::deserialize(deserializer)?;
    let typed = values.into_iter().map(|(name, value)| match value {
        toml::Value::String(text) => Ok((name, text)),
        toml::Value::Integer(_) | toml::Value::Float(_) | toml::Value::Boolean(_) => Ok((name, value.to_string())),
        _ => Err(serde::de::Error::custom(format!("{name} must be text, a number, true or false"))),
    });
    typed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: Option<&str>) -> (tempfile::TempDir, PresetFile) {
        let folder = tempfile::tempdir().unwrap();
        let file = PresetFile::in_data_dir(folder.path());
        if let Some(text) = text {
            std::fs::write(&file.path, text).unwrap();
        }
        (folder, file)
    }

    #[test]
    fn saved_preset_is_read_back() {
        let (_folder, file) = file(None);
        let parameters = [("width".to_owned(), "1024".to_owned())].into();
        let portrait = Preset { model: Some("flux-2-pro".into()), tags: vec!["cover".into()], parameters, count: None };
        file.save(" portrait 2:3 ", portrait.clone()).unwrap();
        file.save("empty", Preset::default()).unwrap();
        assert_eq!(file.find("portrait 2:3"), Ok(portrait));
        assert_eq!(file.find("portrat 2:3").unwrap_err(), "unknown preset 'portrat 2:3'; did you mean 'portrait 2:3'?");
        assert_eq!(file.remove("empty").unwrap().len(), 1);
        assert!(file.save("a\u{1b}[2J", Preset::default()).is_err());
    }

    #[test]
    fn edited_file_may_leave_out_quotes() {
        let (_folder, file) = file(Some("[a.parameters]\nwidth = 1024\nraw = true\n"));
        let preset = file.find("a").unwrap();
        assert_eq!((preset.parameters["width"].as_str(), preset.parameters["raw"].as_str()), ("1024", "true"));
        assert_eq!(preset.summary(), "raw=true width=1024");
    }

    #[test]
    fn broken_file_is_named_and_never_overwritten() {
        let (_folder, file) = file(Some("[a]\nmodle = \"flux-2-pro\"\n"));
        let why = file.save("b", Preset::default()).unwrap_err();
        assert!(why.contains("presets.toml: line 2: ") && why.contains("modle"), "{why}");
        assert!(std::fs::read_to_string(&file.path).unwrap().contains("modle"));
    }
}
