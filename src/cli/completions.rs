//! `darkroom completions SHELL`. Must not write anywhere but to standard output.

use clap::Args;
use clap_complete::Shell;

use super::error::CliError;
use super::{args, output};

/// Completions for a shell
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Which shell
    pub shell: Shell,
}

/// Prints the completions.
pub fn run(args: &CompletionsArgs, json: bool) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut args::command(), "darkroom", &mut script);
    let script = String::from_utf8_lossy(&script);
    if json {
        return output::write_json(&serde_json::json!({ "shell": args.shell.to_string(), "script": script }));
    }
    output::write_text(&script)
}
