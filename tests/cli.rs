//! The command line: the real program, its exit codes, its streams, its JSON.

mod audit;
mod bulk;
mod config;
mod costs;
mod file;
mod help;
mod jobs;
mod matrix;
mod money;
mod prune;
mod search;
mod submit;
#[cfg(unix)]
mod worker;
mod working;

use std::io::Read;
use std::process::Stdio;

use crate::support::{TestEnv, text};

const COMMANDS: [&[&str]; 17] = [
    &[],
    &["worker"],
    &["submit"],
    &["jobs"],
    &["jobs", "list"],
    &["jobs", "show"],
    &["jobs", "retry"],
    &["jobs", "cancel"],
    &["jobs", "approve"],
    &["costs"],
    &["costs", "rebuild"],
    &["import"],
    &["export"],
    &["prune"],
    &["simulate"],
    &["doctor"],
    &["completions"],
];

#[test]
fn every_command_has_help_and_json() {
    let env = TestEnv::new();
    for command in COMMANDS {
        let output = env.run(&[command, &["--help"]].concat());
        assert_eq!(output.status.code(), Some(0), "{command:?}");
        let help = text(&output.stdout);
        assert!(help.contains("Usage: darkroom") && help.contains("--json"), "{command:?}: {help}");
        assert!(output.stderr.is_empty(), "{command:?}");
    }
    let version = text(&env.run(&["--version"]).stdout);
    assert_eq!(version.trim(), format!("darkroom {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn invalid_usage_exits_with_2() {
    let env = TestEnv::new();
    for arguments in [
        &["nonsense"][..],
        &["jobs", "list", "--status", "finished"],
        &["jobs", "list", "--since", "yesterday"],
        &["jobs", "list", "--limit", "0"],
        &["jobs", "show"],
        &["costs", "--by", "colour"],
        &["costs", "--days", "0"],
        &["submit", "--no-such-flag", "x"],
        &["submit", "a fox", "--seed", "many"],
        &["submit", "a fox", "--model", "flux-99"],
        &["submit", "a fox", "--count", "0"],
        &["submit", "a fox", "--file", "x.csv"],
        &["submit"],
        &["--json"],
        &["--observe", "jobs"],
        &["--provider", "dalle", "jobs"],
        &["worker", "--slots", "0"],
        &["completions", "tcsh-ish"],
    ] {
        let output = env.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty(), "{arguments:?}: {}", text(&output.stdout));
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
    assert!(!env.data().exists(), "wrong usage must not create anything");
}

#[test]
fn completions_contain_model_parameters() {
    let env = TestEnv::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = env.run(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        let script = text(&output.stdout);
        assert!(script.contains("safety-tolerance") && script.contains("approve"), "{shell}");
    }
    assert_eq!(env.json(&["completions", "fish", "--json"])["shell"], "fish");
}

#[test]
fn closed_pipe_is_not_an_error() {
    let env = TestEnv::new();
    env.queue(300);
    let mut child = env.command(&["jobs", "list", "--json", "--limit", "1000"]).spawn().unwrap();
    let mut first = [0];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""));
    assert_eq!(&first, b"[");
}

#[test]
fn console_without_terminal_is_invalid_usage() {
    let env = TestEnv::new();
    let output = env.command(&[]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("terminal"), "{}", text(&output.stderr));
}
