//! The layers of the configuration and their order: `darkroom.toml`, `.env`, environment, flags. The table of a context that a flag
//! or the environment chooses wins over `.env`.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use chrono::Utc;

use super::file::{self, ConfigFile};
use super::{ConfigError, Key, Origin, dotenv};
use crate::console::{KeyMap, NamedFilter};
use crate::jobs::filter::Filter;
use crate::text::{sanitize_line, suggest};

/// The prefix of darkroom's own variables.
const PREFIX: &str = "DARKROOM_";

/// Values from the command line.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--config FILE`.
    pub config: Option<PathBuf>,
    /// `None` hides the layers below.
    values: BTreeMap<Key, (&'static str, Option<String>)>,
}

impl Flags {
    /// Flags without any value yet.
    pub fn new(config: Option<PathBuf>) -> Self {
        Self { config, values: BTreeMap::new() }
    }

    /// Adds a value if the flag was given.
    pub fn set(&mut self, key: Key, flag: &'static str, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.values.insert(key, (flag, Some(value.into())));
        }
    }

    /// The value of a flag.
    pub fn given(&self, key: Key) -> Option<&str> {
        self.values.get(&key).and_then(|(_, text)| text.as_deref())
    }

    /// Unsets a value, whatever the layers below contain.
    pub fn unset(&mut self, key: Key, flag: &'static str) {
        self.values.insert(key, (flag, None));
    }
}

/// Everything that a configuration is built from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Directory of `darkroom.toml` and `.env`, and base of relative paths.
    pub working_dir: PathBuf,
    /// The platform's directory for configuration of this program.
    pub config_dir: Option<PathBuf>,
    /// The platform's directory for data of this program.
    pub data_dir: Option<PathBuf>,
    /// The home directory, `~`.
    pub home: Option<PathBuf>,
    /// The environment.
    pub environment: BTreeMap<OsString, OsString>,
    /// The command line.
    pub flags: Flags,
}

impl Sources {
    /// Whether the environment names a locale whose encoding is not UTF-8, by the variables and the order of POSIX. Where it
    /// names none, as in most containers, the terminal is taken to show Unicode.
    pub fn locale_is_not_utf8(&self) -> bool {
        let value = |name: &&str| self.environment.get(std::ffi::OsStr::new(name)).filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(value);
        locale.is_some_and(|locale| {
            let locale = locale.to_string_lossy().to_lowercase();
            !locale.contains("utf-8") && !locale.contains("utf8")
        })
    }

    /// The sources of this process. Errors: the working directory does not exist.
    pub fn of_this_process(flags: Flags) -> Result<Self, ConfigError> {
        let working_dir = std::env::current_dir()
            .map_err(|why| ConfigError::File { path: PathBuf::from("."), why: why.to_string() })?;
        let platform = directories::ProjectDirs::from("", "", "darkroom");
        Ok(Self {
            working_dir,
            config_dir: platform.as_ref().map(|places| places.config_dir().to_owned()),
            data_dir: platform.as_ref().map(|places| places.data_dir().to_owned()),
            home: directories::BaseDirs::new().map(|places| places.home_dir().to_owned()),
            environment: std::env::vars_os().collect(),
            flags,
        })
    }
}

/// A value as written, and its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw {
    /// The text.
    pub text: String,
    /// Where it was set.
    pub origin: Origin,
}

/// All layers, read.
#[derive(Debug)]
pub struct Layers {
    flags: Flags,
    environment: BTreeMap<OsString, OsString>,
    dotenv_path: PathBuf,
    dotenv: BTreeMap<String, String>,
    file: Option<ConfigFile>,
    /// The context that was chosen.
    pub context: Option<Raw>,
}

impl Layers {
    /// Reads the files that `sources` names.
    pub fn read(sources: &Sources) -> Result<Self, ConfigError> {
        let dotenv_path = sources.working_dir.join(".env");
        let mut layers = Self {
            flags: sources.flags.clone(),
            environment: sources.environment.clone(),
            dotenv: dotenv::read(&dotenv_path)?,
            dotenv_path,
            file: config_file(sources)?,
            context: None,
        };
        layers.context = layers.get(Key::Context)?;
        if let Some(context) = &layers.context {
            let known = layers.file.as_ref().map(|file| &file.contexts);
            if !known.is_some_and(|known| known.contains_key(&context.text)) {
                return Err(ConfigError::UnknownContext {
                    name: sanitize_line(&context.text, 60),
                    known: known.map(|known| known.keys().cloned().collect()).unwrap_or_default(),
                });
            }
        }
        Ok(layers)
    }

