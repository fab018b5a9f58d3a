//! `submit --file`: whole files, wrong lines, prices.

use crate::support::{TestEnv, path_text, text};

const CSV: &str = "prompt,model,seed,width,height,count,tags\n\
                   \"a fox, \"\"red\"\"\",flux-2-pro,7,512,512,2,\"a; b\"\n\
                   a boat,,,,,,\n";

#[test]
fn csv_rows_become_jobs() {
    let env = TestEnv::new();
    let file = env.file("jobs.csv", CSV);
    let made = env.json(&["submit", "--json", "--model", "flux-2-max", "--tag", "all", "--file", path_text(&file)]);
    let made = made.as_array().unwrap();
    assert_eq!(made.len(), 3);
    assert_eq!(made[0]["prompt"], "a fox, \"red\"");
    assert_eq!(made[0]["parameters"], serde_json::json!({"seed": 7, "width": 512, "height": 512}));
    assert_eq!(made[0]["tags"], serde_json::json!(["all", "a", "b"]));
    assert_eq!(made[1]["parameters"], made[0]["parameters"]);
    assert_eq!((&made[2]["prompt"], &made[2]["model"]), (&"a boat".into(), &"flux-2-max".into()));
    assert_eq!(env.jobs().len(), 3);
}

#[test]
fn invalid_line_submits_nothing_unless_skipped() {
    let env = TestEnv::new();
    let lines = "{\"prompt\": \"good\"}\n\n{\"prompt\": \"bad\", \"seed\": \"x\"}\nnot json\n{\"prompt\": \"too\", \"tags\": [\"t\"]}\n";
    let file = env.file("jobs.jsonl", lines);
    let file = path_text(&file);
    let output = env.run(&["submit", "--json", "--file", file]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    assert!(stderr.contains("line 3: seed:") && stderr.contains("line 4: invalid JSON at column 2"), "{stderr}");
    assert!(stderr.contains("nothing was submitted"), "{stderr}");
    assert!(output.stdout.is_empty());
    assert_eq!(env.jobs().len(), 0);
    let made = env.json(&["submit", "--json", "--skip-invalid", "--file", file]);
    assert_eq!(made.as_array().unwrap().len(), 2);
    assert_eq!(made[1]["tags"], serde_json::json!(["t"]));
}

#[test]
fn dry_run_prices_a_file_and_creates_nothing() {
    let env = TestEnv::new();
    let file = env.file("jobs.csv", CSV);
    let plan = env.json(&["submit", "--json", "--dry-run", "--file", path_text(&file)]);
    assert_eq!(
        (&plan["count"], &plan["simulated"], &plan["refused"]),
        (&3.into(), &true.into(), &serde_json::json!([]))
    );
    let amount = |value: &serde_json::Value| value.as_str().unwrap().parse::<darkroom::costs::Usd>().unwrap();
    let jobs = plan["jobs"].as_array().unwrap();
    assert_eq!(jobs.len(), 2);
    assert_eq!(amount(&jobs[0]["usd"]), amount(&jobs[0]["each_usd"]) * 2);
    assert_eq!(amount(&plan["total_usd"]), jobs.iter().map(|job| amount(&job["usd"])).sum());
    assert!(amount(&plan["total_usd"]) > darkroom::costs::Usd::ZERO);
    assert!(!env.data().join("darkroom.db").exists());
    let table = text(&env.run(&["submit", "--dry-run", "--file", path_text(&file)]).stdout);
    assert!(table.contains("3 images for") && table.contains("simulated: no real money"), "{table}");
}

#[test]
fn unusable_file_is_rejected() {
    let env = TestEnv::new();
    assert!(env.fails(1, &["submit", "--file", "absent.csv"]).contains("cannot read absent.csv"));
    let file = env.file("jobs.csv", "promt\nx\n");
    assert!(env.fails(1, &["submit", "--file", path_text(&file)]).contains("did you mean 'prompt'?"));
    let file = env.file("empty.csv", "prompt\n");
    assert!(env.fails(1, &["submit", "--file", path_text(&file)]).contains("nothing to submit"));
}

#[test]
fn format_is_recognised_without_extension() {
    let env = TestEnv::new();
    for (name, contents) in [("a.txt", "\u{feff}{\"prompt\": \"x\"}\n"), ("b.txt", "\u{feff}prompt\r\nx\r\n")] {
        let file = env.file(name, contents);
        let made = env.json(&["submit", "--json", "--file", path_text(&file)]);
        assert_eq!(made[0]["prompt"], "x", "{name}");
    }
}

/// The requests of a case: prompt and count of each.
fn plan_of(env: &TestEnv, name: &str) -> Vec<(String, u64)> {
    let path = format!("{}/tests/cases/submit/{name}", env!("CARGO_MANIFEST_DIR"));
    let plan = env.json(&["submit", "--json", "--dry-run", "--file", &path]);
    let jobs = plan["jobs"].as_array().unwrap().iter();
    jobs.map(|job| (job["prompt"].as_str().unwrap().to_owned(), job["count"].as_u64().unwrap())).collect()
}

#[test]
fn every_usual_form_of_a_file_is_read() {
    let env = TestEnv::new();
    let fox = || ("a red fox".to_owned(), 2);
    let whale = || ("a blue whale".to_owned(), 1);
    for (name, expected) in [
        ("array.json", vec![fox(), whale()]),
        ("pretty.json", vec![fox()]),
        ("blank-rows.csv", vec![fox(), whale()]),
        ("trailing-columns.csv", vec![fox(), whale()]),
        ("semicolon.csv", vec![fox(), whale()]),
        ("sep-line.csv", vec![fox()]),
        ("tabs.tsv", vec![fox()]),
        ("utf16.csv", vec![fox()]),
        ("utf16.jsonl", vec![("a red fox".to_owned(), 1), whale()]),
        ("whole-numbers-as-floats.csv", vec![fox(), whale()]),
        ("inch-mark.csv", vec![("a television 24\" wide".to_owned(), 1), ("a red fox".to_owned(), 1), whale()]),
    ] {
        assert_eq!(plan_of(&env, name), expected, "{name}");
    }
}

#[test]
fn whole_floats_are_sent_as_whole_numbers() {
    let env = TestEnv::new();
    let path = format!("{}/tests/cases/submit/whole-numbers-as-floats.csv", env!("CARGO_MANIFEST_DIR"));
    let made = env.json(&["submit", "--json", "--file", &path]);
    assert_eq!(made[0]["parameters"], serde_json::json!({"seed": 42, "width": 1024, "height": 768}));
    assert_eq!((made.as_array().unwrap().len(), &made[2]["model"]), (3, &"flux-2-pro".into()));
}

#[test]
fn unclosed_quote_submits_nothing() {
    let env = TestEnv::new();
    let path = format!("{}/tests/cases/submit/unclosed-quote.csv", env!("CARGO_MANIFEST_DIR"));
    let stderr = env.fails(1, &["submit", "--file", &path]);
    assert!(stderr.contains("lines 2 to 4: the quote opened on line 2 is never closed"), "{stderr}");
    assert!(stderr.contains("nothing was submitted"), "{stderr}");
    assert_eq!(env.jobs().len(), 0);
    // What the quote took is no job either.
    let stderr = env.fails(1, &["submit", "--skip-invalid", "--file", &path]);
    assert!(stderr.contains("nothing to submit"), "{stderr}");
}

#[test]
fn prompt_is_stored_byte_for_byte() {
    let env = TestEnv::new();
    let path = format!("{}/tests/cases/submit/joiners.jsonl", env!("CARGO_MANIFEST_DIR"));
    let made = env.json(&["submit", "--json", "--file", &path]);
    let expected: Vec<serde_json::Value> = std::fs::read_to_string(&path)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["prompt"].clone())
        .collect();
    let stored: Vec<serde_json::Value> = made.as_array().unwrap().iter().map(|job| job["prompt"].clone()).collect();
    assert_eq!((stored, expected.len()), (expected, 6));
}

