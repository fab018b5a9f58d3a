//! `submit --matrix` and `submit --preset`: many jobs from one line, counted and priced first.

use crate::support::{TestEnv, text};

#[test]
fn braces_are_characters_without_matrix() {
    let env = TestEnv::new();
    let made = env.json(&["submit", "a {fox|owl}", "--json"]);
    assert_eq!((made.as_array().unwrap().len(), &made[0]["prompt"]), (1, &"a {fox|owl}".into()));
    let made = env.json(&["submit", "--matrix", r#"{"sky": "\{red\|blue\}"}"#, "--json"]);
    assert_eq!((made.as_array().unwrap().len(), &made[0]["prompt"]), (1, &r#"{"sky": "{red|blue}"}"#.into()));
}

#[test]
fn matrix_combines_all_axes() {
    let env = TestEnv::new();
    let matrix = [
        "submit",
        "--matrix",
        "a {fox|owl} in {snow|rain}",
        "--models",
        "flux-2-pro,flux-pro-1.1-ultra",
        "--sizes",
        "1:1 16:9",
        "--seeds",
        "1..3",
        "--json",
    ];
    let plan = env.json(&[&matrix[..], &["--dry-run"]].concat());
    assert_eq!(plan["count"], 4 * 2 * 2 * 3);
    assert!(plan["expected_seconds"].as_f64().unwrap() > 0.0, "{plan}");
    assert!(!env.data().join("darkroom.db").exists(), "a dry run creates nothing");
    let shown = text(&env.run(&[&matrix[..matrix.len() - 1], &["--dry-run"]].concat()).stdout);
    let rows: std::collections::BTreeSet<&str> = shown.lines().filter(|line| line.contains("flux-")).collect();
    assert_eq!(rows.len(), 48, "no two rows look the same: {shown}");
    assert!(shown.contains("height=1024 seed=1 width=1024"), "{shown}");
    let made = env.json(&matrix);
    let made = made.as_array().unwrap();
    assert_eq!(made.len(), 48);
    let distinct: std::collections::BTreeSet<String> =
        made.iter().map(|job| format!("{} {} {}", job["model"], job["prompt"], job["parameters"])).collect();
    assert_eq!(distinct.len(), 48, "no combination twice");
    assert_eq!(made[0]["parameters"], serde_json::json!({"width": 1024, "height": 1024, "seed": 1}));
    let total: rust_decimal::Decimal = plan["total_usd"].as_str().unwrap().parse().unwrap();
    let each = |job: &serde_json::Value| -> rust_decimal::Decimal {
        let spec: darkroom::jobs::Spec = serde_json::from_value(job.clone()).unwrap();
        darkroom::catalog::Catalog::builtin().estimate(&spec).amount.unwrap().decimal()
    };
    assert_eq!(made.iter().map(each).sum::<rust_decimal::Decimal>(), total);
}

#[test]
fn expected_time_covers_the_slowest_image() {
    let env = TestEnv::new();
    let slow = env.json(&["submit", "a fox", "--dry-run", "--json"])["expected_seconds"].as_f64().unwrap();
    let mixed = ["submit", "--matrix", "a {fox|owl}", "--models", "flux-2-pro,flux-2-klein-4b", "--dry-run", "--json"];
    assert!(
        env.json(&mixed)["expected_seconds"].as_f64().unwrap() >= slow,
        "all start at once, and the slowest counts"
    );
}

#[test]
fn matrix_problems_are_usage_errors() {
    let env = TestEnv::new();
    for (arguments, part) in [
        (&["a {fox|owl"][..], "'{' is never closed"),
        (&["x", "--models", "flux-2-por"], "--models: 'flux-2-por' is not a known model; did you mean flux-2-pro"),
        (&["x", "--sizes", "big"], "--sizes: 'big' is not a size such as 1024x768 or 16:9"),
        (&["x", "--sizes", "7x7"], "7 is out of range"),
        (&["x", "--seeds", "4..1"], "--seeds: '4..1' is not a seed"),
        (&["{|x}"], "prompt: is empty"),
        (&["{a|b}{a|b}{a|b}{a|b}", "--seeds", "1..999"], "more than 10000 images"),
    ] {
        let line = env.fails(2, &[&["submit", "--matrix"], arguments].concat());
        assert!(line.contains(part), "{line}");
    }
    assert!(env.fails(2, &["submit", "x", "--seeds", "1..3"]).contains("--matrix"), "a list needs --matrix");
    assert_eq!(env.jobs().len(), 0);
}

#[test]
fn matrix_over_budget_queues_nothing() {
    let env = TestEnv::new();
    env.json(&["budget", "set", "--daily", "0.10", "--json"]);
    let sized = ["submit", "--matrix", "a {fox|owl}", "--sizes", "1024x1024"];
    let line = env.fails(1, &[&sized[..], &["--seeds", "1..4"]].concat());
    assert!(line.contains("budget exceeded: daily budget has $0.10 left, the matrix needs $0.24"), "{line}");
    // Without a size, a cap has to have room for the largest: the second job would be held.
    let line = env.fails(1, &["submit", "--matrix", "a {fox|owl}"]);
    assert!(line.contains("daily budget has $0.10 left, the matrix needs $0.15"), "{line}");
    assert_eq!(env.jobs().len(), 0);
    assert_eq!(env.json(&[&sized[..], &["--json"]].concat()).as_array().unwrap().len(), 2);
}

#[test]
fn matrix_over_model_budget_is_refused() {
    let env = TestEnv::new();
    env.json(&["submit", "a [sim:lost]", "--width", "1024", "--height", "1024", "--json"]);
    env.run(&["worker", "--until-idle"]);
    assert_eq!(env.json(&["costs", "--json"])["unconfirmed_usd"], "0.03", "a cap counts it");
    env.json(&["budget", "set", "--daily", "0.10", "--model", "flux-2-pro", "--json"]);
    let three = ["submit", "--matrix", "a {fox|owl|hen}", "--sizes", "1024x1024"];
    let line = env.fails(1, &three);
    assert!(line.contains("daily budget of flux-2-pro has $0.07 left, the matrix needs $0.09"), "{line}");
    let line = env.fails(1, &[&three[..], &["--dry-run"]].concat());
    assert!(line.contains("nothing would be submitted: the matrix does not fit under the budget"), "{line}");
}

#[test]
fn preset_fills_what_flags_leave_out() {
    let env = TestEnv::new();
    std::fs::create_dir_all(env.data()).unwrap();
    let presets = "[portrait]\nmodel = \"flux-2-max\"\ncount = 2\ntags = [\"cover\"]\n[portrait.parameters]\nwidth = 1024\nheight = 1536\n";
    std::fs::write(env.data().join("presets.toml"), presets).unwrap();
    let made = env.json(&["submit", "x", "--preset", "portrait", "--width", "512", "--tag", "own", "--json"]);
    assert_eq!(made.as_array().unwrap().len(), 2);
    assert_eq!((&made[0]["model"], &made[0]["tags"]), (&"flux-2-max".into(), &serde_json::json!(["cover", "own"])));
    assert_eq!(made[0]["parameters"], serde_json::json!({"width": 512, "height": 1536}));
    let made = env.json(&["submit", "x", "--preset", "portrait", "--model", "flux-2-pro", "--count", "1", "--json"]);
    assert_eq!((made.as_array().unwrap().len(), &made[0]["model"]), (1, &"flux-2-pro".into()));
    assert!(env.fails(2, &["submit", "x", "--preset", "potrait"]).contains("did you mean 'portrait'?"));
    let listed = env.json(&["presets", "--json"]);
    assert_eq!((&listed[0]["name"], &listed[0]["parameters"]["width"]), (&"portrait".into(), &"1024".into()));
    let table = text(&env.run(&["presets"]).stdout);
    assert!(table.contains("flux-2-max · 2 images · height=1536 width=1024 · tags cover"), "{table}");
    assert_eq!(env.json(&["presets", "remove", "portrait", "--json"]), serde_json::json!([]));
    assert!(env.fails(1, &["presets", "remove", "portrait"]).contains("unknown preset 'portrait'"));
}
