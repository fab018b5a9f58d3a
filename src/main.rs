//! The program: reports for what must not happen, the command line for everything else.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Cannot fail: nothing else in this process installs a hook. Were it so, reports would only be plainer.
    let _ = color_eyre::install();
    darkroom::cli::run(std::env::args_os())
}
