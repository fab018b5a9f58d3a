//! `submit PROMPT`: jobs from the command line, their parameters and their price.

use crate::support::{TestEnv, ids, text};

#[test]
fn words_are_one_prompt_flags_are_parameters() {
    let env = TestEnv::new();
    let made = env.json(&[
        "submit",
        "a",
        "red",
        "fox",
        "--seed",
        "7",
        "--output-format",
        "png",
        "--aspect-ratio",
        "16:9",
        "--tag",
        "one",
        "--tag",
        "two",
        "--count",
        "2",
        "--json",
    ]);
    let made = made.as_array().unwrap();
    assert_eq!(made.len(), 2);
    assert_eq!((&made[0]["prompt"], &made[0]["status"]), (&"a red fox".into(), &"queued".into()));
    assert_eq!(
        made[0]["parameters"],
        serde_json::json!({"seed": 7, "output_format": "png", "width": 1344, "height": 768})
    );
    assert_eq!(made[0]["tags"], serde_json::json!(["one", "two"]));
    assert_ne!(made[0]["id"], made[1]["id"]);
}

#[test]
fn job_json_has_the_promised_fields() {
    let env = TestEnv::new();
    let made = env.json(&["submit", "a fox", "--json"]);
    let job = made[0].as_object().unwrap();
    for name in [
        "id",
        "status",
        "attempt",
        "model",
        "prompt",
        "created_at",
        "updated_at",
        "cost_usd",
        "cost_basis",
        "image_url",
        "error",
        "steps",
        "tags",
        "simulated",
        "hold",
        "not_before",
        "parameters",
        "image",
        "attempts_total",
    ] {
        assert!(job.contains_key(name), "{name}");
    }
    assert_eq!(job["created_at"], job["updated_at"]);
    let created = job["created_at"].as_str().unwrap();
    assert!(created.ends_with('Z') && chrono::DateTime::parse_from_rfc3339(created).is_ok(), "{created}");
    assert_eq!((&job["attempt"], &job["simulated"]), (&1.into(), &true.into()));
}

#[test]
fn model_comes_from_flag_config_or_catalog() {
    let mut env = TestEnv::new();
    let first = &darkroom::catalog::Catalog::builtin().models[0].name;
    assert_eq!(env.json(&["submit", "x", "--json"])[0]["model"], first.as_str());
    env.set("DARKROOM_MODEL", "flux-2-max");
    assert_eq!(env.json(&["submit", "x", "--json"])[0]["model"], "flux-2-max");
    assert_eq!(env.json(&["submit", "x", "--json", "--model", "flux-dev"])[0]["model"], "flux-dev");
    env.set("DARKROOM_MODEL", "flux-2-mxa");
    assert!(env.fails(2, &["submit", "x"]).contains("did you mean flux-2-max"));
}

#[test]
fn all_problems_are_reported_at_once() {
    let env = TestEnv::new();
    let line = env.fails(2, &["submit", "x", "--width", "65", "--seed", "-3", "--guidance", "3"]);
    for part in ["width:", "seed:", "guidance:"] {
        assert!(line.contains(part), "{line}");
    }
    assert!(env.fails(2, &["submit", "x", "--input-image", "absent.png"]).contains("no such file: absent.png"));
    assert_eq!(env.jobs().len(), 0);
}

#[test]
fn dry_run_over_budget_names_the_cap() {
    let env = TestEnv::new();
    let large = ["submit", "a fox", "--width", "1024", "--height", "1024", "--count", "1000", "--dry-run"];
    assert_eq!(env.json(&[&large[..], &["--json"]].concat())["budget_note"], serde_json::Value::Null);
    env.json(&["budget", "set", "--daily", "20", "--json"]);
    let note = "daily budget has $20.00 left, these images need at most $30.00: jobs beyond it are held until ";
    let plan = env.json(&[&large[..], &["--json"]].concat());
    assert!(plan["budget_note"].as_str().unwrap().starts_with(note), "{plan}");
    let text = String::from_utf8(env.run(&large).stdout).unwrap();
    assert!(text.contains("about $30.00") && text.contains(note), "{text}");
    assert_eq!(env.jobs().len(), 0);
}

