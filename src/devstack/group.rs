//! Owns process groups: a server may be a script that leaves a program behind, so all that it started ends with it. Must not
//! touch a process that darkroom did not start.

use std::process::{Child, Command};

/// The command gets a group of its own; a Ctrl-C in the terminal does not reach it.
#[cfg(unix)]
pub(super) fn apart(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

/// What the server leaves behind becomes a child of this process, so that its end can be seen.
pub(super) fn adopt_orphans() {
    // Without it an orphan that nobody takes in looks alive: ending takes longer, nothing else.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
}

/// Asks the leader's whole group to end, then makes it. Returns when nothing of it is left.
#[cfg(unix)]
pub(super) fn end(leader: &mut Child) {
    use std::time::{Duration, Instant};

    use rustix::process::{Signal, WaitOptions, kill_process_group, test_kill_process_group, waitpgid};

    let Some(group) = pid(leader.id()) else { return };
    for (signal, patience) in [(Signal::TERM, Duration::from_secs(5)), (Signal::KILL, Duration::from_secs(5))] {
        let until = Instant::now() + patience;
        // An error says that nobody is there any more.
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

/// Ends the group of that leader at once: its guard is gone.
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

/// There are no groups: the terminal's Ctrl-C reaches all, and the guard outlives it by the closed pipe.
#[cfg(not(unix))]
pub(super) fn apart(_command: &mut Command) {}

/// Ends the server.
#[cfg(not(unix))]
pub(super) fn end(leader: &mut Child) {
    let _ = leader.kill();
    let _ = leader.wait();
}

/// Nothing can be ended by its id alone.
#[cfg(not(unix))]
pub(super) fn kill(_leader: u32) {}
