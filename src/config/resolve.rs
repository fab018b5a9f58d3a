//! Owns making one `Config` out of the layers. Must not read anything that the layers have not read.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::layers::{Layers, Raw};
use super::{
    BucketKind, BucketUrl, Config, ConfigError, EngineKind, GoogleSettings, ImagesMode, Key, Origin, ProviderKind,
    Setting, SimulatorSpeed, Sources, StoreKind, TemporalSettings, ThemeName, google, parse, temporal,
};
use crate::costs::Budget;

/// What the FLUX API's documentation names as its global address.
const BFL_API_URL: &str = "https://api.bfl.ai";
/// Tickets open at once: what the FLUX API takes from one account (rate limits page: 24 active tasks).
const SLOTS: usize = 24;
/// Two and a half minutes: an order that takes its whole time ends well before its claim.
const LEASE_SECONDS: usize = 150;
const LOG_DAYS: usize = 14;
/// What is shown of a secret.
const HIDDEN: &str = "set (hidden)";

impl Config {
    /// Resolves `sources`, once for the life of the process. Errors: what is wrong, who said it, and what would be right.
    pub fn resolve(sources: &Sources) -> Result<Self, ConfigError> {
        let layers = Layers::read(sources)?;
        let mut reader = Reader { layers: &layers, sources, settings: Vec::new() };
        let context = reader.optional(Key::Context, |text| Ok(text.to_owned()))?;
        let provider = reader.or(Key::Provider, ProviderKind::Simulator, ProviderKind::from_str)?;
        let store = reader.or(Key::Store, StoreKind::Sqlite, StoreKind::from_str)?;
        let bucket = reader.or(Key::Bucket, BucketKind::Folder, BucketKind::from_str)?;
        let engine = reader.or(Key::Engine, EngineKind::Local, EngineKind::from_str)?;
        let data_dir = reader.path(Key::DataDir, sources.data_dir.clone())?.ok_or(ConfigError::NoDataDir)?;
        let slots = reader.or(Key::Slots, SLOTS, |text| parse::count(text, 1, 999))?;
        let lease = reader.or(Key::LeaseSeconds, LEASE_SECONDS, |text| parse::count(text, 15, 3_600))?;
        let daily = reader.optional(Key::BudgetDailyUsd, parse::usd)?;
        let monthly = reader.optional(Key::BudgetMonthlyUsd, parse::usd)?;
        let model = reader.optional(Key::Model, |text| Ok(text.to_owned()))?;
        let bfl_api_key = reader.secret(Key::BflApiKey)?;
        let default_url = parse::api_url(BFL_API_URL).map_err(|why| invalid(Key::BflApiUrl, why, Origin::Default))?;
        let bfl_api_url = reader.or(Key::BflApiUrl, default_url, parse::api_url)?;
        let simulator_speed = reader.or(Key::SimulatorSpeed, SimulatorSpeed::Times(1.0), SimulatorSpeed::from_str)?;
        let simulator_faults = reader.optional(Key::SimulatorFaults, |text| Ok(text.to_owned()))?;
        let log_dir = reader.path(Key::LogDir, Some(sources.working_dir.join("logs")))?;
        let log = reader.or(Key::Log, "info".to_owned(), |text| Ok(text.to_owned()))?;
        let log_days = reader.or(Key::LogDays, LOG_DAYS, |text| parse::count(text, 1, 3_650))?;
        let images = reader.or(Key::Images, ImagesMode::Auto, ImagesMode::from_str)?;
        let theme = reader.or(Key::Theme, ThemeName::Dark, ThemeName::from_str)?;
        let ascii = reader.or(Key::Ascii, false, parse::flag)?;
        let no_color = reader.no_color()?;
        let metrics_address = reader.optional(Key::MetricsAddress, parse::listen)?;
        let google = reader.google()?;
        let temporal = reader.temporal()?;
        let settings = reader.settings;
        Ok(Self {
            context,
            provider,
            store,
            bucket,
            engine,
            data_dir,
            slots,
            lease: Duration::from_secs(lease as u64),
            budget: Budget { daily, monthly },
            model,
            bfl_api_key,
            bfl_api_url,
            simulator_speed,
            simulator_faults: simulator_faults.map(|faults| parse::list(&faults)).unwrap_or_default(),
            log_dir: log_dir.unwrap_or_else(|| sources.working_dir.join("logs")),
            log,
            log_days,
            images,
            theme,
            ascii,
            no_color,
            metrics_address,
            google,
            temporal,
            settings,
            warnings: layers.misspelt(),
        })
    }
}

fn invalid(key: Key, why: String, origin: Origin) -> ConfigError {
    ConfigError::Value { key, why, origin }
}

/// Takes settings out of the layers one by one and notes what was found where.
struct Reader<'a> {
    layers: &'a Layers,
    sources: &'a Sources,
    settings: Vec<Setting>,
}

