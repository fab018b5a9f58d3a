use super::*;

#[test]
fn unknown_context_names_the_known_ones() {
    let env = TestEnv::new().file("darkroom.toml", "[context.prod]\n[context.test]\n").flag(Key::Context, "prd");
    let message = env.resolve().unwrap_err().to_string();
    assert!(message.contains("unknown context 'prd': known: prod, test"), "{message}");
}

#[test]
fn explicit_context_wins_over_dotenv() {
    let env = TestEnv::new()
        .file("darkroom.toml", "slots = 3\n[context.prod]\nslots = 4\n")
        .file(".env", "DARKROOM_SLOTS=5\nDARKROOM_LOG_DAYS=2\n");
    assert_eq!(env.resolve().unwrap().slots, 5);
    let env = env.flag(Key::Context, "prod");
    let config = env.resolve().unwrap();
    assert_eq!((config.slots, config.log_days), (4, 2));
    let shown = config.setting(Key::Slots).unwrap().origin.to_string();
    assert!(shown.ends_with("darkroom.toml [context.prod]"), "{shown}");
    assert_eq!(env.environment("DARKROOM_SLOTS", "6").resolve().unwrap().slots, 6);
    let env = TestEnv::new()
        .file("darkroom.toml", "[context.prod]\nslots = 4\n")
        .file(".env", "DARKROOM_SLOTS=5\nDARKROOM_CONTEXT=prod\n");
    assert_eq!(env.resolve().unwrap().slots, 5, "a context chosen by .env is not explicit");
}

#[test]
fn contexts_name_what_they_run_on() {
    let contexts = |env: &TestEnv| {
        let choices = Config::contexts(&env.sources, false).into_iter();
        choices.map(|choice| (choice.name, choice.simulated, choice.problem)).collect::<Vec<_>>()
    };
    let env = TestEnv::new()
        .file(
            "darkroom.toml",
            "[context.prod]\nprovider = \"bfl\"\nbfl_api_key = \"k\"\n[context.slow]\nslots = \"many\"\n[context.test]\nslots = 2\n",
        )
        .flag(Key::Context, "prod")
        .environment("DARKROOM_CONTEXT", "test");
    let [without, prod, slow, test] = contexts(&env).try_into().unwrap();
    assert_eq!(without, (None, true, None), "neither the flag nor the environment is left");
    assert_eq!((prod.0.as_deref(), prod.1), (Some("prod"), false));
    assert!(!slow.1 && slow.2.unwrap().contains("slots"), "an invalid context is not shown as free");
    assert_eq!(test, (Some("test".to_owned()), true, None));
    let env = env.file(".env", "DARKROOM_CONTEXT=prod\n");
    let without = contexts(&env).remove(0);
    assert!(without.2.unwrap().contains(".env"), "no start is without the context of a file");
}

#[test]
fn incomplete_context_names_what_is_missing() {
    let env = TestEnv::new().file(
        "darkroom.toml",
        "[context.images]\nbucket = \"gcs\"\n[context.paid]\nprovider = \"bfl\"\n[context.shared]\nstore = \"firestore\"\n",
    );
    let problems = |observe: bool| {
        let choices = Config::contexts(&env.sources, observe).into_iter();
        choices.map(|choice| choice.problem.unwrap_or_default()).collect::<Vec<_>>()
    };
    let [without, images, paid, shared] = problems(false).try_into().unwrap();
    assert_eq!(without, "");
    for (problem, name, feature) in [
        (&images, "FIREBASE_STORAGE_BUCKET", cfg!(feature = "gcs")),
        (&paid, "BFL_API_KEY", true),
        (&shared, "GOOGLE_CLOUD_PROJECT", cfg!(feature = "firestore")),
    ] {
        let expected = if feature { name } else { "not included in this build" };
        assert!(problem.contains(expected), "{expected}: {problem}");
    }
    let [_, images, paid, _] = problems(true).try_into().unwrap();
    assert_eq!((images.is_empty(), paid.as_str()), (false, ""), "a read-only console needs no key");
}
