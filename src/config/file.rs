//! Reads `darkroom.toml`. Errors never show a line of the file, because it may hold a key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{ConfigError, Key};
use crate::text::suggest;

/// The file's name.
pub const NAME: &str = "darkroom.toml";

/// A parsed `darkroom.toml`: settings as text, by key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfigFile {
    /// Its path.
    pub path: PathBuf,
    /// Settings of every context.
    pub settings: BTreeMap<Key, String>,
    /// Keys of the console, by action.
    pub keys: BTreeMap<String, Vec<String>>,
    /// Filters of the console's views, by name.
    pub views: BTreeMap<String, String>,
    /// Settings of each `[context.NAME]`.
    pub contexts: BTreeMap<String, BTreeMap<Key, String>>,
}

/// Reads the file. An unknown key is an error that suggests the closest one.
pub fn read(path: &Path) -> Result<ConfigFile, ConfigError> {
    let error = |why: String| ConfigError::File { path: path.to_owned(), why };
    let text = std::fs::read_to_string(path).map_err(|why| error(why.to_string()))?;
    let table: Table = text.parse().map_err(|why: toml::de::Error| {
        let line = why.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        let place = line.map_or(String::new(), |line| format!("line {line}: "));
        error(format!("{place}{}", crate::text::sanitize_line(why.message(), 200)))
    })?;
    let mut file = ConfigFile { path: path.to_owned(), ..ConfigFile::default() };
    for (name, value) in &table {
        if name == Key::Context.name() {
            let Value::Table(contexts) = value else {
                return Err(error("'context' must be a table [context.NAME]; choose one with --context".to_owned()));
            };
            for (context, settings) in contexts {
                let Value::Table(settings) = settings else {
                    return Err(error(format!("context '{context}' must be a table: [context.{context}]")));
                };
                let settings: Result<_, _> = settings.iter().map(|(name, value)| setting(path, name, value)).collect();
                file.contexts.insert(context.clone(), settings?);
            }
        } else if name == VIEWS {
            file.views = views(value).map_err(error)?;
        } else if name == KEYS {
            file.keys = keys(value).map_err(error)?;
        } else {
            let (key, text) = setting(path, name, value)?;
            file.settings.insert(key, text);
        }
    }
    Ok(file)
}

/// The table of the console's keys.
const KEYS: &str = "keys";

/// The table of the console's views.
const VIEWS: &str = "views";

/// A filter for each name.
fn views(value: &Value) -> Result<BTreeMap<String, String>, String> {
    let Value::Table(table) = value else {
        return Err(
            "'views' must be a table [views] with lines such as failures = \"status:failed since:24h\"".to_owned()
        );
    };
    let view = |(name, value): (&String, &Value)| match value {
        Value::String(filter) => Ok((name.clone(), filter.clone())),
        _ => Err(format!("views: '{}' must be a filter as text", crate::text::sanitize_line(name, 40))),
    };
    table.iter().map(view).collect()
}

/// A key or a list of keys for each action.
fn keys(value: &Value) -> Result<BTreeMap<String, Vec<String>>, String> {
    let Value::Table(table) = value else {
        return Err("'keys' must be a table [keys] with lines such as retry = \"r\"".to_owned());
    };
    let list = |(action, value): (&String, &Value)| {
        let keys = match value {
            Value::String(key) => Some(vec![key.clone()]),
            Value::Array(keys) => keys.iter().map(|key| key.as_str().map(str::to_owned)).collect(),
            _ => None,
        };
        let wrong = || format!("keys: '{}' must be a key or a list of keys", crate::text::sanitize_line(action, 40));
        keys.map(|keys| (action.clone(), keys)).ok_or_else(wrong)
    };
    table.iter().map(list).collect()
}

fn setting(path: &Path, name: &str, value: &Value) -> Result<(Key, String), ConfigError> {
    let Some(key) = Key::in_file(name) else {
        let names = Key::ALL.iter().copied().map(Key::name);
        let nearest = suggest(name, names).first().map(|&name| name.to_owned());
        let key = crate::text::sanitize_line(name, 60);
        return Err(ConfigError::UnknownKey { path: path.to_owned(), key, nearest });
    };
    match as_text(value) {
        Some(text) => Ok((key, text)),
        None => Err(ConfigError::File {
            path: path.to_owned(),
            why: format!("'{name}' must be text, a number, true or false, or a list of texts"),
        }),
    }
}

/// A list becomes comma-separated text.
fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(flag) => Some(flag.to_string()),
        Value::Array(values) => {
            let texts: Option<Vec<String>> = values.iter().map(|value| value.as_str().map(str::to_owned)).collect();
            texts.map(|texts| texts.join(","))
        }
        Value::Datetime(_) | Value::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<ConfigFile, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        std::fs::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn settings_and_contexts_are_read() {
        let file = parsed("slots = 3\nbudget_daily_usd = 20.10\n[context.prod]\nprovider = \"bfl\"\n").unwrap();
        assert_eq!(file.settings[&Key::Slots], "3");
        assert_eq!(file.settings[&Key::BudgetDailyUsd], "20.1");
        assert_eq!(file.contexts["prod"][&Key::Provider], "bfl");
    }

    #[test]
    fn unknown_key_suggests_the_closest() {
        let message = parsed("slosts = 3\n").unwrap_err().to_string();
        assert!(message.contains("'slosts' is not a setting; did you mean 'slots'?"), "{message}");
        let message = parsed("[context.prod]\nprovidr = \"bfl\"\n").unwrap_err().to_string();
        assert!(message.contains("did you mean 'provider'?"), "{message}");
    }

    #[test]
    fn broken_file_is_named_by_line() {
        let message = parsed("slots = 1\nbfl_api_key = very-secret\n").unwrap_err().to_string();
        assert!(message.contains("line 2"), "{message}");
        assert!(!message.contains("secret"), "{message}");
    }
}
