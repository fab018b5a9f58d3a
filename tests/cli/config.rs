//! Configuration: order of layers, origins, invalid values, hidden secrets.

use serde_json::Value;

use crate::support::{House, text};

fn setting(house: &House, arguments: &[&str], key: &str) -> (Value, String, String) {
    let config = house.json(&[arguments, &["config", "--json"]].concat());
    let settings = config["settings"].as_array().unwrap();
    let found = settings.iter().find(|setting| setting["key"] == key).unwrap();
    let word = |name: &str| found[name].as_str().unwrap().to_owned();
    (found["value"].clone(), word("origin"), word("from"))
}

#[test]
fn upper_layer_wins_and_origin_is_shown() {
    let mut house = House::new();
    let slots = |house: &House, arguments: &[&str]| {
        let (value, origin, _) = setting(house, arguments, "slots");
        (value.as_str().unwrap().to_owned(), origin)
    };
    let expect = |value: &str, origin: &str| (value.to_owned(), origin.to_owned());
    assert_eq!(slots(&house, &[]), expect("24", "default"));
    house.file("darkroom.toml", "slots = 3\n[context.prod]\nslots = 4\n");
    assert_eq!(slots(&house, &[]), expect("3", "file"));
    assert_eq!(slots(&house, &["--context", "prod"]), expect("4", "file"));
    house.file(".env", "DARKROOM_SLOTS=5\nDARKROOM_CONTEXT=prod\n");
    assert_eq!(slots(&house, &[]), expect("5", "dotenv"));
    house.set("DARKROOM_SLOTS", "");
    assert_eq!(slots(&house, &[]), expect("5", "dotenv"), "an empty variable is not set");
    house.set("DARKROOM_SLOTS", "6");
    assert_eq!(slots(&house, &[]), expect("6", "environment"));
    assert!(house.fails(2, &["worker", "--slots", "none"]).contains("from flag --slots"));
    let (value, origin, from) = setting(&house, &["--data-dir", "elsewhere"], "data_dir");
    assert_eq!((origin.as_str(), from.as_str()), ("flag", "flag --data-dir"));
    assert!(value.as_str().unwrap().ends_with("/elsewhere"));
    assert!(setting(&house, &[], "context").2.ends_with(".env DARKROOM_CONTEXT"));
}

#[test]
fn platform_config_directory_is_searched() {
    let house = House::new();
    let folder = house.path("home/.config/darkroom");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("darkroom.toml"), "model = \"flux-2-max\"\n").unwrap();
    if cfg!(target_os = "linux") {
        assert_eq!(setting(&house, &[], "model").0, "flux-2-max");
    }
    house.file("here.toml", "model = \"flux-2-flex\"\n");
    let (value, _, from) = setting(&house, &["--config", "here.toml"], "model");
    assert_eq!(value, "flux-2-flex");
    assert!(from.ends_with("here.toml"), "{from}");
}

#[test]
fn invalid_settings_name_file_and_line() {
    let house = House::new();
    for (file, expected) in [
        ("slosts = 3\n", "did you mean 'slots'?"),
        ("[context.prod]\nbudget_dayly_usd = 3\n", "did you mean 'budget_daily_usd'?"),
        ("slots = \n", "line 1"),
        ("slots = 0\n", "whole number from 1"),
        ("budget_daily_usd = \"lots\"\n", "not an amount of dollars"),
        ("slots = { a = 1 }\n", "'slots' must be text, a number"),
    ] {
        house.file("darkroom.toml", file);
        let line = house.fails(2, &["config"]);
        assert!(line.contains("darkroom.toml") && line.contains(expected), "{file}: {line}");
        assert_eq!(line.lines().count(), 1, "{line}");
    }
    house.file("darkroom.toml", "[context.prod]\n");
    assert!(house.fails(2, &["--context", "test", "config"]).contains("known: prod"));
    assert!(house.fails(2, &["--config", "absent.toml", "config"]).contains("absent.toml"));
}

#[test]
fn misspelled_variable_is_a_warning() {
    let mut house = House::new();
    house.set("DARKROOM_BUGDET_DAILY_USD", "5");
    let output = house.run(&["config", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stderr).contains("did you mean DARKROOM_BUDGET_DAILY_USD?"), "{}", text(&output.stderr));
}

#[test]
fn secrets_are_never_shown() {
    let mut house = House::new();
    house.set("BFL_API_KEY", "very-secret-key");
    house.file(".env", "TEMPORAL_API_KEY=also-secret-key\n");
    for arguments in [&["config"][..], &["config", "--json"]] {
        let output = house.run(arguments);
        let everything = text(&output.stdout) + &text(&output.stderr);
        assert!(!everything.contains("secret-key"), "{everything}");
        assert!(everything.contains("set (hidden)"), "{everything}");
    }
    house.file(".env", "BFL_API_KEY=a secret-key with spaces\n");
    let line = house.fails(2, &["config"]);
    assert!(line.contains(".env") && line.contains("line 1") && !line.contains("secret-key"), "{line}");
    house.file(".env", "");
    house.file("darkroom.toml", "bfl_api_key = secret-key\n");
    let line = house.fails(2, &["config"]);
    assert!(!line.contains("secret-key"), "{line}");
}

#[test]
fn real_money_needs_provider_and_key() {
    let mut house = House::new();
    house.set("BFL_API_KEY", "some-key");
    assert_eq!(house.json(&["config", "--json"])["simulated"], true, "a key alone chooses nothing");
    house.set("BFL_API_KEY", "");
    house.set("DARKROOM_PROVIDER", "bfl");
    for arguments in [&["submit", "a fox"][..], &["worker", "--until-idle"]] {
        let line = house.fails(2, arguments);
        assert!(line.contains("BFL_API_KEY") && line.contains("DARKROOM_PROVIDER=simulator"), "{line}");
    }
    assert_eq!(house.json(&["jobs", "list", "--json"]), serde_json::json!([]), "looking needs no key");
    assert_eq!(house.json(&["costs", "--json"])["simulated"], false);
    let price = house.json(&["submit", "a fox", "--dry-run", "--json"]);
    assert_eq!((&price["simulated"], &price["count"]), (&false.into(), &1.into()), "a price needs no key");
}

#[cfg(feature = "temporal")]
#[test]
fn temporal_settings_are_unused_with_local_engine() {
    let mut house = House::new();
    house.set("TEMPORAL_ADDRESS", "somewhere:7233");
    assert!(text(&house.run(&["config"]).stdout).contains("(unused: engine is local)"));
    house.set("DARKROOM_ENGINE", "temporal");
    let shown = text(&house.run(&["config"]).stdout);
    assert!(shown.contains("somewhere:7233") && !shown.contains("unused"), "{shown}");
    house.set("TEMPORAL_CONFIG_FILE", "absent.toml");
    house.set("TEMPORAL_PROFILE", "prod");
    let line = house.fails(2, &["worker", "--until-idle"]);
    assert!(line.contains("Temporal's settings cannot be used") && line.contains("'prod' not found"), "{line}");
}

#[cfg(all(feature = "firestore", feature = "gcs"))]
#[test]
fn missing_google_names_are_invalid_usage() {
    for (variable, value, missing) in
        [("DARKROOM_STORE", "firestore", "GOOGLE_CLOUD_PROJECT"), ("DARKROOM_BUCKET", "gcs", "FIREBASE_STORAGE_BUCKET")]
    {
        let mut house = House::new();
        house.set(variable, value);
        let line = house.fails(2, &["worker", "--until-idle"]);
        assert!(line.contains(&format!("set {missing}")), "{line}");
    }
}
