//! The table of settings: key in `darkroom.toml`, environment variable, and kind of value.

/// How a value is handled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Shown as it is.
    Plain,
    /// Never shown.
    Secret,
    /// Relative to the place where it was written.
    Path,
}

macro_rules! settings {
    ($($(#[doc = $doc:literal])* $key:ident: $name:literal, $variable:literal, $kind:ident;)+) => {
        /// One setting.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Key {
            $($(#[doc = $doc])* $key,)+
        }

        impl Key {
            /// All settings, in the order in which they are shown.
            pub const ALL: &'static [Self] = &[$(Self::$key,)+];

            /// What it sets, one line.
            pub fn description(self) -> &'static str {
                match self {
                    $(Self::$key => concat!($($doc),*).trim_start(),)+
                }
            }

            const fn row(self) -> (&'static str, &'static str, Kind) {
                match self {
                    $(Self::$key => ($name, $variable, Kind::$kind),)+
                }
            }
        }
    };
}

settings! {
    /// Name of the context, a table [context.NAME] of `darkroom.toml`.
    Context: "context", "DARKROOM_CONTEXT", Plain;
    /// Who generates the images.
    Provider: "provider", "DARKROOM_PROVIDER", Plain;
    /// Where job documents are kept.
    Store: "store", "DARKROOM_STORE", Plain;
    /// Where images are kept.
    Bucket: "bucket", "DARKROOM_BUCKET", Plain;
    /// What runs the workflows.
    Engine: "engine", "DARKROOM_ENGINE", Plain;
    /// Directory of the database and the images.
    DataDir: "data_dir", "DARKROOM_DATA_DIR", Path;
    /// Jobs that run at the same time in one process.
    Slots: "slots", "DARKROOM_SLOTS", Plain;
    /// Unfinished tasks of the provider's account that all workers of a store share.
    AccountTasks: "account_tasks", "DARKROOM_ACCOUNT_TASKS", Plain;
    /// How long a worker's claim on a job lasts.
    LeaseSeconds: "lease_seconds", "DARKROOM_LEASE_SECONDS", Plain;
    /// Hard cap for a UTC day.
    BudgetDailyUsd: "budget_daily_usd", "DARKROOM_BUDGET_DAILY_USD", Plain;
    /// Hard cap for a UTC month.
    BudgetMonthlyUsd: "budget_monthly_usd", "DARKROOM_BUDGET_MONTHLY_USD", Plain;
    /// Default model of a job.
    Model: "model", "DARKROOM_MODEL", Plain;
    /// Key of the FLUX API.
    BflApiKey: "bfl_api_key", "BFL_API_KEY", Secret;
    /// Address of the FLUX API.
    BflApiUrl: "bfl_api_url", "BFL_API_URL", Plain;
    /// How fast the simulator generates.
    SimulatorSpeed: "simulator_speed", "DARKROOM_SIMULATOR_SPEED", Plain;
    /// Faults of the simulator and their probabilities.
    SimulatorFaults: "simulator_faults", "DARKROOM_SIMULATOR_FAULTS", Plain;
    /// Whether the simulator runs jobs that other programs requested.
    SimulateExternal: "simulate_external", "DARKROOM_SIMULATE_EXTERNAL", Plain;
    /// Directory of the log files.
    LogDir: "log_dir", "DARKROOM_LOG_DIR", Path;
    /// Log level or filter directives.
    Log: "log", "DARKROOM_LOG", Plain;
    /// Daily log files that are kept.
    LogDays: "log_days", "DARKROOM_LOG_DAYS", Plain;
    /// Days after which `darkroom prune` removes finished jobs and their images.
    RetentionDays: "retention_days", "DARKROOM_RETENTION_DAYS", Plain;
    /// How images are drawn on the terminal.
    Images: "images", "DARKROOM_IMAGES", Plain;
    /// Colours of the console.
    Theme: "theme", "DARKROOM_THEME", Plain;
    /// How the console notifies of failures, reached budgets and the end of all jobs.
    Notify: "notify", "DARKROOM_NOTIFY", Plain;
    /// A command that is run then.
    NotifyCommand: "notify_command", "DARKROOM_NOTIFY_COMMAND", Plain;
    /// Only ASCII symbols.
    Ascii: "ascii", "DARKROOM_ASCII", Plain;
    /// Zone of the times on the screen.
    Timezone: "timezone", "DARKROOM_TIMEZONE", Plain;
    /// No colours.
    NoColor: "no_color", "NO_COLOR", Plain;
    /// Address at which a worker serves metrics and health.
    MetricsAddress: "metrics_address", "DARKROOM_METRICS_ADDRESS", Plain;
    /// Which of the project's Firestore databases.
    FirestoreDatabase: "firestore_database", "DARKROOM_FIRESTORE_DATABASE", Plain;
    /// URL that an image in Cloud Storage gets.
    BucketUrl: "bucket_url", "DARKROOM_BUCKET_URL", Plain;
    /// Cloud Storage bucket, under the data contract's name.
    FirebaseStorageBucket: "firebase_storage_bucket", "FIREBASE_STORAGE_BUCKET", Plain;
    /// Google: credentials file.
    GoogleApplicationCredentials: "google_application_credentials", "GOOGLE_APPLICATION_CREDENTIALS", Path;
    /// Google: project.
    GoogleCloudProject: "google_cloud_project", "GOOGLE_CLOUD_PROJECT", Plain;
    /// Google: Firestore emulator.
    FirestoreEmulatorHost: "firestore_emulator_host", "FIRESTORE_EMULATOR_HOST", Plain;
    /// Google: Cloud Storage emulator.
    StorageEmulatorHost: "storage_emulator_host", "STORAGE_EMULATOR_HOST", Plain;
    /// Temporal: server.
    TemporalAddress: "temporal_address", "TEMPORAL_ADDRESS", Plain;
    /// Temporal: namespace.
    TemporalNamespace: "temporal_namespace", "TEMPORAL_NAMESPACE", Plain;
    /// Temporal: key of Temporal Cloud.
    TemporalApiKey: "temporal_api_key", "TEMPORAL_API_KEY", Secret;
    /// Temporal: whether the connection is encrypted.
    TemporalTls: "temporal_tls", "TEMPORAL_TLS", Plain;
    /// Temporal: client certificate.
    TemporalTlsClientCertPath: "temporal_tls_client_cert_path", "TEMPORAL_TLS_CLIENT_CERT_PATH", Path;
    /// Temporal: key of the client certificate.
    TemporalTlsClientKeyPath: "temporal_tls_client_key_path", "TEMPORAL_TLS_CLIENT_KEY_PATH", Path;
    /// Temporal: authority that signs the server's certificate.
    TemporalTlsServerCaCertPath: "temporal_tls_server_ca_cert_path", "TEMPORAL_TLS_SERVER_CA_CERT_PATH", Path;
    /// Temporal: name in the server's certificate.
    TemporalTlsServerName: "temporal_tls_server_name", "TEMPORAL_TLS_SERVER_NAME", Plain;
    /// Temporal: profile of the profile file.
    TemporalProfile: "temporal_profile", "TEMPORAL_PROFILE", Plain;
    /// Temporal: profile file.
    TemporalConfigFile: "temporal_config_file", "TEMPORAL_CONFIG_FILE", Path;
    /// The task queue that workflows and workers share.
    TemporalQueue: "temporal_queue", "DARKROOM_TEMPORAL_QUEUE", Plain;
    /// Activities per second of the whole task queue.
    TemporalRate: "temporal_rate", "DARKROOM_TEMPORAL_RATE", Plain;
    /// Silence after which a Temporal worker counts as dead.
    TemporalHeartbeatSeconds: "temporal_heartbeat_seconds", "DARKROOM_TEMPORAL_HEARTBEAT_SECONDS", Plain;
}

impl Key {
    /// The key in `darkroom.toml`, in `--json` and in messages.
    pub const fn name(self) -> &'static str {
        self.row().0
    }

    /// The environment variable.
    pub const fn variable(self) -> &'static str {
        self.row().1
    }

    /// The setting with that key in `darkroom.toml`. The context is chosen outside of the file that defines the contexts.
    pub fn in_file(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|key| key.name() == name && *key != Self::Context)
    }

    /// Whether the value must never be shown.
    pub fn is_secret(self) -> bool {
        self.row().2 == Kind::Secret
    }

    /// Whether the value is a path, relative to the place where it was written.
    pub fn is_path(self) -> bool {
        self.row().2 == Kind::Path
    }

    /// Whether it is one of Temporal's settings, which have no effect with another engine.
    pub fn is_of_temporal(self) -> bool {
        self >= Self::TemporalAddress
    }
}
