//! The configuration as a whole: order of layers, invalid values, hidden secrets.

use std::ffi::OsString;

use secrecy::ExposeSecret;
use tempfile::TempDir;

use crate::config::{BucketUrl, Config, ConfigError, Key, Origin, ProviderKind, Sources};

mod contexts;

struct TestEnv {
    folder: TempDir,
    sources: Sources,
}

impl TestEnv {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sources = Sources {
            working_dir: folder.path().to_owned(),
            config_dir: Some(folder.path().join("platform")),
            data_dir: Some(folder.path().join("data")),
            ..Sources::default()
        };
        Self { folder, sources }
    }

    fn file(self, name: &str, text: &str) -> Self {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    fn environment(mut self, name: &str, value: &str) -> Self {
        self.sources.environment.insert(name.into(), value.into());
        self
    }

    fn flag(mut self, key: Key, value: &str) -> Self {
        self.sources.flags.set(key, "--flag", Some(value));
        self
    }

    fn resolve(&self) -> Result<Config, ConfigError> {
        Config::resolve(&self.sources)
    }
}

fn origin(config: &Config, key: Key) -> &'static str {
    config.setting(key).unwrap().origin.kind()
}

#[test]
fn upper_layer_wins() {
    let env = TestEnv::new();
    let config = env.resolve().unwrap();
    assert_eq!((config.slots, origin(&config, Key::Slots)), (24, "default"));
    let env = env.file("platform/darkroom.toml", "slots = 2\n");
    assert_eq!(env.resolve().unwrap().slots, 2);
    let env = env.file("darkroom.toml", "slots = 3\n[context.big]\nslots = 4\n");
    let config = env.resolve().unwrap();
    assert_eq!((config.slots, origin(&config, Key::Slots)), (3, "file"));
    let env = env.flag(Key::Context, "big");
    assert_eq!(env.resolve().unwrap().slots, 4);
    let env = env.file(".env", "DARKROOM_SLOTS=5\n");
    let config = env.resolve().unwrap();
    assert_eq!((config.slots, origin(&config, Key::Slots)), (4, "file"), "the context was chosen explicitly");
    let env = env.environment("DARKROOM_SLOTS", "6");
    let config = env.resolve().unwrap();
    assert_eq!((config.slots, origin(&config, Key::Slots)), (6, "environment"));
    let config = env.flag(Key::Slots, "7").resolve().unwrap();
    assert_eq!((config.slots, config.setting(Key::Slots).unwrap().origin.clone()), (7, Origin::Flag("--flag")));
}

#[test]
fn flag_can_unset_a_value() {
    let mut env = TestEnv::new().file(".env", "GOOGLE_APPLICATION_CREDENTIALS=key.json\nTEMPORAL_API_KEY=k\n");
    env = env.environment("TEMPORAL_API_KEY", "k");
    assert!(env.resolve().unwrap().google.credentials.is_some());
    for key in [Key::GoogleApplicationCredentials, Key::TemporalApiKey] {
        env.sources.flags.unset(key, "dev");
    }
    let config = env.resolve().unwrap();
    assert_eq!(config.google.credentials, None);
    assert_eq!(config.setting(Key::TemporalApiKey).unwrap().value, None);
}

#[test]
fn empty_variable_is_unset() {
    let env = TestEnv::new().file(".env", "DARKROOM_SLOTS=5\nBFL_API_KEY=\n").environment("DARKROOM_SLOTS", "");
    let config = env.resolve().unwrap();
    assert_eq!(config.slots, 5);
    assert_eq!(config.api_key().unwrap_err(), ConfigError::MissingKey);
}

#[test]
fn key_alone_chooses_no_provider() {
    let config = TestEnv::new().environment("BFL_API_KEY", "k-123456").resolve().unwrap();
    assert_eq!(config.provider, ProviderKind::Simulator);
    assert_eq!(config.api_key().unwrap().expose_secret(), "k-123456");
}

