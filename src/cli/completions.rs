//! `darkroom completions SHELL`.

use clap_complete::Shell;

use super::error::CliError;
use super::output;

/// Prints the completions of `command`.
pub fn run(mut command: clap::Command, shell: Shell, json: bool) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "darkroom", &mut script);
    let script = String::from_utf8_lossy(&script);
    if json {
        return output::write_json(&serde_json::json!({ "shell": shell.to_string(), "script": script }));
    }
    output::write_text(&script)
}
