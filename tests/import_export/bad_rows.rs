//! Bad rows: each is rejected by its line with one clean message, and the good rows between them are imported.

use std::fmt::Write as _;

use serde_json::Value;

#[cfg(all(unix, feature = "firestore"))]
use super::env_with_firestore;
use super::{counts, spent};
use crate::support::{TestEnv, path_text, text};

/// A cost line with one thing changed.
fn cost(field: &str, value: &str) -> String {
    let mut line = String::from("{");
    for (name, good) in [
        ("service", "\"bfl_api\""),
        ("job_id", "\"a\""),
        ("cost_usd", "0.025"),
        ("timestamp", "\"2025-11-02T12:00:00Z\""),
        ("details", "{}"),
    ] {
        if name != field {
            let _ = write!(line, "\"{name}\": {good}, ");
        }
    }
    if value.is_empty() {
        return format!("{}}}", line.trim_end_matches(", "));
    }
    format!("{line}\"{field}\": {value}}}")
}

/// Values of a field that make its line no cost.
const FIELDS: [(&str, &[&str]); 5] = [
    ("service", &["", "null", "7", "\"\"", "\"BFL\"", "\"s3\"", "[\"bfl_api\"]"]),
    ("job_id", &["", "null", "7", "\"\"", "\"a\\u0000b\"", "{}"]),
    (
        "cost_usd",
        &[
            "",
            "null",
            "true",
            "-0.01",
            "-0.0",
            "\"-1\"",
            "1e400",
            "-1e400",
            "\"1e400\"",
            "\"NaN\"",
            "\"inf\"",
            "\"\"",
            "\"$1\"",
            "\"0,025\"",
            "\"1e-25\"",
            "\"0.0000000000000000000000001\"",
            "0.1000000000000000000000001",
            "1000001",
            "1e300",
            "[]",
            "{}",
            "0.025, \"cost_usd\": 0.03",
        ],
    ),
    (
        "timestamp",
        &["", "null", "true", "\"\"", "\"now\"", "\"2025-02-30\"", "-1", "1e300", "[]", "\"9999-12-31T00:00:00Z\""],
    ),
    (
        "details",
        &[
            "7",
            "[]",
            "\"{}\"",
            "{\"success\": \"yes\"}",
            "{\"steps\": \"many\"}",
            "{\"model\": 7}",
            "{\"image_size_bytes\": -1}",
            "{\"amount\": \"0.03\"}",
            "{\"amount\": 0.025}",
            "{\"basis\": \"guess\"}",
            "{\"basis\": \"unconfirmed\"}",
            "{\"simulated\": \"false\"}",
            "{\"__x__\": 1}",
            "{\"model\": \"a\", \"model\": \"b\"}",
        ],
    ),
];

/// Lines that are rejected, each for another reason.
fn hostile() -> Vec<String> {
    let mut lines: Vec<String> = [
        "null",
        "7",
        "[]",
        "\"cost\"",
        "{",
        "}",
        "{}",
        "{}{}",
        "{\"service\"}",
        "{\"service\": \"bfl_api\",}",
        "\u{0}",
        "not json",
        "{\"cost_usd\": NaN}",
        "[{\"service\": \"bfl_api\"}]",
        "{\"a\": \"\\ud800\"}",
        "{\"prompt\": \"a\", \"service\": \"bfl_api\"}",
        "{\"status\": \"done\", \"prompt\": \"a\"}",
        "{\"status\": 7}",
        "{\"status\": \"pending_review\"}",
        "{\"status\": \"error\", \"createdAt\": \"when\"}",
        "{\"status\": \"error\", \"bfl_cost_usd\": -1}",
        "{\"status\": \"error\", \"steps\": {}}",
        "{\"status\": \"error\", \"darkroom\": 7}",
        "{\"status\": \"error\", \"darkroom\": {\"job\": \"{}\"}}",
        "{\"status\": \"error\", \"id\": \"a/b\"}",
        "{\"status\": \"error\", \"id\": \"__x__\"}",
        "{\"status\": \"error\", \"id\": \"\"}",
        "{\"status\": \"error\", \"id\": []}",
        "{\"status\": \"error\", \"x\": [[1]]}",
        "{\"status\": \"error\", \"\": 1}",
        "{\"status\": \"error\", \"__y__\": 1}",
        "{\"status\": \"error\", \"model\": [\"x\"]}",
        "{\"status\": \"pending_review\", \"generatedImageUrl\": 7}",
    ]
    .map(str::to_owned)
    .to_vec();
    for (field, values) in FIELDS {
        lines.extend(values.iter().map(|value| cost(field, value)));
    }
    lines.push(cost(
        "details",
        &format!("{{\"deep\": {}{}}}", "[{\"a\":".repeat(15), "}]".repeat(15)).replace(":}", ":1}"),
    ));
    lines.push(cost("details", &format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000))));
    lines.push(cost("details", &format!("{{\"error\": \"{}\"}}", "x".repeat(900_000))));
    lines
}

