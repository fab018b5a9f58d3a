//! Builds the `Config` from the layers.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::layers::{Layers, Raw};
use super::{
    BucketKind, BucketUrl, Config, ConfigError, EngineKind, GoogleSettings, Key, Origin, ProviderKind, Setting,
    Sources, StoreKind, TemporalSettings, google, parse, temporal,
};
use crate::console::{DisplayZone, ImagesMode, NotifyWays};
use crate::costs::Budget;
use crate::simulator::Speed;

/// The global address in the FLUX API's documentation.
const BFL_API_URL: &str = "https://api.bfl.ai";
/// What the FLUX API accepts from one account (rate limits page: 24 active tasks).
const SLOTS: usize = 24;
/// Two and a half minutes: a request that takes its whole timeout ends well before its claim.
const LEASE_SECONDS: usize = 150;
const LOG_DAYS: usize = 14;
/// Shown in place of a secret.
const HIDDEN: &str = "set (hidden)";

impl Config {
    /// Resolves `sources`. Called once in the life of the process.
    pub fn resolve(sources: &Sources) -> Result<Self, ConfigError> {
        let layers = Layers::read(sources)?;
        let mut resolver = Resolver { layers: &layers, sources, settings: Vec::new() };
        let context = resolver.optional(Key::Context, |text| Ok(text.to_owned()))?;
        let provider = resolver.or(Key::Provider, ProviderKind::Simulator, parse::one_of)?;
        let store = resolver.or(Key::Store, StoreKind::Sqlite, parse::one_of)?;
        let bucket = resolver.or(Key::Bucket, BucketKind::Folder, parse::one_of)?;
        let engine = resolver.or(Key::Engine, EngineKind::Local, parse::one_of)?;
        let data_dir = resolver.path(Key::DataDir, sources.data_dir.clone())?.ok_or(ConfigError::NoDataDir)?;
        let slots = resolver.or(Key::Slots, SLOTS, |text| parse::count(text, 1, 999))?;
        let tasks = |text: &str| parse::count(text, 1, 9_999);
        let account_tasks = resolver.or(Key::AccountTasks, slots.max(SLOTS), tasks)?;
        let lease = resolver.or(Key::LeaseSeconds, LEASE_SECONDS, |text| parse::count(text, 15, 3_600))?;
        let daily = resolver.optional(Key::BudgetDailyUsd, parse::usd)?;
        let monthly = resolver.optional(Key::BudgetMonthlyUsd, parse::usd)?;
        let model = resolver.optional(Key::Model, parse::model)?;
        let bfl_api_key = resolver.secret(Key::BflApiKey)?;
        let default_url = parse::api_url(BFL_API_URL).map_err(|why| invalid(Key::BflApiUrl, why, Origin::Default))?;
        let bfl_api_url = resolver.or(Key::BflApiUrl, default_url, parse::api_url)?;
        let simulator_speed = resolver.or(Key::SimulatorSpeed, Speed::default(), parse::speed)?;
        let simulator_faults = resolver.optional(Key::SimulatorFaults, parse::faults)?;
        let simulate_external = resolver.or(Key::SimulateExternal, false, parse::flag)?;
        let log_dir = resolver.path(Key::LogDir, Some(sources.working_dir.join("logs")))?;
        let log = resolver.or(Key::Log, "info".to_owned(), |text| Ok(text.to_owned()))?;
        let log_days = resolver.or(Key::LogDays, LOG_DAYS, |text| parse::count(text, 1, 3_650))?;
        let retention_days = resolver.optional(Key::RetentionDays, |text| parse::count(text, 1, 36_500))?;
        let images = resolver.or(Key::Images, ImagesMode::Auto, parse::one_of)?;
        let theme = resolver.or(Key::Theme, "auto".to_owned(), parse::theme)?;
        let notify = resolver.or(Key::Notify, NotifyWays::default(), str::parse)?;
        let notify_command = resolver.optional(Key::NotifyCommand, |text| Ok(text.to_owned()))?;
        let ascii = resolver.or(Key::Ascii, sources.locale_is_not_utf8(), parse::flag)?;
        let timezone = resolver.or(Key::Timezone, DisplayZone::Utc, parse::one_of)?;
        let no_color = resolver.no_color()?;
        let metrics_address = resolver.optional(Key::MetricsAddress, parse::listen)?;
        let google = resolver.google()?;
        let temporal = resolver.temporal()?;
        let settings = resolver.settings;
        Ok(Self {
            context,
            provider,
            store,
            bucket,
            engine,
            data_dir,
            slots,
            account_tasks: u32::try_from(account_tasks).unwrap_or(u32::MAX),
            lease: Duration::from_secs(lease as u64),
            budget: Budget { daily, monthly },
            model,
            bfl_api_key,
            bfl_api_url,
            simulator_speed,
            simulator_faults: simulator_faults.map(|faults| parse::list(&faults)).unwrap_or_default(),
            simulate_external,
            log_dir: log_dir.unwrap_or_else(|| sources.working_dir.join("logs")),
            log,
            log_days,
            retention_days,
            images,
            theme,
            keys: layers.keys()?,
            views: layers.views()?,
            theme_folders: [Some(sources.working_dir.clone()), sources.config_dir.clone()]
                .into_iter()
                .flatten()
                .collect(),
            notify,
            notify_command,
            ascii,
            timezone,
            no_color,
            metrics_address,
            google,
            temporal,
            settings,
            warnings: layers.unknown_variables(),
        })
    }
}

