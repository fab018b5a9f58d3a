//! The executable: the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    darkroom::cli::run(std::env::args_os())
}
