//! The configuration: defaults, then `darkroom.toml`, then the environment and `.env`, then flags; resolved once into one value.
//!
//! Every value knows where it came from. Nothing is guessed from a key that happens to be set, so that no money is spent by
//! surprise. Must not open anything that it names: the wiring does.

mod dotenv;
mod error;
mod file;
mod key;
mod layers;
mod origin;
mod parse;
mod resolve;
mod words;

use std::path::PathBuf;

use secrecy::SecretString;

pub use error::ConfigError;
pub use key::Key;
pub use layers::{Flags, Sources};
pub use origin::{Origin, Setting};
pub use words::{BucketKind, EngineKind, ImagesMode, ProviderKind, SimulatorSpeed, StoreKind, ThemeName};

use crate::costs::Budget;

/// Everything that can be configured, resolved. Paths are absolute.
#[derive(Debug, Clone)]
pub struct Config {
    /// The named context that was chosen.
    pub context: Option<String>,
    /// Who makes the pictures.
    pub provider: ProviderKind,
    /// Where job documents are kept.
    pub store: StoreKind,
    /// Where pictures are kept.
    pub bucket: BucketKind,
    /// Who runs the workflows.
    pub engine: EngineKind,
    /// Where the database and the pictures are.
    pub data_dir: PathBuf,
    /// Tickets open at once, at least 1.
    pub slots: usize,
    /// Hard caps on spending.
    pub budget: Budget,
    /// The model of a job that names none; `None` is the catalog's first.
    pub model: Option<String>,
    /// The key of the FLUX API.
    pub bfl_api_key: Option<SecretString>,
    /// Where the FLUX API is.
    pub bfl_api_url: url::Url,
    /// How fast the simulator answers.
    pub simulator_speed: SimulatorSpeed,
    /// Faults of the simulator as they were written: `KIND=PROBABILITY`, checked by whoever starts it.
    pub simulator_faults: Vec<String>,
    /// Where the log files are.
    pub log_dir: PathBuf,
    /// What is logged: a level, or filter directives such as `darkroom=debug,reqwest=info`.
    pub log: String,
    /// How many daily log files are kept, at least 1.
    pub log_days: usize,
    /// How pictures are drawn on the terminal.
    pub images: ImagesMode,
    /// Colours for a dark or a light terminal.
    pub theme: ThemeName,
    /// Only ASCII symbols and borders.
    pub ascii: bool,
    /// No colours.
    pub no_color: bool,
    /// Every setting with its value as it may be shown, and where it came from.
    pub settings: Vec<Setting>,
    /// What looks like a mistake but is none that stops: one line each.
    pub warnings: Vec<String>,
}

impl Config {
    /// Whether pictures are simulated: no real money is spent.
    pub fn is_simulated(&self) -> bool {
        self.provider == ProviderKind::Simulator
    }

    /// The setting of that key, with its origin.
    pub fn setting(&self, key: Key) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.key == key)
    }

    /// The key of the FLUX API. Errors: `MissingKey` where none is set.
    pub fn api_key(&self) -> Result<&SecretString, ConfigError> {
        self.bfl_api_key.as_ref().ok_or(ConfigError::MissingKey)
    }

    /// Errors: `NotBuiltIn` where an adapter is named that comes with a later version.
    pub fn require_built_in(&self) -> Result<(), ConfigError> {
        let missing = match (self.store, self.bucket, self.engine) {
            (StoreKind::Firestore, _, _) => Some((Key::Store, StoreKind::Sqlite.as_str())),
            (_, BucketKind::Gcs, _) => Some((Key::Bucket, BucketKind::Folder.as_str())),
            (_, _, EngineKind::Temporal) => Some((Key::Engine, EngineKind::Local.as_str())),
            _ => None,
        };
        let Some((key, instead)) = missing else { return Ok(()) };
        let setting = self.setting(key);
        Err(ConfigError::NotBuiltIn {
            key,
            value: setting.and_then(|setting| setting.value.clone()).unwrap_or_default(),
            origin: setting.map_or(Origin::Default, |setting| setting.origin.clone()),
            instead,
        })
    }
}