#[test]
fn secrets_are_never_shown() {
    let env = TestEnv::new().environment("BFL_API_KEY", "sk-visible").environment("TEMPORAL_API_KEY", "tk-visible");
    let config = env.resolve().unwrap();
    assert!(!format!("{config:?}").contains("visible"));
    assert_eq!(config.setting(Key::BflApiKey).unwrap().value.as_deref(), Some("set (hidden)"));
    let broken = TestEnv::new().environment("BFL_API_KEY", "two visible words").resolve().unwrap_err();
    assert!(!broken.to_string().contains("visible"), "{broken}");
}

#[test]
fn invalid_value_is_reported_with_its_origin() {
    for (variable, value, expected) in [
        ("DARKROOM_PROVIDER", "bflx", "must be one of simulator, bfl"),
        ("DARKROOM_SLOTS", "0", "whole number from 1"),
        ("DARKROOM_LEASE_SECONDS", "14", "whole number from 15"),
        ("DARKROOM_BUDGET_DAILY_USD", "lots", "not an amount of dollars"),
        ("BFL_API_URL", "http://api.bfl.ai", "not encrypted"),
        ("DARKROOM_SIMULATOR_SPEED", "-1", "is not a speed"),
        ("DARKROOM_ASCII", "maybe", "must be true or false"),
        ("DARKROOM_THEME", "../dark", "is not the name of a theme"),
    ] {
        let message = TestEnv::new().environment(variable, value).resolve().unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
        assert!(message.contains(&format!("environment {variable}")), "{message}");
    }
}

#[test]
fn temporal_settings_come_from_every_layer() {
    let env = TestEnv::new()
        .file("darkroom.toml", "temporal_address = \"from-file:7233\"\ntemporal_namespace = \"art\"\n")
        .file(
            ".env",
            "TEMPORAL_ADDRESS=from-dotenv:7233\nTEMPORAL_API_KEY=tk-visible\nTEMPORAL_TLS_CLIENT_CERT_PATH=a.pem\n",
        )
        .environment("TEMPORAL_TLS", "false")
        .environment("TEMPORAL_NAMESPACE", "")
        .environment("TEMPORAL_GRPC_META_TEAM", "art")
        .environment("DARKROOM_TEMPORAL_RATE", "12.5")
        .environment("DARKROOM_TEMPORAL_QUEUE", " art-queue ")
        .environment("DARKROOM_TEMPORAL_HEARTBEAT_SECONDS", "7");
    let config = env.resolve().unwrap();
    let variable = |name: &str| config.temporal.variables.get(name).map(String::as_str);
    assert_eq!(variable("TEMPORAL_ADDRESS"), Some("from-dotenv:7233"));
    assert_eq!(variable("TEMPORAL_NAMESPACE"), Some("art"), "an empty variable is not set");
    assert_eq!(variable("TEMPORAL_API_KEY"), Some("tk-visible"));
    assert_eq!(variable("TEMPORAL_TLS"), Some("false"));
    assert_eq!(variable("TEMPORAL_GRPC_META_TEAM"), Some("art"), "what only Temporal's client knows is passed on");
    let certificate = env.folder.path().join("a.pem").display().to_string();
    assert_eq!(variable("TEMPORAL_TLS_CLIENT_CERT_PATH"), Some(certificate.as_str()), "it counts from where it stands");
    assert_eq!(
        (config.temporal.rate, config.temporal.heartbeat),
        (Some(12.5), Some(std::time::Duration::from_secs(7)))
    );
    assert_eq!(config.temporal.queue, "art-queue");
    assert!(!format!("{config:?}").contains("visible"));
    let unset = TestEnv::new().resolve().unwrap();
    assert_eq!(unset.temporal.queue, "image-generation-queue", "the data contract's name");
    let wrong = TestEnv::new().environment("DARKROOM_TEMPORAL_QUEUE", "a' OR 1=1").resolve().unwrap_err().to_string();
    assert!(wrong.contains("temporal_queue") && wrong.contains("is not a task queue"), "{wrong}");
    let wrong = TestEnv::new().environment("DARKROOM_TEMPORAL_RATE", "0").resolve().unwrap_err().to_string();
    assert!(wrong.contains("not a number above 0"), "{wrong}");
}