impl Reader<'_> {
    fn note(&mut self, key: Key, value: Option<String>, origin: Option<Origin>) {
        self.settings.push(Setting { key, value, origin: origin.unwrap_or(Origin::Default) });
    }

    fn optional<T: std::fmt::Display>(
        &mut self,
        key: Key,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(Raw { text, origin }) = self.layers.get(key)? else {
            self.note(key, None, None);
            return Ok(None);
        };
        let value = read(&text).map_err(|why| invalid(key, why, origin.clone()))?;
        self.note(key, Some(crate::text::sanitize_line(&value.to_string(), 500)), Some(origin));
        Ok(Some(value))
    }

    fn or<T: std::fmt::Display>(
        &mut self,
        key: Key,
        default: T,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, ConfigError> {
        if let Some(value) = self.optional(key, read)? {
            return Ok(value);
        }
        if let Some(setting) = self.settings.last_mut() {
            setting.value = Some(default.to_string());
        }
        Ok(default)
    }

    fn path(&mut self, key: Key, default: Option<PathBuf>) -> Result<Option<PathBuf>, ConfigError> {
        let raw = self.layers.get(key)?;
        let origin = raw.as_ref().map(|raw| raw.origin.clone());
        let path = raw.map(|raw| self.absolute(&raw)).or(default);
        self.note(key, path.as_ref().map(|path| path.display().to_string()), origin);
        Ok(path)
    }

    /// A path in a file counts from that file, everywhere else from the working directory.
    fn absolute(&self, raw: &Raw) -> PathBuf {
        let base = match &raw.origin {
            Origin::File { path, .. } => path.parent().unwrap_or(Path::new("/")),
            _ => &self.sources.working_dir,
        };
        parse::path(&raw.text, base, self.sources.home.as_deref())
    }

    fn secret(&mut self, key: Key) -> Result<Option<SecretString>, ConfigError> {
        let Some(Raw { text, origin }) = self.layers.get(key)? else {
            self.note(key, None, None);
            return Ok(None);
        };
        let text = text.trim();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            let why = "a key is one word of ASCII characters; what is set is not (it stays hidden)".to_owned();
            return Err(invalid(key, why, origin));
        }
        self.note(key, Some(HIDDEN.to_owned()), Some(origin));
        Ok(Some(SecretString::from(text.to_owned())))
    }

    /// In the environment any text at all means yes (no-color.org); in a file it is true or false.
    fn no_color(&mut self) -> Result<bool, ConfigError> {
        let in_file = matches!(self.layers.get(Key::NoColor)?, Some(Raw { origin: Origin::File { .. }, .. }));
        self.or(Key::NoColor, false, |text| if in_file { parse::flag(text) } else { Ok(true) })
    }

    /// In the order of `Key`.
    fn google(&mut self) -> Result<GoogleSettings, ConfigError> {
        let database = self.or(Key::FirestoreDatabase, google::DEFAULT_DATABASE.to_owned(), google::database)?;
        let bucket_url = self.or(Key::BucketUrl, BucketUrl::default(), BucketUrl::from_str)?;
        let bucket = self.optional(Key::FirebaseStorageBucket, google::word)?;
        let credentials = self.path(Key::GoogleApplicationCredentials, None)?;
        let origin = self.settings.last().map(|setting| &setting.origin);
        let credentials_in_environment = matches!(origin, Some(Origin::Environment(_)));
        let project = self.optional(Key::GoogleCloudProject, google::word)?;
        let firestore_emulator = self.optional(Key::FirestoreEmulatorHost, google::word)?;
        let storage_emulator = self.optional(Key::StorageEmulatorHost, google::word)?;
        Ok(GoogleSettings {
            project,
            database,
            credentials,
            credentials_in_environment,
            firestore_emulator,
            storage_emulator,
            bucket,
            bucket_url,
        })
    }

    /// In the order of `Key`.
    fn temporal(&mut self) -> Result<TemporalSettings, ConfigError> {
        let mut variables = self.layers.beginning_with(temporal::PREFIX);
        for key in Key::ALL.into_iter().filter(|key| key.variable().starts_with(temporal::PREFIX)) {
            let value = if key.is_secret() {
                self.secret(key)?.map(|secret| secret.expose_secret().to_owned())
            } else if key.is_path() {
                self.path(key, None)?.map(|path| path.display().to_string())
            } else if key == Key::TemporalTls {
                self.optional(key, parse::flag)?.map(|flag| flag.to_string())
            } else {
                self.optional(key, google::word)?
            };
            match value {
                Some(value) => variables.insert(key.variable().to_owned(), value),
                // An empty text in the environment is nothing said.
                None => variables.remove(key.variable()),
            };
        }
        let api_key = variables.get(Key::TemporalApiKey.variable()).map(|key| SecretString::from(key.clone()));
        let rate = self.optional(Key::TemporalRate, temporal::rate)?;
        let heartbeat = self.optional(Key::TemporalHeartbeatSeconds, |text| parse::count(text, 1, 600))?;
        let heartbeat = heartbeat.map(|seconds| Duration::from_secs(seconds as u64));
        Ok(TemporalSettings { variables, api_key, rate, heartbeat })
    }
}
