//! Files that spreadsheets and programs wrote, each with the correct result of `import`, and of `export` for formulas.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{counts, export, spent};
use crate::support::{TestEnv, path_text, text};

/// The exit code and the summary of an import of that case.
fn import_case(env: &TestEnv, name: &str, arguments: &[&str]) -> (Option<i32>, Value, String) {
    let path = format!("{}/tests/cases/import/{name}", env!("CARGO_MANIFEST_DIR"));
    let output = env.run(&[&["import", &path, "--json"], arguments].concat());
    let stderr = text(&output.stderr);
    let summary = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{name}: {stderr}"));
    (output.status.code(), summary, stderr)
}

fn imports(name: &str, jobs: u64, costs: u64, usd: &str) -> TestEnv {
    let env = TestEnv::new();
    let (code, summary, stderr) = import_case(&env, name, &[]);
    assert_eq!((code, counts(&summary)), (Some(0), [jobs, 0, costs, 0]), "{name}: {stderr}");
    assert_eq!((&summary["refused_count"], &summary["complete"]), (&json!(0), &json!(true)), "{name}");
    assert_eq!(spent(&env), (usd.parse::<Decimal>().unwrap(), costs), "{name}");
    env
}

fn costs(env: &TestEnv) -> Vec<Value> {
    let mut costs: Vec<Value> = serde_json::from_str(&export(env, &["--costs", "--format", "json"])).unwrap();
    costs.sort_by_key(|cost| cost["job_id"].to_string());
    costs
}

#[test]
fn inch_mark_in_unquoted_cell_is_literal() {
    let env = imports("inch-mark.csv", 0, 3, "7");
    assert_eq!(costs(&env)[0]["note"], "24\" wide");
    imports("inch-marks-2.csv", 0, 5, "0.3");
    let env = imports("jobs-inch-mark.csv", 2, 0, "0");
    assert!(env.jobs().iter().any(|job| job["prompt"] == "a television 24\" wide"));
}

#[test]
fn damaged_quotes_reject_their_row_only() {
    let env = TestEnv::new();
    let (code, summary, stderr) = import_case(&env, "quotes-mixed.csv", &[]);
    assert_eq!((code, counts(&summary)), (Some(1), [0, 0, 2, 0]), "{stderr}");
    assert_eq!(summary["refused"][0]["line"], 4, "{summary}");
    assert!(stderr.contains("line 4: text after the closing quote of cell 5"), "{stderr}");
    let costs = costs(&env);
    assert_eq!((&costs[0]["note"], &costs[1]["job_id"]), (&json!("said \"hi\" to\nall"), &json!("c")));
}

#[test]
fn decimal_comma_is_refused_or_read_on_request() {
    let env = TestEnv::new();
    let (code, summary, stderr) = import_case(&env, "semicolon.csv", &[]);
    assert_eq!((code, counts(&summary)), (Some(1), [0, 0, 0, 0]), "{stderr}");
    assert!(stderr.contains("line 2: cost_usd: '0,04' has a decimal comma (cells are separated by ';')"), "{stderr}");
    assert!(stderr.contains("--decimal-comma") && stderr.contains("line 3: "), "{stderr}");
    let (code, summary, stderr) = import_case(&env, "semicolon.csv", &["--decimal-comma"]);
    assert_eq!((code, counts(&summary)), (Some(1), [0, 0, 1, 0]), "{stderr}");
    assert!(stderr.contains("line 3: timestamp") && stderr.contains("20.11.2026"), "{stderr}");
    assert_eq!(spent(&env).0, "0.04".parse().unwrap());

    let env = TestEnv::new();
    let (code, summary, stderr) = import_case(&env, "semicolon-decimal-comma.csv", &[]);
    assert_eq!((code, counts(&summary)), (Some(1), [0, 0, 1, 0]), "{stderr}");
    assert!(stderr.contains("line 2: cost_usd: '0,04' has a decimal comma (cells are separated by ',')"), "{stderr}");
    let (code, summary, _) = import_case(&env, "semicolon-decimal-comma.csv", &["--decimal-comma"]);
    assert_eq!((code, counts(&summary)), (Some(0), [0, 0, 1, 1]));
    assert_eq!(spent(&env).0, "0.09".parse().unwrap());
}

#[test]
fn utf16_file_is_read() {
    imports("utf16.csv", 0, 1, "0.04");
}

#[test]
fn whole_floats_are_whole_numbers() {
    let env = imports("whole-numbers-as-floats.csv", 0, 2, "0.09");
    let costs = costs(&env);
    assert_eq!((&costs[0]["job_id"], &costs[1]["job_id"]), (&json!("17"), &json!("18")));
    assert_eq!(costs[0]["details"]["steps"].as_f64(), Some(28.0));
    assert_eq!(costs[0]["details"]["success"], json!(true));
}

#[test]
fn empty_columns_and_rows_are_ignored() {
    imports("trailing-columns.csv", 0, 1, "0.04");
    imports("blank-rows.csv", 0, 1, "0.04");
}

#[test]
fn exported_formula_is_guarded_and_comes_back() {
    let env = TestEnv::new();
    let path = format!("{}/tests/cases/submit/formula.jsonl", env!("CARGO_MANIFEST_DIR"));
    env.json(&["submit", "--json", "--file", &path]);
    assert!(env.run(&["worker", "--until-idle"]).status.success());
    for arguments in [&["--jobs", "--format", "csv"][..], &["--costs", "--format", "csv"]] {
        let exported = export(&env, arguments);
        let mut rows = csv::Reader::from_reader(exported.as_bytes());
        let cells: Vec<String> =
            rows.records().flat_map(|row| row.unwrap().iter().map(str::to_owned).collect::<Vec<_>>()).collect();
        assert!(cells.iter().all(|cell| !cell.starts_with(['=', '+', '-', '@', '\t', '\r'])), "{cells:?}");
    }
    let exported = export(&env, &["--jobs", "--format", "csv"]);
    assert!(exported.contains("'=SUM(1,1)") && exported.contains("'-2+3 foxes"), "{exported}");
    let other = TestEnv::new();
    let file = other.file("jobs.csv", &exported);
    assert_eq!(counts(&other.json(&["import", path_text(&file), "--json"])), [5, 0, 0, 0]);
    let sorted = |env: &TestEnv| {
        let mut lines: Vec<String> = export(env, &["--jobs"]).lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&other), sorted(&env));
}

#[test]
fn json_flag_conflicts_with_csv_on_stdout() {
    let env = TestEnv::new();
    for format in ["csv", "jsonl"] {
        let stderr = env.fails(2, &["export", "--costs", "--json", "--format", format]);
        assert!(stderr.contains(&format!("--json conflicts with --format {format}")), "{stderr}");
    }
    let file = env.path("costs.csv");
    let summary = env.json(&["export", "--costs", "--json", "--format", "csv", "--output", path_text(&file)]);
    assert_eq!((&summary["costs"], &summary["skipped"]), (&json!(0), &json!(0)));
}
