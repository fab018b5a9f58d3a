//! The executable: panic reports, and the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Fails only if a hook is installed already; then panic reports are plainer.
    let _ = color_eyre::install();
    darkroom::cli::run(std::env::args_os())
}
