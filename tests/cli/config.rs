//! Configuration: order of layers, origins, invalid values, hidden secrets.

use serde_json::Value;

use crate::support::{TestEnv, text};

fn setting(env: &TestEnv, arguments: &[&str], key: &str) -> (Value, String, String) {
    let config = env.json(&[arguments, &["config", "--json"]].concat());
    let settings = config["settings"].as_array().unwrap();
    let found = settings.iter().find(|setting| setting["key"] == key).unwrap();
    let word = |name: &str| found[name].as_str().unwrap().to_owned();
    (found["value"].clone(), word("origin"), word("from"))
}

#[test]
fn upper_layer_wins_and_origin_is_shown() {
    let mut env = TestEnv::new();
    let slots = |env: &TestEnv, arguments: &[&str]| {
        let (value, origin, _) = setting(env, arguments, "slots");
        (value.as_str().unwrap().to_owned(), origin)
    };
    let expect = |value: &str, origin: &str| (value.to_owned(), origin.to_owned());
    assert_eq!(slots(&env, &[]), expect("24", "default"));
    env.file("darkroom.toml", "slots = 3\n[context.prod]\nslots = 4\n");
    assert_eq!(slots(&env, &[]), expect("3", "file"));
    assert_eq!(slots(&env, &["--context", "prod"]), expect("4", "file"));
    env.file(".env", "DARKROOM_SLOTS=5\nDARKROOM_CONTEXT=prod\n");
    assert_eq!(slots(&env, &[]), expect("5", "dotenv"));
    env.set("DARKROOM_SLOTS", "");
    assert_eq!(slots(&env, &[]), expect("5", "dotenv"), "an empty variable is not set");
    env.set("DARKROOM_SLOTS", "6");
    assert_eq!(slots(&env, &[]), expect("6", "environment"));
    assert!(env.fails(2, &["worker", "--slots", "none"]).contains("from flag --slots"));
    let (value, origin, from) = setting(&env, &["--data-dir", "elsewhere"], "data_dir");
    assert_eq!((origin.as_str(), from.as_str()), ("flag", "flag --data-dir"));
    assert!(value.as_str().unwrap().ends_with("/elsewhere"));
    assert!(setting(&env, &[], "context").2.ends_with(".env DARKROOM_CONTEXT"));
}

#[test]
fn platform_config_directory_is_searched() {
    let env = TestEnv::new();
    let folder = env.path("home/.config/darkroom");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("darkroom.toml"), "model = \"flux-2-max\"\n").unwrap();
    if cfg!(target_os = "linux") {
        assert_eq!(setting(&env, &[], "model").0, "flux-2-max");
    }
    env.file("here.toml", "model = \"flux-2-flex\"\n");
    let (value, _, from) = setting(&env, &["--config", "here.toml"], "model");
    assert_eq!(value, "flux-2-flex");
    assert!(from.ends_with("here.toml"), "{from}");
}

#[test]
fn invalid_settings_name_file_and_line() {
    let env = TestEnv::new();
    for (file, expected) in [
        ("slosts = 3\n", "did you mean 'slots'?"),
        ("[context.prod]\nbudget_dayly_usd = 3\n", "did you mean 'budget_daily_usd'?"),
        ("slots = \n", "line 1"),
        ("slots = 0\n", "whole number from 1"),
        ("budget_daily_usd = \"lots\"\n", "not an amount of dollars"),
        ("slots = { a = 1 }\n", "'slots' must be text, a number"),
    ] {
        env.file("darkroom.toml", file);
        let line = env.fails(2, &["config"]);
        assert!(line.contains("darkroom.toml") && line.contains(expected), "{file}: {line}");
        assert_eq!(line.lines().count(), 1, "{line}");
    }
    env.file("darkroom.toml", "[context.prod]\n");
    assert!(env.fails(2, &["--context", "test", "config"]).contains("known: prod"));
    assert!(env.fails(2, &["--config", "absent.toml", "config"]).contains("absent.toml"));
}

#[test]
fn unknown_fault_is_an_error_of_every_command() {
    let mut env = TestEnv::new();
    env.set("DARKROOM_SIMULATOR_FAULTS", "moderated=0.1,foo=2");
    for arguments in [&["config"][..], &["submit", "a fox", "--wait"], &["jobs"]] {
        let line = env.fails(2, arguments);
        assert!(line.contains("unknown fault 'foo'") && line.contains("DARKROOM_SIMULATOR_FAULTS"), "{line}");
    }
    assert!(!env.data().exists(), "no job was created");
}

