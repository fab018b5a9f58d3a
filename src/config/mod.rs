//! The configuration: defaults, then `darkroom.toml`, then the environment and `.env`, then flags; resolved once into one value.
//!
//! Every value carries its origin. A key that happens to be set chooses nothing, so that no money is spent by surprise. Files,
//! databases and servers are opened in `wiring`.

mod choices;
mod contexts;
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

use std::net::SocketAddr;
use std::path::PathBuf;

use secrecy::SecretString;

pub use choices::{BucketKind, EngineKind, ProviderKind, StoreKind};
pub use error::ConfigError;
pub use google::{BucketUrl, GoogleSettings};
pub use key::Key;
pub use layers::{Flags, Sources};
pub use origin::{Origin, Setting};
pub use temporal::{DEFAULT_QUEUE as DEFAULT_TEMPORAL_QUEUE, TemporalSettings};

use crate::console::{DisplayZone, ImagesMode, KeyMap, NamedFilter, NotifyWays};
use crate::costs::Budget;
use crate::simulator::Speed;

/// Everything that can be configured, resolved. Paths are absolute.
#[derive(Debug, Clone)]
pub struct Config {
    /// The chosen context.
    pub context: Option<String>,
    /// Who generates the images.
    pub provider: ProviderKind,
    /// Where job documents are kept.
    pub store: StoreKind,
    /// Where images are kept.
    pub bucket: BucketKind,
    /// What runs the workflows.
    pub engine: EngineKind,
    /// Directory of the database and the images.
    pub data_dir: PathBuf,
    /// Jobs that run at the same time, at least 1.
    pub slots: usize,
    /// Unfinished tasks of the provider's account that all workers of the store share, at least 1.
    pub account_tasks: u32,
    /// How long a worker's claim on a job lasts, at least 15 seconds; afterwards other workers may claim the jobs of a dead one.
    pub lease: std::time::Duration,
    /// Hard caps on spending.
    pub budget: Budget,
    /// Model of a job that names none; `None` is the catalog's first.
    pub model: Option<String>,
    /// The key of the FLUX API.
    pub bfl_api_key: Option<SecretString>,
    /// Address of the FLUX API.
    pub bfl_api_url: url::Url,
    /// How fast the simulator generates.
    pub simulator_speed: Speed,
    /// Faults of the simulator as written, `KIND=PROBABILITY`; each is valid.
    pub simulator_faults: Vec<String>,
    /// Whether the simulator runs jobs that other programs requested in a shared store; without it they are held.
    pub simulate_external: bool,
    /// Directory of the log files.
    pub log_dir: PathBuf,
    /// Log level, or filter directives such as `darkroom=debug,reqwest=info`.
    pub log: String,
    /// Daily log files that are kept, at least 1.
    pub log_days: usize,
    /// Days after which `darkroom prune` removes finished jobs and their images; without it the command needs `--older-than`.
    pub retention_days: Option<usize>,
    /// How images are drawn on the terminal.
    pub images: ImagesMode,
    /// The name of the console's colours; `auto` goes by the terminal's background.
    pub theme: String,
    /// Folders whose `themes/NAME.toml` are themes: the one of the configuration file in use, and the platform's.
    pub theme_folders: Vec<PathBuf>,
    /// How the console notifies.
    pub notify: NotifyWays,
    /// A command of the shell that is run then.
    pub notify_command: Option<String>,
    /// Which key means what in the console (`[keys]` of the file).
    pub keys: KeyMap,
    /// The saved views of the console (`[views]` of the file).
    pub views: Vec<NamedFilter>,
    /// Only ASCII symbols and borders.
    pub ascii: bool,
    /// Zone of the times on the screen; budgets stay in UTC.
    pub timezone: DisplayZone,
    /// No colours.
    pub no_color: bool,
    /// Address at which a worker serves metrics and health.
    pub metrics_address: Option<SocketAddr>,
    /// Settings of Firestore and Cloud Storage.
    pub google: GoogleSettings,
    /// Settings of Temporal.
    pub temporal: TemporalSettings,
    /// Every setting with its displayable value and origin.
    pub settings: Vec<Setting>,
    /// Likely mistakes that do not prevent a start: one line each.
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

    /// The key of the FLUX API. Errors: `MissingKey`.
    pub fn api_key(&self) -> Result<&SecretString, ConfigError> {
        self.bfl_api_key.as_ref().ok_or(ConfigError::MissingKey)
    }

    /// The project of Firestore. Errors: `MissingName`.
    pub fn google_project(&self) -> Result<&str, ConfigError> {
        let missing = ConfigError::MissingName { key: Key::Store, missing: Key::GoogleCloudProject, instead: "sqlite" };
        self.google.project.as_deref().ok_or(missing)
    }

    /// The Cloud Storage bucket. Errors: `MissingName`.
    pub fn storage_bucket(&self) -> Result<&str, ConfigError> {
        let missing =
            ConfigError::MissingName { key: Key::Bucket, missing: Key::FirebaseStorageBucket, instead: "folder" };
        self.google.bucket.as_deref().ok_or(missing)
    }

    /// Whether a console can start: `observe` is read-only and needs no key. Errors: what is missing, first.
    pub fn require_complete(&self, observe: bool) -> Result<(), ConfigError> {
        self.require_built_in()?;
        if self.provider == ProviderKind::Bfl && !observe {
            self.api_key()?;
        }
        if self.store == StoreKind::Firestore {
            self.google_project()?;
        }
        if self.bucket == BucketKind::Gcs {
            self.storage_bucket()?;
        }
        Ok(())
    }

    /// Errors: `FeatureDisabled` where this build does not contain the chosen adapter or engine.
    pub fn require_built_in(&self) -> Result<(), ConfigError> {
        if self.store == StoreKind::Firestore && cfg!(not(feature = "firestore")) {
            return Err(self.feature_disabled(Key::Store));
        }
        if self.bucket == BucketKind::Gcs && cfg!(not(feature = "gcs")) {
            return Err(self.feature_disabled(Key::Bucket));
        }
        if self.engine == EngineKind::Temporal && cfg!(not(feature = "temporal")) {
            return Err(self.feature_disabled(Key::Engine));
        }
        Ok(())
    }

    /// The error for a choice of `key` (store, bucket or engine) that this build does not contain.
    pub fn feature_disabled(&self, key: Key) -> ConfigError {
        let (value, origin) = self.chosen(key);
        let instead = match key {
            Key::Store => StoreKind::Sqlite.into(),
            Key::Bucket => BucketKind::Folder.into(),
            _ => EngineKind::Local.into(),
        };
        ConfigError::FeatureDisabled { key, value, origin, instead }
    }

    fn chosen(&self, key: Key) -> (String, Origin) {
        let setting = self.setting(key);
        let value = setting.and_then(|setting| setting.value.clone()).unwrap_or_default();
        (value, setting.map_or(Origin::Default, |setting| setting.origin.clone()))
    }
}

#[cfg(test)]
mod tests;