#[test]
fn disabled_feature_is_reported() {
    for (variable, value, built_in) in [
        ("DARKROOM_STORE", "firestore", cfg!(feature = "firestore")),
        ("DARKROOM_BUCKET", "gcs", cfg!(feature = "gcs")),
        ("DARKROOM_ENGINE", "temporal", cfg!(feature = "temporal")),
    ] {
        let config = TestEnv::new().environment(variable, value).resolve().unwrap();
        match config.require_built_in() {
            Ok(()) => assert!(built_in, "{value}"),
            Err(error) => {
                let message = error.to_string();
                assert!(!built_in && message.contains(&format!("--features {value}")), "{message}");
            }
        }
    }
}

#[test]
fn missing_google_setting_is_named() {
    let config = TestEnv::new().resolve().unwrap();
    let message = config.google_project().unwrap_err().to_string();
    assert!(message.contains("set GOOGLE_CLOUD_PROJECT") && message.contains("DARKROOM_STORE=sqlite"), "{message}");
    let message = config.storage_bucket().unwrap_err().to_string();
    assert!(message.contains("set FIREBASE_STORAGE_BUCKET") && message.contains("DARKROOM_BUCKET=folder"), "{message}");
}

#[test]
fn google_settings_come_from_env_and_dotenv() {
    let env = TestEnv::new()
        .file(".env", "GOOGLE_CLOUD_PROJECT=team\nFIREBASE_STORAGE_BUCKET=team.appspot.com\nGOOGLE_APPLICATION_CREDENTIALS=key.json\n")
        .environment("FIRESTORE_EMULATOR_HOST", "127.0.0.1:8080")
        .environment("STORAGE_EMULATOR_HOST", "http://127.0.0.1:4443");
    let config = env.resolve().unwrap();
    assert_eq!((config.google_project(), config.storage_bucket()), (Ok("team"), Ok("team.appspot.com")));
    assert_eq!(config.google.firestore_emulator.as_deref(), Some("127.0.0.1:8080"));
    assert_eq!(config.google.storage_emulator.as_deref(), Some("http://127.0.0.1:4443"));
    assert_eq!(
        (origin(&config, Key::GoogleCloudProject), origin(&config, Key::FirestoreEmulatorHost)),
        ("dotenv", "environment")
    );
    assert_eq!(config.google.key_file(), Some(&env.folder.path().join("key.json")));
    // What stands in the real environment is found by Google's clients themselves, whatever kind of credentials it is.
    let config = env.environment("GOOGLE_APPLICATION_CREDENTIALS", "/other.json").resolve().unwrap();
    assert_eq!(config.google.key_file(), None);
}

#[test]
fn bucket_url_is_public_signed_or_a_base() {
    let url = |text: &str| TestEnv::new().environment("DARKROOM_BUCKET_URL", text).resolve();
    assert_eq!(TestEnv::new().resolve().unwrap().google.bucket_url, BucketUrl::Public);
    assert_eq!(url("signed").unwrap().google.bucket_url, BucketUrl::Signed);
    let base = url::Url::parse("https://cdn.test/art").unwrap();
    assert_eq!(url("https://cdn.test/art").unwrap().google.bucket_url, BucketUrl::Base(base));
    for wrong in ["private", "ftp://cdn.test", "https://cdn.test/?a=b"] {
        assert!(url(wrong).unwrap_err().to_string().contains("must be public, signed"), "{wrong}");
    }
}

