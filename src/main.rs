//! The executable: the command line.

use std::process::ExitCode;

// Only here: a program that uses the library chooses its own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    darkroom::cli::run(std::env::args_os())
}