#[cfg(feature = "gcs")]
#[test]
fn dry_run_counts_storage_under_the_cap() {
    let mut env = TestEnv::new();
    env.json(&["budget", "set", "--daily", "0.03", "--json"]);
    let submit = ["submit", "a fox", "--width", "1024", "--height", "1024", "--dry-run", "--json"];
    assert_eq!(env.json(&submit)["budget_note"], serde_json::Value::Null, "local files cost nothing");
    env.set("DARKROOM_BUCKET", "gcs");
    env.set("FIREBASE_STORAGE_BUCKET", "a-bucket");
    let plan = env.json(&submit);
    let note = plan["budget_note"].as_str().unwrap();
    assert!(note.starts_with("daily budget has $0.03 left, these images need at most $0.0313"), "{plan}");
}

#[test]
fn dry_run_prices_and_creates_nothing() {
    let env = TestEnv::new();
    let plan =
        env.json(&["submit", "a fox", "--dry-run", "--json", "--count", "3", "--width", "1024", "--height", "1024"]);
    let spec = darkroom::jobs::Spec::new("flux-2-pro", "a fox").with("width", 1024).with("height", 1024);
    let each = darkroom::catalog::Catalog::builtin().estimate(&spec).amount.unwrap();
    assert_eq!(plan["jobs"][0]["each_usd"], each.to_string());
    assert_eq!(plan["total_usd"], (each * 3).to_string());
    assert!(!env.data().join("darkroom.db").exists());
}

#[test]
fn text_output_names_the_next_command() {
    let env = TestEnv::new();
    let output = env.run(&["submit", "a\u{1b}[31m fox"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stderr).contains("darkroom worker --until-idle"), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    assert!(table.contains("simulated: no real money, no real images"), "{table}");
    assert!(!table.contains('\u{1b}'));
    assert_eq!(env.jobs()[0]["prompt"], "a\u{1b}[31m fox", "what is stored is what was typed");
    assert_eq!(ids(&env.json(&["jobs", "list", "--json"])).len(), 1);
}

#[test]
fn missing_prompt_names_both_ways_to_submit() {
    let env = TestEnv::new();
    for arguments in [&["submit"][..], &["submit", " "], &["submit", "--seed", "7"]] {
        let line = env.fails(2, arguments);
        assert!(line.contains("prompt: is empty; flux-2-pro needs one: submit \"PROMPT\", or --file FILE"), "{line}");
    }
}

#[test]
fn wrong_number_of_a_flag_names_what_is_expected() {
    let env = TestEnv::new();
    for (arguments, value) in [
        (&["budget", "set", "--daily", "1", "--soft", "80%"][..], "80%"),
        (&["submit", "a fox", "--count", "two"], "two"),
        (&["costs", "--days", "99999999999999999999999"], "99999999999999999999999"),
    ] {
        let line = env.fails(2, arguments);
        assert!(line.contains(&format!("invalid value '{value}' for '--")), "{line}");
        assert!(line.contains(": expected a whole number"), "{line}");
    }
}

#[test]
fn submit_over_budget_names_the_cap() {
    let env = TestEnv::new();
    env.json(&["budget", "set", "--daily", "0.02", "--json"]);
    let sized = ["submit", "a fox", "--width", "1024", "--height", "1024"];
    let output = env.run(&sized);
    assert_eq!(output.status.code(), Some(0));
    let line = text(&output.stderr);
    assert!(line.contains("daily budget has $0.02 left, these images need at most $0.03: jobs beyond it"), "{line}");
    env.json(&["budget", "set", "--daily", "20", "--json"]);
    assert!(!text(&env.run(&sized).stderr).contains("budget"));
}
