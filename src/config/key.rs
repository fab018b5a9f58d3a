//! Owns the one table of settings: the key in `darkroom.toml`, the environment variable, whether it is secret. Must not hold a value.

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// Which named context.
    Context,
    /// Who makes the images.
    Provider,
    /// Where job documents are kept.
    Store,
    /// Where images are kept.
    Bucket,
    /// Who runs the workflows.
    Engine,
    /// Where the database and the images are.
    DataDir,
    /// Tickets open at once.
    Slots,
    /// How long a worker's claim on a job lasts.
    LeaseSeconds,
    /// Hard cap of the day.
    BudgetDailyUsd,
    /// Hard cap of the month.
    BudgetMonthlyUsd,
    /// The model of a job that names none.
    Model,
    /// The key of the FLUX API.
    BflApiKey,
    /// Where the FLUX API is.
    BflApiUrl,
    /// How fast the simulator answers.
    SimulatorSpeed,
    /// What the simulator does wrong, how often.
    SimulatorFaults,
    /// Where the log files are.
    LogDir,
    /// What is logged.
    Log,
    /// How many daily log files are kept.
    LogDays,
    /// How images are drawn.
    Images,
    /// Colours for a dark or a light terminal.
    Theme,
    /// Only ASCII symbols.
    Ascii,
    /// No colours.
    NoColor,
    /// Where a worker serves metrics and health.
    MetricsAddress,
    /// Which of the project's Firestore databases.
    FirestoreDatabase,
    /// What URL an image in Cloud Storage gets.
    BucketUrl,
    /// The data contract's name of the Cloud Storage bucket.
    FirebaseStorageBucket,
    /// Google's own: the file of a service account.
    GoogleApplicationCredentials,
    /// Google's own: the project.
    GoogleCloudProject,
    /// Google's own: a Firestore emulator.
    FirestoreEmulatorHost,
    /// Google's own: a Cloud Storage emulator.
    StorageEmulatorHost,
    /// Temporal's own: the server.
    TemporalAddress,
    /// Temporal's own: the namespace.
    TemporalNamespace,
    /// Temporal's own: the key of Temporal Cloud.
    TemporalApiKey,
    /// Temporal's own: whether the line is encrypted.
    TemporalTls,
    /// Temporal's own: the client's certificate.
    TemporalTlsClientCertPath,
    /// Temporal's own: the key of the client's certificate.
    TemporalTlsClientKeyPath,
    /// Temporal's own: whom the server's certificate must be signed by.
    TemporalTlsServerCaCertPath,
    /// Temporal's own: the name in the server's certificate.
    TemporalTlsServerName,
    /// Temporal's own: which profile of its file.
    TemporalProfile,
    /// Temporal's own: the file of its profiles.
    TemporalConfigFile,
    /// Activities a second of the whole task queue.
    TemporalRate,
    /// Silence after which a worker of Temporal is taken for dead.
    TemporalHeartbeatSeconds,
}

