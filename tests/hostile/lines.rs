//! Bad rows of `submit --file`: each is rejected by its line with one clean message, and the good rows between them go on.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{TestEnv, ledger_check, path_text, text};

const GOOD: &str = r#"{"prompt": "good", "model": "flux-2-klein-4b", "width": 64, "height": 64}"#;

/// Lines that are rejected, each for another reason.
const HOSTILE: &[&str] = &[
    // No object at all.
    "null",
    "true",
    "7",
    "-0.0",
    "\"prompt\"",
    "[]",
    "[{\"prompt\": \"a\"}]",
    "{",
    "}",
    "{}{}",
    "{\"prompt\": \"a\"} tail",
    "{\"prompt\"}",
    "{\"prompt\":}",
    "{prompt: \"a\"}",
    "{'prompt': 'a'}",
    "{\"prompt\": \"a\",}",
    "{\"prompt\": \"a\"",
    "{\"prompt\": \"a}",
    "{\"prompt\": \"\\x\"}",
    "{\"prompt\": \"\\ud800\"}",
    "// {\"prompt\": \"a\"}",
    "prompt,model",
    "\u{0}",
    "{\"prompt\": \"a\u{1}b\"}",
    "{\"prompt\": NaN}",
    "{\"prompt\": \"a\", \"seed\": NaN}",
    "{\"prompt\": \"a\", \"seed\": Infinity}",
    "{\"prompt\": \"a\", \"seed\": 01}",
    "{\"prompt\": \"a\", \"seed\": +1}",
    // No prompt, or none that is one.
    "{}",
    r#"{"prompt": ""}"#,
    r#"{"prompt": "  \n "}"#,
    r#"{"prompt": null}"#,
    r#"{"prompt": 7}"#,
    r#"{"prompt": ["a"]}"#,
    r#"{"prompt": {"text": "a"}}"#,
    r#"{"prompt": true}"#,
    r#"{"Prompt": "a"}"#,
    r#"{"prompts": "a"}"#,
    // No model that is known.
    r#"{"prompt": "a", "model": "flux-99"}"#,
    r#"{"prompt": "a", "model": ""}"#,
    r#"{"prompt": "a", "model": 2}"#,
    r#"{"prompt": "a", "model": "flux-2-pro\u001b[2J"}"#,
    r#"{"prompt": "a", "model": "../../v1/credits"}"#,
    r#"{"prompt": "a", "model": "FLUX-2-PRO "}"#,
    // Absurd counts.
    r#"{"prompt": "a", "count": 0}"#,
    r#"{"prompt": "a", "count": -1}"#,
    r#"{"prompt": "a", "count": 1.5}"#,
    r#"{"prompt": "a", "count": "2"}"#,
    r#"{"prompt": "a", "count": 1e20}"#,
    r#"{"prompt": "a", "count": 10001}"#,
    r#"{"prompt": "a", "count": 4294967297}"#,
    r#"{"prompt": "a", "count": 99999999999999999999999}"#,
    r#"{"prompt": "a", "count": [1]}"#,
    r#"{"prompt": "a", "count": true}"#,
    // Tags that are none.
    r#"{"prompt": "a", "tags": 7}"#,
    r#"{"prompt": "a", "tags": {"a": 1}}"#,
    r#"{"prompt": "a", "tags": ["b", 7]}"#,
    r#"{"prompt": "a", "tags": [["b"]]}"#,
    r#"{"prompt": "a", "tags": true}"#,
    // The same twice: which is meant?
    r#"{"prompt": "a", "prompt": "b"}"#,
    r#"{"prompt": "a", "count": 1, "count": 9000}"#,
    r#"{"prompt": "a", "seed": 1, "seed": 1}"#,
    r#"{"prompt": "a", "\u0070rompt": "b"}"#,
    // Parameters that do not exist, or not so.
    r#"{"prompt": "a", "webhook_url": "https://evil.example/"}"#,
    r#"{"prompt": "a", "__proto__": {}}"#,
    r#"{"prompt": "a", "": 1}"#,
    r#"{"prompt": "a", "\u001b[31m": 1}"#,
    r#"{"prompt": "a", "parameters": {"seed": 1}}"#,
    r#"{"prompt": "a", "id": "stolen"}"#,
    r#"{"prompt": "a", "simulated": false}"#,
    r#"{"prompt": "a", "raw": true}"#,
    r#"{"prompt": "a", "seed": -1}"#,
    r#"{"prompt": "a", "seed": 1e300}"#,
    r#"{"prompt": "a", "seed": 0.5}"#,
    r#"{"prompt": "a", "seed": 9007199254740993}"#,
    r#"{"prompt": "a", "seed": "seven"}"#,
    r#"{"prompt": "a", "seed": {}}"#,
    r#"{"prompt": "a", "width": 63}"#,
    r#"{"prompt": "a", "width": 100}"#,
    r#"{"prompt": "a", "width": -512}"#,
    r#"{"prompt": "a", "width": 1000000000}"#,
    r#"{"prompt": "a", "width": [512]}"#,
    r#"{"prompt": "a", "width": "wide"}"#,
    r#"{"prompt": "a", "width": 4096, "height": 4096}"#,
    r#"{"prompt": "a", "output_format": "gif"}"#,
    r#"{"prompt": "a", "output_format": 1}"#,
    r#"{"prompt": "a", "safety_tolerance": 6}"#,
    r#"{"prompt": "a", "safety_tolerance": -1}"#,
    r#"{"prompt": "a", "disable_pup": "perhaps"}"#,
    r#"{"prompt": "a", "model": "flux-2-flex", "guidance": 1e9}"#,
    r#"{"prompt": "a", "model": "flux-2-flex", "steps": 0}"#,
    r#"{"prompt": "a", "model": "flux-kontext-pro", "aspect_ratio": "0:0"}"#,
    r#"{"prompt": "a", "model": "flux-kontext-pro", "aspect_ratio": "1:99999999999999999999"}"#,
    r#"{"prompt": "a", "model": "flux-kontext-pro", "aspect_ratio": "16/9"}"#,
    // Not images, or files that may not be opened.
    r#"{"prompt": "a", "input_image": "/etc/passwd"}"#,
    r#"{"prompt": "a", "input_image": "/etc/hostname"}"#,
    r#"{"prompt": "a", "input_image": "/dev/zero"}"#,
    r#"{"prompt": "a", "input_image": "/dev/stdin"}"#,
    r#"{"prompt": "a", "input_image": "/"}"#,
    r#"{"prompt": "a", "input_image": "."}"#,
    r#"{"prompt": "a", "input_image": "absent.png"}"#,
    r#"{"prompt": "a", "input_image": "jobs.jsonl"}"#,
    r#"{"prompt": "a", "input_image": "../../../../etc/passwd"}"#,
    r#"{"prompt": "a", "input_image": ""}"#,
    r#"{"prompt": "a", "input_image": "file:///etc/passwd"}"#,
    r#"{"prompt": "a", "input_image": "http://example.org/a.png"}"#,
    r#"{"prompt": "a", "input_image": "ftp://example.org/a.png"}"#,
    r#"{"prompt": "a", "input_image": "https://"}"#,
    r#"{"prompt": "a", "input_image": "javascript://%0aalert(1)"}"#,
    r#"{"prompt": "a", "input_image": "data:image/png,abc"}"#,
    r#"{"prompt": "a", "input_image": "data:image/png;base64,@@@@"}"#,
    r#"{"prompt": "a", "input_image": "a\u0000b.png"}"#,
    r#"{"prompt": "a", "input_image": "\u001b]0;x\u0007.png"}"#,
    r#"{"prompt": "a", "input_image": ["/etc/passwd"]}"#,
    r#"{"prompt": "a", "input_image": 7}"#,
    r#"{"model": "erase-v1", "prompt": "takes none"}"#,
    r#"{"model": "erase-v1"}"#,
    r#"{"model": "vto-v1", "prompt": "a", "person": "/etc/passwd", "garment": "/etc/passwd"}"#,
];

