//! One row for each trouble that the simulator knows: where the job ends, and what the books say beside the bill.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::support::{TestEnv, ledger_check, path_text, text};

/// What a trouble comes to: model, words in the prompt, status, error code, basis of the cost, times billed, attempts of the
/// submit step (0 where they do not matter).
type Row = (&'static str, &'static str, &'static str, &'static str, &'static str, usize, u64);

const SMALL: &str = "flux-2-klein-4b";
/// A model without a published price.
const UNPRICED: &str = "outpainting-v1";
/// A model whose acceptance names no price.
const SILENT: &str = "flux-pro-1.1";

const TABLE: [Row; 29] = [
    (SMALL, "plain", "done", "", "settled", 1, 1),
    (SILENT, "plain", "done", "", "settled", 1, 1),
    (UNPRICED, "plain", "done", "", "settled", 1, 1),
    // The ticket fails. Whether that is billed is not documented: unknown, never free.
    (SMALL, "[sim:moderated]", "failed", "request_moderated", "unknown", 1, 1),
    (SMALL, "[sim:content-moderated]", "failed", "content_moderated", "unknown", 1, 1),
    (SMALL, "[sim:error]", "failed", "provider_error", "unknown", 1, 1),
    (SMALL, "[sim:error-422]", "failed", "provider_error", "unknown", 1, 1),
    (SMALL, "[sim:error-503]", "failed", "provider_error", "unknown", 1, 1),
    (SMALL, "[sim:task-gone]", "failed", "ticket_lost", "unknown", 1, 1),
    (SILENT, "[sim:error]", "failed", "provider_error", "unknown", 1, 1),
    // Clearly not accepted: tried again, billed once.
    (SMALL, "[sim:429]", "done", "", "settled", 1, 2),
    (SMALL, "[sim:429*2]", "done", "", "settled", 1, 3),
    (SMALL, "[sim:503]", "done", "", "settled", 1, 2),
    (SMALL, "[sim:503*2]", "done", "", "settled", 1, 3),
    // Unknown outcome: never sent again, and listed separately.
    (SMALL, "[sim:500]", "failed", "submit_unknown", "unconfirmed", 0, 1),
    (SMALL, "[sim:dropped]", "failed", "submit_unknown", "unconfirmed", 0, 1),
    (SMALL, "[sim:lost]", "failed", "submit_unknown", "unconfirmed", 1, 1),
    (UNPRICED, "[sim:lost]", "failed", "submit_unknown", "unconfirmed", 1, 1),
    // Looks and downloads cost nothing and are repeated.
    (SMALL, "[sim:slow]", "done", "", "settled", 1, 1),
    (SMALL, "[sim:poll-429]", "done", "", "settled", 1, 1),
    (SMALL, "[sim:poll-500]", "done", "", "settled", 1, 1),
    (SMALL, "[sim:poll-500*3]", "done", "", "settled", 1, 1),
    (SMALL, "[sim:poll-503]", "done", "", "settled", 1, 1),
    (SMALL, "[sim:truncated]", "done", "", "settled", 1, 1),
    (SMALL, "[sim:html*2]", "done", "", "settled", 1, 1),
    // The image is lost, the money is spent.
    (SMALL, "[sim:html]", "failed", "picture_broken", "settled", 1, 1),
    (SMALL, "[sim:broken]", "failed", "picture_broken", "settled", 1, 1),
    (SMALL, "[sim:expired]", "failed", "sample_expired", "settled", 1, 1),
    // Accepted, so booked; the key goes nowhere else.
    (SMALL, "[sim:foreign]", "failed", "foreign_address", "quoted", 1, 1),
];

fn prompt(index: usize) -> String {
    format!("row {index} {}", TABLE[index].1)
}

/// Queues a job for every row.
pub(crate) fn queue(env: &TestEnv) {
    let image = super::harness::small_image(&env.path("in.png"));
    let line = |index: usize| {
        let mut line = json!({"model": TABLE[index].0, "prompt": prompt(index)});
        match TABLE[index].0 {
            UNPRICED => {
                line["input_image"] = json!(image);
                (line["width"], line["height"]) = (json!(64), json!(64));
            }
            SILENT => (line["width"], line["height"]) = (json!(256), json!(256)),
            _ => (line["width"], line["height"]) = (json!(64), json!(64)),
        }
        line.to_string()
    };
    let lines: Vec<String> = (0..TABLE.len()).map(line).collect();
    let file = env.file("table.jsonl", &lines.join("\n"));
    env.json(&["submit", "--json", "--file", path_text(&file)]);
}

fn submit_tries(job: &Value) -> u64 {
    let steps = job["steps"].as_array().unwrap();
    steps.iter().find(|step| step["name"] == "submit").unwrap()["tries"].as_u64().unwrap()
}

#[test]
fn local_engine_matches_fault_table() {
    let env = TestEnv::new();
    queue(&env);
    let output = env.run(&["worker", "--until-idle"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    check(&env);
}

/// Asserts that every row has finished as the table says, under any engine.
pub(crate) fn check(env: &TestEnv) {
    let bill = ledger_check::bill(env);
    let jobs = env.jobs();
    let (mut certain, mut unknown, mut unconfirmed) = (Decimal::ZERO, Decimal::ZERO, Decimal::ZERO);
    for (index, (model, words, status, code, basis, billed, tries)) in TABLE.into_iter().enumerate() {
        let about = format!("{model} {words}");
        let job = jobs.iter().find(|job| job["prompt"] == prompt(index)).unwrap();
        assert_eq!(job["status"], status, "{about}: {job}");
        assert_eq!(job["error"]["code"].as_str().unwrap_or_default(), code, "{about}: {job}");
        assert_eq!(job["cost_basis"], basis, "{about}: {job}");
        assert_eq!((&job["attempt"], submit_tries(job)), (&1.into(), tries), "{about}: {job}");
        let (times, amount) = bill.get(&prompt(index)).copied().unwrap_or_default();
        assert_eq!(times, billed, "{about} is billed");
        match basis {
            // Never a zero in place of an unknown amount.
            "unknown" | "unconfirmed" => assert!(job["cost_usd"].is_null(), "{about}: {job}"),
            _ => assert_eq!(ledger_check::dollars(&job["cost_usd"]), amount, "{about}"),
        }
        match basis {
            "unknown" => unknown += amount,
            "unconfirmed" => unconfirmed += amount,
            _ => certain += amount,
        }
        if status == "done" {
            let image = url::Url::parse(job["image_url"].as_str().unwrap()).unwrap().to_file_path().unwrap();
            image::load_from_memory(&std::fs::read(image).unwrap()).unwrap();
        } else {
            assert!(job["error"]["message"].as_str().unwrap().len() > 10, "{about}: {job}");
        }
    }
    let costs = env.json(&["costs", "--json", "--days", "2"]);
    assert_eq!(ledger_check::dollars(&costs["total_usd"]), certain, "{costs}");
    assert_eq!(ledger_check::dollars(&costs["unknown_usd"]), unknown, "what a dead ticket may have cost: {costs}");
    // The unpriced order that was lost is on the bill, but no estimate of it exists: it is counted.
    let lost_unpriced = bill[&prompt(17)].1;
    assert!(ledger_check::dollars(&costs["unconfirmed_usd"]) >= unconfirmed - lost_unpriced, "{costs}");
    assert_eq!(costs["unpriced_count"], 1, "{costs}");
    assert_eq!(certain + unknown + unconfirmed, ledger_check::total(&bill), "every cent on the bill is explained");
    the_key_went_nowhere_else(env);
    nothing_is_sent_again(env, &bill);
}

/// A second run finds nothing to do: an operator decides about unknown outcomes.
fn nothing_is_sent_again(env: &TestEnv, bill: &std::collections::BTreeMap<String, (usize, Decimal)>) {
    assert!(env.run(&["worker", "--until-idle"]).status.success());
    assert_eq!(&ledger_check::bill(env), bill);
}

/// A host of that name exists nowhere, so a request to it would have left a line about names that are not found.
fn the_key_went_nowhere_else(env: &TestEnv) {
    for entry in std::fs::read_dir(env.path("logs")).unwrap() {
        let log = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!log.contains("simulated\u{22}}") && !log.to_lowercase().contains("x-key"), "{log}");
        let foreign: Vec<&str> = log.lines().filter(|line| line.contains("attacker.example")).collect();
        assert!(foreign.iter().all(|line| !line.contains("poll failed") && !line.contains("connect")), "{foreign:?}");
        assert!(!foreign.is_empty(), "the refusal is in the log");
    }
}
