//! The watchdog of one server: a process that stops the server when the process that started it has exited.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use super::process_group;

/// The hidden subcommand of the watchdog.
pub const WATCHDOG_COMMAND: &str = "guard-server";

/// Interval between checks of the server process.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// Runs `command` until it exits or standard input closes, then stops its whole process group. The first line on standard output
/// is the process id of the server; the server's output goes to standard error. Returns whether the server succeeded. Errors: it
/// cannot be started.
pub fn watchdog(command: &[OsString]) -> io::Result<bool> {
    let [program, arguments @ ..] = command else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no program given"));
    };
    process_group::adopt_orphans();
    let mut server = Command::new(program);
    server.args(arguments).stdin(Stdio::null()).stdout(same_as_standard_error()?).stderr(Stdio::inherit());
    process_group::apart(&mut server);
    let mut server = server.spawn()?;
    let reported = writeln!(io::stdout(), "{}", server.id()).and_then(|()| io::stdout().flush());
    let (close, closed) = mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 64];
        // No data is ever written to the pipe.
        while io::stdin().read(&mut buffer).is_ok_and(|read| read > 0) {}
        let _: Result<(), _> = close.send(());
    });
    let mut success = true;
    // If the process id cannot be written, the starting process is gone already.
    while reported.is_ok() && closed.recv_timeout(CHECK_INTERVAL) == Err(RecvTimeoutError::Timeout) {
        if let Some(status) = server.try_wait()? {
            success = status.success();
            break;
        }
    }
    process_group::stop(&mut server);
    Ok(success)
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
