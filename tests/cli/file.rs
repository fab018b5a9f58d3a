//! `submit --file`: whole files, wrong lines, prices.

use crate::support::{TestEnv, path_text, text};

const CSV: &str = "prompt,model,seed,width,height,count,tags\n\
                   \"a fox, \"\"red\"\"\",flux-2-pro,7,512,512,2,\"a; b\"\n\
                   a boat,,,,,,\n";

#[test]
fn a_table_becomes_jobs() {
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
fn file_with_invalid_line_submits_nothing() {
    let env = TestEnv::new();
    let lines = "{\"prompt\": \"good\"}\n\n{\"prompt\": \"bad\", \"seed\": \"x\"}\nnot json\n{\"prompt\": \"too\", \"tags\": [\"t\"]}\n";
    let file = env.file("jobs.jsonl", lines);
    let file = path_text(&file);
    let output = env.run(&["submit", "--json", "--file", file]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("line 3: seed:") && said.contains("line 4: is not a JSON object"), "{said}");
    assert!(said.contains("nothing was submitted"), "{said}");
    assert!(output.stdout.is_empty());
    assert_eq!(env.jobs().len(), 0);
    let made = env.json(&["submit", "--json", "--skip-invalid", "--file", file]);
    assert_eq!(made.as_array().unwrap().len(), 2);
    assert_eq!(made[1]["tags"], serde_json::json!(["t"]));
}

#[test]
fn a_dry_run_prices_a_file_and_creates_nothing() {
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
    assert!(table.contains("3 to make") && table.contains("simulated: no real money"), "{table}");
}

#[test]
fn files_that_are_none_are_refused() {
    let env = TestEnv::new();
    assert!(env.fails(1, &["submit", "--file", "absent.csv"]).contains("absent.csv cannot be read"));
    let file = env.file("jobs.csv", "promt\nx\n");
    assert!(env.fails(1, &["submit", "--file", path_text(&file)]).contains("did you mean 'prompt'?"));
    let file = env.file("empty.csv", "prompt\n");
    assert!(env.fails(1, &["submit", "--file", path_text(&file)]).contains("nothing to submit"));
}

#[test]
fn file_format_is_detected_from_the_content() {
    let env = TestEnv::new();
    for (name, contents) in [("a.txt", "\u{feff}{\"prompt\": \"x\"}\n"), ("b.txt", "\u{feff}prompt\r\nx\r\n")] {
        let file = env.file(name, contents);
        let made = env.json(&["submit", "--json", "--file", path_text(&file)]);
        assert_eq!(made[0]["prompt"], "x", "{name}");
    }
}
