//! Process groups: a server may be a script that starts other programs, so the whole group is stopped. Only processes that
//! darkroom started are touched.

use std::process::{Child, Command};

/// Puts the command into a group of its own, which a Ctrl-C in the terminal does not reach.
#[cfg(unix)]
pub(super) fn apart(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

/// Makes orphans of the server children of this process, so that their exit is noticed.
pub(super) fn adopt_orphans() {
    // Without it an orphan that is not reaped looks alive, which only makes stopping slower.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
}

/// Terminates the leader's whole group, then kills it. Returns when no process of it is left.
#[cfg(unix)]
pub(super) fn stop(leader: &mut Child) {
    use std::time::{Duration, Instant};

    use rustix::process::{Signal, WaitOptions, kill_process_group, test_kill_process_group, waitpgid};

    let Some(group) = pid(leader.id()) else { return };
    for (signal, timeout) in [(Signal::TERM, Duration::from_secs(5)), (Signal::KILL, Duration::from_secs(5))] {
        let until = Instant::now() + timeout;
        // An error means that the group has exited.
        let _ = kill_process_group(group, signal);
        while Instant::now() < until {
            let _ = leader.try_wait();
            while matches!(waitpgid(group, WaitOptions::NOHANG), Ok(Some(_))) {}
            if test_kill_process_group(group).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Kills the group of that leader at once.
#[cfg(unix)]
pub(super) fn kill(leader: u32) {
    if let Some(group) = pid(leader) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

#[cfg(unix)]
fn pid(id: u32) -> Option<rustix::process::Pid> {
    rustix::process::Pid::from_raw(i32::try_from(id).ok()?)
}

/// There are no groups: Ctrl-C reaches every process, and the watchdog notices the closed pipe.
#[cfg(not(unix))]
pub(super) fn apart(_command: &mut Command) {}

/// Stops the server.
#[cfg(not(unix))]
pub(super) fn stop(leader: &mut Child) {
    let _ = leader.kill();
    let _ = leader.wait();
}

/// A process cannot be stopped by its id alone.
#[cfg(not(unix))]
pub(super) fn kill(_leader: u32) {}