#[test]
fn decimal_comma_is_read_on_request() {
    let env = TestEnv::new();
    let file = env.file("jobs.csv", "prompt;model;guidance\nx;flux-2-flex;3,5\n");
    let stderr = env.fails(1, &["submit", "--file", path_text(&file)]);
    assert!(stderr.contains("line 2: guidance: '3,5' has a decimal comma"), "{stderr}");
    let made = env.json(&["submit", "--json", "--decimal-comma", "--file", path_text(&file)]);
    assert_eq!(made[0]["parameters"], serde_json::json!({"guidance": 3.5}));
}

#[test]
fn file_without_jobs_fails_in_a_dry_run_too() {
    let env = TestEnv::new();
    let empty = env.file("empty.csv", "prompt\n");
    let wrong = env.file("wrong.csv", "prompt,seed\na fox,x\n");
    for dry_run in [&[][..], &["--dry-run"]] {
        let line = env.fails(1, &[&["submit", "--file", path_text(&empty)], dry_run].concat());
        assert!(line.contains("nothing to submit: the file has no jobs"), "{line}");
        let line = env.fails(1, &[&["submit", "--skip-invalid", "--file", path_text(&wrong)], dry_run].concat());
        assert!(line.contains("nothing to submit: no line of the file is valid"), "{line}");
    }
}
