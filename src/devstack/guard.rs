//! Owns the guard of one server, a process of its own: it ends the server when the process that started it is gone. Must not
//! outlive the server.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use super::group;

/// The hidden subcommand that is the guard.
pub const GUARD: &str = "guard-server";

/// How often it looks whether the server has ended by itself.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Runs `command` until it ends, or until standard input closes; then nothing of it is left. The first line on standard output
/// is the server's process id; what the server says goes to standard error. Returns whether the server did not fail. Errors: it
/// cannot be started.
pub fn guard(command: &[OsString]) -> io::Result<bool> {
    let [program, arguments @ ..] = command else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no program to guard"));
    };
    group::adopt_orphans();
    let mut server = Command::new(program);
    server.args(arguments).stdin(Stdio::null()).stdout(same_as_standard_error()?).stderr(Stdio::inherit());
    group::apart(&mut server);
    let mut server = server.spawn()?;
    let told = writeln!(io::stdout(), "{}", server.id()).and_then(|()| io::stdout().flush());
    let (close, closed) = mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 64];
        // Nothing is ever written to the pipe.
        while io::stdin().read(&mut buffer).is_ok_and(|read| read > 0) {}
        let _: Result<(), _> = close.send(());
    });
    let mut well = true;
    // Whoever does not take the process id is gone already.
    while told.is_ok() && closed.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
        if let Some(status) = server.try_wait()? {
            well = status.success();
            break;
        }
    }
    group::end(&mut server);
    Ok(well)
}

#[cfg(unix)]
fn same_as_standard_error() -> io::Result<Stdio> {
    use std::os::fd::AsFd;
    Ok(io::stderr().as_fd().try_clone_to_owned()?.into())
}

#[cfg(not(unix))]
fn same_as_standard_error() -> io::Result<Stdio> {
    Ok(Stdio::null())
}