fn invalid(key: Key, why: String, origin: Origin) -> ConfigError {
    ConfigError::Value { key, why, origin }
}

/// Takes settings from the layers one by one and records their origins.
struct Resolver<'a> {
    layers: &'a Layers,
    sources: &'a Sources,
    settings: Vec<Setting>,
}

impl Resolver<'_> {
    fn record(&mut self, key: Key, value: Option<String>, origin: Option<Origin>) {
        self.settings.push(Setting { key, value, origin: origin.unwrap_or(Origin::Default) });
    }

    fn optional<T: std::fmt::Display>(
        &mut self,
        key: Key,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(Raw { text, origin }) = self.layers.get(key)? else {
            self.record(key, None, None);
            return Ok(None);
        };
        let value = read(&text).map_err(|why| invalid(key, why, origin.clone()))?;
        self.record(key, Some(crate::text::sanitize_line(&value.to_string(), 500)), Some(origin));
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
        self.record(key, path.as_ref().map(|path| path.display().to_string()), origin);
        Ok(path)
    }

    /// A path in a file is relative to that file, everywhere else to the working directory.
    fn absolute(&self, raw: &Raw) -> PathBuf {
        let base = match &raw.origin {
            Origin::File { path, .. } => path.parent().unwrap_or(Path::new("/")),
            _ => &self.sources.working_dir,
        };
        parse::path(&raw.text, base, self.sources.home.as_deref())
    }

    fn secret(&mut self, key: Key) -> Result<Option<SecretString>, ConfigError> {
        let Some(Raw { text, origin }) = self.layers.get(key)? else {
            self.record(key, None, None);
            return Ok(None);
        };
        let text = text.trim();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            let why = "not a valid key: a key is one word of ASCII characters (the value stays hidden)".to_owned();
            return Err(invalid(key, why, origin));
        }
        self.record(key, Some(HIDDEN.to_owned()), Some(origin));
        Ok(Some(SecretString::from(text.to_owned())))
    }

    /// In the environment any text means yes (no-color.org); in a file it is true or false.
    fn no_color(&mut self) -> Result<bool, ConfigError> {
        let in_file = matches!(self.layers.get(Key::NoColor)?, Some(Raw { origin: Origin::File { .. }, .. }));
        self.or(Key::NoColor, false, |text| if in_file { parse::flag(text) } else { Ok(true) })
    }

    /// In the order of `Key`.
    fn google(&mut self) -> Result<GoogleSettings, ConfigError> {
        let database = self.or(Key::FirestoreDatabase, google::DEFAULT_DATABASE.to_owned(), google::database)?;
        let bucket_url = self.or(Key::BucketUrl, BucketUrl::default(), BucketUrl::from_str)?;
        let bucket = self.optional(Key::FirebaseStorageBucket, google::single_word)?;
        let credentials = self.path(Key::GoogleApplicationCredentials, None)?;
        let origin = self.settings.last().map(|setting| &setting.origin);
        let credentials_in_environment = matches!(origin, Some(Origin::Environment(_)));
        let project = self.google_project(credentials.as_deref())?;
        let firestore_emulator = self.optional(Key::FirestoreEmulatorHost, |text| parse::server_address(text, 8080))?;
        let storage_emulator = self.optional(Key::StorageEmulatorHost, |text| parse::server_address(text, 4443))?;
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

    /// Where it is not set, the project of the service account file.
    fn google_project(&mut self, credentials: Option<&Path>) -> Result<Option<String>, ConfigError> {
        let set = self.optional(Key::GoogleCloudProject, google::single_word)?;
        let Some((path, project)) = credentials.and_then(|path| Some((path, google::project_of(path)?))) else {
            return Ok(set);
        };
        if let (None, Some(setting)) = (&set, self.settings.last_mut()) {
            setting.value = Some(project.clone());
            setting.origin = Origin::File { path: path.to_owned(), context: None };
        }
        Ok(set.or(Some(project)))
    }

    /// In the order of `Key`.
    fn temporal(&mut self) -> Result<TemporalSettings, ConfigError> {
        let mut variables = self.layers.with_prefix(temporal::PREFIX);
        for key in Key::ALL.iter().copied().filter(|key| key.variable().starts_with(temporal::PREFIX)) {
            let value = if key.is_secret() {
                self.secret(key)?.map(|secret| secret.expose_secret().to_owned())
            } else if key.is_path() {
                self.path(key, None)?.map(|path| path.display().to_string())
            } else if key == Key::TemporalTls {
                self.optional(key, parse::flag)?.map(|flag| flag.to_string())
            } else if key == Key::TemporalAddress {
                self.optional(key, |text| parse::server_address(text, 7233))?
            } else {
                self.optional(key, google::single_word)?
            };
            match value {
                Some(value) => variables.insert(key.variable().to_owned(), value),
                // An empty variable counts as unset.
                None => variables.remove(key.variable()),
            };
        }
        let api_key = variables.get(Key::TemporalApiKey.variable()).map(|key| SecretString::from(key.clone()));
        let queue = self.or(Key::TemporalQueue, temporal::DEFAULT_QUEUE.to_owned(), temporal::queue)?;
        let rate = self.optional(Key::TemporalRate, temporal::rate)?;
        let heartbeat = self.optional(Key::TemporalHeartbeatSeconds, |text| parse::count(text, 1, 600))?;
        let heartbeat = heartbeat.map(|seconds| Duration::from_secs(seconds as u64));
        Ok(TemporalSettings { variables, api_key, queue, rate, heartbeat })
    }
}