/// Those, and what is too large, too deep, or no text to stand above.
fn hostile_json() -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = HOSTILE.iter().map(|line| line.as_bytes().to_vec()).collect();
    lines.push(format!(r#"{{"prompt": "{}"}}"#, "x".repeat(1 << 20)).into_bytes());
    lines.push(format!(r#"{{"prompt": "a", "model": "{}"}}"#, "x".repeat(1 << 20)).into_bytes());
    lines.push(format!(r#"{{"prompt": "a", "{}": 1}}"#, "x".repeat(1 << 20)).into_bytes());
    lines.push(format!(r#"{{"prompt": "a", "seed": "{}"}}"#, "9".repeat(1 << 20)).into_bytes());
    lines.push(format!(r#"{{"prompt": "a", "seed": {}}}"#, "9".repeat(1 << 16)).into_bytes());
    lines.push(format!(r#"{{"prompt": "a", "input_image": "{}"}}"#, "a/".repeat(1 << 19)).into_bytes());
    lines.push(format!(r#"{{"prompt": {}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000)).into_bytes());
    lines.push(format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000)).into_bytes());
    lines.push(b"\xff\xfe{\"prompt\": \"a\"}".to_vec());
    lines.push(b"{\"prompt\": \"\xc3\x28\"}".to_vec());
    lines.push((0..=255).filter(|byte| *byte != b'\n').collect());
    lines
}

/// Reads the refusals of a dry run: line numbers with their reasons, each one clean line.
fn refusals(plan: &Value) -> BTreeMap<u64, String> {
    let refused = plan["refused"].as_array().unwrap().iter().map(|refused| {
        let reason = refused["reason"].as_str().unwrap().to_owned();
        assert!(reason.len() > 8 && reason.chars().count() <= 1_001, "{reason}");
        assert!(!reason.chars().any(char::is_control), "{reason:?}");
        (refused["line"].as_u64().unwrap(), reason)
    });
    refused.collect()
}

fn dry_run(env: &TestEnv, file: &str) -> Value {
    let output = env.run(&["submit", "--dry-run", "--json", "--file", file]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(!text(&output.stderr).contains("panicked"));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn bad_json_lines_are_rejected_by_line() {
    let env = TestEnv::new();
    let hostile = hostile_json();
    assert!(hostile.len() >= 100, "{}", hostile.len());
    // A byte order mark, then a good line after every hostile one; carriage returns on some.
    let mut file = b"\xef\xbb\xbf".to_vec();
    let mut bad = Vec::new();
    for (index, line) in hostile.iter().enumerate() {
        file.extend_from_slice(line);
        file.extend_from_slice(if index % 3 == 0 { b"\r\n" } else { b"\n" });
        bad.push(2 * index as u64 + 1);
        file.extend_from_slice(if index < 5 { GOOD.as_bytes() } else { b"  \t" });
        file.push(b'\n');
    }
    let path = env.path("jobs.jsonl");
    std::fs::write(&path, &file).unwrap();
    let plan = dry_run(&env, path_text(&path));
    let refused = refusals(&plan);
    for (number, line) in bad.iter().zip(&hostile) {
        assert!(refused.contains_key(number), "line {number} was taken: {}", text(&line[..line.len().min(200)]));
    }
    assert_eq!(refused.len(), bad.len(), "a good line was refused");
    assert_eq!(plan["count"], 5);

    // Without --skip-invalid nothing is submitted; each problem is printed on standard error with its line.
    let printed = env.fails(1, &["submit", "--file", path_text(&path)]);
    assert!(printed.contains("line 1: ") && printed.contains("nothing was submitted"), "{printed}");
    assert!(printed.lines().count() < 30 && printed.len() < 30_000, "{} bytes", printed.len());
    assert!(!printed.chars().any(|character| character.is_control() && character != '\n'), "{printed:?}");
    assert_eq!(env.jobs().len(), 0);

    let made = env.json(&["submit", "--json", "--skip-invalid", "--file", path_text(&path)]);
    assert_eq!(made.as_array().unwrap().len(), 5);
    assert!(env.run(&["worker", "--until-idle"]).status.success());
    assert!(env.jobs().iter().all(|job| job["status"] == "done"));
    assert_eq!(ledger_check::bill(&env)["good"].0, 5);
}

#[test]
fn bad_csv_rows_are_rejected_by_line() {
    let env = TestEnv::new();
    let heading = "prompt,model,count,tags,seed,width,height,input_image,output_format";
    let rows: [&[u8]; 36] = [
        b"",
        b"a",
        b"a,,,,,,,,,x",
        b"a,,,,,,,,,,,,,,,,,,x",
        b"a,\"b\"c,,,,,,,",
        b",flux-2-pro,1,,,,,,",
        b",,,,7,,,,",
        b"a,flux-99,,,,,,,",
        b"a,,0,,,,,,",
        b"a,,-3,,,,,,",
        b"a,,1e3,,,,,,",
        b"a,,many,,,,,,",
        b"a,,10001,,,,,,",
        b"a,,99999999999999999999,,,,,,",
        b"a,,,,NaN,,,,",
        b"a,,,,inf,,,,",
        b"a,,,,-1,,,,",
        b"a,,,,1.5,,,,",
        b"a,,,,0x10,,,,",
        b"a,,,,,63,,,",
        b"a,,,,,-64,,,",
        b"a,,,,,1e9,,,",
        b"a,,,,,wide,,,",
        b"a,,,,,4096,4096,,",
        b"a,,,,,,,/etc/passwd,",
        b"a,,,,,,,/dev/zero,",
        b"a,,,,,,,http://example.org/a.png,",
        b"a,,,,,,,file:///etc/passwd,",
        b"a,,,,,,,absent.png,",
        b"a,,,,,,,\x1b[2J.png,",
        b"a,,,,,,,,gif",
        b"a,,,,,,,,\x1b[31mpng",
        b"\xff\xfe,,,,,,,,",
        b"a,\xc3\x28,,,,,,,",
        b"a,flux-2-pro\x1b[2J,,,,,,,",
        b"a,,,,,,,\"data:image/png;base64,@@@@\",",
    ];
    let mut file = format!("\u{feff}{heading}\r\n").into_bytes();
    for row in rows {
        file.extend_from_slice(row);
        file.extend_from_slice(b"\r\n");
    }
    file.extend_from_slice(b"good,flux-2-klein-4b,1,,7,64,64,,png\r\n");
    let path = env.path("jobs.csv");
    std::fs::write(&path, &file).unwrap();
    let plan = dry_run(&env, path_text(&path));
    let refused = refusals(&plan);
    // An empty line is no row in CSV.
    let expected: Vec<u64> = (1..rows.len() as u64).map(|index| index + 2).collect();
    assert_eq!(refused.keys().copied().collect::<Vec<_>>(), expected, "{refused:#?}");
    assert_eq!(plan["count"], 1);
    let made = env.json(&["submit", "--json", "--skip-invalid", "--file", path_text(&path)]);
    assert_eq!(made.as_array().unwrap().len(), 1);
}

#[test]
fn unusable_file_is_rejected_with_one_line() {
    let env = TestEnv::new();
    let quoted = format!("prompt\n\"{}", "never closed\n".repeat(1_000));
    for (name, contents) in [
        ("empty.csv", Vec::new()),
        ("empty.jsonl", Vec::new()),
        ("blank.jsonl", b"\n\n  \r\n".to_vec()),
        ("mark.csv", b"\xef\xbb\xbf".to_vec()),
        ("heading.csv", b"prompt,seed\n".to_vec()),
        ("twice.csv", b"prompt,prompt\na,b\n".to_vec()),
        ("unnamed.csv", b",\na,b\n".to_vec()),
        ("binary.csv", vec![0; 4_096]),
        ("wide.csv", format!("{}\na\n", "x,".repeat(100_000)).into_bytes()),
        ("utf32.csv", b"\xff\xfe\0\0p\0\0\0".to_vec()),
        ("control.csv", b"\x1b[2Jprompt\na\n".to_vec()),
        ("latin.csv", b"pr\xf6mpt\na\n".to_vec()),
    ] {
        let path = env.path(name);
        std::fs::write(&path, contents).unwrap();
        let printed = env.fails(1, &["submit", "--file", path_text(&path)]);
        assert_eq!(printed.lines().count(), 1, "{name}: {printed}");
        assert!(printed.starts_with("darkroom: ") && printed.len() < 1_200, "{name}: {printed}");
        assert!(!printed.contains("panicked") && !printed.contains('\u{1b}'), "{name}: {printed:?}");
    }
    // A quote that is never closed takes all lines behind it, and they are counted.
    let file = env.file("quoted.csv", &quoted);
    let plan = dry_run(&env, path_text(&file));
    assert_eq!((&plan["count"], &plan["refused"][0]["last_line"]), (&0.into(), &1_001.into()), "{plan}");
    let printed = env.fails(1, &["submit", "--file", path_text(&env.path("logs"))]);
    assert_eq!(printed.lines().count(), 1, "{printed}");
    assert!(!env.data().join("darkroom.db").exists(), "nothing was submitted");
}