#[test]
fn path_in_a_file_is_relative_to_the_file() {
    let env = TestEnv::new().file("platform/darkroom.toml", "data_dir = \"images\"\n");
    assert_eq!(env.resolve().unwrap().data_dir, env.folder.path().join("platform/images"));
    let env = env.environment("DARKROOM_DATA_DIR", "here");
    assert_eq!(env.resolve().unwrap().data_dir, env.folder.path().join("here"));
}

#[test]
fn missing_config_flag_file_is_an_error() {
    let mut env = TestEnv::new();
    env.sources.flags.config = Some("absent.toml".into());
    assert!(matches!(env.resolve(), Err(ConfigError::File { .. })));
}

#[test]
fn misspelled_cap_is_a_warning() {
    let config = TestEnv::new().environment("DARKROOM_BUGDET_DAILY_USD", "1").resolve().unwrap();
    assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
    assert!(config.warnings[0].contains("DARKROOM_BUDGET_DAILY_USD"));
    let config = TestEnv::new().environment("DARKROOM_REQUIRE_SERVERS", "1").resolve().unwrap();
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[cfg(unix)]
#[test]
fn invalid_utf8_is_an_error() {
    use std::os::unix::ffi::OsStringExt;
    let mut env = TestEnv::new();
    env.sources.environment.insert("DARKROOM_MODEL".into(), OsString::from_vec(vec![0xff]));
    assert!(matches!(env.resolve(), Err(ConfigError::Value { key: Key::Model, .. })));
}

#[test]
fn any_no_color_text_disables_colours() {
    assert!(TestEnv::new().environment("NO_COLOR", "0").resolve().unwrap().no_color);
    assert!(!TestEnv::new().environment("NO_COLOR", "").resolve().unwrap().no_color);
    assert!(!TestEnv::new().file("darkroom.toml", "no_color = false\n").resolve().unwrap().no_color);
}

#[test]
fn project_is_taken_from_the_service_account() {
    let env = TestEnv::new()
        .file(".env", "GOOGLE_APPLICATION_CREDENTIALS=key.json\n")
        .file("key.json", r#"{"type":"service_account","project_id":"team"}"#);
    let config = env.resolve().unwrap();
    assert_eq!(config.google_project(), Ok("team"));
    assert!(config.setting(Key::GoogleCloudProject).unwrap().origin.to_string().ends_with("key.json"));
    let config = env.environment("GOOGLE_CLOUD_PROJECT", "other").resolve().unwrap();
    assert_eq!((config.google_project(), origin(&config, Key::GoogleCloudProject)), (Ok("other"), "environment"));
    let broken = TestEnv::new().file(".env", "GOOGLE_APPLICATION_CREDENTIALS=absent.json\n").resolve().unwrap();
    assert!(broken.google_project().is_err());
}

#[test]
fn server_addresses_get_their_default_port() {
    let env = TestEnv::new()
        .environment("TEMPORAL_ADDRESS", "localhost")
        .environment("FIRESTORE_EMULATOR_HOST", "localhost")
        .environment("STORAGE_EMULATOR_HOST", "http://localhost");
    let config = env.resolve().unwrap();
    assert_eq!(config.temporal.variables["TEMPORAL_ADDRESS"], "localhost:7233");
    assert_eq!(config.google.firestore_emulator.as_deref(), Some("localhost:8080"));
    assert_eq!(config.google.storage_emulator.as_deref(), Some("http://localhost:4443"));
    let message = env.environment("TEMPORAL_ADDRESS", "grpc://localhost").resolve().unwrap_err().to_string();
    assert!(message.contains("temporal_address") && message.contains("localhost:7233"), "{message}");
}

#[test]
fn cap_with_a_dollar_sign_is_an_error() {
    let dotenv = include_str!("../../tests/cases/dotenv/dollar.env");
    let message = TestEnv::new().file(".env", dotenv).resolve().unwrap_err().to_string();
    assert!(message.contains("'$20' is not an amount of dollars"), "{message}");
    assert!(message.contains(".env DARKROOM_BUDGET_DAILY_USD"), "{message}");
}

#[test]
fn example_configuration_is_complete_and_valid() {
    let example = include_str!("../../examples/darkroom.toml");
    let is_setting = |line: &&str| line.split_once(" = ").is_some_and(|(key, _)| Key::in_file(key).is_some());
    let uncomment = |line: &str| format!("{}\n", line.strip_prefix("# ").filter(is_setting).unwrap_or(line));
    let uncommented: String = example.lines().map(uncomment).collect();
    for text in [example, &uncommented] {
        let mut env = TestEnv::new().file("darkroom.toml", text);
        env.sources.flags.set(Key::Context, "--context", Some("production"));
        env.resolve().unwrap();
    }
    let missing: Vec<&str> = Key::ALL
        .iter()
        .filter(|key| **key != Key::Context && !uncommented.contains(&format!("\n{} = ", key.name())))
        .map(|key| key.name())
        .collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn locale_without_utf8_selects_ascii() {
    let ascii = |variables: &[(&str, &str)]| {
        let env = variables.iter().fold(TestEnv::new(), |env, (name, value)| env.environment(name, value));
        env.resolve().unwrap().ascii
    };
    assert!(!ascii(&[]));
    assert!(!ascii(&[("LANG", "de_DE.UTF-8")]));
    assert!(!ascii(&[("LC_ALL", ""), ("LC_CTYPE", "C.utf8"), ("LANG", "C")]));
    assert!(ascii(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]));
    assert!(ascii(&[("LANG", "de_DE.ISO-8859-1")]));
    assert!(!ascii(&[("LANG", "C"), ("DARKROOM_ASCII", "false")]), "the setting decides");
}

#[test]
fn timezone_is_utc_or_local() {
    use crate::console::DisplayZone;
    let zone = |value: &str| TestEnv::new().environment("DARKROOM_TIMEZONE", value).resolve();
    assert_eq!(TestEnv::new().resolve().unwrap().timezone, DisplayZone::Utc);
    assert_eq!(zone("UTC").unwrap().timezone, DisplayZone::Utc);
    assert_eq!(zone("local").unwrap().timezone, DisplayZone::Local);
    assert!(zone("Mars").unwrap_err().to_string().contains("must be one of utc, local"));
}

#[test]
fn keys_and_views_are_checked_at_start() {
    let views = |lines: &str| TestEnv::new().file("darkroom.toml", &format!("[views]\n{lines}\n")).resolve();
    let read = views("\"today's failures\" = \"status:failed since:24h\"\ncovers = \"tag:cover\"").unwrap().views;
    let read: Vec<_> = read.iter().map(|view| (view.name.as_str(), view.filter.as_str())).collect();
    assert_eq!(read, [("covers", "tag:cover"), ("today's failures", "status:failed since:24h")]);
    for (lines, expected) in [
        ("covers = \"tagg:cover\"", "darkroom.toml: views: 'covers': "),
        ("covers = 3", "darkroom.toml: views: 'covers' must be a filter as text"),
    ] {
        let message = views(lines).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
    let resolve = |keys: &str| TestEnv::new().file("darkroom.toml", &format!("[keys]\n{keys}\n")).resolve();
    let config = resolve("retry = \"e\"\npage-down = [\"pgdn\", \"ctrl+f\"]").unwrap();
    assert_eq!(config.keys.key_of(crate::console::keymap::Action::Retry, true), "e");
    for (keys, part) in [
        ("retri = \"e\"", "darkroom.toml: keys: 'retri' is not an action; did you mean 'retry'?"),
        ("retry = \"x\"", "'x' means both retry and cancel"),
        ("retry = 7", "'retry' must be a key or a list of keys"),
    ] {
        let message = resolve(keys).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }
    let message = TestEnv::new().file("darkroom.toml", "keys = 3\n").resolve().unwrap_err().to_string();
    assert!(message.contains("'keys' must be a table"), "{message}");
}