#[test]
fn contexts_are_listed() {
    let env = TestEnv::new();
    env.file("darkroom.toml", "[context.trial]\nslots = 4\n[context.wrong]\nslots = 0\n");
    let contexts = env.json(&["config", "--json"])["contexts"].clone();
    assert_eq!((&contexts[0]["name"], &contexts[0]["simulated"]), (&"trial".into(), &true.into()));
    assert!(contexts[1]["problem"].as_str().unwrap().contains("whole number"), "{contexts}");
    let shown = text(&env.run(&["config"]).stdout);
    assert!(shown.contains("contexts (--context NAME):\n  trial (simulated, sqlite · local)"), "{shown}");
}

#[test]
fn misspelled_variable_is_a_warning() {
    let mut env = TestEnv::new();
    env.set("DARKROOM_BUGDET_DAILY_USD", "5");
    let output = env.run(&["config", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stderr).contains("did you mean DARKROOM_BUDGET_DAILY_USD?"), "{}", text(&output.stderr));
}

#[test]
fn secrets_are_never_shown() {
    let mut env = TestEnv::new();
    env.set("BFL_API_KEY", "very-secret-key");
    env.file(".env", "TEMPORAL_API_KEY=also-secret-key\n");
    for arguments in [&["config"][..], &["config", "--json"]] {
        let output = env.run(arguments);
        let everything = text(&output.stdout) + &text(&output.stderr);
        assert!(!everything.contains("secret-key"), "{everything}");
        assert!(everything.contains("set (hidden)"), "{everything}");
    }
    env.file(".env", "BFL_API_KEY=a secret-key with spaces\n");
    let line = env.fails(2, &["config"]);
    assert!(line.contains(".env") && line.contains("line 1") && !line.contains("secret-key"), "{line}");
    env.file(".env", "");
    env.file("darkroom.toml", "bfl_api_key = secret-key\n");
    let line = env.fails(2, &["config"]);
    assert!(!line.contains("secret-key"), "{line}");
}

#[test]
fn real_money_needs_provider_and_key() {
    let mut env = TestEnv::new();
    env.set("BFL_API_KEY", "some-key");
    assert_eq!(env.json(&["config", "--json"])["simulated"], true, "a key alone chooses nothing");
    env.set("BFL_API_KEY", "");
    env.set("DARKROOM_PROVIDER", "bfl");
    for arguments in [&["submit", "a fox"][..], &["worker", "--until-idle"]] {
        let line = env.fails(2, arguments);
        assert!(line.contains("BFL_API_KEY") && line.contains("DARKROOM_PROVIDER=simulator"), "{line}");
    }
    assert_eq!(env.json(&["jobs", "list", "--json"]), serde_json::json!([]), "looking needs no key");
    assert_eq!(env.json(&["costs", "--json"])["simulated"], false);
    let price = env.json(&["submit", "a fox", "--dry-run", "--json"]);
    assert_eq!((&price["simulated"], &price["count"]), (&false.into(), &1.into()), "a price needs no key");
}

#[cfg(feature = "temporal")]
#[test]
fn temporal_settings_are_unused_locally() {
    let mut env = TestEnv::new();
    env.set("TEMPORAL_ADDRESS", "somewhere:7233");
    assert!(text(&env.run(&["config"]).stdout).contains("(unused: engine is local)"));
    env.set("DARKROOM_ENGINE", "temporal");
    let shown = text(&env.run(&["config"]).stdout);
    assert!(shown.contains("somewhere:7233") && !shown.contains("unused"), "{shown}");
    env.set("TEMPORAL_CONFIG_FILE", "absent.toml");
    env.set("TEMPORAL_PROFILE", "prod");
    let line = env.fails(2, &["worker", "--until-idle"]);
    assert!(line.contains("invalid Temporal settings") && line.contains("'prod' not found"), "{line}");
}

#[cfg(all(feature = "firestore", feature = "gcs"))]
#[test]
fn missing_google_names_are_invalid_usage() {
    for (variable, value, missing) in
        [("DARKROOM_STORE", "firestore", "GOOGLE_CLOUD_PROJECT"), ("DARKROOM_BUCKET", "gcs", "FIREBASE_STORAGE_BUCKET")]
    {
        let mut env = TestEnv::new();
        env.set(variable, value);
        let line = env.fails(2, &["worker", "--until-idle"]);
        assert!(line.contains(&format!("set {missing}")), "{line}");
    }
}