    /// The value of the uppermost layer that has the setting. An empty variable counts as unset.
    pub fn get(&self, key: Key) -> Result<Option<Raw>, ConfigError> {
        if let Some((flag, text)) = self.flags.values.get(&key) {
            return Ok(text.clone().map(|text| Raw { text, origin: Origin::Flag(flag) }));
        }
        let variable = key.variable();
        if let Some(value) = self.environment.get(std::ffi::OsStr::new(variable)).filter(|value| !value.is_empty()) {
            let origin = Origin::Environment(variable);
            let Some(text) = value.to_str() else {
                return Err(ConfigError::Value { key, why: "not valid UTF-8".to_owned(), origin });
            };
            return Ok(Some(Raw { text: text.to_owned(), origin }));
        }
        if self.is_context_explicit()
            && let Some(value) = self.context_value(key)
        {
            return Ok(Some(value));
        }
        if let Some(text) = self.dotenv.get(variable).filter(|text| !text.is_empty()) {
            let origin = Origin::DotEnv { path: self.dotenv_path.clone(), variable };
            return Ok(Some(Raw { text: text.clone(), origin }));
        }
        Ok(self.file_value(key))
    }

    /// The contexts of `darkroom.toml`.
    pub fn context_names(&self) -> Vec<String> {
        self.file.as_ref().map(|file| file.contexts.keys().cloned().collect()).unwrap_or_default()
    }

    /// Whether the context was chosen for this run, by a flag or the environment: then its table wins over `.env`.
    fn is_context_explicit(&self) -> bool {
        self.context.as_ref().is_some_and(|context| matches!(context.origin, Origin::Flag(_) | Origin::Environment(_)))
    }

    fn context_value(&self, key: Key) -> Option<Raw> {
        let (file, context) = (self.file.as_ref()?, self.context.as_ref()?);
        let text = file.contexts.get(&context.text)?.get(&key)?.clone();
        Some(Raw { text, origin: Origin::File { path: file.path.clone(), context: Some(context.text.clone()) } })
    }

    fn file_value(&self, key: Key) -> Option<Raw> {
        let file = self.file.as_ref()?;
        let common = || {
            let text = file.settings.get(&key)?.clone();
            Some(Raw { text, origin: Origin::File { path: file.path.clone(), context: None } })
        };
        self.context_value(key).or_else(common)
    }

    /// The keys of the console with the operator's own. Errors: an unknown action or key, or one that would mean two things.
    pub fn keys(&self) -> Result<KeyMap, ConfigError> {
        let Some(file) = self.file.as_ref() else { return Ok(KeyMap::default()) };
        let keys = file.keys.iter().map(|(action, keys)| (action.as_str(), keys.as_slice()));
        KeyMap::new(keys).map_err(|why| ConfigError::File { path: file.path.clone(), why: format!("keys: {why}") })
    }

    /// The saved views of the console, by name. Errors: a filter that is wrong.
    pub fn views(&self) -> Result<Vec<NamedFilter>, ConfigError> {
        let Some(file) = self.file.as_ref() else { return Ok(Vec::new()) };
        let view = |(name, filter): (&String, &String)| match Filter::parse(filter, Utc::now()) {
            Ok(_) => Ok(NamedFilter { name: name.clone(), filter: filter.clone() }),
            Err(why) => {
                let why = format!("views: '{}': {why}", sanitize_line(name, 40));
                Err(ConfigError::File { path: file.path.clone(), why })
            }
        };
        file.views.iter().map(view).collect()
    }

    /// All variables with that prefix; the environment wins over `.env`.
    pub fn with_prefix(&self, prefix: &str) -> HashMap<String, String> {
        let dotenv = self.dotenv.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let environment = self.environment.iter().filter_map(|(name, value)| Some((name.to_str()?, value.to_str()?)));
        let variables = dotenv.chain(environment).filter(|(name, value)| name.starts_with(prefix) && !value.is_empty());
        variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// Variables with darkroom's prefix that resemble a setting: a misspelled cap would have no effect.
    pub fn unknown_variables(&self) -> Vec<String> {
        let known: Vec<&str> = Key::ALL.iter().filter_map(|key| key.variable().strip_prefix(PREFIX)).collect();
        let names = self.environment.keys().filter_map(|name| name.to_str());
        let names = names.chain(self.dotenv.keys().map(String::as_str));
        let ours = names.filter_map(|name| name.strip_prefix(PREFIX)).filter(|name| !known.contains(name));
        let small: Vec<String> = known.iter().map(|name| name.to_ascii_lowercase()).collect();
        let mut lines: Vec<String> = ours
            .filter_map(|name| {
                let meant = suggest(name, small.iter().map(String::as_str)).first()?.to_ascii_uppercase();
                let name = sanitize_line(name, 60);
                Some(format!("{PREFIX}{name} is not a setting and has no effect; did you mean {PREFIX}{meant}?"))
            })
            .collect();
        lines.dedup();
        lines
    }
}

/// `--config`, else the file in the working directory, else the platform's; only a missing `--config` is an error.
fn config_file(sources: &Sources) -> Result<Option<ConfigFile>, ConfigError> {
    if let Some(path) = &sources.flags.config {
        return file::read(&sources.working_dir.join(path)).map(Some);
    }
    let places = [Some(sources.working_dir.as_path()), sources.config_dir.as_deref()];
    let found = places.into_iter().flatten().map(|place: &Path| place.join(file::NAME)).find(|path| path.is_file());
    found.map(|path| file::read(&path)).transpose()
}