fn bad_lines_are_rejected(env: &TestEnv) {
    let hostile = hostile();
    let mut file = Vec::new();
    for (number, line) in hostile.iter().enumerate() {
        let good = format!("{}\n", cost("id", &format!("\"good-{number}\"")));
        file.extend_from_slice(good.as_bytes());
        file.extend_from_slice(line.as_bytes());
        file.extend_from_slice(if number % 2 == 0 { b"\r\n" } else { b"\n" });
    }
    file.extend_from_slice(b"{\"service\": \"bfl_api\", \"job_id\": \"\xff\xfe\"}\n");
    // Fifty megabytes without an end of line, twice: no memory is taken for them.
    for begin in [&b"{\"service\": \""[..], b""] {
        file.extend_from_slice(begin);
        file.resize(file.len() + 25_000_000, b'x');
        file.push(b'\n');
    }
    file.extend_from_slice(cost("id", "\"last\"").as_bytes());
    let path = env.path("hostile.jsonl");
    std::fs::write(&path, file).unwrap();
    let output = env.run(&["import", path_text(&path), "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    let refused: Vec<u64> =
        summary["refused"].as_array().unwrap().iter().map(|one| one["line"].as_u64().unwrap()).collect();
    let mut expected: Vec<u64> = (1..=hostile.len() as u64).map(|number| 2 * number).collect();
    expected.extend([1, 2, 3].map(|more| 2 * hostile.len() as u64 + more));
    let missing: Vec<_> = expected.iter().filter(|line| !refused.contains(line)).collect();
    let missing: Vec<_> = missing.iter().map(|line| hostile.get(**line as usize / 2 - 1)).collect();
    assert_eq!(refused, expected, "taken: {missing:?}");
    assert_eq!(counts(&summary), [0, 0, hostile.len() as u64 + 1, 0]);
    for line in text(&output.stderr).lines() {
        assert!(line.len() < 600 && !line.contains('\u{1b}') && !line.contains("panicked"), "{line}");
    }
    assert_eq!(spent(env).1, hostile.len() as u64 + 1);
}

#[test]
fn bad_json_lines_are_rejected_on_sqlite() {
    bad_lines_are_rejected(&TestEnv::new());
}

#[cfg(all(unix, feature = "firestore"))]
#[test]
#[cfg_attr(not(firestore_emulator_installed), ignore = "the Firestore emulator is not installed")]
fn bad_json_lines_are_rejected_on_firestore() {
    bad_lines_are_rejected(&env_with_firestore());
}

#[test]
fn bad_csv_rows_are_rejected_by_line() {
    let env = TestEnv::new();
    let mut csv = Vec::from(&b"\xef\xbb\xbfservice,job_id,cost_usd,timestamp,note\r\n"[..]);
    csv.extend_from_slice(b"bfl_api,a,0.025,2025-11-02,ok\r\n"); // 2
    csv.extend_from_slice(b"bfl_api,a,0.025\r\n"); // 3: cells are missing
    csv.extend_from_slice(b"bfl_api,a,0.025,2025-11-02,x,y\r\n"); // 4: too many
    csv.extend_from_slice(b"bfl_api,a,-0.025,2025-11-02,\r\n"); // 5
    csv.extend_from_slice(b"bfl_api,a,NaN,2025-11-02,\r\n"); // 6
    csv.extend_from_slice(b"bfl_api,a,1e400,2025-11-02,\n"); // 7
    csv.extend_from_slice(b"bfl_api,a,,2025-11-02,\n"); // 8
    csv.extend_from_slice(b"bfl_api,\xff,0.025,2025-11-02,\n"); // 9
    csv.extend_from_slice(b"bfl_api,a\0b,0.025,2025-11-02,\n"); // 10
    csv.extend_from_slice(b"bfl_api,b,0.025,2025-11-02,\"two\nlines, \"\"quoted\"\"\"\n"); // 11 and 12: good
    csv.extend_from_slice(b"bfl_api,a,0.025,yesterday,\n"); // 13
    csv.extend_from_slice(b"service,job_id,cost_usd,timestamp,note\n"); // 14: a heading once more
    csv.extend_from_slice(b"bfl_api,a,0.025,2025-11-02,\"never closed"); // 15: too long, then the search goes on
    csv.resize(csv.len() + 10_000_000, b'x');
    csv.extend_from_slice(b"\nbfl_api,c,0.025,2025-11-02,ok\n");
    let path = env.path("hostile.csv");
    std::fs::write(&path, csv).unwrap();
    let output = env.run(&["import", path_text(&path), "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    let refused: Vec<u64> =
        summary["refused"].as_array().unwrap().iter().map(|one| one["line"].as_u64().unwrap()).collect();
    assert_eq!(refused, [3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15], "{summary}");
    assert_eq!(counts(&summary), [0, 0, 3, 0]);
    for heading in ["service,cost_usd,service", "a,b", "service,status", "", "\u{0}\u{1}"] {
        let file = env.file("heading.csv", &format!("{heading}\nbfl_api,1,2\n"));
        let printed = env.fails(1, &["import", path_text(&file)]);
        assert!(printed.contains("line 1:") || printed.contains("line 2:"), "{heading}: {printed}");
    }
    assert_eq!(spent(&env).1, 3);
}

#[test]
fn damaged_json_keeps_what_precedes_the_damage() {
    let env = TestEnv::new();
    let good = |name: &str| cost("id", &format!("\"{name}\""));
    for (contents, new, refused) in [
        (format!("[{}, {}", good("a"), good("b")), 2, 1),
        (format!("[{}, {{\"service\": \"bfl\n, {}]", good("c"), good("d")), 1, 1),
        (format!("{{\"costs\": [{}, 7, null], \"users\": [1, 2]}}", good("e")), 1, 2),
        (format!("{{\"costs\": {{\"x\": 3, \"y\": {}}}}} trailing", good("f")), 1, 2),
        ("[".repeat(100_000), 0, 1),
        ("{\"jobs\": ".repeat(10_000), 0, 1),
        (String::new(), 0, 0),
    ] {
        let file = env.file("damaged.json", &contents);
        let output = env.run(&["import", path_text(&file), "--json"]);
        let summary: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
        let shown = &contents[..contents.len().min(120)];
        assert_eq!(
            (counts(&summary)[2], summary["refused_count"].as_u64()),
            (new, Some(refused)),
            "{shown}: {summary}"
        );
    }
    assert!(env.fails(1, &["import", "nowhere.json"]).contains("cannot read nowhere.json"));
    assert!(env.fails(1, &["import", "."]).contains("cannot read"));
}

#[test]
fn status_of_another_form_names_the_known_ones() {
    let env = TestEnv::new();
    let rows = "{\"id\": \"a\", \"status\": \"completed\", \"prompt\": \"fox\"}\n\
                {\"id\": \"b\", \"status\": \"approved\", \"prompt\": \"fox\"}\n";
    let file = env.file("jobs.jsonl", rows);
    let line = env.fails(1, &["import", path_text(&file)]);
    assert!(line.contains("status 'completed' is not known; one of: pending_art_generation, processing,"), "{line}");
    assert!(line.contains("line 2: status is approved, but generatedImageUrl is missing"), "{line}");
}
