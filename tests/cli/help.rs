//! The help of every command, recorded: a change of a text or a flag shows in a review.

use crate::support::{TestEnv, text};

#[test]
fn help_of_every_command_is_recorded() {
    let env = TestEnv::new();
    for path in [
        "",
        "worker",
        "submit",
        "jobs",
        "jobs list",
        "jobs show",
        "jobs retry",
        "jobs cancel",
        "jobs approve",
        "jobs reject",
        "jobs hide",
        "jobs unhide",
        "tasks",
        "tasks set",
        "costs",
        "costs rebuild",
        "costs drift",
        "costs uncertain",
        "costs resolve",
        "costs usage",
        "audit",
        "logs",
        "pause",
        "resume",
        "takeover",
        "import",
        "export",
        "prune",
        "simulate",
        "demo",
        "dev",
        "doctor",
        "config",
        "completions",
        "man",
    ] {
        let arguments: Vec<&str> = path.split_whitespace().chain(["--help"]).collect();
        let output = env.command(&arguments).env("COLUMNS", "100").output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{path}");
        let name = if path.is_empty() { "darkroom".to_owned() } else { path.replace(' ', "_") };
        insta::assert_snapshot!(name, text(&output.stdout));
    }
}

#[test]
fn man_pages_are_written_for_every_command() {
    let env = TestEnv::new();
    let page = text(&env.run(&["man"]).stdout);
    assert!(page.contains(".TH darkroom 1"), "{page:.200}");
    let dir = env.path("man");
    let names = env.json(&["man", dir.to_str().unwrap(), "--json"]);
    for name in ["darkroom.1", "darkroom-submit.1", "darkroom-jobs-list.1"] {
        assert!(names.as_array().unwrap().iter().any(|found| found == name), "{names}");
        assert!(std::fs::read_to_string(dir.join(name)).unwrap().contains(".SH NAME"), "{name}");
    }
    assert!(!names.to_string().contains("guard-server"), "internal commands have no page: {names}");
    let refused = env.fails(2, &["man", "submit"]);
    assert!(refused.contains("`darkroom submit --help`") && !env.path("submit").exists(), "{refused}");
}