impl Key {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 42] = [
        Self::Context,
        Self::Provider,
        Self::Store,
        Self::Bucket,
        Self::Engine,
        Self::DataDir,
        Self::Slots,
        Self::LeaseSeconds,
        Self::BudgetDailyUsd,
        Self::BudgetMonthlyUsd,
        Self::Model,
        Self::BflApiKey,
        Self::BflApiUrl,
        Self::SimulatorSpeed,
        Self::SimulatorFaults,
        Self::LogDir,
        Self::Log,
        Self::LogDays,
        Self::Images,
        Self::Theme,
        Self::Ascii,
        Self::NoColor,
        Self::MetricsAddress,
        Self::FirestoreDatabase,
        Self::BucketUrl,
        Self::FirebaseStorageBucket,
        Self::GoogleApplicationCredentials,
        Self::GoogleCloudProject,
        Self::FirestoreEmulatorHost,
        Self::StorageEmulatorHost,
        Self::TemporalAddress,
        Self::TemporalNamespace,
        Self::TemporalApiKey,
        Self::TemporalTls,
        Self::TemporalTlsClientCertPath,
        Self::TemporalTlsClientKeyPath,
        Self::TemporalTlsServerCaCertPath,
        Self::TemporalTlsServerName,
        Self::TemporalProfile,
        Self::TemporalConfigFile,
        Self::TemporalRate,
        Self::TemporalHeartbeatSeconds,
    ];

    /// The key in `darkroom.toml`, and the environment variable.
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Context => ("context", "DARKROOM_CONTEXT"),
            Self::Provider => ("provider", "DARKROOM_PROVIDER"),
            Self::Store => ("store", "DARKROOM_STORE"),
            Self::Bucket => ("bucket", "DARKROOM_BUCKET"),
            Self::Engine => ("engine", "DARKROOM_ENGINE"),
            Self::DataDir => ("data_dir", "DARKROOM_DATA_DIR"),
            Self::Slots => ("slots", "DARKROOM_SLOTS"),
            Self::LeaseSeconds => ("lease_seconds", "DARKROOM_LEASE_SECONDS"),
            Self::BudgetDailyUsd => ("budget_daily_usd", "DARKROOM_BUDGET_DAILY_USD"),
            Self::BudgetMonthlyUsd => ("budget_monthly_usd", "DARKROOM_BUDGET_MONTHLY_USD"),
            Self::Model => ("model", "DARKROOM_MODEL"),
            Self::BflApiKey => ("bfl_api_key", "BFL_API_KEY"),
            Self::BflApiUrl => ("bfl_api_url", "BFL_API_URL"),
            Self::SimulatorSpeed => ("simulator_speed", "DARKROOM_SIMULATOR_SPEED"),
            Self::SimulatorFaults => ("simulator_faults", "DARKROOM_SIMULATOR_FAULTS"),
            Self::LogDir => ("log_dir", "DARKROOM_LOG_DIR"),
            Self::Log => ("log", "DARKROOM_LOG"),
            Self::LogDays => ("log_days", "DARKROOM_LOG_DAYS"),
            Self::Images => ("images", "DARKROOM_IMAGES"),
            Self::Theme => ("theme", "DARKROOM_THEME"),
            Self::Ascii => ("ascii", "DARKROOM_ASCII"),
            Self::NoColor => ("no_color", "NO_COLOR"),
            Self::MetricsAddress => ("metrics_address", "DARKROOM_METRICS_ADDRESS"),
            Self::FirestoreDatabase => ("firestore_database", "DARKROOM_FIRESTORE_DATABASE"),
            Self::BucketUrl => ("bucket_url", "DARKROOM_BUCKET_URL"),
            Self::FirebaseStorageBucket => ("firebase_storage_bucket", "FIREBASE_STORAGE_BUCKET"),
            Self::GoogleApplicationCredentials => ("google_application_credentials", "GOOGLE_APPLICATION_CREDENTIALS"),
            Self::GoogleCloudProject => ("google_cloud_project", "GOOGLE_CLOUD_PROJECT"),
            Self::FirestoreEmulatorHost => ("firestore_emulator_host", "FIRESTORE_EMULATOR_HOST"),
            Self::StorageEmulatorHost => ("storage_emulator_host", "STORAGE_EMULATOR_HOST"),
            Self::TemporalAddress => ("temporal_address", "TEMPORAL_ADDRESS"),
            Self::TemporalNamespace => ("temporal_namespace", "TEMPORAL_NAMESPACE"),
            Self::TemporalApiKey => ("temporal_api_key", "TEMPORAL_API_KEY"),
            Self::TemporalTls => ("temporal_tls", "TEMPORAL_TLS"),
            Self::TemporalTlsClientCertPath => ("temporal_tls_client_cert_path", "TEMPORAL_TLS_CLIENT_CERT_PATH"),
            Self::TemporalTlsClientKeyPath => ("temporal_tls_client_key_path", "TEMPORAL_TLS_CLIENT_KEY_PATH"),
            Self::TemporalTlsServerCaCertPath => {
                ("temporal_tls_server_ca_cert_path", "TEMPORAL_TLS_SERVER_CA_CERT_PATH")
            }
            Self::TemporalTlsServerName => ("temporal_tls_server_name", "TEMPORAL_TLS_SERVER_NAME"),
            Self::TemporalProfile => ("temporal_profile", "TEMPORAL_PROFILE"),
            Self::TemporalConfigFile => ("temporal_config_file", "TEMPORAL_CONFIG_FILE"),
            Self::TemporalRate => ("temporal_rate", "DARKROOM_TEMPORAL_RATE"),
            Self::TemporalHeartbeatSeconds => ("temporal_heartbeat_seconds", "DARKROOM_TEMPORAL_HEARTBEAT_SECONDS"),
        }
    }

    /// The key in `darkroom.toml`, in `--json` and in messages.
    pub fn name(self) -> &'static str {
        self.names().0
    }

    /// The environment variable.
    pub fn variable(self) -> &'static str {
        self.names().1
    }

    /// The key of that name in `darkroom.toml`. The context is chosen outside of the file that holds the contexts.
    pub fn in_file(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name && *key != Self::Context)
    }

    /// Whether its value must never be shown.
    pub fn is_secret(self) -> bool {
        matches!(self, Self::BflApiKey | Self::TemporalApiKey)
    }

    /// Whether its value is a path, which counts from where it was written.
    pub fn is_path(self) -> bool {
        matches!(
            self,
            Self::DataDir
                | Self::LogDir
                | Self::GoogleApplicationCredentials
                | Self::TemporalTlsClientCertPath
                | Self::TemporalTlsClientKeyPath
                | Self::TemporalTlsServerCaCertPath
                | Self::TemporalConfigFile
        )
    }

    /// Whether it is one of Temporal's, which do nothing where another engine runs the workflows.
    pub fn is_of_temporal(self) -> bool {
        self >= Self::TemporalAddress
    }
}
