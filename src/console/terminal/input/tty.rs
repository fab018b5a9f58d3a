//! The terminal as a file to wait for and to read.

use std::fs::File;
use std::io::{self, IsTerminal, PipeReader};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// A read will not block.
    Readable,
    /// The time is over.
    TimedOut,
    /// The terminal hung up, or the console has ended.
    Gone,
}

/// The terminal's input.
pub struct Tty {
    input: OwnedFd,
    /// Hangs up when the console ends.
    stopped: PipeReader,
}

impl Tty {
    /// Standard input where that is a terminal, else the controlling terminal.
    pub fn open(stopped: PipeReader) -> io::Result<Self> {
        let input = if io::stdin().is_terminal() {
            io::stdin().as_fd().try_clone_to_owned()?
        } else {
            File::open("/dev/tty")?.into()
        };
        Ok(Self { input, stopped })
    }

    /// Waits for bytes, at most for `timeout`.
    pub fn wait(&self, timeout: Option<Duration>) -> Readiness {
        let limit = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let mut fds = [PollFd::new(&self.input, PollFlags::IN), PollFd::new(&self.stopped, PollFlags::IN)];
        match poll(&mut fds, limit.as_ref()) {
            Ok(0) | Err(rustix::io::Errno::INTR) => Readiness::TimedOut,
            Ok(_) => {
                let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
                // After a hang-up a terminal is readable for ever.
                if fds.iter().any(|fd| fd.revents().intersects(gone)) { Readiness::Gone } else { Readiness::Readable }
            }
            Err(_) => Readiness::Gone,
        }
    }

    /// Reads what has arrived.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(&self.input, buffer)?)
    }
}
