//! The configuration: defaults, then `darkroom.toml`, then the environment and `.env`, then flags; resolved once into one value.
//!
//! Every value knows where it came from. Nothing is guessed from a key that happens to be set, so that no money is spent by
//! surprise. Must not open anything that it names: the wiring does.

mod dotenv;
mod error;
mod file;
mod google;
mod key;
mod layers;
mod origin;
mod parse;
mod resolve;
mod temporal;
mod words;

use std::net::SocketAddr;
use std::path::PathBuf;

use secrecy::SecretString;

pub use error::ConfigError;
pub use google::{BucketUrl, GoogleSettings};
pub use key::Key;
pub use layers::{Flags, Sources};
pub use origin::{Origin, Setting};
pub use temporal::TemporalSettings;
pub use words::{BucketKind, EngineKind, ImagesMode, ProviderKind, SimulatorSpeed, StoreKind, ThemeName};

use crate::costs::Budget;

/// Everything that can be configured, resolved. Paths are absolute.
#[derive(Debug, Clone)]
pub struct Config {
    /// The named context that was chosen.
    pub context: Option<String>,
    /// Who makes the images.
    pub provider: ProviderKind,
    /// Where job documents are kept.
    pub store: StoreKind,
    /// Where images are kept.
    pub bucket: BucketKind,
    /// Who runs the workflows.
    pub engine: EngineKind,
    /// Where the database and the images are.
    pub data_dir: PathBuf,
    /// Tickets open at once, at least 1.
    pub slots: usize,
    /// How long a worker's claim on a job lasts, at least 15 seconds: after that, others take over the jobs of one that is gone.
    pub lease: std::time::Duration,
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
    /// How images are drawn on the terminal.
    pub images: ImagesMode,
    /// Colours for a dark or a light terminal.
    pub theme: ThemeName,
    /// Only ASCII symbols and borders.
    pub ascii: bool,
    /// No colours.
    pub no_color: bool,
    /// Where a worker serves metrics and health; nowhere unless it is set.
    pub metrics_address: Option<SocketAddr>,
    /// Where Firestore and Cloud Storage are.
    pub google: GoogleSettings,
    /// Where Temporal is, and what its workers may do.
    pub temporal: TemporalSettings,
    /// Every setting with its value as it may be shown, and where it came from.
    pub settings: Vec<Setting>,
    /// What looks like a mistake but is none that stops: one line each.
    pub warnings: Vec<String>,
}

impl Config {
    /// Whether images are simulated: no real money is spent.
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

    /// The project of Firestore. Errors: `MissingName` where none is named.
    pub fn google_project(&self) -> Result<&str, ConfigError> {
        let missing = ConfigError::MissingName { key: Key::Store, missing: Key::GoogleCloudProject, instead: "sqlite" };
        self.google.project.as_deref().ok_or(missing)
    }

    /// The Cloud Storage bucket. Errors: `MissingName` where none is named.
    pub fn storage_bucket(&self) -> Result<&str, ConfigError> {
        let missing =
            ConfigError::MissingName { key: Key::Bucket, missing: Key::FirebaseStorageBucket, instead: "folder" };
        self.google.bucket.as_deref().ok_or(missing)
    }

    /// Errors: `LeftOut` where an adapter or an engine is named that this build is without.
    pub fn require_built_in(&self) -> Result<(), ConfigError> {
        if self.store == StoreKind::Firestore && cfg!(not(feature = "firestore")) {
            return Err(self.left_out(Key::Store));
        }
        if self.bucket == BucketKind::Gcs && cfg!(not(feature = "gcs")) {
            return Err(self.left_out(Key::Bucket));
        }
        if self.engine == EngineKind::Temporal && cfg!(not(feature = "temporal")) {
            return Err(self.left_out(Key::Engine));
        }
        Ok(())
    }

    /// That this build is without what was chosen for `key`: the store, the bucket or the engine.
    pub fn left_out(&self, key: Key) -> ConfigError {
        let (value, origin) = self.chosen(key);
        let instead = match key {
            Key::Store => StoreKind::Sqlite.as_str(),
            Key::Bucket => BucketKind::Folder.as_str(),
            _ => EngineKind::Local.as_str(),
        };
        ConfigError::LeftOut { key, value, origin, instead }
    }

    fn chosen(&self, key: Key) -> (String, Origin) {
        let setting = self.setting(key);
        let value = setting.and_then(|setting| setting.value.clone()).unwrap_or_default();
        (value, setting.map_or(Origin::Default, |setting| setting.origin.clone()))
    }
}

#[cfg(test)]
mod tests;
