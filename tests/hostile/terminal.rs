//! Texts that steer a terminal reach no output of the command line raw: not in tables, not in errors, not in the log.

use std::process::Output;

use serde_json::json;

use crate::support::{TestEnv, path_text, text};

/// Clears the screen, sets the title, rings, writes into the clipboard, turns the direction, hides, and ends the line.
const EVIL: &str = "fox \u{1b}[2J\u{1b}]0;owned\u{7}\u{1b}]52;c;ZXZpbA==\u{7}\u{9b}31m\u{202e}txt.exe\u{200b}\u{feff}\r\nrm -rf\u{0}\u{8}\u{7f}";

fn is_clean(what: &str, output: &Output) {
    for (stream, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        let shown = text(bytes);
        let hidden = |character: &char| {
            (character.is_control() && *character != '\n')
                || matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
        };
        assert_eq!(shown.chars().find(hidden), None, "{what} {stream}: {shown:?}");
    }
}

#[test]
fn hostile_texts_print_no_control_codes() {
    let env = TestEnv::new();
    let line = |more: serde_json::Value| {
        let mut line = json!({"prompt": EVIL, "model": "flux-2-klein-4b", "width": 64, "height": 64, "tags": [EVIL]});
        line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        line.to_string()
    };
    let lines = [
        line(json!({})),
        line(json!({"prompt": format!("{EVIL} [sim:moderated]")})),
        line(json!({"prompt": format!("{EVIL} [sim:500]")})),
    ];
    let file = env.file("jobs.jsonl", &lines.join("\n"));
    let plan = env.run(&["submit", "--dry-run", "--file", path_text(&file)]);
    assert_eq!(plan.status.code(), Some(0));
    is_clean("dry run", &plan);
    is_clean("submit", &env.run(&["submit", "--file", path_text(&file)]));
    is_clean("queued", &env.run(&["jobs", "list"]));
    is_clean("worker", &env.run(&["worker", "--until-idle", "--verbose"]));
    let jobs = env.jobs();
    assert_eq!(jobs.len(), 3);
    assert!(jobs.iter().all(|job| job["prompt"].as_str().unwrap().starts_with(EVIL)), "what is stored is not changed");
    let listed = env.run(&["jobs", "list"]);
    is_clean("list", &listed);
    assert_eq!(text(&listed.stdout).matches("fox").count(), 3);
    for job in &jobs {
        let id = job["id"].as_str().unwrap();
        for command in ["show", "retry", "approve", "cancel"] {
            is_clean(command, &env.run(&["jobs", command, id]));
        }
    }
    for by in ["model", "day", "service", "cause"] {
        is_clean(by, &env.run(&["costs", "--by", by]));
    }
    // JSON carries the text whole, and escapes it.
    let raw = env.run(&["jobs", "list", "--json"]);
    assert!(!raw.stdout.iter().any(|byte| *byte < b' ' && *byte != b'\n'), "control characters are escaped");
    for entry in std::fs::read_dir(env.path("logs")).unwrap() {
        let log = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!log.iter().any(|byte| *byte < b' ' && *byte != b'\n'), "{}", text(&log));
    }
}

#[test]
fn errors_are_printed_without_control_codes() {
    let env = TestEnv::new();
    let evil_file = env.file("evil\u{1b}[2J.csv", "promt\u{1b}[2J\nx\n");
    let no_nul = EVIL.replace('\0', "");
    for arguments in [
        &["jobs", "show", &no_nul][..],
        &["jobs", "cancel", &no_nul],
        &["jobs", "list", "--since", &no_nul],
        &["jobs", "list", "--status", &no_nul],
        &["costs", "--by", &no_nul],
        &["submit", "a", "--model", &no_nul],
        &["submit", "a", "--seed", &no_nul],
        &["submit", "a", "--input-image", &no_nul],
        &["submit", "--file", &no_nul],
        &["submit", "--file", path_text(&evil_file)],
        &["--provider", &no_nul, "jobs"],
        &["worker", "--slots", &no_nul],
        &["simulate", "--fault", &no_nul],
        &["simulate", "--speed", &no_nul],
        &["completions", &no_nul],
        &[no_nul.as_str()],
    ] {
        let output = env.run(arguments);
        assert_ne!(output.status.code(), Some(0), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
        is_clean(&format!("{arguments:?}"), &output);
    }
}
